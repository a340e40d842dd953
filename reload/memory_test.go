package reload

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/all"
)

// heap is what is in use after everything that can be collected is.
func heap() uint64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestReloadsLeakNoGraph: 500 reloads of 200 virtual hosts, under a tunnel that stays open and a connection that is
// kept, leave one graph in memory.
func TestReloadsLeakNoGraph(t *testing.T) {
	s := newSite(t)
	upgrading := upgradingBackend(t)
	var hosts strings.Builder
	for i := range 200 {
		fmt.Fprintf(&hosts, "<VirtualHost *:%d>\nServerName v%d.test\nHeader set X-Host %d\nRewriteEngine On\nRewriteRule ^/a(.*)b%d$ /c\nProxyPass /ws http://%s upgrade=websocket\nProxyPass / http://%s/\n</VirtualHost>\n",
			s.port, i, i, i, upgrading, s.backends[0])
	}
	s.write("hosts.conf", hosts.String())
	main := func(n int) string { return s.main(n) + "Timeout 600\nInclude hosts.conf\n" } // the tunnel is idle for as long as a slow machine takes
	s.write("httpd.conf", main(0))
	sv := s.start()
	tunnel := s.openTunnel("v7.test")
	defer tunnel.Close()
	kept := &client{address: fmt.Sprintf("127.0.0.1:%d", s.port)}
	defer kept.close()
	if _, err := kept.get("v3.test"); err != nil {
		t.Fatal(err)
	}
	reload := func(n int) {
		s.rename("httpd.conf", main(n))
		if st := sv.Reload(context.Background(), "signal", false); !st.Success {
			t.Fatal(st.Diags)
		}
	}
	first := weak.Make(sv.Engine().Graph())
	var old []weak.Pointer[runtime.Graph]
	for n := range 50 { // pools and caches have their size
		reload(n)
	}
	before := heap()
	const reloads = 500
	for n := range reloads {
		old = append(old, weak.Make(sv.Engine().Graph()))
		reload(n)
		if n%100 == 0 {
			if _, err := kept.get("v3.test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	after := heap()
	if first.Value() != nil {
		t.Error("the graph that the tunnel was opened with is kept in memory")
	}
	left := 0
	for _, g := range old {
		if g.Value() != nil {
			left++
		}
	}
	if left > 2 {
		t.Errorf("%d of %d replaced graphs are kept in memory", left, reloads)
	}
	t.Logf("heap before %d KiB, after %d reloads %d KiB", before>>10, reloads, after>>10)
	if after > before+before/4+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes in %d reloads", before, after, reloads)
	}
	echo(t, tunnel, "still here\n")
}

// TestGracefulStop: a stop ends the tunnel and idle connections, lets a running response end, and leaves nothing.
func TestGracefulStop(t *testing.T) {
	s := newSite(t)
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, "the end")
	}))
	defer slow.Close()
	s.write("httpd.conf", s.main(0)+fmt.Sprintf("ProxyPass /ws http://%s upgrade=websocket\nProxyPass /slow %s\nProxyPass / http://%s/\n",
		upgradingBackend(t), slow.URL, s.backends[0]))
	s.do(os.RemoveAll(s.path("sites")))
	sv := New(Source{Path: s.path("httpd.conf"), Modules: all.Modules(), Parse: parser.Options{ServerRoot: s.dir, Cache: &parser.Cache{}}})
	ready := make(chan struct{})
	sv.Ready = func([]net.Addr) { close(ready) }
	stop, ended := make(chan Stop), make(chan error, 1)
	go func() { ended <- sv.Run(context.Background(), stop) }()
	<-ready
	address := fmt.Sprintf("127.0.0.1:%d", s.port)
	tunnel := s.openTunnel("main.test")
	defer tunnel.Close()
	idle := &client{address: address}
	defer idle.close()
	if _, err := idle.get("main.test"); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", address)
	s.do(err)
	defer silent.Close()
	running, err := net.Dial("tcp", address)
	s.do(err)
	defer running.Close()
	fmt.Fprintf(running, "GET /slow HTTP/1.1\r\nHost: main.test\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(running), nil)
	s.do(err)

	stop <- Stop{Grace: time.Hour}
	for name, c := range map[string]net.Conn{"idle": idle.conn, "tunnel": tunnel, "silent": silent} {
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
			t.Errorf("the %s connection: read %d bytes, %v; expected its end", name, n, err)
		}
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("a new connection was accepted after the stop")
	}
	select {
	case <-ended:
		t.Fatal("the stop did not wait for the running response")
	default:
	}
	close(release)
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "the end" {
		t.Errorf("the running response: %q, %v", b, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSecondStopHurries: a running request that takes for ever is cut by a second, shorter stop.
func TestSecondStopHurries(t *testing.T) {
	s := newSite(t)
	hang := make(chan struct{})
	defer close(hang)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	s.write("httpd.conf", s.main(0)+fmt.Sprintf("ProxyPass / %s/\n", slow.URL))
	s.do(os.RemoveAll(s.path("sites")))
	sv := New(Source{Path: s.path("httpd.conf"), Modules: all.Modules(), Parse: parser.Options{ServerRoot: s.dir}})
	ready := make(chan struct{})
	sv.Ready = func([]net.Addr) { close(ready) }
	stop, ended := make(chan Stop), make(chan error, 1)
	go func() { ended <- sv.Run(context.Background(), stop) }()
	<-ready
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	s.do(err)
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
	_, err = http.ReadResponse(bufio.NewReader(c), nil)
	s.do(err)
	stop <- Stop{Grace: time.Hour}
	stop <- Stop{}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// upgradingBackend switches protocols and sends back what it gets.
func upgradingBackend(t *testing.T) string {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		io.Copy(c, rw)
	}))
	t.Cleanup(b.Close)
	return strings.TrimPrefix(b.URL, "http://")
}

// openTunnel opens a WebSocket at /ws of the host.
func (s *site) openTunnel(host string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	s.do(err)
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", host)
	head := make([]byte, 0, 512)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b[0]) {
		if _, err := io.ReadFull(c, b); err != nil {
			s.t.Fatalf("%v after %q", err, head)
		}
	}
	if !strings.HasPrefix(string(head), "HTTP/1.1 101 ") {
		s.t.Fatalf("expected a switch of protocols, found %q", head)
	}
	c.SetDeadline(time.Time{})
	echo(s.t, c, "hello\n")
	return c
}

func echo(t *testing.T, c net.Conn, text string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	defer c.SetDeadline(time.Time{})
	io.WriteString(c, text)
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("sent %q through the tunnel, got %q, %v", text, b, err)
	}
}
