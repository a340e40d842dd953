package proxyhttp

import (
	"net"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
)

const second = "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

// TestBadBackend has backends fail in the ways they do; what the client and the log get is httpd's.
func TestBadBackend(t *testing.T) {
	const reason = "Reason: <strong>Error reading from remote server</strong>"
	for _, tt := range []struct{ name, answer, status, text, log string }{
		{"nothing", "", "HTTP/1.1 502 Proxy Error", reason, "AH01102"},
		{"head ends early", "HTTP/1.1 200 OK\r\nX-A: b", "HTTP/1.1 502 Bad Gateway", "", "AH01106"},
		{"line without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "HTTP/1.1 502 Bad Gateway", "", "AH01106"},
		{"name with a blank", "HTTP/1.1 200 OK\r\nX Y: z\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 500 Internal Server Error", "", "AH02429"},
		{"line too long", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 9000) + "\r\n\r\n", "HTTP/1.1 502 Bad Gateway", "", "AH10124"},
		{"endless head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 1200) + "\r\n", "HTTP/1.1 502 Bad Gateway", "", "AH01106"},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi", "HTTP/1.1 502 Bad Gateway", "", "AH01110"},
		{"another version", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 502 Proxy Error", "Corrupt status line returned by remote server: HTTP/2.0 200 OK<", ""},
		{"endless 1xx", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), "HTTP/1.1 502 Proxy Error", "Too many (10) interim responses", ""},
		{"101 unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 502 Proxy Error", "Unexpected Upgrade: x (expecting n/a)", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := backend(t, func(_ int, p *peer) {
				p.head()
				p.Write([]byte(tt.answer)) // fails where the rest isn't read
			})
			s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
			got := ask(t, s, get)
			for strings.HasPrefix(got, "HTTP/1.1 102 ") {
				_, got, _ = strings.Cut(got, "\r\n\r\n")
			}
			if !strings.HasPrefix(got, tt.status+"\r\n") || !strings.Contains(got, tt.text) {
				t.Errorf("expected %q and %q, found\n%q", tt.status, tt.text, got)
			}
			if tt.log != "" && !s.hasLogged(tt.log) {
				t.Errorf("expected %s, found %q", tt.log, s.logged())
			}
			if st := s.pool(0).pool.Stats(); st.Busy != 0 || st.Idle != 0 {
				t.Errorf("expected no connection to be kept, found %+v", st)
			}
		})
	}
}

// TestCutAnswer: when a body ends early, so does the client's connection; what came is passed on.
func TestCutAnswer(t *testing.T) {
	for _, tt := range []struct{ name, answer, want string }{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "\r\n\r\nshort"},
		{"chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nshort", "\r\n\r\n5\r\nshort\r\n"},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "\r\n\r\n5\r\nshort\r\n"},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nnonsense\r\n", "\r\n\r\n5\r\nshort\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := backend(t, func(_ int, p *peer) {
				p.head()
				p.send(tt.answer)
			})
			s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
			p := dial(t, s.addr)
			p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if got := p.rest(); !strings.HasSuffix(got, tt.want) {
				t.Errorf("expected %q at the end of %q", tt.want, got)
			}
			if !s.hasLogged("AH01110") {
				t.Errorf("expected AH01110, found %q", s.logged())
			}
		})
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	if got := ask(t, s, get); !strings.HasPrefix(got, "HTTP/1.1 503 Service Unavailable\r\n") {
		t.Errorf("%q", got)
	}
	want := []string{"AH00957: http: attempt to connect to " + addr + " (" + addr + ") failed", "AH01114: HTTP: failed to make connection to backend: 127.0.0.1"}
	if got := s.logged(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("expected %q, found %q", want, got)
	}
	if !strings.Contains(s.lines.String(), "(111)Connection refused: AH00957") {
		t.Errorf("expected the cause, found %q", s.lines.String())
	}
	if w := s.worker(0); !w.Usable() {
		t.Error("a worker outside of a balancer was put in error")
	}
	s = serveConfig(t, "ProxyPass / http://"+addr+"/\n", func(s *server) { s.worker(0).Params.Status = 0 }) // as a member of a balancer is
	ask(t, s, get)
	if s.worker(0).Usable() || !s.hasLogged("AH00959") {
		t.Errorf("expected the worker in error, found %v, %q", s.worker(0).Status(), s.logged())
	}
}

func TestUnknownHost(t *testing.T) {
	s := serveConfig(t, "ProxyPass / http://no-such-host.invalid/\n")
	got := ask(t, s, get)
	if !strings.HasPrefix(got, "HTTP/1.1 500 Proxy Error\r\n") || !strings.Contains(got, "DNS lookup failure for: no-such-host.invalid") {
		t.Errorf("%q", got)
	}
}

