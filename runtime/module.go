// Package runtime compiles a resolved configuration tree into an immutable Graph and serves requests with it:
// vhost, sections, phases, handlers, under httpd's names and in httpd's order. What a directive means lives in
// the module folders below, which import this package; this package imports none of them.
package runtime

import (
	"cmp"
	"sync/atomic"

	"pinion/parser"
)

// Result is what a hook answers: Declined, OK, Done or an HTTP status (http_config.h).
type Result int

// The results that are no HTTP status.
const (
	OK       Result = 0  // handled, this phase went well
	Declined Result = -1 // not mine
	Done     Result = -2 // the request is complete, stop everything
)

// Phase is one step of a request, in httpd's order.
type Phase uint8

// The phases. "first" ends at the first hook that doesn't decline; "all" runs every hook until one fails.
const (
	PostReadRequest  Phase = iota // all
	PreTranslateName              // first
	TranslateName                 // first
	MapToStorage                  // first
	HeaderParser                  // all
	AccessChecker                 // all
	AccessCheckerEx               // first
	CheckUserID                   // first
	AuthChecker                   // first
	TypeChecker                   // first
	Fixups                        // all
	Handler                       // first
	OutputHead                    // all; before the head of a normal response goes out (an output filter of httpd)
	ErrorHead                     // all; the same for a response that the server makes for an error (insert_error_filter)
	LogTransaction                // all
	nPhases
)

// Orders of hooks in a phase, httpd's APR_HOOK_*: lower runs earlier, equal ones in the order of the modules.
const (
	ReallyFirst = -10
	First       = 0
	Middle      = 10
	Last        = 20
	ReallyLast  = 30
)

// Hook is what a module does in a phase.
type Hook struct {
	Phase Phase
	Order int
	// Always keeps the hook in a vhost that has no directive of the module.
	Always bool
	Run    func(*Request) Result
}

// Module is one httpd module as pinion has it. A Module is made by Define, once, and never changes.
type Module struct {
	Name       string // as in LoadModule: "headers_module"
	File       string // as in <IfModule>: "mod_headers.c"
	Directives []Directive
	Hooks      []Hook
	// OutputFilters are what the module offers to SetOutputFilter and its like.
	OutputFilters []OutputFilter
	// Private are handlers of the module that are not for everybody: who guards them not is warned.
	Private []PrivateHandler
	// MergeServer and MergeDir return a new configuration: add laid over base, neither changed. They are
	// called only where both exist. Without them add simply replaces base.
	MergeServer, MergeDir func(base, add any) any
	// PostServer runs for each server that is compiled, the main server first, when all are merged, in the order of the modules.
	PostServer func(c *Compiler, s *Server)
	// PostConfig runs once for each Graph, after PostServer. Servers that the graph before had already (see Compiler.Compiled) it must
	// not change: what it makes of them all it keeps in its GraphConf.
	PostConfig func(c *Compiler)
	// Outdated tells whether something beside its text would make a server another one if it were compiled again now.
	Outdated func(s *Server) bool
	// ChildInit runs each time a graph begins to serve, before the graph that it replaces is let go of. What was compiled but
	// never served never sees it.
	ChildInit func(g *Graph)

	index int
}

// PrivateHandler is a handler that shows or changes what the public should not see.
type PrivateHandler struct {
	Name    string // as in SetHandler
	Code    string // of the warning
	Summary string // what anybody may do there who gets in: "anybody may …"
}

var moduleCount atomic.Int32

// Define gives the module its place in every table of configurations. Call it in a package-level variable.
func Define(m Module) *Module {
	if m.index = int(moduleCount.Add(1) - 1); m.index >= maxModules {
		panic("runtime: more modules than maxModules")
	}
	return &m
}

// Merger makes a Module's merge function from a typed one.
func Merger[T any](f func(base, add *T) *T) func(base, add any) any {
	return func(base, add any) any { return f(base.(*T), add.(*T)) }
}

// Directive is one row of a module's table.
type Directive struct {
	Name    string
	Section bool
	Args    parser.Args
	In      parser.Context
	Syntax  string
	Help    string
	// NoEffect and Unsupported: see parser.Directive. A row with one of them has no Set.
	NoEffect    string
	Unsupported string
	// Of names the module of a directive that pinion has no such module for; "" is the table's own module.
	Of string
	// Set compiles one occurrence. An error becomes a diagnostic at the directive; a *parser.Diagnostic
	// is taken as it is, so that it can name an exact range (see Cmd.ArgError).
	Set func(*Cmd) error
}

// Shapes returns what the parser needs to know of the modules' directives, the sections of runtime's own included.
func Shapes(modules []*Module) []*parser.Directive {
	var all []*parser.Directive
	for _, m := range append([]*Module{coreSections}, modules...) {
		for i := range m.Directives {
			d := &m.Directives[i]
			all = append(all, &parser.Directive{
				Name: d.Name, Module: cmp.Or(d.Of, m.Name), Section: d.Section, Args: d.Args, In: d.In, Syntax: d.Syntax,
				Help: d.Help, NoEffect: d.NoEffect, Unsupported: d.Unsupported, Owner: d,
			})
		}
	}
	return all
}
