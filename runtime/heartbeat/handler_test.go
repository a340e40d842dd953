package heartbeat_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime/heartbeat"
)

// post sends a request to the site and returns status and body.
func (s *site) post(method, target, body string) (int, string) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			s.engine.Serve(c, nil)
		}
	}()
	r, err := http.NewRequest(method, "http://"+l.Addr().String()+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultTransport.RoundTrip(r)
	l.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	<-done
	return answer.StatusCode, string(b)
}

const handler = "<Location /hb>\nSetHandler heartbeat\nRequire local\n</Location>\n"

// TestPosted: as httpd answered the same requests, but for figures that don't fit.
func TestPosted(t *testing.T) {
	at := freePort(t)
	s := begin(t, "HeartbeatMaxServers 0\nHeartbeatStorage beats\nDefaultRuntimeDir .\nHeartbeatListen "+at+"\n"+handler)
	s.wait("AH02091", "AH02090")
	last := ""
	for _, c := range []struct {
		body   string
		status int
		line   string // of the file, without the time; "" for as before
		logged string
	}{
		{"v=1&ready=75&busy=3", 200, "ready=75&busy=3 port=80", ""},
		{"v=1&ready=5&busy=2&port=81", 200, "ready=5&busy=2 port=81", ""},
		{"ready=1", 400, "", "AH10563: Missing required parameters: busy and/or ready"},
		{"busy=1", 400, "", "AH10563"},
		{"", 400, "", "AH10563"},
		{"READY=4&busy=2", 200, "ready=4&busy=2 port=80", ""},
		{"ready&busy", 200, "ready=1&busy=1 port=80", ""},
		{"ready=&busy=1", 200, "ready=0&busy=1 port=80", ""},
		{"ready=12x&busy=3", 200, "ready=0&busy=3 port=80", "AH10566: Invalid ready value: 12x, using 0"},
		{"ready=1&busy=1x", 200, "ready=1&busy=0 port=80", "AH10565: Invalid busy value: 1x, using 0"},
		{"ready=1&busy=1&port=70000", 200, "ready=1&busy=1 port=80", "AH10564: Invalid port value: 70000, using default 80"},
		{"ready=-3&busy=2", 200, "ready=0&busy=2 port=80", ""},
		{"ready=9&busy=99999999999999999999", 200, "ready=9&busy=16777216 port=80", ""},
		{"ready=7&busy=4&x=" + strings.Repeat("a", 1500) + "&busy=9", 200, "ready=7&busy=4 port=80", ""},
	} {
		status, body := s.post("POST", "/hb", c.body)
		if status != c.status || status == 200 && body != "OK" {
			t.Errorf("%.40s: %d %q", c.body, status, body)
		}
		if c.logged != "" {
			s.wait(c.logged, "")
		}
		if c.line != "" {
			last = c.line
		}
		text, err := os.ReadFile(filepath.Join(s.dir, "beats"))
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Split(strings.TrimSpace(strings.TrimPrefix(string(text), "127.0.0.1 &")), "&")
		if len(f) != 4 || f[0]+"&"+f[1]+" "+f[3] != last {
			t.Errorf("%.40s: %q, want %s", c.body, text, last)
		}
	}
	if status, _ := s.post("GET", "/hb", ""); status != 405 {
		t.Errorf("GET: %d", status)
	}
}

// TestPostedInMemory: elections see at once what was posted. Nothing listens, nothing is taken.
func TestPostedInMemory(t *testing.T) {
	s := begin(t, "HeartbeatListen "+freePort(t)+"\n"+handler)
	if status, _ := s.post("POST", "/hb", "ready=40&busy=2"); status != 200 {
		t.Fatal(status)
	}
	find, err := heartbeat.Of(s.engine.Graph()).Beats()
	if err != nil {
		t.Fatal(err)
	}
	if b, known := find("127.0.0.1"); !known || b.Ready != 40 || b.Busy != 2 {
		t.Errorf("%+v %v", b, known)
	}
	s.reload(handler)
	if status, _ := s.post("POST", "/hb", "ready=40&busy=2"); status != 503 {
		t.Errorf("without HeartbeatListen: %d", status)
	}
	s.wait("AH10561: Heartbeat monitoring not active", "")
}

// multicasts skips the test where the machine doesn't deliver to itself what it sends to a group.
func multicasts(t *testing.T, group string) {
	t.Helper()
	addr, err := net.ResolveUDPAddr("udp4", group)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenMulticastUDP("udp4", nil, addr)
	if err != nil {
		t.Skipf("this machine lets nobody join a multicast group: %v", err)
	}
	defer l.Close()
	c, err := net.Dial("udp4", group)
	if err != nil {
		t.Skipf("this machine has no way to a multicast group: %v", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Skipf("this machine sends nothing to a multicast group: %v", err)
	}
	l.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := l.Read(make([]byte, 10)); err != nil {
		t.Skipf("this machine doesn't hear what it sends to a multicast group: %v", err)
	}
}

// TestMulticast hears what is sent to a group.
func TestMulticast(t *testing.T) {
	_, port, err := net.SplitHostPort(freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	group := "239.255.83.21:" + port
	multicasts(t, group)
	s := begin(t, "HeartbeatListen "+group)
	s.wait("AH02091", "AH02072")
	send(t, group, "v=1&ready=11&busy=5")
	s.wait("busy=5 ready=11", "")
}
