package proxyhttp

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// lookAgain is how often a name is looked up while kept connections serve all requests, where addressttl= says nothing: a
// backend that has moved must not need a restart to be found.
const lookAgain = 30 * time.Second

// lookupTime bounds a lookup that no request waits for.
const lookupTime = 10 * time.Second

// resolve looks a name up. Tests put another one here.
var resolve = net.DefaultResolver.LookupNetIP

// addresses are what a worker's host name stands for.
type addresses struct {
	ttl   time.Duration // addressttl=; 0 where it isn't given, negative for ever
	due   atomic.Int64  // Unix time in nanoseconds of the next lookup; 0 for none
	moves atomic.Int64  // how often the name came to stand for others

	mu    sync.Mutex // guards what follows; held for a copy only
	addrs []netip.Addr
	until time.Time // when addrs must be looked up anew; zero for never
}

// known returns the addresses that addressttl= lets stand.
func (a *addresses) known() []netip.Addr {
	if a.ttl == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.addrs != nil && (a.until.IsZero() || time.Now().Before(a.until)) {
		return a.addrs
	}
	return nil
}

// remember keeps what a lookup has found; when that is new, idle connections to the old addresses are closed, and those in use are not used again.
func (t *transport) remember(addrs []netip.Addr) {
	t.mu.Lock()
	moved := t.addrs != nil && !sameAddrs(t.addrs, addrs)
	t.addrs, t.until = addrs, time.Time{}
	switch {
	case t.ttl > 0:
		t.until = time.Now().Add(t.ttl)
		t.due.Store(t.until.UnixNano())
	case t.ttl == 0:
		t.due.Store(time.Now().Add(lookAgain).UnixNano())
	}
	if moved {
		t.moves.Add(1)
	}
	t.mu.Unlock()
	if moved {
		t.pool.CloseIdle()
	}
}

// at tells whether the connection goes to one of the addresses of now.
func (t *transport) at(c *http1.Conn, info *connInfo) bool {
	move := t.moves.Load()
	if info.move == move {
		return true
	}
	remote, ok := c.NetConn().RemoteAddr().(*net.TCPAddr)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !ok || !slices.Contains(t.addrs, remote.AddrPort().Addr().Unmap()) {
		return false
	}
	info.move = move
	return true
}

// refresh looks the name up when it is time, for requests that a kept connection would serve. With addressttl= the
// request that meets the time waits for it; without, none does.
func (x *exchange) refresh() {
	t := x.t
	now, due := x.r.Time.UnixNano(), t.due.Load()
	if due == 0 || now < due || !t.due.CompareAndSwap(due, now+int64(lookAgain)) {
		return
	}
	host, s := x.host, x.r.Server
	look := func(ctx context.Context) {
		addrs, err := resolveHost(ctx, host)
		if err != nil {
			s.LogCausef(proxy.Module, runtime.LogWarn, err, "", "DNS lookup failure for: %s; connections to where it was go on", host)
			return
		}
		t.remember(addrs)
	}
	if t.ttl > 0 {
		ctx, cancel := x.within(x.w.ConnectTimeout(x.r))
		defer cancel()
		look(ctx)
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
		defer cancel()
		look(ctx)
	}()
}

// lookup returns the addresses of x.host: looked up for each new connection, or as addressttl= says.
func (x *exchange) lookup(anew bool) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(x.host); err == nil {
		return []netip.Addr{a}, nil
	}
	if x.t != nil && !anew {
		if addrs := x.t.known(); addrs != nil {
			return addrs, nil
		}
	}
	ctx, cancel := x.within(x.w.ConnectTimeout(x.r))
	defer cancel()
	addrs, err := resolveHost(ctx, x.host)
	if err == nil && x.t != nil {
		x.t.remember(addrs)
	}
	return addrs, err
}

func resolveHost(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := resolve(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

func sameAddrs(a, b []netip.Addr) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}
