// Package reload keeps a configuration running: it loads and compiles it, watches the files it came from, swaps the
// graph when they change, and opens and closes listeners. It knows no module.
package reload

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// Source says where a configuration comes from and how it is read.
type Source struct {
	Path    string // the main file
	Parse   parser.Options
	Modules []*runtime.Module
	Offline bool // see runtime.Options
	Test    bool // see runtime.Options

	kept *kept
	pace *pace // of a server that answers requests meanwhile; nil for none
}

// Loaded is one reading of a configuration. Graph is nil when Diags has an error.
type Loaded struct {
	Tree  *parser.Tree
	Graph *runtime.Graph
	Diags parser.Diagnostics
	Took  time.Duration

	began time.Time
	whole bool // not only what has changed
}

// Load reads and compiles the configuration. What it shares with graphs of the same state is adopted from there; of what Keep was
// told last, only the virtual hosts are read and compiled again that have changed. All mistakes of both steps are reported together.
// Not safe for concurrent use.
func (s *Source) Load(state *runtime.State) *Loaded {
	began := time.Now()
	if s.kept != nil {
		s.pace = newPace()
	}
	l := s.loadChanged(state)
	if l == nil {
		l = s.loadAll(state)
		l.whole = true
	}
	l.began, l.Took = began, time.Since(began)
	return l
}

// Keep tells that the graph of l serves now: until the next Keep, it is what Load compares with.
func (s *Source) Keep(l *Loaded) {
	if s.Parse.Cache == nil {
		return
	}
	s.Parse.Cache.Keep(l.Tree, s.pause())
	s.kept = &kept{graph: l.Graph, seen: sight{l.began, map[string]mark{}}}
	s.kept.seen.look(l.Graph)
}

// kept is what a next load compares with.
type kept struct {
	graph *runtime.Graph
	seen  sight
}

func (s *Source) options() *parser.Options {
	table := parser.NewTable(append(parser.Own(), runtime.Shapes(s.Modules)...))
	o := s.Parse
	o.Directives, o.Nearest = table.Lookup, table.Nearest
	o.Modules = func(name string) bool { return runtime.HasModule(s.Modules, name) }
	o.Static = func(name string) bool { return runtime.StaticModule(s.Modules, name) }
	o.Offline, o.Pause = s.Offline, s.pause()
	return &o
}

// pause is Options.Pause of the parser and of the compiler.
func (s *Source) pause() func() {
	if s.pace == nil {
		return nil
	}
	return s.pace.pause
}

func (s *Source) compileOptions(state *runtime.State, t *parser.Tree) runtime.Options {
	return runtime.Options{State: state, Offline: s.Offline, Test: s.Test, Pause: s.pause(), Hash: hash(t, s.pause())}
}

func (s *Source) loadAll(state *runtime.State) *Loaded {
	tree, diags := parser.Load(s.Path, s.options())
	graph, more := runtime.Compile(tree, s.Modules, s.compileOptions(state, tree))
	return loaded(tree, graph, diags, more)
}

// loadChanged loads what has changed since Keep; nil where that can't be told, or concerns the whole.
func (s *Source) loadChanged(state *runtime.State) *Loaded {
	if s.kept == nil || s.kept.graph.State != state {
		return nil
	}
	o := s.options()
	o.Stubs, o.Outdated = true, map[uint64]bool{}
	s.kept.graph.Outdated(s.kept.seen.changes(), func(id uint64) { o.Outdated[id] = true })
	if o.Outdated[0] {
		return nil
	}
	tree, diags := parser.Load(s.Path, o)
	graph, more, ok := runtime.Recompile(s.kept.graph, tree, s.Modules, s.compileOptions(state, tree))
	if !ok {
		return nil
	}
	return loaded(tree, graph, diags, more)
}

// loaded puts together what the parser and the compiler found.
func loaded(tree *parser.Tree, graph *runtime.Graph, diags parser.Diagnostics, more []*parser.Diagnostic) *Loaded {
	l := &Loaded{Tree: tree, Graph: graph, Diags: diags}
	if l.Diags.HasErrors() {
		// What could not be read may be where the Listen stands.
		more = slices.DeleteFunc(more, func(d *parser.Diagnostic) bool { return d.Code == "no-listen" })
	}
	l.Diags = append(l.Diags, more...)
	l.Diags.Sort(l.Tree.Files)
	if graph != nil && l.Diags.HasErrors() {
		graph.Retire()
		l.Graph = nil
	}
	return l
}

// hash is a short name for the configuration's text: the same files give the same hash on every machine.
func hash(t *parser.Tree, pause func()) string {
	h := sha256.New()
	for i, f := range t.Files {
		if i%64 == 63 && pause != nil {
			pause()
		}
		io.WriteString(h, f)
		sum := t.Sum(f)
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
