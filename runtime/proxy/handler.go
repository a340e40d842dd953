package proxy

import (
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
)

// handle is proxy_handler.
func handle(r *runtime.Request) runtime.Result {
	if r.Filename == "" {
		return runtime.Declined
	}
	if r.Proxy == runtime.ProxyNone && strings.HasPrefix(r.Handler, proxyPrefix) {
		if res := bySetHandler(r); res != runtime.OK {
			return res
		}
	} else if r.Proxy == runtime.ProxyNone || !strings.HasPrefix(r.Filename, proxyPrefix) {
		return runtime.Declined
	}
	if strings.IndexByte(r.Filename[len(proxyPrefix):], ':') < 0 {
		r.Logf(Module, runtime.LogDebug, "AH01141", "proxy_handler no URL in %s", r.Filename)
		return 400
	}
	if res, done := maxForwards(r); done {
		return res
	}
	if r.Method == "TRACE" && runtime.EqualFold(r.Server.Settings.TraceEnable.Or("on"), "off") {
		r.Notes.Set("error-notes", "TRACE forbidden by server configuration")
		r.Notes.Set("verbose-error-to", "*")
		r.Logf(Module, runtime.LogErr, "AH01139", "TRACE forbidden by server configuration")
		return 405
	}
	return send(r)
}

// bySetHandler takes a request for a file whose handler is "proxy:URL": the file's name is appended to the URL.
func bySetHandler(r *runtime.Request) runtime.Result {
	file := r.Filename
	r.Proxy = runtime.ProxyReverse
	r.Filename = r.Handler + file
	res := CanonURL(r)
	if res != runtime.OK {
		r.Filename, r.Proxy = file, runtime.ProxyNone
	}
	return res
}

// maxForwards counts Max-Forwards down. At zero TRACE and OPTIONS are answered here, every other method is refused.
func maxForwards(r *runtime.Request) (res runtime.Result, done bool) {
	n := Conf(r).MaxForwards.Or(-1)
	if s, ok := r.HeadersIn.Lookup("Max-Forwards"); ok {
		v, err := strconv.ParseInt(strings.TrimLeft(s, " \t"), 10, 64)
		if s == "" {
			v, err = 0, nil
		}
		switch {
		case err != nil || v < 0 || v == 1<<63-1:
			r.Logf(Module, runtime.LogWarn, "AH10188", "Max-Forwards value '%s' could not be parsed", s)
			return Error(r, 400, "Max-Forwards request header could not be parsed"), true
		case v > 0:
			n = v - 1
		case r.Method == "TRACE":
			r.Proxy = runtime.ProxyNone
			return r.SendTrace(), true
		case r.Method == "OPTIONS":
			r.Proxy = runtime.ProxyNone
			r.HeadersOut.Set("Allow", allowed(r))
			return runtime.OK, true
		default:
			return Error(r, 400, "Max-Forwards has reached zero - proxy loop?"), true
		}
	}
	if n >= 0 {
		r.HeadersIn.Set("Max-Forwards", strconv.FormatInt(n, 10))
	}
	return 0, false
}

func allowed(r *runtime.Request) string {
	methods := strings.Join(r.AllowedMethods, ",")
	if runtime.EqualFold(r.Server.Settings.TraceEnable.Or("on"), "off") {
		return methods
	}
	if methods != "" {
		methods += ","
	}
	return methods + "TRACE"
}

// send tries members of the balancer, or the one worker, until one has answered or no further may be tried.
func send(r *runtime.Request) runtime.Result {
	s := Of(r)
	first := r.Filename[len(proxyPrefix):]
	var res runtime.Result
	limit := 0
	for {
		s.URL = first
		if res = choose(r, s); res != runtime.OK {
			if res != 503 {
				return res
			}
			if s.Worker == nil {
				s.Balancer = nil
			}
			return finish(r, s, res)
		}
		if s.Balancer != nil && limit == 0 {
			limit = s.Balancer.Attempts()
		}
		if r.LogOn(Module, runtime.LogDebug) {
			r.Logf(Module, runtime.LogDebug, "AH01143", "Running scheme %s handler (attempt %d)", schemeOf(first), s.Attempts)
		}
		res = runtime.Declined
		if h := schemeHandlers[schemeOf(s.URL)]; h != nil {
			res = h(r, s.Worker, s.URL)
		}
		if res == runtime.OK || r.Notes.Has("proxy-error-override") || res != 500 && res != 503 {
			break
		}
		// One that is in error was failing, even if another request has taken it out of error by now (retry=0).
		failed := s.Balancer != nil && s.Worker.Fail(time.Now())
		if res == 500 || !failed && s.Worker.Usable() || s.Attempts >= limit {
			break
		}
		s.Attempts++
	}
	if res == runtime.Declined {
		r.Logf(Module, runtime.LogWarn, "AH01144", "No protocol handler was valid for the URL %s (scheme '%s'). If you are using a DSO version of "+
			"mod_proxy, make sure the proxy submodules are included in the configuration using LoadModule.", r.URI, schemeOf(first))
		res = 500
	}
	return finish(r, s, res)
}

func schemeOf(url string) string {
	if i := strings.IndexByte(url, ':'); i >= 0 {
		return lower(url[:i])
	}
	return ""
}

// choose finds the worker of s.URL: a member of the balancer that it names, a worker whose name begins it, else the
// generic one (ap_proxy_pre_request). It may change s.URL.
func choose(r *runtime.Request, s *RequestState) runtime.Result {
	conf := Conf(r)
	if s.Balancer == nil {
		s.Balancer = conf.FindBalancer(s.URL)
	}
	if b := s.Balancer; b != nil {
		res := runtime.Result(runtime.Declined)
		if hasQuery(r) {
			s.URL += "?" + r.Args
		}
		if selector.PreRequest != nil {
			s.Worker, res = selector.PreRequest(r, b, &s.URL)
		}
		if res == runtime.Declined {
			r.Logf(Module, runtime.LogErr, "AH00934", "all workers are busy.  Unable to serve %s", s.URL)
			return 503
		}
		return res
	}
	if s.Worker = conf.workers.find(s.URL); s.Worker != nil {
		if r.LogOn(Module, runtime.LogTrace2) {
			r.Logf(Module, runtime.LogTrace2, "", "%s: found worker %s for %s", s.Worker.Scheme, s.Worker.Name, s.URL)
		}
		return runtime.OK
	}
	r.Logf(Module, runtime.LogTrace2, "", "*: using default reverse proxy worker for %s (no keepalive)", s.URL)
	s.Worker = ConfOf(r.Graph.Main).reverse
	r.Env.Set("proxy-nokeepalive", "1")
	return runtime.OK
}

// finish tells the balancer's module the outcome: r.Status is the answer's while it looks, and stays what that module makes it.
func finish(r *runtime.Request, s *RequestState, res runtime.Result) runtime.Result {
	if s.Balancer == nil || selector.PostRequest == nil {
		return res
	}
	if res == runtime.OK || res == runtime.Done {
		selector.PostRequest(r, s.Balancer, s.Worker)
		return res
	}
	was := r.Status
	r.Status = int(res)
	selector.PostRequest(r, s.Balancer, s.Worker)
	if r.Status == int(res) {
		r.Status = was
	}
	return res
}
