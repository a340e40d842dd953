package metrics

import (
	"strconv"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/proxy"
)

// listing is all that a Graph has to export, under the labels it is exported with. Immutable once compiled.
type listing struct {
	vhosts    []vhostEntry
	balancers []balancerEntry
	workers   []workerEntry
}

type vhostEntry struct {
	name string
	of   *vhost
}

type balancerEntry struct {
	vhost, name string
	of          *proxy.Balancer
	latency     *lazyHistogram
}

type workerEntry struct {
	vhost, balancer, name string
	of                    *proxy.Worker
}

// bind gives every server its counters, when the proxy's workers and balancers have their state.
func bind(c *runtime.Compiler) {
	l := &listing{}
	var balancers map[*proxy.Balancer]*lazyHistogram
	vhosts := names{}
	for _, s := range c.Graph.Servers {
		name := vhosts.unique(vhostName(s))
		v, err := runtime.Adopt(c, "metrics.vhost "+name, func() (*vhost, error) { return new(vhost), nil })
		if err != nil {
			c.Report(&parser.Diagnostic{Code: "internal", Summary: err.Error(), Place: s.Place})
			return
		}
		runtime.OwnServerConf[conf](s, Module).vhost = v
		l.vhosts = append(l.vhosts, vhostEntry{name, v})
		proxies := proxy.ConfOf(s)
		l.addWorkers(s, name, "", proxies.Workers)
		for _, b := range proxies.Balancers {
			// A balancer that the vhost inherits is listed with the main server.
			if b.Server != s || b.State == nil {
				continue
			}
			h, err := runtime.Adopt(c, "metrics.balancer "+b.Key(), func() (*lazyHistogram, error) { return new(lazyHistogram), nil })
			if err != nil {
				c.Report(&parser.Diagnostic{Code: "internal", Summary: err.Error(), Place: b.Place})
				return
			}
			if balancers == nil {
				balancers = map[*proxy.Balancer]*lazyHistogram{}
			}
			balancers[b] = h
			short := clean(strings.TrimPrefix(b.Name, "balancer://"))
			l.balancers = append(l.balancers, balancerEntry{name, short, b, h})
			l.addWorkers(s, name, short, b.Members)
		}
	}
	for _, s := range c.Graph.Servers {
		own := runtime.OwnServerConf[conf](s, Module)
		own.balancers, own.listing = balancers, l
	}
}

func (l *listing) addWorkers(s *runtime.Server, vhost, balancer string, workers []*proxy.Worker) {
	seen := names{}
	for _, w := range workers {
		if w.Server != s || w.State == nil {
			continue // inherited
		}
		l.workers = append(l.workers, workerEntry{vhost, balancer, seen.unique(w.DisplayName()), w})
	}
}

// vhostName is ServerName[:port]: the port is that of ServerName, else, as in httpd -S, the first of <VirtualHost>'s. So the two
// vhosts of one name at ports 80 and 443 are told apart, in whatever order they stand.
func vhostName(s *runtime.Server) string {
	port := s.Port
	if port == 0 && len(s.Addrs) > 0 {
		port = int(s.Addrs[0].Port)
	}
	if port == 0 {
		return s.ServerName
	}
	return s.ServerName + ":" + strconv.Itoa(port)
}

// names makes the values of a label unique: Prometheus takes nothing at all where two series have the same labels.
type names map[string]bool

// unique returns name, or name#2 and so on where it is taken.
func (n names) unique(name string) string {
	name = clean(name)
	try := name
	for i := 2; n[try]; i++ {
		try = name + "#" + strconv.Itoa(i)
	}
	n[try] = true
	return try
}

// clean makes text that may stand in a label: UTF-8.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
