package runtime

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"pinion/runtime/table"
)

// Graph is a whole compiled configuration. It is immutable; requests share it without locks.
type Graph struct {
	Main    *Server
	Servers []*Server // virtual hosts in the order of the file, Main first
	Listens []ListenAddr
	// Process are the settings of the process as a whole: PidFile, User, … by directive name in lower case.
	Process map[string][]string
	State   *State
	Files   []string // absolute paths that directives named: certificates, maps, password files; watched
	Folders []string // absolute paths of folders whose every file counts; watched
	Hash    string   // of the configuration's text, for metrics
	Banner  string   // of ServerTokens, "Apache/2.4.71 (Unix)" by default; "" sends no Server header

	// TrackFirstByte makes requests note when their answer began, for %^FB.
	TrackFirstByte bool

	// Secure returns the TLS configuration of connections to a local address, nil for plain ones. Set by the tls module.
	Secure func(local netip.AddrPort) *tls.Config
	// Preface reads what a proxy in front says of a connection before its first byte (the PROXY protocol); nil where
	// no address expects that. It must read no byte more. After an error, which it has logged, the connection is closed.
	// Set by the remoteip module; it must not keep the graph.
	Preface func(nc net.Conn, c *Conn) error
	// Protocols serve connections that agreed on another protocol than HTTP/1 by ALPN, until their end.
	Protocols map[string]func(e *Engine, nc net.Conn, c *Conn)

	// Fresh are those of Servers that the graph before it, from which the others were taken over, doesn't have.
	Fresh []*Server

	modules    *moduleSet
	httpCore   *Module                       // http_core, in whose name the head of an answer is refused; nil without it
	conf       confs                         // what modules keep of the whole Graph
	addrs      map[netip.AddrPort]*nameChain // by address; port 0 stands for every port
	any        map[uint16]*nameChain         // of "*:port", by port
	uses       uses
	units      []*unit  // of Servers, in their order
	whole      *unit    // what was compiled for the graph as a whole
	mainHash   [32]byte // of what stands outside of every <VirtualHost>
	serverRoot string
	sameNames  bool // a server has a name that an earlier one has
	engine     atomic.Pointer[Engine]
}

type boundHook struct {
	run    func(*Request) Result
	module int
	order  int
	always bool
}

// moduleSet is the modules of a Graph, and their hooks in the order that they run. Safe for concurrent use.
type moduleSet struct {
	list    []*Module
	byIndex [maxModules]*Module
	hooks   [nPhases][]boundHook

	mu    sync.Mutex // guards bound; taken when configurations are merged
	bound map[moduleBits]*phases
}

// phases are the hooks that run for a configuration.
type phases [nPhases][]func(*Request) Result

func newModuleSet(modules []*Module) *moduleSet {
	set := &moduleSet{list: modules, bound: map[moduleBits]*phases{}}
	for _, m := range modules {
		set.byIndex[m.index] = m
		for _, h := range m.Hooks {
			set.hooks[h.Phase] = append(set.hooks[h.Phase], boundHook{h.Run, m.index, h.Order, h.Always})
		}
	}
	for p, hooks := range set.hooks {
		sort.SliceStable(hooks, func(i, j int) bool { return hooks[i].order < hooks[j].order })
		set.hooks[p] = hooks
	}
	return set
}

// phasesOf keeps of each phase's hooks those whose module is in have, or that are always there. Most servers have the same modules, so
// they share theirs.
func (set *moduleSet) phasesOf(have moduleBits) *phases {
	set.mu.Lock()
	defer set.mu.Unlock()
	if p := set.bound[have]; p != nil {
		return p
	}
	all := new(phases)
	for p := range all {
		for _, h := range set.hooks[p] {
			if h.always || have.has(h.module) {
				all[p] = append(all[p], h.run)
			}
		}
	}
	set.bound[have] = all
	return all
}

// Engine returns the engine that serves the graph, nil for one that was never served. ChildInit sees it.
func (g *Graph) Engine() *Engine { return g.engine.Load() }

// childInit tells the modules that the graph serves from now on.
func (g *Graph) childInit() {
	for _, m := range g.modules.list {
		if m.ChildInit != nil {
			m.ChildInit(g)
		}
	}
}

// HasModule tells whether <IfModule name> is true, by either of a module's names.
func HasModule(modules []*Module, name string) bool {
	for _, m := range modules {
		if m.Name == name || m.File == name {
			return true
		}
	}
	return false
}

