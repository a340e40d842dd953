package proxyhttp

import (
	"net/netip"
	"strings"
	"sync"
	"testing"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// TestReload: a worker that stays as it is keeps its connections; one whose connections are to be made otherwise gets new ones.
func TestReload(t *testing.T) {
	st := runtime.NewState()
	of := func(g *runtime.Graph) *transport {
		return proxy.ConfOf(g.Main).Workers[0].Transport.(*transport)
	}
	first := compile(t, st, "ProxyPass / http://a.test:81/\n")
	same := compile(t, st, "ProxyPass /other http://a.test:81/ retry=5 timeout=3\nProxyPass / http://b.test/\n")
	if of(first) != of(same) {
		t.Error("a worker lost its connections for a change of something else")
	}
	seen := map[*transport]string{of(first): "nothing"}
	for _, params := range []string{"disablereuse=On", "max=5", "ttl=7", "acquire=9", "keepalive=On", "addressttl=5"} {
		tr := of(compile(t, st, "ProxyPass / http://a.test:81/ "+params+"\n"))
		if other := seen[tr]; other != "" {
			t.Errorf("%s shares connections with %s", params, other)
		}
		seen[tr] = params
	}
}

// TestNoReuse: what $n stands for in a host has no connections of its own.
func TestNoReuse(t *testing.T) {
	g := compile(t, nil, "ProxyPassMatch ^/(.*?)/(.*)$ http://$1/$2\n")
	if w := proxy.ConfOf(g.Main).Workers[0]; w.Transport != nil {
		t.Errorf("%s got a transport", w.Name)
	}
}

func TestRemember(t *testing.T) {
	s := serveConfig(t, "ProxyPass / http://"+backend(t, always(ok))+"/ addressttl=5\n")
	ask(t, s, get)
	tr := s.pool(0)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	tr.remember([]netip.Addr{a, b})
	tr.remember([]netip.Addr{b, a})
	if tr.pool.Stats().Idle != 1 {
		t.Error("the order of addresses counted as a move")
	}
	tr.remember([]netip.Addr{a})
	if tr.pool.Stats().Idle != 0 {
		t.Error("a connection outlived the backend's move")
	}
}

func TestLocalhost(t *testing.T) {
	addr := backend(t, always(ok))
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	s := serveConfig(t, "ProxyPass / http://LOCALHOST:"+port+"/ addressttl=-1\n")
	for range 2 {
		if got := ask(t, s, get); !strings.HasSuffix(got, "ok\n") {
			t.Errorf("%q %q", got, s.logged())
		}
	}
	if tr := s.pool(0); len(tr.addrs) == 0 || !tr.until.IsZero() {
		t.Errorf("expected addresses that are kept for good, found %v until %v", tr.addrs, tr.until)
	}
}

func TestDisabled(t *testing.T) {
	s := serveConfig(t, "ProxyPass / http://"+backend(t, always(ok))+"/ status=+D\n")
	if got := ask(t, s, get); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !s.hasLogged("AH00940") {
		t.Errorf("%q %q", got, s.logged())
	}
}

// TestManyAtOnce has clients share the connections of a worker.
func TestManyAtOnce(t *testing.T) {
	const clients, requests = 30, 30
	addr := backend(t, func(_ int, p *peer) {
		for h := p.head(); h != ""; h = p.head() {
			body := p.body(h)
			p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.TrimSuffix(chunkedBody(strings.Fields(h)[1], body), "X-Trailer: dropped\r\n\r\n") + "\r\n")
		}
	})
	s := serveConfig(t, "MaxKeep 0\nProxyPass / http://"+addr+"/ max=10\n")
	var all sync.WaitGroup
	for i := range clients {
		p := dial(t, s.addr)
		all.Add(1)
		go func() {
			defer all.Done()
			for j := range requests {
				path := "/" + strings.Repeat("x", i) + strings.Repeat("y", j)
				p.send("POST " + path + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("body", path))
				h := p.head()
				if got := p.body(h); got != path+"body"+path {
					t.Errorf("expected %q, found %q", path+"body"+path, got)
					return
				}
			}
		}()
	}
	all.Wait()
	if st := s.pool(0).pool.Stats(); st.Busy != 0 || st.Idle > 10 {
		t.Errorf("%+v", st)
	}
}
