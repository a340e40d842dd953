package runtime

import (
	"container/heap"
	"errors"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// parkAfter is how long a connection waits for a request in a goroutine of its own before it is parked. A busy one never
// waits that long, and so never pays for it.
const parkAfter = time.Second / 2

// parking holds the connections that wait for a request without a goroutine: one poller waits for all of them.
//
// Measured as resident memory for each of 10,000 connections that have had one request through a balancer: 9.8 KiB before,
// of it 4 to 8 of stack, which Go never makes smaller than 4 KiB once it has grown, and 0.5 of the runtime's record of the
// goroutine, the rest buffers, tables and garbage of the last request; 2.4 when parked. A fresh goroutine with a small stack
// for the wait would add 2.5 KiB. A request that finds its connection parked costs a goroutine, two system calls and
// what http1.NewConn makes.
type parking struct {
	engine *Engine
	after  time.Duration // parkAfter; tests wait less

	mu        sync.Mutex // guards the rest; only a request that follows a pause takes it
	poll      *poller    // nil while nothing is parked
	byFD      map[int32]*httpConn
	order     parkOrder // the same, by when they time out
	returned  int       // how few were still since memory was given back
	returning bool      // it is about to be given back
}

// start is what times of parked connections are counted from.
var start = time.Now()

func sinceStart() time.Duration { return time.Since(start) }

// parkOrder is a heap: the first to time out comes first.
type parkOrder []*httpConn

func (o parkOrder) Len() int           { return len(o) }
func (o parkOrder) Less(i, j int) bool { return o[i].until < o[j].until }
func (o parkOrder) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].place, o[j].place = int32(i), int32(j)
}

// Push implements heap.Interface.
func (o *parkOrder) Push(x any) {
	c := x.(*httpConn)
	c.place = int32(len(*o))
	*o = append(*o, c)
}

// Pop implements heap.Interface.
func (o *parkOrder) Pop() any {
	last := len(*o) - 1
	c := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return c
}

// park takes over a connection that waits for a request until c.until; false where it can't. Where it could, c is not
// the caller's any more: the poller goes on with it in a goroutine of its own when there is something to read, and
// ends it when its time is over. It counts as open in the meantime.
func (p *parking) park(c *httpConn) bool {
	fd, ok := c.conn.Descriptor()
	if !ok {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.aborted.Load() { // else cut finds it here
		return false
	}
	started := p.poll == nil
	if started {
		if p.poll = newPoller(); p.poll == nil {
			return false
		}
	}
	if p.poll.add(fd) != nil {
		if started {
			p.poll.close()
			p.poll = nil
		}
		return false
	}
	if p.byFD == nil {
		p.byFD = map[int32]*httpConn{}
	}
	c.shut()
	c.fd, p.byFD[fd] = fd, c
	heap.Push(&p.order, c)
	p.engine.open.Add(1) // for c, which ends in another goroutine
	if started {
		p.engine.open.Add(1)
		go p.watch(p.poll)
	}
	if c.place == 0 {
		p.poll.wakeAt(start.Add(c.until))
	}
	p.grown()
	return true
}

// take takes a connection out; false means that it is not parked (any more). p.mu is held.
func (p *parking) take(c *httpConn) bool {
	if p.byFD[c.fd] != c {
		return false
	}
	p.poll.remove(c.fd)
	delete(p.byFD, c.fd)
	heap.Remove(&p.order, int(c.place))
	p.returned = min(p.returned, p.still())
	return true
}

// still is how many connections hardly do anything: those that are parked, and tunnels.
func (p *parking) still() int { return len(p.order) + int(p.engine.tunnels.Load()) }

// tunnel counts a connection that becomes a tunnel (1) or ends as such (-1).
func (p *parking) tunnel(n int64) {
	p.engine.tunnels.Add(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.returned = min(p.returned, p.still())
	p.grown()
}

// cut ends a connection if it is parked; one that is not has been aborted and finds out by itself.
func (p *parking) cut(c *httpConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.take(c) {
		return
	}
	go c.leave()
	if len(p.order) == 0 {
		p.poll.wakeAt(time.Unix(1, 0)) // there is nothing to wait for any more
	}
}

// watch goes on with connections when their time comes, until none is parked.
func (p *parking) watch(poll *poller) {
	defer p.engine.open.Done()
	defer poll.close()
	for {
		ready, err := poll.wait()
		p.mu.Lock()
		for _, fd := range ready {
			if c := p.byFD[fd]; c != nil {
				p.take(c)
				go c.resume()
			}
		}
		for now := sinceStart(); len(p.order) > 0 && p.order[0].until <= now; {
			c := p.order[0]
			p.take(c)
			go c.leave()
		}
		for err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && len(p.order) > 0 {
			c := p.order[0] // the poller is of no use: each waits for itself again
			p.take(c)
			go c.resume()
		}
		if len(p.order) == 0 {
			p.poll = nil
			p.mu.Unlock()
			return
		}
		poll.wakeAt(start.Add(p.order[0].until))
		p.mu.Unlock()
	}
}

// returnAfter is how many more connections must have been parked for memory to be given back, and returnDelay how long
// others may join them before it is.
const (
	returnAfter = 512
	returnDelay = 2 * time.Second
)

// grown sees to it that the stacks and the garbage of the many that have been parked go back to the system. The garbage
// collector alone would not do it: it is paced by what is allocated, and idle connections allocate nothing. (Measured
// with 10,000 of them: 9.8 KiB each stayed resident for minutes.) It is done at most once in returnDelay, and only as long
// as there are ever more idle connections; it costs one collection.
func (p *parking) grown() {
	if p.returning || p.still()-p.returned < returnAfter {
		return
	}
	p.returning = true
	time.AfterFunc(returnDelay, func() {
		p.mu.Lock()
		p.returning, p.returned = false, p.still()
		p.mu.Unlock()
		debug.FreeOSMemory()
	})
}

// resume goes on with a connection that was parked and has become readable. (TLS may still have to wait for more.)
func (c *httpConn) resume() {
	defer c.engine.open.Done()
	growStack(0)
	c.open()
	c.serve(c.wait(max(c.until-sinceStart(), c.engine.parking.after)))
}

// leave ends a connection that was parked.
func (c *httpConn) leave() {
	defer c.engine.open.Done()
	c.close()
}
