package http1

import (
	"sync"
	"sync/atomic"
)

// Quota bounds how many connections the pools that share it hold together, as those of thousands of backends would use up the
// process's open files otherwise: a pool that connects beyond it takes the place of a connection that lies idle, in whichever pool.
// Connections in use don't end for it. Safe for concurrent use; a nil Quota bounds nothing.
type Quota struct {
	limit int64
	open  atomic.Int64 // changes only when a connection opens or closes, so that kept ones cost nothing

	mu    sync.Mutex // guards what follows, and Pool.place; held for a look at some pools, and taken before Pool.mu
	pools []*Pool    // that have ever connected
	hand  int        // the pool to look at next: all in turn
}

// NewQuota returns a Quota of so many connections.
func NewQuota(limit int) *Quota { return &Quota{limit: int64(limit)} }

// looksAt is how many pools a connection beyond the limit is worth looking at: idle ones are many then, or there are none.
const looksAt = 64

// opened counts a connection of p.
func (q *Quota) opened(p *Pool) {
	if q == nil {
		return
	}
	if !p.listed.Load() {
		q.list(p)
	}
	if q.open.Add(1) > q.limit {
		q.Evict(1, looksAt)
	}
}

// list makes p one of those to look at, unless it has closed while it connected.
func (q *Quota) list(p *Pool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && !p.listed.Load() {
		p.place = len(q.pools)
		q.pools = append(q.pools, p)
		p.listed.Store(true)
	}
}

// closed counts n connections less.
func (q *Quota) closed(n int) {
	if q != nil && n > 0 {
		q.open.Add(int64(-n))
	}
}

// forget is for a pool that has closed.
func (q *Quota) forget(p *Pool) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !p.listed.Swap(false) {
		return
	}
	last := len(q.pools) - 1
	q.pools[p.place] = q.pools[last]
	q.pools[p.place].place = p.place
	q.pools[last] = nil
	q.pools = q.pools[:last]
}

// Evict closes up to n idle connections, the longest idle of one pool after the other, looking at no more pools than look. It returns
// how many it found.
func (q *Quota) Evict(n, look int) int {
	if q == nil {
		return 0
	}
	var old []*Conn
	q.mu.Lock()
	for range min(look, len(q.pools)) {
		if len(old) == n {
			break
		}
		q.hand = (q.hand + 1) % len(q.pools)
		p := q.pools[q.hand]
		p.mu.Lock()
		old = append(old, p.takeIdle(min(1, len(p.idle)))...)
		p.mu.Unlock()
	}
	q.mu.Unlock()
	q.closed(len(old))
	closeAll(old)
	return len(old)
}
