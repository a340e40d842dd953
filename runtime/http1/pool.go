package http1

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// PoolConfig tells a Pool how to connect and what to keep; the names are those of httpd's worker parameters.
type PoolConfig struct {
	Dial         func(ctx context.Context) (net.Conn, error) // connects to the backend, TLS handshake included
	Connect      time.Duration                               // connectiontimeout, for Dial; 0: none
	Max          int                                         // max: connections at one time; 0: no limit
	Smax         int                                         // smax: idle connections that outlive TTL; negative: all
	TTL          time.Duration                               // ttl: how long an idle connection is kept; 0: for good
	Acquire      time.Duration                               // acquire: how long Get waits when Max are busy; 0: as long as its context
	DisableReuse bool                                        // disablereuse: a connection serves one request
	Quota        *Quota                                      // of all pools together; nil: none. NewPool's counts
}

// PoolStats counts a pool's connections.
type PoolStats struct {
	Idle    int
	Busy    int // handed out by Get, or being dialled
	Waiting int // calls of Get that wait for one
}

// Pool holds the connections to one backend. All methods are safe for concurrent use; nothing waits under its lock.
// What was used last is used first, so that the number of open connections follows the load.
type Pool struct {
	mu      sync.Mutex
	cfg     PoolConfig
	idle    []*Conn // the longest idle first
	busy    int
	waiters []chan grant
	closed  bool
	sweep   *time.Timer // ends what is idle beyond Smax; nil while nothing is

	quota  *Quota
	listed atomic.Bool // the quota knows the pool
	place  int         // in Quota.pools
}

// grant is what a waiter gets: a connection, the right to dial one, or an error.
type grant struct {
	c   *Conn
	err error
}

// NewPool returns a pool without connections.
func NewPool(cfg PoolConfig) *Pool { return &Pool{cfg: cfg, quota: cfg.Quota} }

// Get returns a connection for one request, an idle one (reused is true; see Conn.Alive) or a new one. Each must be
// given back with Put. Errors are ErrPoolTimeout, ErrPoolClosed, ctx's and Dial's.
func (p *Pool) Get(ctx context.Context) (c *Conn, reused bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, ErrPoolClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		if p.cfg.TTL == 0 || time.Since(epoch)-c.idle < p.cfg.TTL {
			p.idle[n-1] = nil
			p.idle = p.idle[:n-1]
			p.busy++
			p.mu.Unlock()
			return c, true, nil
		}
		old := p.takeIdle(n) // the youngest is too old: all are
		defer p.closeAll(old)
	}
	if p.cfg.Max > 0 && p.busy >= p.cfg.Max {
		return p.wait(ctx) // unlocks
	}
	p.busy++
	cfg := p.cfg
	p.mu.Unlock()
	return p.dial(ctx, &cfg)
}

// dial connects; the connection is counted busy already.
func (p *Pool) dial(ctx context.Context, cfg *PoolConfig) (*Conn, bool, error) {
	if cfg.Connect > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Connect)
		defer cancel()
	}
	nc, err := cfg.Dial(ctx)
	if isFilesUsedUp(err) && p.quota.Evict(evictsAtOnce, math.MaxInt) > 0 {
		nc, err = cfg.Dial(ctx)
	}
	if err != nil {
		p.mu.Lock()
		p.release()
		p.mu.Unlock()
		return nil, false, err
	}
	p.quota.opened(p)
	return NewConn(nc), false, nil
}

// evictsAtOnce is how many idle connections make room where the process's files are used up: one who needs one soon needs more.
const evictsAtOnce = 16

func isFilesUsedUp(err error) bool {
	return err != nil && (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE))
}

