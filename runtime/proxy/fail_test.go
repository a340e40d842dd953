package proxy

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestErrorHasItsTime: a worker that fails while others connect to it or try it again is in error from then on. Nobody finds the
// error without its time, or takes it back for one that is over.
func TestErrorHasItsTime(t *testing.T) {
	w := &Worker{State: &WorkerState{}, Params: Params{Retry: time.Hour}}
	old := time.Now().Add(-2 * time.Hour)
	var others sync.WaitGroup
	var done, connects atomic.Bool
	defer others.Wait()
	defer done.Store(true)
	others.Go(func() {
		for n := 0; !done.Load(); n++ {
			if connects.Load() {
				w.Connected()
			} else {
				w.Retry(time.Now())
			}
			if n%64 == 0 {
				runtime.Gosched()
			}
		}
	})
	for n := range 100000 {
		connects.Store(n%2 == 0)
		w.ForceError(old)
		if n%4 < 2 {
			w.Recover()
		}
		if n%64 < 8 {
			runtime.Gosched()
		}
		now := time.Now()
		if w.Fail(now); w.Retry(now) {
			t.Fatalf("after %d times: the worker has failed and may be tried again at once", n)
		}
	}
}