// TestTimeout: httpd answers 502, not 504, for a backend that doesn't answer in time.
func TestTimeout(t *testing.T) {
	hold := make(chan bool)
	addr := backend(t, func(_ int, p *peer) {
		if strings.Contains(p.head(), "/half") {
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		}
		<-hold
	})
	defer close(hold)
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n", func(s *server) { s.worker(0).Params.Timeout = runtime.Some(30 * time.Millisecond) })
	got := ask(t, s, get)
	if !strings.HasPrefix(got, "HTTP/1.1 502 Proxy Error\r\n") || !s.hasLogged("AH01102") {
		t.Errorf("%q %q", got, s.logged())
	}
	if got = ask(t, s, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\nhalf") || !s.hasLogged("AH01110") {
		t.Errorf("%q %q", got, s.logged())
	}
}

// TestClosedWithoutAnswer: a client whose connection has served a request is not told of a backend that resets, but may
// try again.
func TestClosedWithoutAnswer(t *testing.T) {
	addr := backend(t, func(_ int, p *peer) {
		for strings.HasPrefix(p.head(), "GET") {
			p.send(ok)
		}
		p.reset()
	})
	s := serveConfig(t, "LogLevel debug\nProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	p.head()
	p.bytes(3)
	p.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	if got := p.rest(); got != "" {
		t.Errorf("expected no answer, found %q", got)
	}
	if !s.hasLogged("AH01104") {
		t.Errorf("%q", s.logged())
	}
}

// TestKeptConnectionClosed: a backend may close a kept connection at any time. What may be sent twice is; the rest looks
// at the connection first.
func TestKeptConnectionClosed(t *testing.T) {
	for _, request := range []string{second, "POST /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"} {
		closed := make(chan bool)
		addr := backend(t, func(n int, p *peer) {
			for h := p.head(); h != ""; h = p.head() {
				p.body(h)
				p.send(ok)
				if n == 0 {
					p.Close()
					close(closed)
					return
				}
			}
		})
		s := serveConfig(t, "LogLevel debug\nProxyPass / http://"+addr+"/\n")
		p := dial(t, s.addr)
		p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		p.head()
		p.bytes(3)
		<-closed
		p.send(request)
		if got := p.rest(); !strings.HasSuffix(got, "ok\n") {
			t.Errorf("%.4s: %q %q", request, got, s.logged())
		}
		if !s.hasLogged("AH00951") {
			t.Errorf("%.4s: expected the closed connection to be met, found %q", request, s.logged())
		}
	}
}

// TestResetAfterRead: a backend that reads a repeatable request on a kept connection and resets gets it once.
func TestResetAfterRead(t *testing.T) {
	asked := make(chan string, 100)
	addr := backend(t, func(n int, p *peer) {
		for h := p.head(); h != ""; h = p.head() {
			asked <- h
			if strings.Contains(h, "/2") {
				p.reset()
				return
			}
			p.send(ok)
		}
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	p.head()
	p.bytes(3)
	p.send(second)
	if got := p.rest(); got != "" {
		t.Errorf("%q", got)
	}
	if n := len(asked); n != 2 {
		t.Errorf("expected each of two requests once, found %d requests", n)
	}
}

// TestQuits: where a backend is known to close its connections after an answer, a reset on a kept one is taken for such a
// close, and the request sent again.
func TestQuits(t *testing.T) {
	closed := make(chan bool)
	addr := backend(t, func(n int, p *peer) {
		p.head()
		p.send(ok)
		switch n {
		case 0:
			p.Close()
			close(closed)
		case 1:
			p.head()
			p.reset()
		}
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	for i := range 3 {
		p.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := p.head(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("request %d: %q", i, got)
		}
		p.bytes(3)
		if i == 0 {
			<-closed
		}
	}
}

func TestAcquire(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	addr := backend(t, func(_ int, p *peer) {
		p.head()
		entered <- true
		<-leave
		p.send(ok)
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/ max=1 acquire=20\n")
	p := dial(t, s.addr)
	p.send(get)
	<-entered
	if got := ask(t, s, get); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !s.hasLogged("AH00941") {
		t.Errorf("%q %q", got, s.logged())
	}
	leave <- true
	if got := p.rest(); !strings.HasSuffix(got, "ok\n") {
		t.Errorf("%q", got)
	}
}

// TestClientGone: a client that leaves in the midst of an answer costs the backend's connection, nothing else.
func TestClientGone(t *testing.T) {
	done := make(chan error, 1)
	addr := backend(t, func(_ int, p *peer) {
		p.head()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		piece := make([]byte, 1<<20)
		for {
			if _, err := p.Write(piece); err != nil {
				done <- err
				return
			}
		}
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send(get)
	p.bytes(1 << 20)
	p.reset()
	if err := <-done; strings.Contains(err.Error(), "timeout") {
		t.Errorf("the backend was not told: %v", err)
	}
	if s.hasLogged("AH01110") {
		t.Errorf("the client's end was taken for the backend's: %q", s.logged())
	}
}
