package balancer

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// newRequest is a request for elections that need no graph.
func newRequest() *runtime.Request {
	dir := &runtime.DirConfig{}
	return &runtime.Request{Server: &runtime.Server{Dir: dir, Errors: runtime.StderrLog}, Dir: dir}
}

func newWorker(b *proxy.Balancer, p proxy.Params) *proxy.Worker {
	w := &proxy.Worker{Name: fmt.Sprintf("http://b%d", len(b.Members)), Scheme: "http", Hostname: "b", Port: 80, Params: p, Balancer: b,
		State: &proxy.WorkerState{}}
	b.Members = append(b.Members, w)
	return w
}

// rig is a balancer and its model side by side.
type rig struct {
	rnd  *rand.Rand
	b    *proxy.Balancer
	m    *lbmethod
	x    *model
	r    *runtime.Request
	old  *lbmethod // of the Graph before, some of whose requests are elected yet
	open []int     // members busy with a request

	graph *runtime.Graph // for requests that keep what mod_proxy knows of them
}

func newRig(graph *runtime.Graph, seed int64, method string) *rig {
	g := &rig{graph: graph, rnd: rand.New(rand.NewSource(seed)), r: newRequest()}
	clock = func() time.Time { return time.Unix(0, g.x.now) }
	g.b = proxy.NewBalancer("balancer://x")
	g.b.BalancerParams.LBMethod = runtime.Some(method)
	g.x = &model{method: method, now: 100, forceRecovery: g.rnd.Intn(2) == 0, noFailover: g.rnd.Intn(3) == 0}
	g.b.ForceRecovery, g.b.BalancerParams.StickyForce = runtime.Some(g.x.forceRecovery), runtime.Some(g.x.noFailover)
	routes := []string{"", "a", "b", "c", "d"}
	plain := g.rnd.Intn(3) == 0
	for n := 1 + g.rnd.Intn(8); n > 0; n-- {
		o := &modelMember{factor: 100, usable: true}
		p := proxy.Params{LBFactor: 100, Retry: time.Duration(g.rnd.Intn(8))}
		if g.rnd.Intn(2) == 0 {
			o.factor = int64(100 + 50*g.rnd.Intn(6))
			p.LBFactor = int(o.factor)
		}
		if !plain {
			p.LBSet = g.rnd.Intn(3)
			o.route, o.redirect = routes[g.rnd.Intn(5)], routes[g.rnd.Intn(5)]
			p.Route, p.Redirect = o.route, o.redirect
		}
		w := newWorker(g.b, p)
		o.lbset = p.LBSet
		if g.rnd.Intn(2) == 0 {
			w.FlagR = proxy.HotSpareR
		}
		g.x.members = append(g.x.members, o)
		if !plain {
			for range g.rnd.Intn(3) {
				g.operate(len(g.x.members)-1, true)
			}
		}
	}
	g.m = newMethod(g.b)
	return g
}

// operate changes one flag of a member as an operator would.
func (g *rig) operate(i int, on bool) {
	o, w := g.x.members[i], g.b.Members[i]
	switch g.rnd.Intn(7) {
	case 0:
		w.Operate(proxy.Drain, on)
		o.drain = on
	case 1:
		w.Operate(proxy.HotSpare, on)
		o.spare = on && w.FlagR == proxy.HotSpareR
		o.routeOnly = on && w.FlagR == proxy.RouteOnly
	case 2:
		w.Operate(proxy.HotStandby, on)
		o.standby = on
	case 3:
		w.Operate(proxy.Disabled, on)
	case 4:
		w.Operate(proxy.Stopped, on)
		o.stopped = on
	case 5:
		w.SetHCFail(on)
	case 6:
		w.Operate(proxy.IgnoreErrors, on)
		o.ignores = on
	}
	o.usable = !w.Status().Has(proxy.Disabled | proxy.Stopped | proxy.HCFail)
}

