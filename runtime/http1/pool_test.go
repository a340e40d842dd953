package http1

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// dialer counts the connections that it made and those that are open.
type dialer struct {
	made, open atomic.Int32
	err        atomic.Pointer[error]
}

type dialled struct {
	script
	d *dialer
}

func (c *dialled) Close() error { c.d.open.Add(-1); return nil }

func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	if err := d.err.Load(); err != nil {
		return nil, *err
	}
	d.made.Add(1)
	d.open.Add(1)
	return &dialled{d: d}, nil
}

func get(t *testing.T, p *Pool) (*Conn, bool) {
	t.Helper()
	c, reused, err := p.Get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c, reused
}

func TestPoolReusesTheLast(t *testing.T) {
	var d dialer
	p := NewPool(PoolConfig{Dial: d.dial, Smax: -1})
	a, _ := get(t, p)
	b, reused := get(t, p)
	if reused || p.Stats() != (PoolStats{Busy: 2}) {
		t.Errorf("%v %+v", reused, p.Stats())
	}
	p.Put(a, true)
	p.Put(b, true)
	if p.Stats() != (PoolStats{Idle: 2}) {
		t.Errorf("%+v", p.Stats())
	}
	if c, reused := get(t, p); c != b || !reused {
		t.Error("not the last one")
	}
	p.Put(b, false)
	if p.Stats() != (PoolStats{Idle: 1}) || d.open.Load() != 1 {
		t.Errorf("%+v, %d open", p.Stats(), d.open.Load())
	}
	a, _ = get(t, p)
	a.rb, a.w = getBuffer(), 1 // bytes that nobody asked for
	p.Put(a, true)
	if d.open.Load() != 0 || p.Stats() != (PoolStats{}) {
		t.Error("a connection with unread bytes was kept")
	}
	p.Configure(PoolConfig{Dial: d.dial, DisableReuse: true})
	a, _ = get(t, p)
	p.Put(a, true)
	if d.open.Load() != 0 {
		t.Error("kept despite DisableReuse")
	}
}

func TestPoolMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d dialer
		p := NewPool(PoolConfig{Dial: d.dial, Smax: -1, Max: 1, Acquire: time.Second})
		a, _ := get(t, p)
		if _, _, err := p.Get(t.Context()); !errors.Is(err, ErrPoolTimeout) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("gone")
		cancel(cause)
		if _, _, err := p.Get(ctx); !errors.Is(err, cause) {
			t.Error(err)
		}
		got := make(chan *Conn)
		wait := func() {
			go func() {
				c, _, _ := p.Get(context.Background()) // nil on error
				got <- c
			}()
			synctest.Wait()
		}
		wait()
		if p.Stats() != (PoolStats{Busy: 1, Waiting: 1}) {
			t.Errorf("%+v", p.Stats())
		}
		p.Put(a, true)
		if c := <-got; c != a || d.made.Load() != 1 {
			t.Error("the waiter didn't get the connection")
		}
		wait()
		p.Put(a, false)
		b := <-got
		if b == nil || d.made.Load() != 2 || p.Stats() != (PoolStats{Busy: 1}) {
			t.Errorf("the waiter didn't dial: %+v", p.Stats())
		}
		// A failed dial must pass its place on.
		failure := errors.New("refused")
		d.err.Store(&failure)
		wait()
		wait()
		p.Put(b, false)
		if c, c2 := <-got, <-got; c != nil || c2 != nil || p.Stats() != (PoolStats{}) {
			t.Errorf("%+v", p.Stats())
		}
		d.err.Store(nil)
		c, _ := get(t, p)
		wait()
		p.Configure(PoolConfig{Dial: d.dial, Smax: -1, Max: 2})
		if e := <-got; e == nil || p.Stats().Busy != 2 {
			t.Errorf("a greater Max lets nobody in: %+v", p.Stats())
		}
		wait()
		p.Close()
		if e := <-got; e != nil {
			t.Error("got one from a closed pool")
		}
		p.Put(c, true)
		if _, _, err := p.Get(t.Context()); !errors.Is(err, ErrPoolClosed) || d.open.Load() != 1 {
			t.Errorf("%v, %d open", err, d.open.Load())
		}
	})
}

func TestPoolTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d dialer
		p := NewPool(PoolConfig{Dial: d.dial, Smax: 1, TTL: time.Minute})
		var conns []*Conn
		for range 3 {
			c, _ := get(t, p)
			conns = append(conns, c)
		}
		for _, c := range conns {
			p.Put(c, true)
			time.Sleep(time.Second) // of the bubble's clock
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if p.Stats().Idle != 1 || d.open.Load() != 1 {
			t.Errorf("%+v, %d open", p.Stats(), d.open.Load())
		}
		if c, reused := get(t, p); reused || d.open.Load() != 1 {
			t.Error("one beyond its ttl was used")
		} else {
			p.Put(c, true)
		}
		p.Configure(PoolConfig{Dial: d.dial, Smax: 0, TTL: time.Minute})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if d.open.Load() != 0 {
			t.Error("a smaller Smax had no effect")
		}
		p.Close()
	})
}

func TestPoolConcurrent(t *testing.T) {
	var d dialer
	p := NewPool(PoolConfig{Dial: d.dial, Smax: -1, Max: 3})
	var wg sync.WaitGroup
	var busy atomic.Int32
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				c, _, err := p.Get(context.Background())
				if err != nil || busy.Add(1) > 3 {
					t.Error("too many", err)
				}
				busy.Add(-1)
				p.Put(c, i%3 != 0)
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Busy != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	p.Close()
	if d.open.Load() != 0 {
		t.Errorf("%d are open", d.open.Load())
	}
}
