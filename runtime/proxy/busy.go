package proxy

import "pinion/runtime"

// holds are the members that count a request as busy. They refer to no Graph, so that a tunnel may keep them.
type holds struct {
	first [1]hold // a balanced request mostly has one
	held  []hold
}

type hold struct {
	balancer *BalancerState
	worker   *WorkerState
}

// Hold says that the member w is busy with r until r ends; Busy was raised by the selector, which calls this. A member that is
// elected again after it failed is then busy twice, as in httpd.
func (s *RequestState) Hold(r *runtime.Request, w *Worker) {
	if s.held == nil {
		s.held = s.first[:0]
		r.AtEnd(&s.holds)
	}
	s.held = append(s.held, hold{w.Balancer.State, w.State})
}

// Held calls f for each member that was elected for the request so far: at a failover all of them have failed it.
func (s *RequestState) Held(f func(w *WorkerState)) {
	for _, x := range s.held {
		f(x.worker)
	}
}

// Detach keeps the members busy beyond the request's end, until the function that it returns is called: for a tunnel, which
// outlives its request. It must be called once.
func (s *RequestState) Detach() (end func()) {
	h := &holds{held: append([]hold(nil), s.held...)}
	s.held = s.first[:0]
	return h.End
}

// End is called when the request has ended.
func (h *holds) End() {
	for _, x := range h.held {
		x.release()
	}
	h.held = h.held[:0]
}

func (x hold) release() {
	if !x.balancer.ByBusy.Load() {
		x.worker.release()
		return
	}
	x.balancer.Mu.Lock()
	x.worker.release()
	if x.balancer.Elections != nil {
		x.balancer.Elections.BusyChanged(x.worker)
	}
	x.balancer.Mu.Unlock()
}

// release lowers Busy, never below 0: an operator may have reset it meanwhile.
func (s *WorkerState) release() {
	for {
		n := s.Busy.Load()
		if n <= 0 || s.Busy.CompareAndSwap(n, n-1) {
			return
		}
	}
}
