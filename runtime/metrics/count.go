package metrics

import (
	"sync/atomic"
	"time"
)

// shards is how many copies of each counter there are; a connection's number chooses one. Two processors that write to one cache
// line by turns pay some 50 ns each time.
const shards = 8

// methodNames are the values of the label method. Any other method is the last one: clients must not choose how many series there are.
var methodNames = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "OTHER"}

const otherMethod = len(methodNames) - 1

func methodClass(m string) int {
	switch m {
	case "GET":
		return 0
	case "HEAD":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "DELETE":
		return 4
	case "OPTIONS":
		return 5
	case "PATCH":
		return 6
	case "CONNECT":
		return 7
	case "TRACE":
		return 8
	}
	return otherMethod
}

// Statuses 100 to 599 have a row each, 600 to 999 one for each hundred, all else has the last one.
const (
	classRows = 500
	otherRow  = classRows + 4
	rowCount  = otherRow + 1
)

func rowOf(status int) int {
	switch {
	case status >= 100 && status < 600:
		return status - 100
	case status >= 600 && status < 1000:
		return classRows + status/100 - 6
	}
	return otherRow
}

// codeOf is the value of the label code for a row.
func codeOf(row int) string {
	switch {
	case row < classRows:
		n := row + 100
		return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
	case row < otherRow:
		return string([]byte{byte('6' + row - classRows), 'x', 'x'})
	}
	return "other"
}

// cells counts requests by method. It fills two cache lines, so that shards don't share one.
type cells struct {
	by [len(methodNames)]atomic.Uint64
	_  [128 - 8*len(methodNames)]byte
}

type row [shards]cells

// requests counts by status and method. Rows are made when a status is first seen.
type requests struct{ rows [rowCount]atomic.Pointer[row] }

func (q *requests) row(status int) *row {
	return made(&q.rows[rowOf(status)])
}

// made returns what p points to, made at the first call. It is small enough to be inlined.
func made[T any](p *atomic.Pointer[T]) *T {
	if v := p.Load(); v != nil {
		return v
	}
	return makeOnce(p)
}

func makeOnce[T any](p *atomic.Pointer[T]) *T {
	p.CompareAndSwap(nil, new(T))
	return p.Load()
}

// each calls f with every count that is not zero.
func (q *requests) each(f func(code, method string, n uint64)) {
	for i := range q.rows {
		r := q.rows[i].Load()
		if r == nil {
			continue
		}
		for m, name := range methodNames {
			n := uint64(0)
			for s := range r {
				n += r[s].by[m].Load()
			}
			if n > 0 {
				f(codeOf(i), name, n)
			}
		}
	}
}

// bounds are the upper bounds of the histograms' buckets.
var bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// histogram counts durations. Its number of observations is the sum of its buckets, so that the two never disagree.
type histogram [shards]struct {
	buckets [len(bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
	_       [192 - 8*(len(bounds)+2)]byte
}

func (h *histogram) observe(shard uint64, d time.Duration) {
	// Most requests are fast: the search ends soon.
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	s := &h[shard]
	s.buckets[i].Add(1)
	s.sum.Add(int64(d))
}

// read returns the number of observations, their sum in seconds, and how many were not above each bound, in seconds.
func (h *histogram) read() (count uint64, sum float64, cumulative map[float64]uint64) {
	var total time.Duration
	var n [len(bounds) + 1]uint64
	for i := range h {
		for b := range n {
			n[b] += h[i].buckets[b].Load()
		}
		total += time.Duration(h[i].sum.Load())
	}
	cumulative = make(map[float64]uint64, len(bounds))
	for b, bound := range bounds {
		count += n[b]
		cumulative[bound.Seconds()] = count
	}
	return count + n[len(bounds)], total.Seconds(), cumulative
}

// vhost is what is counted of a virtual host. It lives in runtime.State. A configuration may have thousands that nobody asks for: memory is
// taken at the first request.
type vhost struct{ p atomic.Pointer[vhostCounts] }

type vhostCounts struct {
	requests requests
	latency  histogram // of requests that no balancer took: those have one each, so that a request is written down once
}

func (v *vhost) get() *vhostCounts { return made(&v.p) }

// lazyHistogram is a histogram that takes memory at its first observation. It lives in runtime.State.
type lazyHistogram struct{ p atomic.Pointer[histogram] }

func (l *lazyHistogram) get() *histogram { return made(&l.p) }
