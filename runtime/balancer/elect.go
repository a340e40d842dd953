package balancer

import (
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// lbmethod holds elections for one balancer of one Graph: proxy.Balancer.Method.
type lbmethod struct {
	b *proxy.Balancer

	// What follows is made anew when an operator changes what it is made of. Guarded by BalancerState.Mu.
	name   string
	routes map[string][]int32 // members by route, in the order of the file
	ledger *ledger
	tuned  uint64 // BalancerState.Tuned when it was made
}

var orders = map[string]order{"byrequests": byRequests, "bytraffic": byTraffic, "bybusyness": byBusyness}

// methods are the names that lbmethod= may have; the first is the default.
var methods = []string{"byrequests", "bytraffic", "bybusyness", heartbeatMethod}

func newMethod(b *proxy.Balancer) *lbmethod {
	m := &lbmethod{b: b}
	m.build()
	return m
}

func (m *lbmethod) build() {
	m.tuned = m.b.State.Tuned.Load()
	m.name, m.routes = m.b.LBMethod(), map[string][]int32{}
	m.ledger = newLedger(orders[m.name])
	for i, w := range m.b.Members {
		m.ledger.add(w.State, int64(w.LBFactor()), w.LBSet())
		if route := w.Route(); route != "" {
			m.routes[route] = append(m.routes[route], int32(i))
		}
	}
}

// lock begins an election. Another Graph's ledger is taken over from; members whose status has changed find their new places.
func (m *lbmethod) lock() *ledger {
	st := m.b.State
	st.Mu.Lock()
	if m.tuned != st.Tuned.Load() {
		m.build()
	}
	l := m.ledger
	changes := st.Changes.Load()
	if st.Elections != l {
		if st.Elections != nil {
			st.Elections.Settle()
		}
		st.Elections = l
		st.ByBusy.Store(l.order == byBusyness)
		l.load()
		l.seen = changes - 1
	}
	if l.seen != changes {
		l.seen = changes
		for i, w := range m.b.Members {
			if s := w.Status(); s != l.members[i].status {
				l.place(int32(i), s, roleOf(w, s))
			}
		}
	}
	return l
}

func (m *lbmethod) unlock() { m.b.State.Mu.Unlock() }

// roleOf is where get_best_worker looks for a member of that status.
func roleOf(w *proxy.Worker, s proxy.Status) role {
	r := s.Has(proxy.HotSpare)
	switch isSpare, isStandby := r && w.FlagR == proxy.HotSpareR, s.Has(proxy.HotStandby); {
	case s.Has(proxy.Drain):
		if isSpare || isStandby {
			return idle
		}
		return lacking
	case r && !isSpare: // route-only: as if disabled
		if isStandby {
			return idle
		}
		return lacking
	case isSpare && s.Usable():
		return spare
	case isSpare:
		return idle
	case isStandby && s.Usable():
		return standby
	case isStandby:
		return idle
	case s.Usable():
		return normal
	}
	return lacking
}

// retry is ap_proxy_retry_worker for a member. It tells whether the member is usable then.
func (m *lbmethod) retry(r *runtime.Request, i int32) {
	w := m.b.Members[i]
	s := w.Status()
	if !s.Has(proxy.InError) {
		return
	}
	switch {
	case w.Retry(time.Now()):
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH00932", "BALANCER: worker for (%s:%d) has been marked for retry", w.Hostname, w.Port)
		s = w.Status()
		m.ledger.place(i, s, roleOf(w, s))
	case s.Has(proxy.Stopped):
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH03305", "BALANCER: Won't retry worker (%s:%d): stopped", w.Hostname, w.Port)
	default:
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH00933", "BALANCER: too soon to retry worker for (%s:%d)", w.Hostname, w.Port)
	}
}

// retryAll retries the members in error for which want holds, in the order of the file.
func (m *lbmethod) retryAll(r *runtime.Request, want func(i int32) bool) {
	l := m.ledger
	for k := 0; k < len(l.sick); {
		i := l.sick[k]
		if want(i) {
			m.retry(r, i)
		}
		if k < len(l.sick) && l.sick[k] == i {
			k++
		}
	}
}

// forceRecovery takes all members out of error when all are in error and none is to be retried yet. As in httpd, members are
// retried here up to the first that is not in error.
func (m *lbmethod) forceRecovery(r *runtime.Request) {
	l, all := m.ledger, m.b.Members
	for k := range all {
		if len(l.sick) <= k || l.sick[k] != int32(k) {
			return
		}
		if m.retry(r, int32(k)); len(l.sick) <= k || l.sick[k] != int32(k) {
			return
		}
	}
	if !m.b.ForceRecovery.Or(true) {
		return
	}
	for i, w := range all {
		w.Recover()
		s := w.Status()
		l.place(int32(i), s, roleOf(w, s))
		r.Server.Logf(Module, runtime.LogDebug, "AH01165", "%s: Forcing recovery for worker (%s:%d)", m.b.Name, w.Hostname, w.Port)
	}
}

// byRoute finds the member for a route: the first usable one that has it, those on standby last; for an unusable one that it is
// redirected to. A route-only member is there for requests with its own route, not for those redirected to it.
func (m *lbmethod) byRoute(r *runtime.Request, route string, depth int) int32 {
	for _, onStandby := range [...]bool{false, true} {
		for _, i := range m.routes[route] {
			if m.ledger.members[i].status.Has(proxy.HotStandby) != onStandby {
				continue
			}
			if m.takes(i, depth) {
				return i
			}
			if m.retry(r, i); m.takes(i, depth) {
				return i
			}
			if to := m.b.Members[i].Redirect(); to != "" && depth < len(m.b.Members) {
				if j := m.byRoute(r, to, depth+1); j >= 0 {
					return j
				}
			}
		}
	}
	return -1
}

func (m *lbmethod) takes(i int32, depth int) bool {
	x := &m.ledger.members[i]
	return x.usable && (depth == 1 || m.b.Members[i].FlagR == proxy.HotSpareR || !x.status.Has(proxy.HotSpare))
}

// byMethod finds the member whose turn it is, of the first lbset that has a usable one; -1 for none (get_best_worker).
func (m *lbmethod) byMethod(r *runtime.Request) int32 {
	if m.name == heartbeatMethod {
		return m.byHeartbeat(r)
	}
	l := m.ledger
	logs := r.Server.LogOn(proxy.Module, runtime.LogDebug)
	if logs {
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH10122", "proxy: Entering %s for BALANCER (%s)", m.name, m.b.Name)
	}
	for _, s := range l.sets {
		if len(l.sick) > 0 {
			m.retryAll(r, func(i int32) bool { return l.members[i].set == s && !l.members[i].status.Has(proxy.Drain) })
		}
		if i, total := l.best(s); i >= 0 {
			if logs {
				r.Server.Logf(proxy.Module, runtime.LogDebug, "AH10123", "proxy: %s selected worker \"%s\" : busy %d : lbstatus %d",
					m.name, m.b.Members[i].Name, m.b.Members[i].State.Busy.Load(), l.lbstatus(i))
			}
			l.charge(i, total)
			return i
		}
	}
	return -1
}

// elected accounts for the election of a member.
func (m *lbmethod) elected(i int32, now time.Time) *proxy.Worker {
	w := m.b.Members[i]
	w.State.CountElected(now)
	w.State.Busy.Add(1)
	if m.ledger.order == byBusyness {
		m.ledger.BusyChanged(w.State)
	}
	return w
}
