package balancer

import "pinion/runtime/proxy"

// Refactor gives every member its factor as lbstatus, as httpd does when an operator has changed one.
func Refactor(b *proxy.Balancer) {
	restart(b, func(w *proxy.Worker) { w.State.LBStatus.Store(int64(w.LBFactor())) })
}

// Reset makes the turns begin anew, as httpd's methods do each in its own way when an operator has chosen them.
func Reset(b *proxy.Balancer) {
	if b.LBMethod() == heartbeatMethod {
		return
	}
	order := orders[b.LBMethod()]
	restart(b, func(w *proxy.Worker) {
		if order == byTraffic {
			w.State.Transferred.Store(0)
			w.State.Read.Store(0)
			return
		}
		w.State.LBStatus.Store(0)
		if order == byBusyness {
			w.State.Busy.Store(0)
		}
	})
}

// restart changes the members' states between two elections; the next one begins from them.
func restart(b *proxy.Balancer, change func(w *proxy.Worker)) {
	st := b.State
	st.Mu.Lock()
	defer st.Mu.Unlock()
	if st.Elections != nil {
		st.Elections.Settle()
		st.Elections = nil
	}
	for _, w := range b.Members {
		change(w)
	}
}
