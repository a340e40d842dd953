// Package manager is mod_proxy_balancer's balancer-manager: a page, httpd's forms and XML, and a JSON API to look at the
// balancers and to change them while they run.
//
// What can be changed, and how a change stands against the file, is runtime/proxy's (Worker.Set, Balancer.Set). Here is who
// may do it, in which words, and that each change leaves a line in the error log.
package manager

import (
	"errors"
	"io"
	"strings"

	"pinion/runtime"
	"pinion/runtime/balancer"
	"pinion/runtime/proxy"
)

// Module is pinion's own: in httpd the handler is a part of mod_proxy_balancer, under whose name it logs here, too.
var Module *runtime.Module

func init() {
	Module = runtime.Define(runtime.Module{Name: "pinion_manager_module", File: "mod_pinion_manager.c", Hooks: []runtime.Hook{
		{Phase: runtime.Handler, Order: runtime.First, Always: true, Run: handle},
	}, Private: []runtime.PrivateHandler{{Name: handlerName, Code: "open-manager", Summary: "anybody may change the balancers here"}}})
}

// handlerName is what SetHandler calls this module.
const handlerName = "balancer-manager"

// maxBody bounds what is posted. httpd reads the first 1024 bytes.
const maxBody = 64 << 10

// visit is one request to the manager.
type visit struct {
	*runtime.Request
	balancers []*proxy.Balancer // that this vhost has
	params    params
	balancer  *proxy.Balancer // that b= names, nil for none
	worker    *proxy.Worker   // that w= names, nil for none
}

// handle is balancer_handler.
func handle(r *runtime.Request) runtime.Result {
	if r.Handler != handlerName {
		return runtime.Declined
	}
	switch r.Method {
	case "GET", "HEAD", "POST":
	case "OPTIONS":
		r.AllowedMethods = []string{"GET", "HEAD", "POST", "OPTIONS"}
		r.HeadersOut.Set("Allow", r.Allow())
		return runtime.OK
	default:
		r.AllowedMethods = []string{"GET", "HEAD", "POST", "OPTIONS"}
		return 405
	}
	v := &visit{Request: r, balancers: proxy.Conf(r).Balancers, params: params{}}
	if v.wantsJSON() {
		return v.api()
	}
	if res := v.readParams(); res != runtime.OK {
		return res
	}
	v.find(v.params.get("b"), v.params.get("w"))
	if b := v.balancer; b != nil && r.Method == "POST" {
		if nonce := nonceOf(b); nonce != "" && nonce == v.params.get("nonce") {
			if err := v.applyForm(); err != nil {
				r.Logf(balancer.Module, runtime.LogErr, "", "balancer-manager: %v", err)
				return 400
			}
			v.refresh()
		}
	}
	if v.params.has("xml") {
		return v.xml()
	}
	return v.page()
}

// find looks for the balancer and the worker of those names.
func (v *visit) find(b, w string) {
	v.balancer, v.worker = nil, nil
	if b == "" {
		return
	}
	name := strings.ToLower(strings.TrimPrefix(b, "balancer://"))
	name, _, _ = strings.Cut(name, "/")
	for _, x := range v.balancers {
		if x.Name == "balancer://"+name {
			v.balancer = x
		}
	}
	if v.balancer != nil && w != "" {
		v.worker = v.balancer.FindMember(w)
	}
}

// refresh looks at the configuration anew, after a change that made another Graph of it.
func (v *visit) refresh() {
	if g := v.Conn.Engine.Graph(); g != v.Graph {
		// The new Graph may be retired any moment; what is read of it here needs no closing.
		v.balancers = proxy.ConfOf(g.ServerFor(v.Conn.Local, v.Hostname)).Balancers
		v.find(v.params.get("b"), v.params.get("w"))
	}
}

// readParams reads the parameters of the URL or the form, and drops them where another site has sent the browser here.
func (v *visit) readParams() runtime.Result {
	switch {
	case v.Method == "POST":
		body, res := v.readBody()
		if res != runtime.OK {
			return res
		}
		v.params.read(body, nil)
	case v.HasArgs:
		v.params.read(v.Args, []string{"w", "b", "nonce", "xml"})
	}
	ref := v.HeadersIn.Get("Referer")
	if len(v.params) > 0 && !sameHost(v.Request, ref) {
		shown := ref
		if shown == "" {
			shown = "(null)"
		}
		v.Logf(balancer.Module, runtime.LogErr, "AH10187", "ignoring params in balancer-manager cross-site access %s: %s", shown, v.ServerName())
		v.params = params{}
	}
	return runtime.OK
}

func (v *visit) readBody() (string, runtime.Result) {
	b, err := io.ReadAll(io.LimitReader(v.Body, maxBody+1))
	var bad *runtime.BodyError
	switch {
	case errors.As(err, &bad):
		return "", runtime.Result(bad.Status)
	case err != nil:
		return "", 400
	case len(b) > maxBody:
		return "", 413
	}
	return string(b), runtime.OK
}

// nonceOf is what a form must send to change the balancer; "" where none can (nonce=None).
func nonceOf(b *proxy.Balancer) string { return b.Nonce.Or(b.State.Nonce) }
