package metrics

import (
	"strconv"
	"strings"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// listing is all that a Graph has to export, under the labels it is exported with. It is made when somebody asks: a Graph of 10,000
// virtual hosts that is replaced before the next scrape never needs one.
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
	if c.SameNames() {
		for _, s := range c.Compiled() {
			name := runtime.ServerConf[conf](c.Replaced(s), Module).name
			c.For(s, func() { bindServer(c, s, name) })
		}
		return
	}
	compiled := map[*runtime.Server]bool{}
	for _, s := range c.Compiled() {
		compiled[s] = true
	}
	vhosts := make(names, len(c.Graph.Servers))
	for _, s := range c.Graph.Servers {
		name := vhosts.unique(vhostName(s))
		if compiled[s] {
			c.For(s, func() { bindServer(c, s, name) })
		} else if runtime.ServerConf[conf](s, Module).name != name {
			c.Outdate() // another one with its name has come or gone
		}
	}
}

func bindServer(c *runtime.Compiler, s *runtime.Server, name string) {
	own := runtime.OwnServerConf[conf](s, Module)
	own.name = name
	own.vhost = runtime.AdoptNew(c, "metrics.vhost "+name, func() *vhost { return new(vhost) })
	for _, b := range ownBalancers(s) {
		if own.balancers == nil {
			own.balancers = map[*proxy.Balancer]*lazyHistogram{}
		}
		own.balancers[b] = runtime.AdoptNew(c, "metrics.balancer "+b.Key(), func() *lazyHistogram { return new(lazyHistogram) })
	}
}

// ownBalancers are the balancers that are listed with s: one that a virtual host inherits is listed with the main server.
func ownBalancers(s *runtime.Server) (own []*proxy.Balancer) {
	for _, b := range proxy.ConfOf(s).Balancers {
		if b.Server == s && b.State != nil {
			own = append(own, b)
		}
	}
	return own
}

func listingOf(g *runtime.Graph) *listing {
	l := &listing{}
	for _, s := range g.Servers {
		conf := runtime.ServerConf[conf](s, Module)
		if conf == nil {
			continue
		}
		l.vhosts = append(l.vhosts, vhostEntry{conf.name, conf.vhost})
		l.addWorkers(s, conf.name, "", proxy.ConfOf(s).Workers)
		for _, b := range ownBalancers(s) {
			short := clean(strings.TrimPrefix(b.Name, "balancer://"))
			l.balancers = append(l.balancers, balancerEntry{conf.name, short, b, conf.balancers[b]})
			l.addWorkers(s, conf.name, short, b.Members)
		}
	}
	return l
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
