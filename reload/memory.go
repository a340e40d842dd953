package reload

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// Loading thousands of virtual hosts leaves more garbage than what stays, and the collector's default lets garbage take as much
// memory as all that lives. A proxy's memory is its configuration, mostly, which lives long; so a large one is given less room.
// GOGC in the environment overrules all of it.
const (
	loadPercent  = 200 // garbage in percent of what lives while the first load goes on: nothing of it is garbage yet
	largePercent = 50  // for a large heap
	smallPercent = 100 // Go's default
	largeHeap    = 64 << 20
	smallHeap    = 32 << 20
)

// heapSettings adapts the collector to a process. Another configuration in the same process has its own way then.
type heapSettings struct {
	off     bool        // GOGC is set
	running atomic.Bool // giveBack is
}

// beforeFirst is for the load that begins.
func (h *heapSettings) beforeFirst() {
	if h.off = os.Getenv("GOGC") != ""; !h.off {
		debug.SetGCPercent(loadPercent)
	}
}

// giveBack returns to the system what a whole load has left, beside whatever else goes on.
func (h *heapSettings) giveBack() {
	if h.off || !h.running.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer h.running.Store(false)
		debug.FreeOSMemory()
		debug.SetGCPercent(percentFor(liveHeap()))
	}()
}

// percentFor is how much garbage, in percent, a heap of which so many bytes live may hold.
func percentFor(live uint64) int {
	switch {
	case live >= largeHeap:
		return largePercent
	case live <= smallHeap:
		return smallPercent
	}
	return smallPercent - int((live-smallHeap)*(smallPercent-largePercent)/(largeHeap-smallHeap))
}

// liveHeap is how many bytes were alive at the end of the last collection.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
