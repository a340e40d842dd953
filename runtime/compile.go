package runtime

import (
	"fmt"
	"path/filepath"
	"sort"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime/pcre"
)

// Options are what Compile is told beside the tree.
type Options struct {
	// State is adopted from and lives on; nil makes a new one.
	State *State
	// Offline opens no certificate, resolves no name, starts no program: for checking files far from their server.
	Offline bool
	// Test looks whether logs could be opened and programs started, and does neither: for -t, which serves nothing.
	Test bool
	// Pause, unless nil, is called again and again while many servers are compiled: a server that has requests to answer rests in it.
	Pause func()
	Hash  string // of the text, kept in Graph.Hash
}

// Compiler makes one Graph. It is used by one goroutine, and modules see it as part of Cmd.
type Compiler struct {
	Graph   *Graph
	Tree    *parser.Tree
	Offline bool
	Test    bool // see Options

	pause    func() // see Options; never nil
	diags    []*parser.Diagnostic
	told     map[finding]*parser.Diagnostic
	bad      bool
	outdated bool

	cur      *unit   // whose server is being compiled
	compiled []*unit // that this compile makes
	units    map[*Server]*unit
	nodes    map[*Server]*parser.Node
	replaced map[*Server]*Server // see Replaced; nil where it tells nothing
	before   *Graph              // of Recompile
}

// finding tells equal diagnostics apart from others: what is read a hundred times has its mistakes told once.
type finding struct {
	file          string
	offset        int
	code, summary string
}

// Cmd is one directive being compiled: httpd's cmd_parms.
type Cmd struct {
	*Compiler
	Node    *parser.Node
	Server  *Server
	Dir     *DirConfig // the section's, or the server's own outside of sections
	Section *Section   // the innermost section; nil outside
	Methods []string   // of an enclosing <Limit>; nil for every method
	// Except turns Methods round: <LimitExcept>.
	Except bool
}

// Compile turns a resolved tree into a Graph. With an error among the diagnostics the Graph is nil and nothing of it
// is left in the State.
func Compile(tree *parser.Tree, modules []*Module, o Options) (*Graph, []*parser.Diagnostic) {
	c := newCompiler(tree, modules, o)
	g := c.Graph
	g.modules = newModuleSet(modules)
	for _, m := range modules {
		if m.File == "http_core.c" {
			g.httpCore = m
		}
	}
	g.Main = c.newServer(tree.Root.Place)
	g.Main.Main = true
	c.cur = c.newUnit(g.Main, tree.Root)
	c.walk(tree.Root.Children, &Cmd{Compiler: c, Server: g.Main, Dir: g.Main.Dir})
	return c.end()
}

func newCompiler(tree *parser.Tree, modules []*Module, o Options) *Compiler {
	if o.State == nil {
		o.State = NewState()
	}
	if o.Pause == nil {
		o.Pause = func() {}
	}
	g := &Graph{State: o.State, Process: map[string][]string{}, Hash: o.Hash, whole: &unit{refs: 1},
		mainHash: hashMain(tree.Root), serverRoot: tree.ServerRoot}
	return &Compiler{Graph: g, Tree: tree, Offline: o.Offline, Test: o.Test, pause: o.Pause, told: map[finding]*parser.Diagnostic{},
		units: map[*Server]*unit{}, nodes: map[*Server]*parser.Node{}}
}

// end completes what was walked through.
func (c *Compiler) end() (*Graph, []*parser.Diagnostic) {
	g := c.Graph
	if !c.bad && !c.outdated {
		c.finish()
	}
	sortDiagnostics(c.diags, c.Tree)
	if c.bad || c.outdated {
		g.State.release(g)
		return nil, c.diags
	}
	g.Fresh = c.Compiled()
	return g, c.diags
}

// PrivateHandlers returns those of all modules.
func (c *Compiler) PrivateHandlers() (all []PrivateHandler) {
	for _, m := range c.Graph.modules.list {
		all = append(all, m.Private...)
	}
	return all
}

func (c *Compiler) newServer(at parser.Place) *Server {
	s := &Server{modules: c.Graph.modules, Place: at, Errors: StderrLog}
	s.Dir = c.NewDir()
	return s
}

// NewDir returns an empty per-directory configuration.
func (c *Compiler) NewDir() *DirConfig { return &DirConfig{} }

func (c *Compiler) walk(nodes []*parser.Node, in *Cmd) {
	for _, n := range nodes {
		d, ok := n.Def.Owner.(*Directive)
		if !ok || d.Set == nil {
			continue
		}
		cmd := *in
		cmd.Node = n
		if err := d.Set(&cmd); err != nil {
			c.Report(cmd.asDiagnostic(err))
		}
	}
}