// staticModules are those that httpd is built with everywhere, and pinion's own.
var staticModules = map[string]bool{
	"core.c": true, "http_core.c": true, "mod_so.c": true, "mod_log_config.c": true, "mod_logio.c": true, "mod_version.c": true,
	"mod_unixd.c": true, "mod_watchdog.c": true, "event.c": true, "mod_pinion.c": true, "mod_pinion_manager.c": true,
}

// StaticModule tells whether the module, by either name, is there without a LoadModule.
func StaticModule(modules []*Module, name string) bool {
	for _, m := range modules {
		if m.Name == name || m.File == name {
			return staticModules[m.File]
		}
	}
	return false
}

// nameChain is the virtual hosts of one address, found by name. httpd takes the first vhost in file order one of
// whose names matches, exact or wildcard; the index keeps that order.
type nameChain struct {
	servers []*Server // in file order; the first is the default
	exact   map[string]int
	suffix  map[string]int // "*.example.org" under ".example.org"
	pattern []namePattern  // every other wildcard
	address map[string]int // the addresses as written in <VirtualHost>, for a host that nothing else matches
}

type namePattern struct {
	glob  string
	index int
}

// add puts the server of u at the end. It calls same for each of its names that is taken, with the place of the one that has it. A
// server that was given no name has that of another by now: it is in the index, and tells nobody.
func (c *nameChain) add(u *unit, address string, same func(name, first int)) {
	s := u.server
	i := len(c.servers) - 1 // servers are added one after the other, each with all of its addresses
	known := i >= 0 && c.servers[i] == s
	if !known {
		i++
		c.servers = append(c.servers, s)
	}
	if _, ok := c.address[address]; !ok {
		c.address[address] = i
	}
	if known {
		return
	}
	for k, n := range u.names {
		if first := c.put(n.name, i); first != i {
			same(k, first)
		}
	}
	if s.ServerName != "" {
		c.put(lowerASCII(s.ServerName), i)
	}
}

// put makes a name lead to the i-th server, unless it leads to an earlier one. It returns which one it leads to.
func (c *nameChain) put(name string, i int) int {
	m := c.exact
	switch {
	case !strings.ContainsAny(name, "*?"):
	case strings.HasPrefix(name, "*.") && !strings.ContainsAny(name[2:], "*?"):
		m, name = c.suffix, name[1:]
	default:
		for _, p := range c.pattern {
			if p.glob == name {
				return p.index
			}
		}
		c.pattern = append(c.pattern, namePattern{name, i})
		return i
	}
	first, ok := m[name]
	if !ok {
		m[name], first = i, i
	}
	return first
}

// find returns the server of host, which is in lower case and without a port.
func (c *nameChain) find(host string) *Server {
	best := len(c.servers)
	if i, ok := c.exact[host]; ok {
		best = i
	}
	if len(c.suffix) > 0 {
		// "*" stands for any text, dots included, so every suffix that starts with a dot is a candidate.
		for i := 0; i < len(host); i++ {
			if host[i] == '.' {
				if j, ok := c.suffix[host[i:]]; ok && j < best {
					best = j
				}
			}
		}
	}
	for _, p := range c.pattern {
		if p.index >= best {
			break
		}
		if wildMatch(p.glob, host) {
			best = p.index
			break
		}
	}
	if best == len(c.servers) {
		if i, ok := c.address[host]; ok {
			return c.servers[i]
		}
		return nil
	}
	return c.servers[best]
}

// newChain makes one for about n names.
func newChain(n int) *nameChain {
	return &nameChain{servers: make([]*Server, 0, n/2), exact: make(map[string]int, n), suffix: map[string]int{}, address: map[string]int{}}
}

func (c *Compiler) indexVHosts() {
	g := c.Graph
	if c.SameNames() {
		g.addrs, g.any = replaceAll(c, c.before.addrs), replaceAll(c, c.before.any)
		return
	}
	g.addrs = map[netip.AddrPort]*nameChain{}
	g.any = map[uint16]*nameChain{}
	size := 2 * len(g.Servers) // names in the first chain: mostly it holds all
	for _, u := range g.units[1:] {
		var told []int
		for _, a := range u.server.Addrs {
			chain, made := g.chainAt(a, size)
			if made {
				size = 0
			}
			chain.add(u, a.Host, func(i, first int) {
				if !slices.Contains(told, i) {
					told = append(told, i)
					g.sameNames = true
					c.warnSameName(u, i, c.unitOf(chain.servers[first]))
				}
			})
		}
	}
}