// step does something to both; it says what.
func (g *rig) step(t *testing.T) string {
	i := g.rnd.Intn(len(g.x.members))
	o, w := g.x.members[i], g.b.Members[i]
	switch k := g.rnd.Intn(20); {
	case k == 0:
		g.operate(i, g.rnd.Intn(2) == 0)
		return fmt.Sprint("operate ", i)
	case k == 8 && g.rnd.Intn(4) == 0:
		return g.tune(t, i)
	case k == 1 || k == 9:
		w.ForceError(clock())
		o.inError, o.errorAt = true, g.x.now
		return fmt.Sprint("fail ", i)
	case k == 2 || k == 10:
		g.x.now += g.rnd.Int63n(5)
		return fmt.Sprint("now ", g.x.now)
	case k == 11:
		return g.recover(i)
	case k == 3:
		n := g.rnd.Int63n(3000)
		w.State.Transferred.Add(n)
		w.State.Read.Add(2 * n)
		o.transferred += n
		o.readIn += 2 * n
		return fmt.Sprint("traffic ", i, n)
	case k < 7 && len(g.open) > 0:
		at := g.rnd.Intn(len(g.open))
		i := g.open[at]
		g.open = append(g.open[:at], g.open[at+1:]...)
		var s proxy.RequestState
		s.Hold(g.r, g.b.Members[i])
		s.Detach()()
		g.x.members[i].busy = max(g.x.members[i].busy-1, 0)
		return fmt.Sprint("end ", i)
	case k == 7:
		// A reload: the same members in another Graph.
		g.reload()
		return "reload"
	}
	return g.elect(t)
}

// recover changes by what a member's retry is decided, as others than elections do.
func (g *rig) recover(i int) string {
	o, w := g.x.members[i], g.b.Members[i]
	switch g.rnd.Intn(4) {
	case 0:
		w.HCPass()
		o.inError, o.usable = false, !w.Status().Has(proxy.Disabled|proxy.Stopped)
		return fmt.Sprint("health check passed ", i)
	case 1:
		w.Operate(proxy.InError, false)
		o.inError = false
		return fmt.Sprint("no error ", i)
	case 2:
		if w.Connected() && w.State.ErrorTime().IsZero() {
			o.errorAt = 0
		}
		return fmt.Sprint("connected ", i)
	}
	o.errorAt = g.x.now + g.rnd.Int63n(9) - 6
	w.SetErrorTime(time.Unix(0, o.errorAt))
	return fmt.Sprint("error time ", i, " ", o.errorAt)
}

// reload makes another Graph of the same members, some with another retry=.
func (g *rig) reload() {
	b := *g.b
	b.Members = nil
	for _, old := range g.b.Members {
		w := *old
		w.Balancer = &b
		if g.rnd.Intn(3) == 0 {
			w.Params.Retry = time.Duration(g.rnd.Intn(8))
		}
		b.Members = append(b.Members, &w)
	}
	g.b = &b
	g.m, g.old = newMethod(g.b), g.m
}

