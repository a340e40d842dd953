package proxyhttp

import (
	"errors"
	"net"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/proxy"
)

// errNoTLS says that the configuration has no TLS to backends.
var errNoTLS = errors.New("SSLProxyEngine is off")

// serverName is what TLS asks the backend for.
func (x *exchange) serverName() string {
	if x.dir.PreserveHost.Or(false) && x.r.Hostname != "" {
		return x.r.Hostname
	}
	return x.host
}

// handshake speaks TLS over nc, as SSLProxy… directives say for the request.
func (x *exchange) handshake(nc net.Conn) (net.Conn, error) {
	if x.tls == nil {
		x.r.Server.Logf(proxy.Module, runtime.LogErr, "AH00961", "%s: failed to enable ssl support for %s (%s)", x.scheme, nc.RemoteAddr(), x.host)
		_ = nc.Close() // nothing was sent on it
		return nil, &dialError{stage: atSetup, err: errNoTLS}
	}
	ctx, cancel := x.within(x.w.Timeout(x.r))
	defer cancel()
	remote := nc.RemoteAddr().String()
	tc, err := x.tls.Handshake(ctx, nc, x.serverName(), x.r.Server)
	if err != nil {
		return nil, &dialError{stage: atHandshake, err: err, remote: remote}
	}
	return tc, nil
}

func isSecure(w *proxy.Worker) bool { return w.Scheme == "https" || w.Scheme == "wss" }

// warnNoTLS warns of https backends to which no TLS is spoken: each request to one is answered by 500.
func warnNoTLS(c *runtime.Compiler) {
	for _, s := range c.Graph.Servers {
		conf := proxy.ConfOf(s)
		workers := conf.Workers
		for _, b := range conf.Balancers {
			workers = append(workers[:len(workers):len(workers)], b.Members...)
		}
		for _, w := range workers {
			if w.Server == s && isSecure(w) && !speaksTLS(s, w) && !usedElsewhere(c, s, w) {
				c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "no-backend-tls", Place: w.Place,
					Summary: "SSLProxyEngine is off: requests to " + w.DisplayName() + " will be answered with 500",
					Detail:  "put SSLProxyEngine On into the server or virtual host whose requests go there"})
			}
		}
	}
}

// speaksTLS tells whether SSLProxyEngine is on for a request of the server to the worker, or may be for some: those of its
// <Proxy> sections that hold for all URLs of the worker, or of its balancer, lie over the server's own.
func speaksTLS(s *runtime.Server, w *proxy.Worker) bool {
	url := w.Name
	if w.Balancer != nil {
		url = w.Balancer.Name
	}
	t, _ := runtime.BackendTLSOf(s.Dir)
	on, maybe := t != nil, false
	for _, sect := range s.ProxySects {
		t, said := runtime.BackendTLSOf(sect.Config)
		if !said {
			continue
		}
		switch all, some := holds(sect, url); {
		case all:
			on, maybe = t != nil, false
		case some && t != nil:
			maybe = true
		}
	}
	return on || maybe
}

// holds tells whether the section holds for all URLs that begin so, or for some of them. Of a pattern nobody can tell.
func holds(sect *runtime.Section, url string) (all, some bool) {
	path := strings.TrimRight(sect.Path, "/")
	switch {
	case sect.Regex != nil, sect.Glob && sect.Path != "*":
		return false, true
	case sect.Path == "*", strings.HasPrefix(url+"/", path):
		return true, true
	}
	return false, strings.HasPrefix(path, url)
}

// usedElsewhere tells whether another server that speaks TLS has inherited the worker.
func usedElsewhere(c *runtime.Compiler, from *runtime.Server, w *proxy.Worker) bool {
	for _, s := range c.Graph.Servers {
		if s == from || !speaksTLS(s, w) {
			continue
		}
		conf := proxy.ConfOf(s)
		for _, o := range conf.Workers {
			if o == w {
				return true
			}
		}
		for _, b := range conf.Balancers {
			if w.Balancer != nil && b.Name == w.Balancer.Name {
				return true
			}
		}
	}
	return false
}
