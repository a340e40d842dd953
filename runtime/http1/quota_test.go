package http1

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
)

// TestQuota checks that what lies idle in one pool makes room for another, the longest idle first, and what is in use doesn't.
func TestQuota(t *testing.T) {
	var d dialer
	q := NewQuota(3)
	pools := make([]*Pool, 4)
	for i := range pools {
		pools[i] = NewPool(PoolConfig{Dial: d.dial, Smax: -1, Quota: q})
	}
	first, _ := get(t, pools[0])
	second, _ := get(t, pools[0])
	busy, _ := get(t, pools[1])
	pools[0].Put(first, true)
	pools[0].Put(second, true)
	c, _ := get(t, pools[2])
	if q.open.Load() != 3 || d.open.Load() != 3 || pools[0].Stats() != (PoolStats{Idle: 1}) || pools[1].Stats() != (PoolStats{Busy: 1}) {
		t.Fatalf("%d counted, %d open, %+v %+v", q.open.Load(), d.open.Load(), pools[0].Stats(), pools[1].Stats())
	}
	if kept, reused := get(t, pools[0]); kept != second || !reused {
		t.Error("the one that was idle for longer has stayed")
	} else {
		pools[0].Put(kept, true)
	}
	// Two more than may be: one takes the place of what is idle, the other is made all the same.
	e, _ := get(t, pools[3])
	f, _ := get(t, pools[3])
	if q.open.Load() != 4 || pools[0].Stats() != (PoolStats{}) {
		t.Fatalf("%d counted, %+v", q.open.Load(), pools[0].Stats())
	}
	pools[1].Put(busy, false)
	pools[2].Put(c, true)
	pools[3].Put(e, true)
	pools[3].Put(f, true)
	if q.open.Load() != 3 {
		t.Errorf("%d counted", q.open.Load())
	}
	for _, p := range pools {
		p.Close()
	}
	if q.open.Load() != 0 || d.open.Load() != 0 || len(q.pools) != 0 {
		t.Errorf("%d counted, %d open, %d pools listed", q.open.Load(), d.open.Load(), len(q.pools))
	}
}

// TestQuotaFilesUsedUp checks that a connection which the system refuses for want of files is made when idle ones can be ended.
func TestQuotaFilesUsedUp(t *testing.T) {
	var d dialer
	q := NewQuota(1000)
	other := NewPool(PoolConfig{Dial: d.dial, Smax: -1, Quota: q})
	limited := func(ctx context.Context) (net.Conn, error) {
		if d.open.Load() >= 2 {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		return d.dial(ctx)
	}
	p := NewPool(PoolConfig{Dial: limited, Smax: -1, Quota: q})
	a, _ := get(t, other)
	b, _ := get(t, other)
	if _, _, err := p.Get(t.Context()); !isFilesUsedUp(err) {
		t.Fatalf("with all in use: %v", err)
	}
	other.Put(a, true)
	other.Put(b, true)
	c, _ := get(t, p)
	p.Put(c, true)
	if q.open.Load() != 2 || d.open.Load() != 2 || other.Stats() != (PoolStats{Idle: 1}) {
		t.Errorf("%d counted, %d open", q.open.Load(), d.open.Load())
	}
}

// TestQuotaBusy lets many use many pools at once, some of which close, and counts at the end.
func TestQuotaBusy(t *testing.T) {
	var d dialer
	q := NewQuota(20)
	var wg sync.WaitGroup
	pools := make([]*Pool, 50)
	for i := range pools {
		pools[i] = NewPool(PoolConfig{Dial: d.dial, Smax: -1, Quota: q})
	}
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range 2000 {
				p := pools[r.IntN(len(pools))]
				c, _, err := p.Get(context.Background())
				if err != nil {
					continue // closed
				}
				p.Put(c, r.IntN(10) > 0)
				if r.IntN(500) == 0 {
					p.Close()
				}
			}
		})
	}
	wg.Wait()
	if q.open.Load() != int64(d.open.Load()) || q.open.Load() > 20+8 {
		t.Errorf("%d counted, %d open, expected at most 28", q.open.Load(), d.open.Load())
	}
	for _, p := range pools {
		p.Close()
	}
	if q.open.Load() != 0 || d.open.Load() != 0 || len(q.pools) != 0 {
		t.Errorf("in the end: %d counted, %d open, %d pools listed", q.open.Load(), d.open.Load(), len(q.pools))
	}
}
