package main

import "slices"

// A sample is what one measurement of one peer in one round gave: metrics by name.
type sample map[string]float64

// Metrics of samples, with their units.
const (
	rate      = "rate"      // requests a second
	cost      = "cost"      // processor µs a request, user and system
	costUser  = "user"      // its user part
	costSys   = "system"    // its system part
	p50       = "p50"       // µs
	p99       = "p99"       // µs
	p999      = "p999"      // µs
	latest    = "max"       // µs
	memory    = "memory"    // bytes, proportional set size of all processes
	perGiB    = "perGiB"    // processor seconds a GiB
	speed     = "speed"     // bytes a second
	firstIn   = "firstIn"   // s from the start of the process to the first answer
	loadCost  = "loadCost"  // processor s from the start to the first answer
	costFirst = "costFirst" // processor µs a request at the first virtual host
	costLast  = "costLast"  // the same at the last
	shown     = "shown"     // s until a change of a file shows from outside, by the signal of a reload
	reloadCPU = "reloadCPU" // processor s of such a reload
	watched   = "watched"   // as shown, when the file's change is noticed without a signal
	watchCPU  = "watchCPU"  // as reloadCPU, without a signal
	perIdle   = "perIdle"   // bytes of memory an idle connection or tunnel
	reloads   = "reloads"   // reloads a second
	reopened  = "reopened"  // kept connections that were closed under the client
)

// results keeps samples by case, peer and round. A case is a row of a table; nil is a measurement that failed.
type results struct {
	samples map[string]map[string][]sample
	failed  []string // measurements that failed, each with its reason
}

func newResults() *results { return &results{samples: map[string]map[string][]sample{}} }

// add keeps a sample of the round, which counts from 0.
func (r *results) add(kase, peer string, round int, s sample) {
	if r.samples[kase] == nil {
		r.samples[kase] = map[string][]sample{}
	}
	of := r.samples[kase][peer]
	for len(of) <= round {
		of = append(of, nil)
	}
	if of[round] == nil {
		of[round] = sample{}
	}
	for metric, v := range s {
		of[round][metric] = v
	}
	r.samples[kase][peer] = of
}

// series names the values of one metric over the rounds.
type series struct{ kase, peer, metric string }

// at is the value in a round, if it was measured.
func (r *results) at(s series, round int) (float64, bool) {
	of := r.samples[s.kase][s.peer]
	if round >= len(of) || of[round] == nil {
		return 0, false
	}
	v, ok := of[round][s.metric]
	return v, ok
}

// values lists what was measured in all rounds.
func (r *results) values(s series) (all []float64) {
	for round := range r.samples[s.kase][s.peer] {
		if v, ok := r.at(s, round); ok {
			all = append(all, v)
		}
	}
	return all
}

// spread is a median with the least and the greatest value; n is how many there were.
type spread struct {
	median, low, high float64
	n                 int
}

// ratio divides two series round by round, so that what drifts between rounds cancels out. What one of them was measured
// for in a single round only (httpd with 10,000 virtual hosts) is compared in that round.
func (r *results) ratio(over, under series) spread {
	var all []float64
	for round := range r.samples[over.kase][over.peer] {
		a, ok := r.at(over, round)
		b, ok2 := r.at(under, round)
		if ok && ok2 && b != 0 {
			all = append(all, a/b)
		}
	}
	return spreadOf(all)
}

// spreadOf is the spread of values; the zero spread if there are none.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return spread{median: median(v), low: v[0], high: v[len(v)-1], n: len(v)}
}

// median of sorted values, which are at least one: of an even number the mean of the middle two.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quantile of sorted values, which are at least one; q is from 0 to 1. No more than the part 1-q of the values is greater.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*q))]
}
