package proxy

import (
	"path/filepath"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// balancer returns the balancer of that URL in the server's own configuration, nil for none.
func (c *ServerConf) balancer(url string) *Balancer {
	name := balancerName(url)
	for _, b := range c.Balancers {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// FindBalancer returns the balancer that a balancer:// URL names, nil for none.
func (c *ServerConf) FindBalancer(url string) *Balancer {
	if !isBalancer(url) {
		return nil
	}
	return c.balancers[balancerName(url)]
}

// defineBalancer returns the balancer of the URL in argument arg, made where there is none (ap_proxy_define_balancer).
func defineBalancer(c *runtime.Cmd, arg int, url string) (*Balancer, error) {
	conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
	if b := conf.balancer(url); b != nil {
		return b, nil
	}
	name := balancerName(url)
	if name == "" {
		return nil, c.ArgErrorf(arg, "bad-url", "expected a name after balancer://, found %q", url)
	}
	if len(name) >= 96 {
		return nil, c.ArgErrorf(arg, "bad-url", "expected a balancer's name of less than 96 characters, found %d", len(name))
	}
	b := &Balancer{Name: name, Server: c.Server, Place: c.Node.Place, VPath: "/"}
	conf.Balancers = append(conf.Balancers, b)
	return b, nil
}

// newWorker makes the worker of the URL in argument arg (ap_proxy_define_worker_ex).
func newWorker(c *runtime.Cmd, arg int, url string, match bool, b *Balancer) (*Worker, error) {
	socket, origin, ok := unixURL(url)
	if !ok {
		return nil, c.ArgErrorf(arg, "bad-url", "expected a URL after the bar of unix:, as in unix:/path|http://localhost, found %q", url)
	}
	w := &Worker{Params: defaultParams(), Match: match, Balancer: b, Server: c.Server, Place: c.Node.Place, FixedAddress: true}
	refs := ""
	if match {
		origin, refs, w.FixedAddress = withoutPortRefs(origin)
	}
	u, err := parseWorkerURL(origin)
	if err != nil {
		return nil, c.ArgErrorf(arg, "bad-url", "bad URL %q: %v", url, err)
	}
	if refs != "" {
		end := authorityEnd(u.name)
		u.name = u.name[:end] + refs + u.name[end:]
		u.path = refs + u.path
	}
	if len(u.host) >= 256 {
		return nil, c.ArgErrorf(arg, "bad-url", "expected a host name of less than 256 characters, found %d", len(u.host))
	}
	w.Name, w.Scheme, w.Hostname, w.Port, w.Path = u.name, u.scheme, u.host, u.port, u.path
	if err := checkScheme(c, arg, w.Scheme); err != nil {
		return nil, err
	}
	w.reuseOff = !w.FixedAddress || match && strings.Contains(w.Name, "$")
	if socket != "" {
		if !filepath.IsAbs(socket) {
			socket = filepath.Join(c.Tree.ServerRoot, socket)
		}
		w.UDS = socket
	}
	if b == nil {
		w.Params.Status |= IgnoreErrors
	}
	conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
	w.Params.Timeout, w.RecvBuffer, w.IOBuffer = conf.Timeout, conf.RecvBuffer, conf.IOBuffer
	return w, nil
}

// insteadOf says what to do about backends that no module speaks to.
var insteadOf = map[string]string{
	"ajp":   "Tomcat speaks HTTP as well: use its HTTP connector, as in http://host:8080",
	"fcgi":  "keep httpd, or another server that speaks FastCGI, between pinion and the application, and proxy to it by http",
	"scgi":  "let the application speak HTTP, and proxy to it by http",
	"uwsgi": "uwsgi --http-socket speaks HTTP: proxy to it by http",
	"h2":    "use https: backends that speak HTTP/2 speak HTTP/1.1 too",
	"h2c":   "use http: backends that speak HTTP/2 speak HTTP/1.1 too",
	"ftp":   "fetch the files another way and serve them",
}

// checkScheme refuses a worker that httpd has a module for and pinion none: its requests would only meet errors.
func checkScheme(c *runtime.Cmd, arg int, scheme string) error {
	hint, known := insteadOf[scheme]
	if !known || schemeHandlers[scheme] != nil || len(schemeHandlers) == 0 {
		return nil
	}
	return runtime.WithDetail(c.ArgErrorf(arg, "unsupported-scheme", "backends by %s:// are not supported", scheme), "%s", hint)
}

// withoutPortRefs takes $n that follow a port out of the URL of a ProxyPassMatch, where they are the path's beginning,
// and tells whether host and port are without $n.
func withoutPortRefs(url string) (plain, refs string, fixed bool) {
	fixed = true
	i := strings.Index(url, "://")
	if i < 0 {
		return url, "", true
	}
	i += 3
	for ; i < len(url) && url[i] != ':' && url[i] != '/'; i++ {
		if url[i] == '$' {
			fixed = false
		}
	}
	if i == len(url) || url[i] != ':' {
		return url, "", fixed
	}
	for i < len(url) && url[i] != '/' && !isRef(url[i:]) {
		i++
	}
	if i == len(url) || url[i] == '/' {
		return url, "", fixed
	}
	end := i
	for end < len(url) && url[end] != '/' {
		end++
	}
	return url[:i] + url[end:], url[i:end], false
}

// ownWorker returns the worker that the URL in argument arg names, made where none serves it; shared tells that there was one.
func ownWorker(c *runtime.Cmd, arg int, url string, match bool) (w *Worker, shared bool, err error) {
	conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
	_, origin, _ := unixURL(url)
	kinds := prefixWorkers
	if match {
		kinds = matchWorkers
	}
	if w := findWorker(conf.Workers, origin, kinds); w != nil {
		return w, true, nil
	}
	if w, err = newWorker(c, arg, url, match, nil); err != nil {
		return nil, false, err
	}
	conf.Workers = append(conf.Workers, w)
	return w, false, nil
}

// apply sets the parameters. Those for a worker that another line has defined are ignored, as in httpd, with a warning.
func apply(all []setting, w *Worker, b *Balancer, shared bool) error {
	for i := range all {
		s := &all[i]
		if b != nil {
			if err := b.setParam(s); err != nil {
				return err
			}
			continue
		}
		if shared {
			d := s.keyErrorf("shared-worker", "%s is ignored: worker %s is shared with an earlier line, whose parameters hold", s.key, w.DisplayName())
			d.Also = append(d.Also, parser.Related{Summary: "defined here", Place: w.Place})
			s.cmd.Report(warning(d))
			continue
		}
		if err := w.setParam(s); err != nil {
			return err
		}
	}
	return nil
}
