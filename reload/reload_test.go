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
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pinion/parser"
	"pinion/runtime/all"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a configuration in a folder of its own: a main file that includes sites/*.conf, where sites is a link to
// the folder of a release.
type site struct {
	t        *testing.T
	dir      string
	port     int
	backends []string
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), port: freePort(t)}
	for i := range 3 {
		b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "backend %d", i+1)
		}))
		t.Cleanup(b.Close)
		s.backends = append(s.backends, strings.TrimPrefix(b.URL, "http://"))
	}
	s.write("httpd.conf", s.main(0))
	s.release(0)
	return s
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// main is the main file of generation n.
func (s *site) main(n int) string {
	return fmt.Sprintf(`Listen 127.0.0.1:%d
ServerName main.test
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ErrorLog %s/error.log
LogLevel notice
Header set X-Main %d
IncludeOptional sites/*.conf
`, s.port, s.dir, n)
}

// vhost is the included file of generation n.
func (s *site) vhost(n int) string {
	return fmt.Sprintf(`<VirtualHost *:%d>
  ServerName site.test
  Header set X-Site %d
  <Proxy balancer://app>
    BalancerMember http://%s route=1
    BalancerMember http://%s route=2
    BalancerMember http://%s route=3 loadfactor=%d
  </Proxy>
  ProxyPass / balancer://app/ stickysession=ROUTEID
</VirtualHost>
`, s.port, n, s.backends[0], s.backends[1], s.backends[2], n%100+1)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) rename(name, text string) {
	s.t.Helper()
	s.write(name+".new", text)
	if err := os.Rename(s.path(name+".new"), s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

// release makes a folder with the vhost file of generation n and swaps the link "sites" to it, as ln -sfn does.
func (s *site) release(n int) {
	s.t.Helper()
	folder := fmt.Sprintf("releases/%d", n)
	if err := os.MkdirAll(s.path(folder), 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.write(folder+"/site.conf", s.vhost(n))
	os.Remove(s.path("sites.new"))
	if err := os.Symlink(folder, s.path("sites.new")); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path("sites.new"), s.path("sites")); err != nil {
		s.t.Fatal(err)
	}
}

// start runs a supervisor of the site until the test ends.
func (s *site) start() *Supervisor {
	s.t.Helper()
	sv, stop := s.run()
	s.t.Cleanup(stop)
	return sv
}

// run runs a supervisor of the site until stop is called.
func (s *site) run() (sv *Supervisor, stop func()) {
	s.t.Helper()
	sv = New(Source{Path: s.path("httpd.conf"), Modules: all.Modules(), Parse: parser.Options{ServerRoot: s.dir, Cache: &parser.Cache{}}})
	sv.Debounce = 5 * time.Millisecond
	ready := make(chan struct{})
	sv.Ready = func([]net.Addr) { close(ready) }
	stops := make(chan Stop)
	ended := make(chan error, 1)
	go func() { ended <- sv.Run(context.Background(), stops) }()
	select {
	case <-ready:
	case err := <-ended:
		s.t.Fatal(err, sv.Status().Diags)
	}
	return sv, func() {
		stops <- Stop{Grace: 5 * time.Second}
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// client is an HTTP/1.1 client that retries nothing: a request that gets no answer is a request lost.
type client struct {
	address string
	conn    net.Conn
	br      *bufio.Reader
}

func (c *client) get(host string) (*http.Response, error) {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return nil, err
		}
		c.conn, c.br = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(c.conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 200 || !strings.HasPrefix(string(body), "backend ") {
		return res, fmt.Errorf("answered %s: %q", res.Status, body)
	}
	if res.Close {
		c.close()
	}
	return res, nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// until waits for a condition that needs no longer than a slow machine takes.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestReloadsLoseNoRequest is the promise: under steady load of kept and new connections, 200 reloads of every kind
// answer every request.
func TestReloadsLoseNoRequest(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	address := fmt.Sprintf("127.0.0.1:%d", s.port)
	var answered atomic.Int64
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for i := range 12 {
		fresh := i%3 == 0
		wg.Go(func() {
			c := &client{address: address}
			defer c.close()
			for !stopped.Load() {
				if _, err := c.get("site.test"); err != nil {
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				answered.Add(1)
				if fresh {
					c.close()
				}
			}
		})
	}
	defer wg.Wait()
	defer stopped.Store(true)
	probe := &client{address: address}
	defer probe.close()
	live := func(field string, n int) {
		t.Helper()
		want := fmt.Sprint(n)
		until(t, fmt.Sprintf("%s: %d to be live (last status %+v)", field, n, sv.Status()), func() bool {
			res, err := probe.get("site.test")
			if err != nil {
				t.Fatal(err)
			}
			return res.Header.Get(field) == want
		})
	}
	const reloads = 200
	for n := 1; n <= reloads && !t.Failed(); n++ {
		switch n % 5 {
		case 0:
			s.write("httpd.conf", s.main(n))
			live("X-Main", n)
		case 1:
			s.rename("httpd.conf", s.main(n))
			live("X-Main", n)
		case 2:
			s.release(n)
			live("X-Site", n)
		case 3:
			if st := sv.Reload(context.Background(), "signal", true); !st.Success {
				t.Fatal(st.Diags)
			}
		case 4:
			before := sv.Status().Failures
			s.rename("httpd.conf", s.main(n)+"ProxyPas / http://nowhere/\n")
			until(t, "the broken file to be refused", func() bool { return sv.Status().Failures > before })
			if st := sv.Status(); st.Success || !strings.Contains(st.Diags.Error(), "ProxyPas") {
				t.Fatalf("%+v", st)
			}
			s.rename("httpd.conf", s.main(n))
			live("X-Main", n)
		}
	}
	if answered.Load() < reloads {
		t.Errorf("%d requests were answered during %d reloads: too few to say anything", answered.Load(), reloads)
	}
	t.Logf("%d requests, %d reloads, %d refused", answered.Load(), sv.Status().Successes, sv.Status().Failures)
}

func TestListenersFollowTheFile(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	other := freePort(t)
	kept := &client{address: fmt.Sprintf("127.0.0.1:%d", s.port)}
	defer kept.close()
	if _, err := kept.get("site.test"); err != nil {
		t.Fatal(err)
	}
	s.rename("httpd.conf", s.main(1)+fmt.Sprintf("Listen 127.0.0.1:%d\n", other))
	added := &client{address: fmt.Sprintf("127.0.0.1:%d", other)}
	until(t, "the new address to be served", func() bool {
		c, err := net.Dial("tcp", added.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if _, err := kept.get("site.test"); err != nil {
		t.Fatalf("a kept connection did not survive a new address: %v", err)
	}
	s.rename("httpd.conf", s.main(2))
	until(t, "the address to be gone", func() bool {
		c, err := net.Dial("tcp", added.address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if _, err := kept.get("site.test"); err != nil {
		t.Fatalf("a kept connection did not survive an address's end: %v", err)
	}
	// An address that somebody else has is a failed reload, and everything is as before.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := sv.Status().Failures
	s.rename("httpd.conf", s.main(3)+fmt.Sprintf("Listen %s\n", taken.Addr()))
	until(t, "the reload to fail", func() bool { return sv.Status().Failures > before })
	res, err := kept.get("site.test")
	if err != nil || res.Header.Get("X-Main") != "2" {
		t.Errorf("after a failed reload: %v, %v", res, err)
	}
}

func TestNewFileInAFolderCounts(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	before := sv.Status().Successes
	s.write("sites/more.conf", "<VirtualHost *:"+fmt.Sprint(s.port)+">\nServerName more.test\n</VirtualHost>\n")
	until(t, "the new file to be read", func() bool { return sv.Status().Successes > before })
	if got := len(sv.Engine().Graph().Servers); got != 3 {
		t.Errorf("%d servers, expected 3", got)
	}
	before = sv.Status().Successes
	if err := os.Remove(s.path("sites/more.conf")); err != nil {
		t.Fatal(err)
	}
	until(t, "the file's end to be seen", func() bool { return sv.Status().Successes > before })
}

func TestFirstLoadFails(t *testing.T) {
	s := newSite(t)
	for name, text := range map[string]string{"broken": "Bogus on\n", "no Listen": "ServerName x\n"} {
		s.write("httpd.conf", text)
		err := New(Source{Path: s.path("httpd.conf"), Modules: all.Modules()}).Run(context.Background(), nil)
		if err == nil {
			t.Errorf("%s: was served", name)
		}
	}
}

func TestHashIsOfTheText(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	one := sv.Status().Hash
	if st := sv.Reload(context.Background(), "signal", false); st.Hash != one {
		t.Errorf("the same files gave %s and %s", one, st.Hash)
	}
	s.write("httpd.conf", s.main(9))
	until(t, "the change to be seen", func() bool { return sv.Status().Hash != one })
}
