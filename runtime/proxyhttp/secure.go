package proxyhttp

import (
	"errors"
	"net"

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

// warnNoTLS warns of https backends of servers that don't speak TLS to any: each request to one is answered by 500.
func warnNoTLS(c *runtime.Compiler) {
	for _, s := range c.Graph.Servers {
		if speaksTLS(s) {
			continue
		}
		conf := proxy.ConfOf(s)
		workers := conf.Workers
		for _, b := range conf.Balancers {
			workers = append(workers[:len(workers):len(workers)], b.Members...)
		}
		for _, w := range workers {
			if w.Server == s && isSecure(w) && !usedElsewhere(c, s, w) {
				c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "no-backend-tls", Place: w.Place,
					Summary: "SSLProxyEngine is off: requests to " + w.DisplayName() + " will be answered with 500",
					Detail:  "put SSLProxyEngine On into the server or virtual host whose requests go there"})
			}
		}
	}
}

// speaksTLS tells whether SSLProxyEngine is on in the server or in one of its <Proxy> sections: which of those a request
// meets, its URL decides.
func speaksTLS(s *runtime.Server) bool {
	if runtime.BackendTLSOf(s.Dir) != nil {
		return true
	}
	for _, sect := range s.ProxySects {
		if runtime.BackendTLSOf(sect.Config) != nil {
			return true
		}
	}
	return false
}

// usedElsewhere tells whether another server that speaks TLS has inherited the worker.
func usedElsewhere(c *runtime.Compiler, from *runtime.Server, w *proxy.Worker) bool {
	for _, s := range c.Graph.Servers {
		if s == from || !speaksTLS(s) {
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
