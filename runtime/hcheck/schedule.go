package hcheck

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// atOnce is how many checks may run at one time. httpd's 16 threads would hold up all checks as soon as a few backends don't
// answer; a goroutine that waits costs little, so the bound is for the file descriptors.
const atOnce = 256

// schedule runs the checks of the graph in force. It outlives graphs, and is closed with the last one. Safe for concurrent use.
type schedule struct {
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // says that the first check due may be another one now
	slots  chan struct{} // one for each check that runs
	done   sync.WaitGroup
	tell   func() // retune, as members have it

	// mu guards what follows, and the fields of checks that say so. It is held for a few map or heap operations.
	mu      sync.Mutex
	graph   *runtime.Graph    // in force
	members []*proxy.Worker   // its
	checks  map[string]*check // of the graph in force, by target.key
	due     dueHeap
	started bool
	closed  bool
}

// check is one worker's check with its results, which outlive graphs as long as the worker and what it is asked stay the same.
type check struct {
	// Guarded by schedule.mu.
	target   *target // of the graph in force
	due      time.Time
	index    int                // in schedule.due, -1 while it isn't there
	cancel   context.CancelFunc // of the check that runs, nil for none
	gone     bool               // no longer in the graph in force
	passes   int                // since the worker was put out of use (pcount)
	fails    int                // since it was in use (fcount)
	disabled bool               // it was this check that put it out of use
}

func newSchedule() *schedule {
	s := &schedule{checks: map[string]*check{}, wake: make(chan struct{}, 1), slots: make(chan struct{}, atOnce)}
	s.tell = s.retune
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends all checks, those that run included, and returns when they have ended.
func (s *schedule) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.done.Wait()
	return nil
}

// serve makes the members of a graph what is checked, where their parameters say so.
func (s *schedule) serve(g *runtime.Graph, members []*proxy.Worker) {
	s.mu.Lock()
	s.graph, s.members = g, members
	s.mu.Unlock()
	for _, w := range members {
		if h := &w.State.Health.Retune; h.Load() != &s.tell {
			h.Store(&s.tell)
		}
	}
	s.retune()
}

// retune looks at the members' parameters again.
func (s *schedule) retune() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var targets []*target
	for _, w := range s.members {
		if w.HealthNow().Method != "NONE" {
			targets = append(targets, newTarget(s.graph, w))
		}
	}
	s.begin(targets)
}

// begin makes the targets what is checked; mu is held. Those that were checked before go on where they are; those that are new are spread over
// their first interval, so that they don't fire at once, then or later.
func (s *schedule) begin(targets []*target) {
	if s.closed {
		return
	}
	now := time.Now()
	next := make(map[string]*check, len(targets))
	var fresh []*check
	for _, t := range targets {
		c := s.checks[t.key]
		if c == nil {
			c = &check{index: -1}
			fresh = append(fresh, c)
		} else if latest := now.Add(t.health.Interval); c.index >= 0 && c.due.After(latest) {
			c.due = latest // the interval is shorter now
			heap.Fix(&s.due, c.index)
		}
		c.target = t
		next[t.key] = c
	}
	for key, c := range s.checks {
		if next[key] == nil {
			s.drop(c)
		}
	}
	s.checks = next
	for i, c := range fresh {
		// As httpd does, begin with what the file says.
		c.target.w.SetHCFail(c.target.w.Params.Status.Has(proxy.HCFail))
		c.due = now.Add(c.target.health.Interval / time.Duration(len(fresh)) * time.Duration(i+1))
		heap.Push(&s.due, c)
	}
	if !s.started && len(next) > 0 {
		s.started = true
		s.done.Go(s.run)
	}
	s.poke()
}

// drop ends a check for good; mu is held. The worker, if there still is one, must not stay out of use for what nobody asks any more.
func (s *schedule) drop(c *check) {
	c.gone = true
	if c.cancel != nil {
		c.cancel()
	}
	if c.index >= 0 {
		heap.Remove(&s.due, c.index)
	}
	if c.disabled {
		c.target.w.SetHCFail(false)
	}
}

func (s *schedule) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run starts the checks as they become due.
func (s *schedule) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c, wait := s.next(time.Now())
		if c == nil {
			timer.Reset(wait)
			select {
			case <-s.wake:
			case <-timer.C:
			case <-s.ctx.Done():
				return
			}
			continue
		}
		select {
		case s.slots <- struct{}{}:
			s.done.Go(func() {
				s.check(c)
				<-s.slots
			})
		case <-s.ctx.Done():
			return
		}
	}
}

// next takes the first check that is due off the heap; where none is, wait is how long that lasts at least.
func (s *schedule) next(now time.Time) (c *check, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 {
		return nil, time.Hour
	}
	if wait = s.due[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&s.due).(*check), 0
}

// check does one check and puts it back on the heap.
func (s *schedule) check(c *check) {
	s.mu.Lock()
	if c.gone {
		s.mu.Unlock()
		return
	}
	t := c.target
	if t.w.Status().Has(proxy.Stopped) {
		s.again(c, min(t.health.Interval, time.Second))
		s.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	c.cancel = cancel
	s.mu.Unlock()

	began := time.Now()
	passed, why := t.ask(ctx)
	s.finish(ctx, c, passed, why, began)
}

// finish takes a check's outcome, unless it was broken off.
func (s *schedule) finish(ctx context.Context, c *check, passed bool, why string, began time.Time) {
	s.mu.Lock()
	c.cancel = nil
	if c.gone || ctx.Err() != nil {
		s.mu.Unlock()
		return
	}
	now, w := time.Now(), c.target.w
	changed := c.note(passed, now)
	w.State.Health.Last.Store(&proxy.HealthResult{Ended: now, Took: now.Sub(began), Passed: passed, Why: why, Passes: c.passes, Fails: c.fails})
	s.again(c, c.target.health.Interval)
	s.mu.Unlock()

	stats := &w.State.Health
	stats.Took.Store(int64(now.Sub(began)))
	if passed {
		stats.Passed.Add(1)
	} else {
		stats.Failed.Add(1)
	}
	switch {
	case changed && passed:
		w.Server.Logf(Module, runtime.LogInfo, "AH03302", "Threaded Health check ENABLING %s", w.DisplayName())
	case changed:
		w.Server.Logf(Module, runtime.LogInfo, "AH03303", "Threaded Health check DISABLING %s", w.DisplayName())
	}
}

// again makes the check due after a time; mu is held.
func (s *schedule) again(c *check, after time.Duration) {
	c.due = time.Now().Add(after)
	heap.Push(&s.due, c)
	if c.index == 0 {
		s.poke()
	}
}

// note counts an outcome and tells whether it puts the worker out of use or back into it. As in httpd, passes and fails needn't be in a row:
// a pass of a usable worker doesn't make its earlier fails undone. mu is held.
func (c *check) note(passed bool, now time.Time) (changed bool) {
	w := c.target.w
	switch out := w.Status().Has(proxy.HCFail | proxy.InError); {
	case out && passed:
		if c.passes++; c.passes >= c.target.health.Passes {
			w.HCPass()
			c.passes, c.disabled = 0, false
			return true
		}
	case !out && !passed:
		w.SetErrorTime(now)
		if c.fails++; c.fails >= c.target.health.Fails {
			w.SetHCFail(true)
			c.fails, c.disabled = 0, true
			return true
		}
	}
	return false
}

// dueHeap is a container/heap of checks, the one due first at its top.
type dueHeap []*check

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	c := x.(*check)
	c.index = len(*h)
	*h = append(*h, c)
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	c.index = -1
	return c
}
