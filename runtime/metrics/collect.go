package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// process are the metrics of the Go runtime and the process, which are the same for every engine.
var process = sync.OnceValue(func() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
})

// Gatherer returns all metrics of an engine and of the process it runs in. e may be nil: nothing serves yet.
func Gatherer(e *runtime.Engine) prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{e})
	return prometheus.Gatherers{r, process()}
}

// collector reads the counters of what the engine serves at the moment it is asked.
type collector struct{ engine *runtime.Engine }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range table {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	o := output(out)
	o.program()
	if c.engine == nil {
		return
	}
	o.clients(c.engine)
	g := c.engine.Acquire(0)
	defer g.Release(0)
	l := listingOf(g)
	for _, v := range l.vhosts {
		o.vhost(&v)
	}
	for _, b := range l.balancers {
		o.balancer(&b)
	}
	for _, w := range l.workers {
		o.worker(&w)
	}
}

// output is where metrics go.
type output chan<- prometheus.Metric

func (o output) put(m *metric, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.kind == counter {
		kind = prometheus.CounterValue
	}
	p, err := prometheus.NewConstMetric(m.desc, kind, v, labels...)
	if err != nil {
		p = prometheus.NewInvalidMetric(m.desc, err)
	}
	o <- p
}

func (o output) histogram(m *metric, h *histogram, labels ...string) {
	count, sum, cumulative := h.read()
	p, err := prometheus.NewConstHistogram(m.desc, count, sum, cumulative, labels...)
	if err != nil {
		p = prometheus.NewInvalidMetric(m.desc, err)
	}
	o <- p
}

func (o output) flag(m *metric, on bool, labels ...string) {
	v := 0.0
	if on {
		v = 1
	}
	o.put(m, v, labels...)
}

func (o output) clients(e *runtime.Engine) {
	open, idle := e.Connections()
	tunnels := e.Tunnels()
	o.put(clientConns, float64(idle), "idle")
	o.put(clientConns, float64(tunnels), "tunnel")
	// The three figures are of three moments.
	o.put(clientConns, float64(max(open-idle-tunnels, 0)), "active")
	o.put(clientAccepted, float64(e.Accepted()))
}

func (o output) vhost(v *vhostEntry) {
	n := v.of.p.Load()
	if n == nil {
		return
	}
	n.requests.each(func(code, method string, count uint64) { o.put(requestsTotal, float64(count), v.name, code, method) })
	o.histogram(requestDuration, &n.latency, v.name, "")
}

func (o output) balancer(b *balancerEntry) {
	if h := b.latency.p.Load(); h != nil {
		o.histogram(requestDuration, h, b.vhost, b.name)
	}
	st := b.of.State
	o.put(stickyHits, float64(st.StickyHits.Load()), b.vhost, b.name)
	o.put(stickyMisses, float64(st.StickyMisses.Load()), b.vhost, b.name)
	o.put(routeChanges, float64(st.RouteChanges.Load()), b.vhost, b.name)
	usable := 0
	for _, w := range b.of.Members {
		if w.Usable() {
			usable++
		}
	}
	o.put(members, float64(len(b.of.Members)), b.vhost, b.name)
	o.put(usableMembers, float64(usable), b.vhost, b.name)
}

// flags are the values of the label flag.
var flags = []struct {
	name, help string
	on         func(w *proxy.Worker, s proxy.Status) bool
}{
	{"usable", "can take requests", func(_ *proxy.Worker, s proxy.Status) bool { return s.Usable() }},
	{"error", "failed and has not been tried again (E)", has(proxy.InError)},
	{"health_check_failed", "fails its health check (C)", has(proxy.HCFail)},
	{"disabled", "is disabled (D)", has(proxy.Disabled)},
	{"stopped", "is stopped (S)", has(proxy.Stopped)},
	{"drain", "only takes requests of its own sessions, drains (N)", has(proxy.Drain)},
	{"standby", "is a hot standby (H)", has(proxy.HotStandby)},
	{"route_only", "only takes requests that carry its route (R, BalancerFlagR route-only)", func(w *proxy.Worker, _ proxy.Status) bool { return w.RouteOnly() }},
	{"spare", "is a hot spare (R, BalancerFlagR hot-spare)", func(w *proxy.Worker, _ proxy.Status) bool { return w.Spare() }},
	{"ignore_errors", "is never put in error (I)", has(proxy.IgnoreErrors)},
}

func has(bit proxy.Status) func(*proxy.Worker, proxy.Status) bool {
	return func(_ *proxy.Worker, s proxy.Status) bool { return s.Has(bit) }
}

// pooled is a proxy.Worker's Transport that counts its connections.
type pooled interface{ Connections() (idle, busy int) }

func (o output) worker(w *workerEntry) {
	put := func(m *metric, v int64) { o.put(m, float64(v), w.vhost, w.balancer, w.name) }
	st := w.of.State
	o.put(workerInfo, 1, w.vhost, w.balancer, w.name, clean(w.of.Route()))
	status := w.of.Status()
	for _, f := range flags {
		o.flag(workerStatus, f.on(w.of, status), w.vhost, w.balancer, w.name, f.name)
	}
	put(workerBusy, st.Busy.Load())
	put(workerElected, st.Elected.Load())
	put(workerErrors, st.Errors.Load())
	put(workerRetries, st.Retries.Load())
	put(workerTransferred, st.Transferred.Load())
	put(workerRead, st.Read.Load())
	if w.of.HealthNow().Method != "NONE" {
		passed, failed := st.Health.Passed.Load(), st.Health.Failed.Load()
		o.put(workerChecks, float64(passed), w.vhost, w.balancer, w.name, "passed")
		o.put(workerChecks, float64(failed), w.vhost, w.balancer, w.name, "failed")
		if passed+failed > 0 {
			o.put(workerCheckTook, time.Duration(st.Health.Took.Load()).Seconds(), w.vhost, w.balancer, w.name)
		}
	}
	o.ownRoute(w)
	if t, ok := w.of.Transport.(pooled); ok {
		idle, busy := t.Connections()
		o.put(workerPool, float64(idle), w.vhost, w.balancer, w.name, "idle")
		o.put(workerPool, float64(busy), w.vhost, w.balancer, w.name, "busy")
	}
}

// ownRoute tells how far a member's fade-out is.
func (o output) ownRoute(w *workerEntry) {
	b := w.of.Balancer
	if b == nil || w.of.Route() == "" {
		return
	}
	b.State.Mu.Lock()
	own := w.of.State.OwnRoute(time.Now())
	b.State.Mu.Unlock()
	o.put(workerOwn, float64(own.Minute), w.vhost, w.balancer, w.name, "1m")
	o.put(workerOwn, float64(own.FiveMinutes), w.vhost, w.balancer, w.name, "5m")
	o.put(workerOwn, float64(own.Hour), w.vhost, w.balancer, w.name, "1h")
	last := 0.0
	if !own.Last.IsZero() {
		last = float64(own.Last.Unix())
	}
	o.put(workerOwnLast, last, w.vhost, w.balancer, w.name)
}
