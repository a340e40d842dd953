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
}

// Loaded is one reading of a configuration. Graph is nil when Diags has an error.
type Loaded struct {
	Tree  *parser.Tree
	Graph *runtime.Graph
	Diags parser.Diagnostics
	Took  time.Duration
}

// Load reads and compiles the configuration. What it shares with graphs of the same state is adopted from there. All
// mistakes of both steps are reported together.
func (s *Source) Load(state *runtime.State) *Loaded {
	began := time.Now()
	table := parser.NewTable(append(parser.Own(), runtime.Shapes(s.Modules)...))
	o := s.Parse
	o.Directives, o.Nearest = table.Lookup, table.Nearest
	o.Modules = func(name string) bool { return runtime.HasModule(s.Modules, name) }
	o.Static = func(name string) bool { return runtime.StaticModule(s.Modules, name) }
	o.Offline = s.Offline
	l := &Loaded{}
	l.Tree, l.Diags = parser.Load(s.Path, &o)
	if l.Tree != nil {
		graph, diags := runtime.Compile(l.Tree, s.Modules, runtime.Options{State: state, Offline: s.Offline, Test: s.Test, Hash: hash(l.Tree)})
		if l.Diags.HasErrors() {
			// What could not be read may be where the Listen stands.
			diags = slices.DeleteFunc(diags, func(d *parser.Diagnostic) bool { return d.Code == "no-listen" })
		}
		l.Diags = append(l.Diags, diags...)
		l.Diags.Sort(l.Tree.Files)
		if graph != nil && l.Diags.HasErrors() {
			graph.Retire()
			graph = nil
		}
		l.Graph = graph
	}
	l.Took = time.Since(began)
	return l
}

// hash is a short name for the configuration's text: the same files give the same hash on every machine.
func hash(t *parser.Tree) string {
	h := sha256.New()
	for _, f := range t.Files {
		io.WriteString(h, f)
		h.Write([]byte{0})
		h.Write(t.Source(f))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
