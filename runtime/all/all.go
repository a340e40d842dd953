// Package all lists the modules of pinion. It is what cmd and reload hand to the parser and to runtime.Compile.
package all

import (
	"slices"

	"pinion/runtime"
	"pinion/runtime/accesslog"
	"pinion/runtime/alias"
	"pinion/runtime/authz"
	"pinion/runtime/autoindex"
	"pinion/runtime/balancer"
	"pinion/runtime/core"
	"pinion/runtime/deflate"
	"pinion/runtime/dir"
	"pinion/runtime/directives"
	"pinion/runtime/env"
	"pinion/runtime/errorlog"
	"pinion/runtime/expires"
	"pinion/runtime/filter"
	"pinion/runtime/hcheck"
	"pinion/runtime/headers"
	"pinion/runtime/heartbeat"
	"pinion/runtime/http2"
	"pinion/runtime/manager"
	"pinion/runtime/metrics"
	"pinion/runtime/mime"
	"pinion/runtime/proxy"
	"pinion/runtime/proxyhttp"
	"pinion/runtime/remoteip"
	"pinion/runtime/rewrite"
	"pinion/runtime/setenvif"
	"pinion/runtime/static"
	"pinion/runtime/status"
	"pinion/runtime/substitute"
	"pinion/runtime/tls"
)

// Modules returns every module in httpd's order: where hooks of one phase have the same order, the list decides. Debian's
// httpd has core, so, http, log_config, version and unixd built in, and loads the others by name; a few say themselves
// whom they run before or after, which their Order expresses here. The caller must not change the list.
func Modules() []*runtime.Module { return modules }

var modules = list()

func list() []*runtime.Module {
	all := slices.Concat(core.Modules(), []*runtime.Module{
		static.Module,
		substitute.Module,
		errorlog.Module,
		accesslog.Module,
		accesslog.LogIO,
	}, authz.Modules(), []*runtime.Module{
		deflate.Module,
		env.Module,
		expires.Module,
		filter.Module,
		headers.Module,
		proxy.Module,
		proxy.Pinion,
		proxyhttp.Module,
		proxyhttp.WSTunnel,
		balancer.Module,
		balancer.ByRequests,
		balancer.ByTraffic,
		balancer.ByBusyness,
		balancer.ByHeartbeat,
		heartbeat.Monitor,
		heartbeat.Sender,
		hcheck.Module,
		manager.Module,
		status.Module,
		alias.Module,
		dir.Module,
		autoindex.Module,
		mime.Module,
		remoteip.Module,
		rewrite.Module,
		setenvif.Module,
		tls.Module,
		http2.Module,
		metrics.Module,
	})
	return append(all, directives.Rest(all))
}
