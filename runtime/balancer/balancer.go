// Package balancer is mod_proxy_balancer with mod_lbmethod_byrequests, _bytraffic, _bybusyness and _heartbeat: which member of a balancer
// a request goes to, by its session or by whose turn it is.
package balancer

import (
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// Module is mod_proxy_balancer. Its parameters are read by mod_proxy, as in httpd.
var Module = runtime.Define(runtime.Module{Name: "proxy_balancer_module", File: "mod_proxy_balancer.c",
	PostServer: postServer, PostConfig: check})

// The modules of the methods. They have no directives here: HeartbeatStorage is mod_heartmonitor's too.
var (
	ByRequests  = runtime.Define(runtime.Module{Name: "lbmethod_byrequests_module", File: "mod_lbmethod_byrequests.c"})
	ByTraffic   = runtime.Define(runtime.Module{Name: "lbmethod_bytraffic_module", File: "mod_lbmethod_bytraffic.c"})
	ByBusyness  = runtime.Define(runtime.Module{Name: "lbmethod_bybusyness_module", File: "mod_lbmethod_bybusyness.c"})
	ByHeartbeat = runtime.Define(runtime.Module{Name: "lbmethod_heartbeat_module", File: "mod_lbmethod_heartbeat.c"})
)

// Modules returns the balancer's and the methods' modules.
func Modules() []*runtime.Module {
	return []*runtime.Module{Module, ByRequests, ByTraffic, ByBusyness, ByHeartbeat}
}

func init() {
	proxy.SetSelector(proxy.Selector{PreRequest: preRequest, PostRequest: postRequest, Refactored: Refactor, Reset: Reset, Methods: methods})
}

func postServer(c *runtime.Compiler, s *runtime.Server) {
	for _, b := range proxy.ConfOf(s).Balancers {
		if b.Method == nil && b.State != nil {
			b.Method = newMethod(b)
		}
	}
}

// preRequest is proxy_balancer_pre_request.
func preRequest(r *runtime.Request, b *proxy.Balancer, url *string) (*proxy.Worker, runtime.Result) {
	m := b.Method.(*lbmethod)
	s := sessionOf(r, b, *url)
	state := proxy.Of(r)
	s.again = state.Attempts > 0
	w, denied := m.elect(r, &s)
	if denied {
		r.Logf(Module, runtime.LogErr, "AH01167", "%s: All workers are in error state for route (%s)", b.Name, s.route)
		return nil, 503
	}
	if w == nil {
		if w = m.wait(r); w == nil {
			if len(b.Members) > 0 {
				r.Logf(Module, runtime.LogErr, "AH01170", "%s: All workers are in error state", b.Name)
			} else {
				r.Logf(Module, runtime.LogErr, "AH01171", "%s: No workers in balancer", b.Name)
			}
			return nil, 503
		}
		if cookie, _ := b.Sticky(); cookie != "" {
			r.Env.Set("BALANCER_ROUTE_CHANGED", "1")
		}
	}
	state.Hold(r, w)
	count(b, w, &s, state.Attempts)
	r.Env.Set("BALANCER_NAME", b.Name)
	r.Env.Set("BALANCER_WORKER_NAME", w.Name)
	r.Env.Set("BALANCER_WORKER_ROUTE", w.Route())
	var res runtime.Result
	*url, res = proxy.MemberURL(r, w, *url)
	if s.routed {
		r.Notes.Set("session-sticky", s.name)
		r.Notes.Set("session-route", s.route)
		r.Env.Set("BALANCER_SESSION_STICKY", s.name)
		r.Env.Set("BALANCER_SESSION_ROUTE", s.route)
	}
	if r.LogOn(Module, runtime.LogDebug) {
		r.Logf(Module, runtime.LogDebug, "AH01172", "%s: worker (%s) rewritten to %s", b.Name, w.Name, *url)
	}
	return w, res
}

// elect chooses a member by the session's route, else by the method. denied tells that the session's member is not usable and no
// other may take its place (nofailover).
func (m *lbmethod) elect(r *runtime.Request, s *session) (w *proxy.Worker, denied bool) {
	l := m.lock()
	defer m.unlock()
	if l.sick > 0 {
		m.forceRecovery(r)
	}
	s.log(r)
	if s.again {
		m.recall(r)
	}
	w, denied = m.choose(r, s)
	m.passOverNoMore()
	return w, denied
}

func (m *lbmethod) choose(r *runtime.Request, s *session) (w *proxy.Worker, denied bool) {
	failed := int32(-1)
	if s.route != "" {
		if !s.again {
			for _, i := range m.routes[s.route] {
				m.b.Members[i].State.Routed(r.Time)
			}
		}
		i := m.byRoute(r, s.route, 1)
		if m.passOver(i) {
			failed = i
			if i = m.byRoute(r, s.route, 1); i < 0 && m.b.StickyForce() {
				i = failed
			}
		}
		if i >= 0 {
			return m.bySession(r, s, i), false
		}
		if m.b.StickyForce() && m.routes[s.route] != nil {
			return nil, true
		}
	}
	if i := m.byMethod(r); i >= 0 {
		if s.sticky {
			r.Env.Set("BALANCER_ROUTE_CHANGED", "1")
		}
		return m.elected(i, r.Time), false
	}
	if failed >= 0 {
		return m.bySession(r, s, failed), false
	}
	return nil, false
}

// bySession accounts for the election of a member by the session's route.
func (m *lbmethod) bySession(r *runtime.Request, s *session, i int32) *proxy.Worker {
	if route := m.b.Members[i].Route(); route != s.route {
		r.Env.Set("BALANCER_ROUTE_CHANGED", "1")
		if r.LogOn(Module, runtime.LogDebug) {
			r.Logf(Module, runtime.LogDebug, "AH01162", "Route changed from %s to %s", s.route, route)
		}
	}
	m.passOverNoMore()
	m.ledger.bySession(i)
	return m.elected(i, r.Time)
}

// sleep is replaced by tests.
var sleep = time.Sleep

// wait tries again and again, for as long as the balancer's timeout= says, until a member is usable; nil for none.
func (m *lbmethod) wait(r *runtime.Request) *proxy.Worker {
	timeout := m.b.Timeout()
	step := timeout / 100
	for waited := time.Duration(0); waited < timeout; waited += step {
		sleep(step)
		if w := m.again(r); w != nil {
			return w
		}
	}
	return nil
}

func (m *lbmethod) again(r *runtime.Request) *proxy.Worker {
	m.lock()
	defer m.unlock()
	if i := m.byMethod(r); i >= 0 {
		return m.elected(i, r.Time)
	}
	return nil
}

// count keeps the figures of stickiness.
func count(b *proxy.Balancer, w *proxy.Worker, s *session, attempt int) {
	switch {
	case !s.sticky:
	case s.route == "":
		if attempt == 0 {
			b.State.StickyMisses.Add(1)
		}
	case s.route == w.Route():
		if attempt == 0 {
			b.State.StickyHits.Add(1)
		}
	default:
		b.State.RouteChanges.Add(1)
	}
}

// postRequest is proxy_balancer_post_request.
func postRequest(r *runtime.Request, b *proxy.Balancer, w *proxy.Worker) {
	if w != nil && !w.Status().Has(proxy.IgnoreErrors) {
		if b.FailsOn(r.Status) {
			r.Logf(Module, runtime.LogErr, "AH01174", "%s: Forcing worker (%s) into error state due to status code %d matching 'failonstatus' balancer parameter",
				b.Name, w.DisplayName(), r.Status)
			w.ForceError(time.Now())
		}
		if b.FailOnTimeout.Or(false) && r.Notes.Has("proxy_timedout") {
			r.Logf(Module, runtime.LogErr, "AH02460", "%s: Forcing worker (%s) into error state due to timeout and 'failontimeout' parameter being set",
				b.Name, w.DisplayName())
			w.ForceError(time.Now())
		}
	}
	if r.LogOn(Module, runtime.LogDebug) {
		r.Logf(Module, runtime.LogDebug, "AH01176", "proxy_balancer_post_request for (%s)", b.Name)
	}
}
