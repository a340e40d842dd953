package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"

	"pinion/parser"
)

// unit is one compiled server, with all that compiling it did beside it. Graphs that follow one another share it as long as what it
// was compiled from stays the same: a reload compiles only what has changed.
type unit struct {
	server *Server
	id     uint64     // parser.Node.ID of its section; 0 for the main server
	names  []hostName // of ServerName and ServerAlias
	base   *base      // of the main server: what virtual hosts inherit

	diags          []*parser.Diagnostic // what was found in it, by itself
	files, folders []string             // see Compiler.Watch
	entries        []*stateEntry        // what it holds in State

	refs int // graphs that have it. Guarded by State.mu.
}

// base is the main server before any module has completed it, as virtual hosts inherit it.
type base struct {
	settings    ServerSettings
	admin       Opt[string]
	docRoot     Opt[string]
	errors      *ErrorLog
	core        CoreDir
	conf, dir   confs
	directories []*Section
	locations   []*Section
	proxySects  []*Section
}

func baseOf(s *Server) *base {
	return &base{settings: s.Settings, admin: s.Admin, docRoot: s.DocRoot, errors: s.Errors, core: s.Dir.Core,
		conf: s.conf.clone(), dir: s.Dir.conf.clone(), directories: s.Directories, locations: s.Locations, proxySects: s.ProxySects}
}

// newUnit begins a server: what is watched, adopted and reported from now on belongs to it.
func (c *Compiler) newUnit(s *Server, n *parser.Node) *unit {
	u := &unit{server: s, id: n.ID, refs: 1}
	c.Graph.units = append(c.Graph.units, u)
	c.Graph.Servers = append(c.Graph.Servers, s)
	c.compiled = append(c.compiled, u)
	c.nodes[s] = n
	return u
}

// For runs f on behalf of s: what it watches, adopts and reports belongs to that server and lives with it.
func (c *Compiler) For(s *Server, f func()) {
	was := c.cur
	c.cur = c.units[s]
	f()
	c.cur = was
}

// Compiled are the servers that this compile makes: all, or after a reload those whose text has changed. Others are in use by
// requests already and must not be written to.
func (c *Compiler) Compiled() []*Server {
	all := make([]*Server, len(c.compiled))
	for i, u := range c.compiled {
		all[i] = u.server
	}
	return all
}

// NodeOf returns the section of a server that this compile makes, the root for the main server.
func (c *Compiler) NodeOf(s *Server) *parser.Node { return c.nodes[s] }

// Directives calls f for each directive of a server that this compile makes, sections and what stands in them included; of the
// main server only those outside of every <VirtualHost>.
func (c *Compiler) Directives(s *Server, f func(*parser.Node)) {
	var walk func([]*parser.Node)
	walk = func(nodes []*parser.Node) {
		for _, n := range nodes {
			if s.Main && isVirtualHost(n) {
				continue
			}
			f(n)
			walk(n.Children)
		}
	}
	walk(c.nodes[s].Children)
}

func isVirtualHost(n *parser.Node) bool {
	return n.Def != nil && n.Def.Section && strings.EqualFold(n.Def.Name, "VirtualHost")
}

// Outdate gives the compile up where it turns out that a server which was taken over would be another one now. The caller of
// Recompile then loads all.
func (c *Compiler) Outdate() { c.outdated = true }

// Recompile is Compile for a tree in which sections that prev has compiled may be stubs (parser.Node.Stub): their servers are taken
// over from prev, which must not be closed yet. ok is false where that can't be done, as something outside of the virtual hosts has
// changed: then the configuration is to be loaded whole.
func Recompile(prev *Graph, tree *parser.Tree, modules []*Module, o Options) (g *Graph, diags []*parser.Diagnostic, ok bool) {
	c := newCompiler(tree, modules, o)
	g = c.Graph
	if prev.State != g.State || prev.mainHash != g.mainHash || prev.serverRoot != g.serverRoot || !sameModules(prev.modules.list, modules) {
		return nil, nil, false
	}
	c.before = prev
	g.modules, g.httpCore = prev.modules, prev.httpCore
	g.Process, g.Listens, g.Banner, g.TrackFirstByte = prev.Process, prev.Listens, prev.Banner, prev.TrackFirstByte
	old := make(map[uint64]*unit, len(prev.units))
	for _, u := range prev.units {
		old[u.id] = u
	}
	c.keep(prev.units[0])
	g.Main = g.Servers[0]
	for i, n := range tree.Root.Children {
		c.breathe(i)
		if !isVirtualHost(n) {
			continue
		}
		if u := old[n.ID]; n.ID != 0 && u != nil {
			c.keep(u)
		} else if n.Stub {
			g.State.release(g)
			return nil, nil, false
		} else {
			c.walk([]*parser.Node{n}, &Cmd{Compiler: c, Server: g.Main, Dir: g.Main.Dir})
		}
	}
	g, diags = c.end()
	return g, diags, !c.outdated
}