// tune changes a parameter by hand, as the balancer-manager does.
func (g *rig) tune(t *testing.T, i int) string {
	o, w := g.x.members[i], g.b.Members[i]
	name, value, route := "", "", []string{"", "a", "b", "c", "d"}[g.rnd.Intn(5)]
	switch g.rnd.Intn(5) {
	case 0:
		o.lbset = g.rnd.Intn(3)
		name, value = "lbset", fmt.Sprint(o.lbset)
	case 1:
		o.route = route
		name, value = "route", route
	case 2:
		o.redirect = route
		name, value = "redirect", route
	case 3:
		f := int64(100 + 50*g.rnd.Intn(6))
		name, value = "loadfactor", proxy.FormatFactor(int(f))
		if f != o.factor {
			o.factor = f
			for _, o := range g.x.members {
				o.lbstatus = o.factor
			}
		}
	case 4:
		method := byTurns[g.rnd.Intn(len(byTurns))]
		if method != g.x.method {
			g.x.reset(method)
		}
		if _, _, err := g.b.Set("lbmethod", method, proxy.Hand{}); err != nil {
			t.Fatal(err)
		}
		return "lbmethod " + method
	}
	if _, _, err := w.Set(name, value, proxy.Hand{}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(name, " ", i, " ", value)
}

func (x *model) reset(method string) {
	x.method = method
	for _, m := range x.members {
		switch method {
		case "bytraffic":
			m.transferred, m.readIn = 0, 0
		case "bybusyness":
			m.busy, m.lbstatus = 0, 0
		default:
			m.lbstatus = 0
		}
	}
}

func (g *rig) elect(t *testing.T) string {
	route := []string{"", "", "", "a", "b", "c", "e"}[g.rnd.Intn(7)]
	m := g.m
	if g.old != nil && g.rnd.Intn(4) == 0 {
		m = g.old
	}
	for i, w := range m.b.Members {
		g.x.members[i].retryAfter = int64(w.Params.Retry)
	}
	r, failed := g.r, []*modelMember(nil)
	if g.rnd.Intn(3) == 0 {
		r, failed = g.failover(m.b)
	}
	want, wantDenied := g.x.elect(route, failed)
	got, denied := m.elect(r, &session{route: route, routed: route != "", again: failed != nil})
	if failed != nil {
		proxy.Of(r).Detach() // none of them was elected really
		r.Free()
	}
	at := -1
	for i, w := range m.b.Members {
		if w == got {
			at = i
			g.open = append(g.open, i)
		}
	}
	wantAt := -1
	for i, o := range g.x.members {
		if o == want {
			wantAt = i
		}
	}
	if at != wantAt || denied != wantDenied {
		t.Fatalf("route %q: elected %d (denied %v), the model elects %d (denied %v)", route, at, denied, wantAt, wantDenied)
	}
	return fmt.Sprintf("elect %q: %d", route, at)
}

// failover is a request that some members have failed.
func (g *rig) failover(b *proxy.Balancer) (r *runtime.Request, failed []*modelMember) {
	r = runtime.NewRequest(g.graph, g.graph.Main, testConn, nil)
	for range 1 + g.rnd.Intn(3) {
		i := g.rnd.Intn(len(b.Members))
		proxy.Of(r).Hold(r, b.Members[i])
		failed = append(failed, g.x.members[i])
	}
	return r, failed
}

func (g *rig) compare(t *testing.T, did string) {
	g.b.State.Mu.Lock()
	defer g.b.State.Mu.Unlock()
	if g.b.State.Elections == nil {
		return
	}
	g.b.State.Elections.Settle()
	for i, o := range g.x.members {
		w := g.b.Members[i]
		if w.State.LBStatus.Load() != o.lbstatus || w.State.Busy.Load() != o.busy || w.State.Elected.Load() != o.elected ||
			w.Status().Has(proxy.InError) != o.inError {
			t.Fatalf("after %s: member %d has lbstatus %d, busy %d, elected %d, status %v; the model %+v", did, i,
				w.State.LBStatus.Load(), w.State.Busy.Load(), w.State.Elected.Load(), w.Status(), *o)
		}
	}
}

// TestModel drives balancers of every kind and their models through the same random events: whom they elect and what
// they count must be the same after each.
func TestModel(t *testing.T) {
	defer func() { clock = time.Now }()
	graph := mustCompile(t, conf("BalancerMember http://a"), nil)
	seeds := 3000
	if testing.Short() {
		seeds = 300
	}
	for _, method := range byTurns {
		t.Run(method, func(t *testing.T) {
			for seed := range int64(seeds) {
				g := newRig(graph, seed, method)
				for range 100 {
					did := g.step(t)
					if t.Failed() {
						t.Logf("seed %d", seed)
					}
					g.compare(t, fmt.Sprintf("seed %d: %s", seed, did))
				}
			}
		})
	}
}
