package proxy

import "time"

// recentSlice is how long one slice of a Recent is, in seconds.
const recentSlice = 5

// Recent counts events by the time they came, in slices of five seconds, for as long as it has slices. The zero value holds nothing:
// it takes memory at the first event. BalancerState.Mu guards it.
type Recent struct {
	slices []uint32 // a ring: slice n stands at n modulo the length
	last   int64    // the number of the newest slice
	when   int64    // Unix time in seconds of the newest event; 0 for none
}

// add counts an event at a Unix time in seconds; size is how many slices the ring has.
func (x *Recent) add(now int64, size int) {
	now = max(now, 0)
	if x.slices == nil {
		x.slices = make([]uint32, size)
		x.last = now / recentSlice
	}
	x.advance(now)
	x.slices[x.last%int64(len(x.slices))]++
	x.when = max(x.when, now)
}

// advance empties the slices between the newest event and now. Time that goes backwards stands still here.
func (x *Recent) advance(now int64) {
	n := now / recentSlice
	if n-x.last >= int64(len(x.slices)) {
		clear(x.slices)
		x.last = n
	}
	for x.last < n {
		x.last++
		x.slices[x.last%int64(len(x.slices))] = 0
	}
}

// within counts the events of the last span before now, up to one slice more.
func (x *Recent) within(now int64, span time.Duration) (sum int64) {
	if x.slices == nil {
		return 0
	}
	x.advance(now)
	n := min(int64(span/time.Second/recentSlice)+1, int64(len(x.slices)))
	for i := range n {
		sum += int64(x.slices[(x.last-i+int64(len(x.slices)))%int64(len(x.slices))])
	}
	return sum
}

// history returns the last n slices, the oldest first; the newest is not over yet.
func (x *Recent) history(now int64, n int) []uint32 {
	h := make([]uint32, n)
	if x.slices == nil {
		return h
	}
	x.advance(now)
	size := int64(len(x.slices))
	for i := range min(int64(n), size) {
		h[int64(n)-1-i] = x.slices[(x.last-i+size)%size]
	}
	return h
}

// The rings' lengths: an hour of requests with the worker's own route, five minutes of all elections.
const (
	routedSlices  = 3600/recentSlice + 1
	electedSlices = 300 / recentSlice
)

// Routed counts a request that carries the worker's own route, wherever it goes. BalancerState.Mu is held.
func (s *WorkerState) Routed(now time.Time) { s.routed.add(now.Unix(), routedSlices) }

// CountElected counts an election of the worker. BalancerState.Mu is held.
func (s *WorkerState) CountElected(now time.Time) {
	s.Elected.Add(1)
	s.elections.add(now.Unix(), electedSlices)
}

// OwnRoute is how many requests carried a worker's own route.
type OwnRoute struct {
	Minute, FiveMinutes, Hour int64     // in the last one, counted in slices of five seconds
	Last                      time.Time // when the last one came; zero for none
	Since                     time.Time // when counting began
}

// OwnRoute reads the counts as of now. BalancerState.Mu is held.
func (s *WorkerState) OwnRoute(now time.Time) OwnRoute {
	t, x := now.Unix(), &s.routed
	o := OwnRoute{Minute: x.within(t, time.Minute), FiveMinutes: x.within(t, 5*time.Minute), Hour: x.within(t, time.Hour)}
	o.Since = s.since
	if x.when != 0 {
		o.Last = time.Unix(x.when, 0)
	}
	return o
}

// Elections returns how often the worker was elected in each five seconds of the last five minutes, the oldest first.
// BalancerState.Mu is held.
func (s *WorkerState) Elections(now time.Time) []uint32 {
	return s.elections.history(now.Unix(), electedSlices)
}
