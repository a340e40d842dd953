package proxyhttp

import (
	"context"
	"net"
	"net/netip"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

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

// names makes hosts stand for addresses; what stands in it is changed by the tests.
type names struct {
	mu      sync.Mutex
	addrs   map[string][]netip.Addr
	lookups int
}

func (n *names) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lookups
}

func (n *names) set(host string, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs[host] = nil
	for _, a := range addrs {
		n.addrs[host] = append(n.addrs[host], netip.MustParseAddr(a))
	}
}

func fakeNames(t *testing.T) *names {
	n := &names{addrs: map[string][]netip.Addr{}}
	real := resolve
	resolve = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lookups++
		if addrs := n.addrs[host]; addrs != nil {
			return append([]netip.Addr(nil), addrs...), nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	t.Cleanup(func() { resolve = real })
	return n
}

// twins are two backends on one port of two addresses, which answer with their addresses.
func twins(t *testing.T) (port string) {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.2:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		other, err := net.Listen("tcp", "127.0.0.3:"+port)
		if err != nil {
			l.Close()
			continue
		}
		serveBackend(t, l, always("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"))
		serveBackend(t, other, always("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3"))
		return port
	}
	t.Fatal("no port is free at two addresses")
	return ""
}

// TestBackendMoves: requests follow the name to another address when it is looked up again, although kept connections
// to the old one would go on.
func TestBackendMoves(t *testing.T) {
	for params, moves := range map[string]bool{"": true, "addressttl=60": true, "addressttl=-1": false} {
		n := fakeNames(t)
		n.set("moving.test", "127.0.0.2")
		s := serveConfig(t, "ProxyPass / http://moving.test:"+twins(t)+"/ "+params+"\n")
		last := func() string { a := ask(t, s, get); return a[len(a)-1:] }
		if got := last() + last(); got != "22" {
			t.Fatalf("%q: expected two answers of 2, found %s", params, got)
		}
		n.set("moving.test", "127.0.0.3")
		if got := last(); got != "2" {
			t.Errorf("%q: expected the kept connection before its time, found %s", params, got)
		}
		tr := s.pool(0)
		if due := tr.due.Load(); (due != 0) != moves {
			t.Errorf("%q: next lookup at %d", params, due)
		}
		if !moves {
			continue
		}
		tr.due.Store(1)
		last() // with addressttl= it waits for the lookup, without it starts one
		until(t, func() bool { return tr.moves.Load() == 1 })
		if got := last() + last(); got != "33" {
			t.Errorf("%q: expected answers of 3, found %s", params, got)
		}
		n.set("moving.test") // a name server that fails changes nothing
		before := n.count()
		tr.due.Store(1)
		if got := last(); got != "3" {
			t.Errorf("%q: expected 3, found %s", params, got)
		}
		until(t, func() bool { return n.count() == before+1 })
	}
}

// TestAddressStays: a connection to one of several addresses stays when others come and go.
func TestAddressStays(t *testing.T) {
	n := fakeNames(t)
	n.set("some.test", "127.0.0.2", "127.0.0.3")
	s := serveConfig(t, "ProxyPass / http://some.test:"+twins(t)+"/\n")
	ask(t, s, get)
	c, _, err := s.pool(0).pool.Get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tr, info := s.pool(0), c.Data.(*connInfo)
	for _, step := range []struct {
		addrs string
		stays bool
	}{{"127.0.0.2", true}, {"127.0.0.2 127.0.0.3", true}, {"127.0.0.3", false}} {
		var addrs []netip.Addr
		for _, a := range strings.Fields(step.addrs) {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if tr.remember(addrs); tr.at(c, info) != step.stays {
			t.Errorf("%s: expected that it stays is %v", step.addrs, step.stays)
		}
	}
	tr.pool.Put(c, false)
}

// until waits for something, for a time that is long for it.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
		goruntime.Gosched()
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