// replaceAll makes chains of other servers that have the same names. The maps of names are shared; nobody changes them any more.
func replaceAll[K comparable](c *Compiler, old map[K]*nameChain) map[K]*nameChain {
	place := make(map[*Server]*Server, len(c.replaced))
	for s, was := range c.replaced {
		place[was] = s
	}
	all := make(map[K]*nameChain, len(old))
	for k, chain := range old {
		n := *chain
		n.servers = slices.Clone(chain.servers)
		for i, s := range n.servers {
			if by := place[s]; by != nil {
				n.servers[i] = by
			}
		}
		all[k] = &n
	}
	return all
}

// chainAt returns the chain of an address, made for about n names where there is none.
func (g *Graph) chainAt(a ListenAddr, n int) (chain *nameChain, made bool) {
	if !a.IP.IsValid() || a.IP.IsUnspecified() {
		if chain = g.any[a.Port]; chain == nil {
			chain, made = newChain(n), true
			g.any[a.Port] = chain
		}
		return chain, made
	}
	k := netip.AddrPortFrom(a.IP, a.Port)
	if chain = g.addrs[k]; chain == nil {
		chain, made = newChain(n), true
		g.addrs[k] = chain
	}
	return chain, made
}

// unitOf finds the unit of a server of the graph.
func (c *Compiler) unitOf(s *Server) *unit {
	return c.Graph.units[slices.Index(c.Graph.Servers, s)]
}

// chain returns the virtual hosts of a connection's local address, nil where only the main server answers.
func (g *Graph) chain(local netip.AddrPort) *nameChain {
	ip := local.Addr().Unmap()
	if c := g.addrs[netip.AddrPortFrom(ip, local.Port())]; c != nil {
		return c
	}
	if c := g.addrs[netip.AddrPortFrom(ip, 0)]; c != nil {
		return c
	}
	if c := g.any[local.Port()]; c != nil {
		return c
	}
	return g.any[0]
}

// ServerFor returns the server of a local address and a host name ("" for none): httpd's ap_update_vhost_given_ip
// and update_vhost_from_headers in one.
func (g *Graph) ServerFor(local netip.AddrPort, host string) *Server {
	c := g.chain(local)
	if c == nil {
		return g.Main
	}
	if host != "" {
		if s := c.find(lowerASCII(host)); s != nil {
			return s
		}
	}
	return c.servers[0]
}

// serverOfPath returns the virtual host of a request that names no host: the first one whose ServerPath leads to path,
// else base (httpd's check_serverpath).
func (g *Graph) serverOfPath(local netip.AddrPort, path string, base *Server) *Server {
	c := g.chain(local)
	if c == nil {
		return base
	}
	for _, s := range c.servers {
		if s.hasPath(path) {
			return s
		}
	}
	return base
}

// hasPath tells whether a URL's path is ServerPath or lies below it.
func (s *Server) hasPath(path string) bool {
	p := s.Path
	return p != "" && strings.HasPrefix(path, p) && (p[len(p)-1] == '/' || len(path) == len(p) || path[len(p)] == '/')
}

// lowerASCII returns s in lower case, s itself where it is already.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// sharedCounters is how many counters a Graph's uses are spread over, so that connections on different
// processors don't write one cache line for each request.
const sharedCounters = 16

type uses struct {
	n [sharedCounters]struct {
		atomic.Int64
		_ [56]byte
	}
	retired atomic.Bool
	closed  atomic.Bool
}

func (u *uses) total() (n int64) {
	for i := range u.n {
		n += u.n[i].Load()
	}
	return n
}

// Acquire counts a user of the current graph of p on behalf of the connection with this id.
func Acquire(p *atomic.Pointer[Graph], id uint64) *Graph {
	for {
		g := p.Load()
		n := &g.uses.n[id%sharedCounters]
		n.Add(1)
		// The graph may have been retired between the two lines; then the count came too late to hold it.
		if !g.uses.retired.Load() {
			return g
		}
		n.Add(-1)
		g.tryClose()
	}
}

// Release ends what Acquire began.
func (g *Graph) Release(id uint64) {
	g.uses.n[id%sharedCounters].Add(-1)
	if g.uses.retired.Load() {
		g.tryClose()
	}
}

// Retire says that no new request will use the graph: it is closed as soon as the last one ends.
func (g *Graph) Retire() {
	g.uses.retired.Store(true)
	g.tryClose()
}

func (g *Graph) tryClose() {
	if g.uses.total() == 0 && g.uses.closed.CompareAndSwap(false, true) {
		g.State.release(g)
	}
}

// EqualFold is table.EqualFold: ASCII case is ignored.
func EqualFold(a, b string) bool { return table.EqualFold(a, b) }