// wait waits for a grant; it is called with the lock held and releases it.
func (p *Pool) wait(ctx context.Context) (*Conn, bool, error) {
	ch := make(chan grant, 1)
	p.waiters = append(p.waiters, ch)
	cfg := p.cfg
	p.mu.Unlock()

	var timeout <-chan time.Time
	if cfg.Acquire > 0 {
		t := time.NewTimer(cfg.Acquire)
		defer t.Stop()
		timeout = t.C
	}
	var err error
	select {
	case g := <-ch:
		return p.granted(ctx, g, &cfg)
	case <-timeout:
		err = ErrPoolTimeout
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if p.unqueue(ch) {
		return nil, false, err
	}
	return p.granted(ctx, <-ch, &cfg) // it came at the last moment
}

func (p *Pool) granted(ctx context.Context, g grant, cfg *PoolConfig) (*Conn, bool, error) {
	if g.c != nil || g.err != nil {
		return g.c, g.c != nil, g.err
	}
	return p.dial(ctx, cfg)
}

// unqueue takes a waiter out; false means that it was granted something.
func (p *Pool) unqueue(ch chan grant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiters {
		if w == ch {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			return true
		}
	}
	return false
}

// Put gives a connection back. reusable says that its last response was read to the end and that both sides keep it
// open; any other connection is closed.
func (p *Pool) Put(c *Conn, reusable bool) {
	reusable = reusable && c.Buffered() == 0 && c.Unflushed() == 0
	p.mu.Lock()
	var excess []*Conn
	if reusable && !p.closed && !p.cfg.DisableReuse && (p.cfg.Max == 0 || p.busy <= p.cfg.Max) {
		if p.grant(grant{c: c}) {
			p.mu.Unlock()
			return
		}
		p.busy--
		c.idle = time.Since(epoch)
		p.idle = append(p.idle, c)
		excess = p.trim()
		c = nil
	} else {
		p.release()
	}
	p.mu.Unlock()
	if c != nil {
		_ = c.Close() // of no use any more, whatever it says
		p.quota.closed(1)
	}
	p.closeAll(excess)
}

// release gives up a busy connection's place: to a waiter, which then dials, if there is one.
func (p *Pool) release() {
	if p.cfg.Max > 0 && p.busy > p.cfg.Max || !p.grant(grant{}) {
		p.busy--
	}
}

// grant hands g to the first waiter.
func (p *Pool) grant(g grant) bool {
	if len(p.waiters) == 0 {
		return false
	}
	ch := p.waiters[0]
	p.waiters = append(p.waiters[:0], p.waiters[1:]...)
	ch <- g // buffered: never blocks
	return true
}

// trim takes out what is idle too long beyond Smax, and sees to it that the rest is looked at when its time comes.
func (p *Pool) trim() []*Conn {
	if p.cfg.TTL == 0 || p.cfg.Smax < 0 || len(p.idle) <= p.cfg.Smax || p.closed {
		return nil
	}
	now, n := time.Since(epoch), 0
	for len(p.idle)-n > p.cfg.Smax && now-p.idle[n].idle >= p.cfg.TTL {
		n++
	}
	old := p.takeIdle(n)
	if len(p.idle) > p.cfg.Smax && p.sweep == nil {
		p.sweep = time.AfterFunc(p.cfg.TTL-(now-p.idle[0].idle), p.swept)
	}
	return old
}

func (p *Pool) swept() {
	p.mu.Lock()
	p.sweep = nil
	old := p.trim()
	p.mu.Unlock()
	p.closeAll(old)
}

// takeIdle takes out the n longest idle connections.
func (p *Pool) takeIdle(n int) []*Conn {
	if n == 0 {
		return nil
	}
	old := append([]*Conn(nil), p.idle[:n]...)
	keep := copy(p.idle, p.idle[n:])
	clear(p.idle[keep:])
	p.idle = p.idle[:keep]
	return old
}

func (p *Pool) closeAll(conns []*Conn) {
	closeAll(conns)
	p.quota.closed(len(conns))
}

func closeAll(conns []*Conn) {
	for _, c := range conns {
		_ = c.Close() // idle: nothing can be lost
	}
}

// Configure replaces the pool's configuration, as a reload does; connections in use are not touched.
func (p *Pool) Configure(cfg PoolConfig) {
	p.mu.Lock()
	p.cfg = cfg
	old := p.trim()
	if cfg.DisableReuse {
		old = append(old, p.takeIdle(len(p.idle))...)
	}
	for (cfg.Max == 0 || p.busy < cfg.Max) && p.grant(grant{}) {
		p.busy++
	}
	p.mu.Unlock()
	p.closeAll(old)
}

// CloseIdle closes what is idle, as after a change of the backend's address.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	old := p.takeIdle(len(p.idle))
	p.mu.Unlock()
	p.closeAll(old)
}

// Close closes idle connections and fails those that wait; connections in use are closed when they are Put.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	old := p.takeIdle(len(p.idle))
	for p.grant(grant{err: ErrPoolClosed}) {
		continue
	}
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	p.mu.Unlock()
	p.quota.forget(p)
	p.closeAll(old)
}

// Stats returns the present counts.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolStats{Idle: len(p.idle), Busy: p.busy, Waiting: len(p.waiters)}
}