// Children compiles the directives inside of the section that c is, into dir.
func (c *Cmd) Children(dir *DirConfig, s *Section) {
	in := *c
	in.Dir = dir
	if s != nil {
		in.Section = s
	}
	c.walk(c.Node.Children, &in)
}

// Module returns the module of this graph with that name ("headers_module", "mod_headers.c" or, as LogLevel writes
// it, "headers"), nil where there is none.
func (c *Compiler) Module(name string) *Module {
	for _, m := range c.Graph.modules.list {
		if m.Name == name || m.File == name || m.Name == name+"_module" {
			return m
		}
	}
	return nil
}

// Arg returns the i-th argument, "" beyond the last. A directive of shape Raw has arguments, too, as ap_getword_conf
// would cut them.
func (c *Cmd) Arg(i int) string {
	switch {
	case i < len(c.Node.Args):
		return c.Node.Args[i]
	case c.Node.Args == nil && i < len(c.Node.Words):
		return c.Node.Words[i].Text
	}
	return ""
}

// Path is httpd's cmd->path: what the innermost section stands for, "" outside.
func (c *Cmd) Path() string {
	if c.Section == nil {
		return ""
	}
	return c.Section.Path
}

// Flag reads the On or Off that the parser has checked.
func (c *Cmd) Flag() bool { return EqualFold(c.Arg(0), "on") }

// Errorf makes an error at the whole directive.
func (c *Cmd) Errorf(code, format string, args ...any) *parser.Diagnostic {
	return &parser.Diagnostic{Code: code, Summary: fmt.Sprintf(format, args...), Place: c.Node.Place}
}

// ArgErrorf makes an error at the i-th argument.
func (c *Cmd) ArgErrorf(i int, code, format string, args ...any) *parser.Diagnostic {
	d := c.Errorf(code, format, args...)
	if i < len(c.Node.Words) {
		d.Place.Range = c.Node.Words[i].Range
	}
	return d
}

// WithDetail adds what to do about it.
func WithDetail(d *parser.Diagnostic, format string, args ...any) *parser.Diagnostic {
	d.Detail = fmt.Sprintf(format, args...)
	return d
}

// Within narrows an error at an argument to the bytes [from, to) of its text, where the text was written on one
// line and without escapes; else the whole argument stays marked.
func (c *Cmd) Within(d *parser.Diagnostic, arg, from, to int) *parser.Diagnostic {
	if arg >= len(c.Node.Words) {
		return d
	}
	w := c.Node.Words[arg]
	r := w.Range
	lead := 0
	if w.Quote != 0 {
		lead = 1
	}
	if r.Start.Line != r.End.Line || r.End.Offset-r.Start.Offset != len(c.Arg(arg))+2*lead {
		return d
	}
	shift := func(n int) grammar.Pos {
		return grammar.Pos{Line: r.Start.Line, Col: r.Start.Col + lead + n, Offset: r.Start.Offset + lead + n}
	}
	d.Place.Range = grammar.Range{Start: shift(from), End: shift(to)}
	return d
}

// Regexp compiles the i-th argument as a regular expression; a mistake is reported at its very character.
func (c *Cmd) Regexp(i int, flags pcre.Flags) (*pcre.Regexp, error) {
	return c.RegexpIn(i, 0, c.Arg(i), flags)
}

// RegexpIn compiles pattern, which starts at byte from of the i-th argument.
func (c *Cmd) RegexpIn(i, from int, pattern string, flags pcre.Flags) (*pcre.Regexp, error) {
	re, err := pcre.Compile(pattern, flags)
	if err == nil {
		return re, nil
	}
	d := c.ArgErrorf(i, "bad-regex", "bad regular expression %q: %v", pattern, err)
	if e, ok := err.(*pcre.Error); ok {
		d.Summary = fmt.Sprintf("bad regular expression: %s", e.Summary)
		d.Detail = e.Detail
		end := from + e.Offset + 1
		if end > len(c.Arg(i)) {
			end = len(c.Arg(i))
		}
		d = c.Within(d, i, from+e.Offset, end)
	}
	return nil, d
}

// Detached returns what reports a mistake at c's line later (Errorf, ArgErrorf, Within), and keeps nothing of the configuration in
// memory as c itself would.
func (c *Cmd) Detached() *Cmd {
	n := *c.Node
	n.Parent, n.Children = nil, nil
	return &Cmd{Node: &n}
}

func (c *Cmd) asDiagnostic(err error) *parser.Diagnostic {
	if d, ok := err.(*parser.Diagnostic); ok {
		return d
	}
	return c.Errorf("bad-value", "%v", err)
}

// Watch makes a change of the file, an absolute path, reload the configuration.
func (c *Compiler) Watch(path string) { c.holder().files = append(c.holder().files, path) }

// WatchFolder makes a change of any file in the folder, an absolute path, reload the configuration: a new file too.
func (c *Compiler) WatchFolder(path string) { c.holder().folders = append(c.holder().folders, path) }