// keep takes a server over from the graph before.
func (c *Compiler) keep(u *unit) {
	g := c.Graph
	g.State.mu.Lock()
	u.refs++
	g.State.mu.Unlock()
	g.units = append(g.units, u)
	g.Servers = append(g.Servers, u.server)
	was := c.cur
	c.cur = nil
	for _, d := range u.diags {
		again := *d
		again.Repeated = 0
		c.Report(&again)
	}
	c.cur = was
}

// Replaced tells, for a server that this compile makes, which one of the graph before it stands for: of the same names and addresses,
// at the same place among servers that are all the same in that. nil where there is none, or any server has come, gone or moved. What
// depends on the names of all servers needs no second look then.
func (c *Compiler) Replaced(s *Server) *Server { return c.replaced[s] }

// SameNames tells whether Replaced holds for all servers.
func (c *Compiler) SameNames() bool { return c.replaced != nil }

func (c *Compiler) compare() {
	g, prev := c.Graph, c.before
	if prev == nil || len(g.units) != len(prev.units) || prev.sameNames {
		return
	}
	replaced := map[*Server]*Server{}
	for i, u := range g.units {
		if was := prev.units[i]; was != u {
			if !u.namedAs(was) {
				return
			}
			replaced[u.server] = was.server
		}
	}
	c.replaced = replaced
}

func (u *unit) namedAs(o *unit) bool {
	a, b := u.server, o.server
	return slices.EqualFunc(u.names, o.names, func(x, y hostName) bool { return x.name == y.name }) &&
		slices.EqualFunc(a.Addrs, b.Addrs, func(x, y ListenAddr) bool { return x.IP == y.IP && x.Port == y.Port && x.Host == y.Host }) &&
		a.Port == b.Port && (a.ServerName == b.ServerName || a.ServerName == "" && len(u.names) == 0)
}

func sameModules(a, b []*Module) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Outdated calls f for each virtual host of the graph (by parser.Node.ID), and with 0 for the main server, of which something
// beside its text has changed: a file that it names, by fileChanged, or what an operator added to it.
func (g *Graph) Outdated(fileChanged func(path string) bool, f func(id uint64)) {
	var look []*Module
	for _, m := range g.modules.list {
		if m.Outdated != nil {
			look = append(look, m)
		}
	}
	for _, u := range g.units {
		if u.outdated(look, fileChanged) {
			f(u.id)
		}
	}
}

func (u *unit) outdated(look []*Module, fileChanged func(path string) bool) bool {
	for _, m := range look {
		if m.Outdated(u.server) {
			return true
		}
	}
	for _, paths := range [...][]string{u.files, u.folders} {
		for _, p := range paths {
			if fileChanged(p) {
				return true
			}
		}
	}
	return false
}

// hashMain sums up what stands outside of every <VirtualHost>, and where.
func hashMain(root *parser.Node) (sum [32]byte) {
	h := sha256.New()
	hashNodes(h, root.Children, true)
	h.Sum(sum[:0])
	return sum
}

func hashNodes(h hash.Hash, nodes []*parser.Node, top bool) {
	var b []byte
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, n := range nodes {
		if top && isVirtualHost(n) {
			continue
		}
		b = b[:0]
		text(n.Place.File)
		b = binary.AppendUvarint(b, uint64(n.Place.Range.Start.Line))
		text(n.Name)
		text(n.Raw)
		for _, a := range n.Args {
			text(a)
		}
		b = binary.AppendUvarint(b, uint64(len(n.Children)))
		h.Write(b)
		hashNodes(h, n.Children, false)
	}
}
