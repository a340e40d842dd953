package proxyhttp

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
)

const (
	upgrade  = "GET /ws HTTP/1.1\r\nHost: www.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
	switched = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\n\r\n"
)

// echo upgrades and sends back what comes until the client's stream ends.
func echo(_ int, p *peer) {
	if h := p.head(); !strings.HasSuffix(h, "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n") {
		p.t.Errorf("head: %q", h)
	}
	p.send(switched + "early")
	io.Copy(p.Conn, p.r)
	// A tunnel that was cut takes no farewell, and that is fine: who expects one reads it.
	io.WriteString(p.Conn, "bye")
}

// open starts a tunnel and reads its head.
func open(t *testing.T, s *server) *peer {
	p := dial(t, s.addr)
	p.send(upgrade + "hello")
	const want = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
	if got := p.head(); got != want {
		t.Errorf("expected %q, found %q", want, got)
	}
	if got := p.bytes(10); got != "earlyhello" {
		t.Errorf("%q", got)
	}
	return p
}

func TestTunnel(t *testing.T) {
	for _, config := range []string{"ProxyPass / http://B/ upgrade=websocket", "ProxyPass / http://B/ upgrade=ANY", "ProxyPass / ws://B/"} {
		addr := backend(t, echo)
		s := serveConfig(t, strings.ReplaceAll(config, "B", addr))
		p := open(t, s)
		p.send("more")
		if got := p.bytes(4); got != "more" {
			t.Errorf("%s: %q", config, got)
		}
		if p.Conn.(interface{ CloseWrite() error }).CloseWrite() != nil {
			t.Error("half-close failed")
		}
		if got := p.rest(); got != "bye" {
			t.Errorf("%s: expected what came after the half-close, found %q", config, got)
		}
	}
}

// TestTunnelOutlivesGraph: a reload neither cuts a tunnel nor is kept waiting by it; its connection counts as busy.
func TestTunnelOutlivesGraph(t *testing.T) {
	addr := backend(t, echo)
	s := serveConfig(t, "ProxyPass / ws://"+addr+"/")
	p := open(t, s)
	tr := s.pool(0)
	if st := tr.pool.Stats(); st.Busy != 1 {
		t.Errorf("expected one busy connection, found %+v", st)
	}
	s.engine.Swap(compile(t, nil, "ProxyPass / http://"+addr+"/\n"))
	p.send("still here")
	if got := p.bytes(10); got != "still here" {
		t.Errorf("%q", got)
	}
	p.Conn.(interface{ CloseWrite() error }).CloseWrite()
	if got := p.rest(); got != "bye" {
		t.Errorf("%q", got)
	}
}

// TestTunnelStops: stopping the engine ends tunnels.
func TestTunnelStops(t *testing.T) {
	addr := backend(t, echo)
	s := serveConfig(t, "ProxyPass / ws://"+addr+"/")
	p := open(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s.engine.Stop(ctx)
	if ctx.Err() != nil {
		t.Error("the tunnel did not end")
	}
	p.rest()
}

func TestTunnelIdle(t *testing.T) {
	addr := backend(t, echo)
	s := serveConfig(t, "ProxyPass / ws://"+addr+"/", func(s *server) {
		s.graph.Main.Settings.Timeout = runtime.Some(time.Second)
		s.worker(0).Params.Timeout = runtime.Some(1100 * time.Millisecond)
	})
	p := open(t, s)
	if got := p.rest(); got != "" {
		t.Errorf("%q", got)
	}
}

// TestNoUpgrade: a backend that doesn't switch answers as any other.
func TestNoUpgrade(t *testing.T) {
	addr := backend(t, always("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"))
	s := serveConfig(t, "ProxyPass / ws://"+addr+"/")
	p := dial(t, s.addr)
	p.send(upgrade)
	if got := p.head(); !strings.HasPrefix(got, "HTTP/1.1 426 ") || !strings.Contains(got, "Connection: Upgrade\r\nUpgrade: websocket\r\n") {
		t.Errorf("%q", got)
	}
}

func TestWithoutFallback(t *testing.T) {
	addr := backend(t, echo)
	s := serveConfig(t, "ProxyWebsocketFallbackToProxyHttp Off\nProxyPass / ws://"+addr+"/")
	p := open(t, s)
	p.Conn.(interface{ CloseWrite() error }).CloseWrite()
	if got := p.rest(); got != "bye" {
		t.Errorf("%q", got)
	}
	if got := ask(t, s, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 426 Upgrade Required\r\n") || !strings.Contains(got, "Upgrade: WebSocket\r\n") {
		t.Errorf("%q", got)
	}
	if got := ask(t, s, get); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Errorf("a request without Upgrade was not passed over: %q", got)
	}
}
