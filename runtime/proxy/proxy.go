// Package proxy is mod_proxy: ProxyPass and its relatives, workers and balancers as the configuration defines them,
// the URL a request is sent to, and the loop that tries members until one answers. Sending a request is for the
// modules of the URL schemes, choosing a member for the balancer's: both register here.
package proxy

import (
	"strconv"

	"pinion/runtime"
)

// Module is mod_proxy.
var Module = runtime.Define(runtime.Module{Name: "proxy_module", File: "mod_proxy.c"})

// Pinion holds the directives that httpd doesn't have. <IfModule pinion_module> guards them in a file that httpd is to read as well.
var Pinion = runtime.Define(runtime.Module{Name: "pinion_module", File: "mod_pinion.c"})

// Error answers status with a reason on the error page and in the log (ap_proxyerror).
func Error(r *runtime.Request, status int, reason string) runtime.Result {
	r.Logf(Module, runtime.LogErr, "AH00898", "%s returned by %s", reason, r.URI)
	r.Notes.Set("error-notes", "The proxy server could not handle the request<p>Reason: <strong>"+runtime.EscapeHTML(reason)+"</strong></p>")
	r.Notes.Set("verbose-error-to", "*")
	r.StatusLine = strconv.Itoa(status) + " Proxy Error"
	return runtime.Result(status)
}