// holder is what things belong to now.
func (c *Compiler) holder() *unit {
	if c.cur == nil {
		return c.Graph.whole
	}
	return c.cur
}

// ServerPath makes a path absolute by ServerRoot (ap_server_root_relative).
func (c *Compiler) ServerPath(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(c.Tree.ServerRoot, path)
}

// Report adds a diagnostic. An Error makes the compile fail; it goes on all the same, to find the others.
func (c *Compiler) Report(d *parser.Diagnostic) {
	if d.Severity == parser.Error {
		c.bad = true
	}
	if c.cur != nil {
		c.cur.diags = append(c.cur.diags, d)
	}
	key := finding{d.Place.File, d.Place.Range.Start.Offset, d.Code, d.Summary}
	if old := c.told[key]; old != nil && d.Place.Range.Start.Line > 0 {
		old.Repeated++
		return
	}
	c.told[key] = d
	c.diags = append(c.diags, d)
}

// Warnf reports something that surprises people.
func (c *Cmd) Warnf(code, format string, args ...any) *parser.Diagnostic {
	d := c.Errorf(code, format, args...)
	d.Severity = parser.Warning
	c.Report(d)
	return d
}

// Notef reports something worth knowing, shown by -t -v.
func (c *Cmd) Notef(code, format string, args ...any) *parser.Diagnostic {
	d := c.Errorf(code, format, args...)
	d.Severity = parser.Note
	c.Report(d)
	return d
}

func sortDiagnostics(diags []*parser.Diagnostic, tree *parser.Tree) {
	if len(diags) < 2 {
		return
	}
	order := make(map[string]int, len(tree.Files))
	for i, f := range tree.Files {
		order[f] = i
	}
	sort.SliceStable(diags, func(i, j int) bool {
		a, b := diags[i].Place, diags[j].Place
		if a.File != b.File {
			return order[a.File] < order[b.File]
		}
		return a.Range.Start.Offset < b.Range.Start.Offset
	})
}

// finish merges the main server into each vhost, lets the modules finish, and builds the indexes.
func (c *Compiler) finish() {
	g := c.Graph
	c.cur = nil
	for _, u := range c.compiled {
		c.units[u.server] = u
		if u.server.Main {
			u.base = baseOf(u.server)
		} else {
			u.names = c.namesOf(u.server)
			c.inherit(u.server, g.units[0].base)
		}
		sealServer(u.server)
	}
	c.compare()
	for _, m := range g.modules.list {
		if m.PostServer != nil {
			for i, u := range c.compiled {
				c.cur = u
				m.PostServer(c, u.server)
				c.breathe(i)
			}
			c.cur = nil
		}
	}
	for _, m := range g.modules.list {
		if m.PostConfig != nil {
			m.PostConfig(c)
			c.pause()
		}
	}
	// PostServer and PostConfig may have given a server its configuration of a module: hooks are bound after them.
	for _, u := range c.compiled {
		u.server.conf.trim()
		u.server.Dir.bindPhases()
	}
	for _, u := range append(g.units[:len(g.units):len(g.units)], g.whole) {
		g.Files = append(g.Files, u.files...)
		g.Folders = append(g.Folders, u.folders...)
	}
	c.indexVHosts()
}

// breathe pauses at every 16th step of a long loop.
func (c *Compiler) breathe(i int) {
	if i%16 == 15 {
		c.pause()
	}
}

// inherit lays the vhost s over the main server (fixup_virtual_hosts).
func (c *Compiler) inherit(s *Server, main *base) {
	s.Settings = s.Settings.over(&main.settings)
	s.Admin = s.Admin.Over(main.admin)
	s.DocRoot = s.DocRoot.Over(main.docRoot)
	if s.Errors == StderrLog {
		s.Errors = main.errors
	}
	s.conf = s.conf.over(&main.conf, c.Graph.modules, mergeServerOf)
	s.Dir.conf = s.Dir.conf.over(&main.dir, c.Graph.modules, mergeDirOf)
	s.Dir.Core = s.Dir.Core.over(&main.core)
	join := func(a, b []*Section) []*Section { return append(a[:len(a):len(a)], b...) }
	s.Directories = join(main.directories, s.Directories)
	s.Locations = join(main.locations, s.Locations)
	s.ProxySects = join(main.proxySects, s.ProxySects)
}

// sealServer puts the sections in the order they are matched in, and indexes them.
func sealServer(s *Server) {
	s.Dir.server = s
	sorted := append([]*Section(nil), s.Directories...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if (a.Regex != nil) != (b.Regex != nil) {
			return b.Regex != nil
		}
		return a.dirSegs < b.dirSegs // of a regular expression too, as httpd does
	})
	s.Directories = sorted
	s.locations = indexLocations(s.Locations)
	s.directories = indexDirectories(s.Directories)
}
