package proxyhttp

import (
	"strings"
	"testing"
)

const expecting = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"

// TestExpect: the client's Expect goes to the backend, whose 100 Continue goes to the client before its body comes.
func TestExpect(t *testing.T) {
	addr := backend(t, func(_ int, p *peer) {
		h := p.head()
		if !strings.Contains(h, "Expect: 100-continue\r\n") {
			t.Errorf("%q", h)
		}
		p.send("HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n")
		if got := p.bytes(4); got != "body" {
			t.Errorf("%q", got)
		}
		p.send(ok)
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send(expecting)
	if got := p.head(); got != "HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n" {
		t.Errorf("%q", got)
	}
	p.send("body")
	if got := p.rest(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "ok\n") {
		t.Errorf("%q", got)
	}
}

// TestExpectHere: with Proxy100Continue Off this server sends the 100 Continue, and the backend gets no Expect.
func TestExpectHere(t *testing.T) {
	addr, head, body := received(t)
	s := serveConfig(t, "Proxy100Continue Off\nProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send(expecting)
	if got := p.head(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("%q", got)
	}
	p.send("body")
	if got := p.rest(); !strings.HasSuffix(got, "ok\n") {
		t.Errorf("%q", got)
	}
	if h := <-head; strings.Contains(h, "Expect") {
		t.Errorf("%q", h)
	}
	if b := <-body; b != "body" {
		t.Errorf("%q", b)
	}
}

// TestExpectRefused: as in httpd, a refusal on a connection that stays open ends as 500, for no body can be sent; one with
// Connection: close is passed on.
func TestExpectRefused(t *testing.T) {
	for connection, want := range map[string]string{"": "HTTP/1.1 500 ", "Connection: close\r\n": "HTTP/1.1 403 Forbidden\r\n"} {
		addr := backend(t, func(_ int, p *peer) {
			p.head()
			p.send("HTTP/1.1 403 Forbidden\r\n" + connection + "Content-Length: 3\r\n\r\nno\n")
			p.head()
		})
		s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
		if got := ask(t, s, expecting); !strings.HasPrefix(got, want) || !strings.Contains(got, "Connection: close\r\n") {
			t.Errorf("%q: %q", connection, got)
		}
	}
}

// TestPing: with ping= a body waits for the backend's 100 Continue, and a backend that is silent counts as gone.
func TestPing(t *testing.T) {
	hold := make(chan bool)
	addr := backend(t, func(n int, p *peer) {
		if h := p.head(); !strings.Contains(h, "Expect: 100-Continue\r\n") {
			t.Errorf("%q", h)
		}
		if n > 0 {
			<-hold
			return
		}
		p.send("HTTP/1.1 100 Continue\r\n\r\n")
		p.bytes(4)
		p.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n")
	})
	defer close(hold)
	s := serveConfig(t, "ProxyPass / http://"+addr+"/ ping=10\n")
	const request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"
	if got := ask(t, s, request); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("%q", got)
	}
	s = serveConfig(t, "ProxyPass / http://"+addr+"/ ping=20ms\n")
	if got := ask(t, s, request); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(strings.Join(s.logged(), "\n"), "Timeout on 100-Continue") {
		t.Errorf("%q %q", got, s.logged())
	}
}
