// Package directives answers for every directive that no module of pinion implements: httpd's own, those that httpd
// 2.4 has dropped, and those of well-known modules by others. Each is accepted without effect, when it tunes something
// that pinion doesn't have, or refused with a hint. None is unknown, and none is skipped in silence.
//
//go:generate sh -c "go run ./generate ${HTTPD_DIRECTIVES:?path of the table} > names.go.new && mv names.go.new names.go"
package directives

import (
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// name is one directive of httpd.
type name struct {
	name    string
	module  string // as in LoadModule
	in      parser.Context
	section bool
}

// Each calls f with every directive of httpd 2.4.71 and the module that has it there, sections without their brackets.
func Each(f func(name, module string)) {
	for _, n := range names {
		f(n.name, n.module)
	}
}

// rest is the module that holds the rows. <IfModule> finds it by no name of httpd's.
var rest = runtime.Define(runtime.Module{Name: "pinion_other_directives"})

// Rest returns a module with a row for each directive that modules don't have. It is called once, when the list of
// modules is made, before anything reads the module.
func Rest(modules []*runtime.Module) *runtime.Module {
	have := map[string]bool{}
	for _, d := range append(parser.Own(), runtime.Shapes(modules)...) {
		have[strings.ToLower(d.Name)] = true
	}
	rest.Directives = nil
	for _, d := range all() {
		key := strings.ToLower(d.Name)
		if !have[key] {
			have[key] = true
			rest.Directives = append(rest.Directives, d)
		}
	}
	return rest
}

// all returns a row for every directive of httpd's and of others' that this package knows.
func all() (rows []runtime.Directive) {
	why := noEffectReasons()
	for _, n := range names {
		d := runtime.Directive{Name: n.name, Of: n.module, Section: n.section, In: n.in, Args: parser.TakeArgv, Help: "httpd's; see its documentation"}
		switch reason := why[strings.ToLower(n.name)]; {
		case reason != "":
			d.NoEffect = reason
		default:
			d.Unsupported = hint(n)
		}
		rows = append(rows, d)
	}
	for _, g := range noEffect {
		for _, n := range strings.Fields(g.more) {
			rows = append(rows, runtime.Directive{Name: n, Of: g.module, In: parser.Anywhere, Args: parser.TakeArgv, Help: "httpd's; see its documentation", NoEffect: g.reason})
		}
	}
	for _, g := range foreign {
		for _, n := range strings.Fields(g.names) {
			rows = append(rows, runtime.Directive{Name: n, Of: g.module, In: parser.Anywhere, Args: parser.TakeArgv, Help: "of a module by others", Unsupported: g.hint})
		}
	}
	for _, g := range dropped {
		for _, n := range strings.Fields(g.names) {
			rows = append(rows, runtime.Directive{Name: n, Of: "httpd before 2.4", In: parser.Anywhere, Args: parser.TakeArgv, Help: "httpd 2.4 has dropped it", Unsupported: g.hint})
		}
	}
	return rows
}

func noEffectReasons() map[string]string {
	m := map[string]string{}
	for _, g := range noEffect {
		for _, n := range strings.Fields(g.names) {
			m[strings.ToLower(n)] = g.reason
		}
	}
	return m
}

// hint is what to do instead of a directive that isn't supported.
func hint(n name) string {
	if h := instead[strings.ToLower(n.name)]; h != "" {
		return h
	}
	if h := modules[n.module]; h != "" {
		return h
	}
	return "pinion has nothing like it; remove it, or let the backend do what it does"
}
