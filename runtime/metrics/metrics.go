// Package metrics counts what passes through and exports it to Prometheus: by SetHandler prometheus in a <Location>, or at an
// address of its own (Listen). Counters live in runtime.State, so they go on over a reload; those of a vhost, balancer or worker that
// the new configuration no longer has disappear with it.
package metrics

import (
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// Module is pinion's own: httpd has none like it. It has no directives; "prometheus" is a name for SetHandler.
var Module *runtime.Module

func init() {
	Module = runtime.Define(runtime.Module{Name: "metrics_module", File: "mod_metrics.c", PostConfig: bind, Private: []runtime.PrivateHandler{{Name: handlerName, Code: "open-metrics", Summary: "anybody may read the metrics here"}}, Hooks: []runtime.Hook{
		{Phase: runtime.Handler, Order: runtime.Middle, Always: true, Run: handle},
		// First of all: the time that the writing of logs takes is not the client's.
		{Phase: runtime.LogTransaction, Order: runtime.ReallyFirst, Always: true, Run: logTransaction},
	}})
}

// conf is what a server counts in. Immutable once compiled, but for the counters.
type conf struct {
	name      string // of the server, as it is exported
	vhost     *vhost
	balancers map[*proxy.Balancer]*lazyHistogram // that the server defines; nil for none
}

// logTransaction counts a request. It is on the way of each one: nothing is allocated, locked or looked up by text, and
// connections on different processors write to different cache lines.
func logTransaction(r *runtime.Request) runtime.Result {
	c := runtime.ServerConf[conf](r.Server, Module)
	if c == nil {
		return runtime.Declined
	}
	took := time.Since(r.Time)
	shard := r.Conn.ID % shards
	v := c.vhost.get()
	v.requests.row(r.Last().Status)[shard].by[methodClass(r.Method)].Add(1)
	latency := &v.latency
	if b := balancerOf(r); b != nil {
		h := c.balancers[b]
		if h == nil && b.Server != r.Server { // inherited
			if main := runtime.ServerConf[conf](r.Graph.Main, Module); main != nil {
				h = main.balancers[b]
			}
		}
		if h != nil {
			latency = h.get()
		}
	}
	latency.observe(shard, took)
	return runtime.Declined
}

// balancerOf is the balancer that the request, or the ErrorDocument that answered it, was sent to; nil for none.
func balancerOf(r *runtime.Request) *proxy.Balancer {
	for ; r != nil; r = r.Next {
		if s := runtime.RequestConf[proxy.RequestState](r, proxy.Module); s != nil && s.Balancer != nil {
			return s.Balancer
		}
	}
	return nil
}
