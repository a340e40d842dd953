package balancer

import (
	"math"
	"slices"
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

	// Of one election. Guarded by BalancerState.Mu.
	at      int64   // see now; 0: not asked for yet
	failed  []int32 // members that the request has been sent to in vain
	passing bool    // they count as being in error
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
	m.at, m.failed, m.passing = 0, m.failed[:0], false
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
		l.changed()
		for i, w := range m.b.Members {
			if s := w.Status(); s != l.members[i].status {
				m.place(int32(i), s)
			}
		}
	}
	return l
}

func (m *lbmethod) unlock() { m.b.State.Mu.Unlock() }

// clock is replaced by tests.
var clock = time.Now

// now is the time of the election, in Unix nanoseconds: one for all members, as asking costs as much as half an election.
func (m *lbmethod) now() int64 {
	if m.at == 0 {
		m.at = clock().UnixNano()
	}
	return m.at
}

// place puts a member where its status belongs.
func (m *lbmethod) place(i int32, s proxy.Status) {
	if m.passing && slices.Contains(m.failed, i) {
		s |= proxy.InError
	}
	m.ledger.place(i, s, roleOf(m.b.Members[i], s))
}

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

// debugs tells whether httpd's debug lines of retries and methods are to be written.
func debugs(r *runtime.Request) bool { return r.Server.LogOn(proxy.Module, runtime.LogDebug) }

// retry is ap_proxy_retry_worker for a member.
func (m *lbmethod) retry(r *runtime.Request, i int32) {
	w := m.b.Members[i]
	s := w.Status()
	if !s.Has(proxy.InError) {
		return
	}
	id, what := "AH00933", "too soon to retry worker for (%s:%d)"
	switch {
	case w.Retry(time.Unix(0, m.now())):
		m.place(i, w.Status())
		id, what = "AH00932", "worker for (%s:%d) has been marked for retry"
	case s.Has(proxy.Stopped):
		id, what = "AH03305", "Won't retry worker (%s:%d): stopped"
	}
	if debugs(r) {
		r.Server.Logf(proxy.Module, runtime.LogDebug, id, "BALANCER: "+what, w.Hostname, w.Port)
	}
}

// retrySet retries the set's members in error, but for drained ones, in the order of the file. httpd goes through them at each
// election; here that is done only when one is due, as most members may be in error, and at debug level, as each is named then.
func (m *lbmethod) retrySet(r *runtime.Request, s *lbset) {
	s.due = math.MaxInt64
	for k := 0; k < len(s.sick); {
		i := s.sick[k]
		if !m.ledger.members[i].status.Has(proxy.Drain) {
			m.retry(r, i)
		}
		if k < len(s.sick) && s.sick[k] == i {
			if !m.ledger.members[i].status.Has(proxy.Drain) {
				s.due = min(s.due, m.b.Members[i].RetryAt())
			}
			k++
		}
	}
}

// forceRecovery takes all members out of error when all are in error and none is to be retried yet. As in httpd, members are
// retried here up to the first that is not in error.
func (m *lbmethod) forceRecovery(r *runtime.Request) {
	l, all := m.ledger, m.b.Members
	if l.members[0].status.Has(proxy.InError) && (debugs(r) || m.now() > l.headDue) {
		m.retryHead(r)
	}
	if l.sick < len(all) || !m.b.ForceRecovery.Or(true) {
		return
	}
	for i, w := range all {
		w.Recover()
		m.place(int32(i), w.Status())
		if r.Server.LogOn(Module, runtime.LogDebug) {
			r.Server.Logf(Module, runtime.LogDebug, "AH01165", "%s: Forcing recovery for worker (%s:%d)", m.b.Name, w.Hostname, w.Port)
		}
	}
}

// retryHead retries the first members, as long as they stay in error.
func (m *lbmethod) retryHead(r *runtime.Request) {
	l := m.ledger
	l.headDue = math.MaxInt64
	for i, w := range m.b.Members {
		if !l.members[i].status.Has(proxy.InError) {
			return
		}
		if m.retry(r, int32(i)); !l.members[i].status.Has(proxy.InError) {
			return
		}
		l.headDue = min(l.headDue, w.RetryAt())
	}
}

// recall looks up which members the request has been sent to: those that failed it.
func (m *lbmethod) recall(r *runtime.Request) {
	all := m.ledger.members
	proxy.Of(r).Held(func(st *proxy.WorkerState) {
		if i := st.Turn; int(i) < len(all) && all[i].state == st {
			m.failed = append(m.failed, i)
		}
	})
}

// passOver tells whether i is a member that has failed the request. Then all of those count as being in error from now on, as
// they do anyway but for those that were taken out of error at once (retry=0) or by another request.
func (m *lbmethod) passOver(i int32) bool {
	if len(m.failed) == 0 || m.passing || !slices.Contains(m.failed, i) {
		return false
	}
	m.passing = true
	m.placeFailed()
	return true
}

// passOverNoMore ends what passOver began.
func (m *lbmethod) passOverNoMore() {
	if m.passing {
		m.passing = false
		m.placeFailed()
	}
}

func (m *lbmethod) placeFailed() {
	for _, i := range m.failed {
		m.place(i, m.b.Members[i].Status())
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

// byMethod finds the member whose turn it is, of the first lbset that has a usable one; -1 for none (get_best_worker). One that has
// failed the request has its turn, but another one goes for it where there is one.
func (m *lbmethod) byMethod(r *runtime.Request) int32 {
	if m.name == heartbeatMethod {
		i := m.byHeartbeat(r)
		if m.passOver(i) {
			if other := m.byHeartbeat(r); other >= 0 {
				return other
			}
		}
		return i
	}
	l := m.ledger
	logs := debugs(r)
	if logs {
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH10122", "proxy: Entering %s for BALANCER (%s)", m.name, m.b.Name)
	}
	failed := int32(-1)
	for _, s := range l.sets {
		if len(s.sick) > 0 && (logs || m.now() > s.due) {
			m.retrySet(r, s)
		}
		i := m.bestOf(r, s, logs)
		if m.passOver(i) {
			failed = i
			i = m.bestOf(r, s, logs)
		}
		if i >= 0 {
			return i
		}
	}
	return failed
}

// bestOf elects a member of the set, -1 for none.
func (m *lbmethod) bestOf(r *runtime.Request, s *lbset, logs bool) int32 {
	l := m.ledger
	i, total := l.best(s)
	if i < 0 {
		return i
	}
	if logs {
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH10123", "proxy: %s selected worker \"%s\" : busy %d : lbstatus %d",
			m.name, m.b.Members[i].Name, m.b.Members[i].State.Busy.Load(), l.lbstatus(i))
	}
	l.charge(i, total)
	return i
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
