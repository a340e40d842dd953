// Package headers is mod_headers: it changes the headers of requests and answers.
package headers

import (
	"pinion/parser"
	"pinion/runtime"
)

// Module is headers_module.
var Module = runtime.Define(runtime.Module{Name: "headers_module", File: "mod_headers.c", MergeDir: runtime.Merger(merge)})

const arguments = "header [[expr=]value [replacement] [early|env=[!]varname|expr=expression]]"

// What follows refers to Module, so that it can't stand in its definition.
func init() {
	Module.Directives = []runtime.Directive{
		{Name: "Header", Args: parser.TakeArgv, In: parser.Anywhere | parser.HTAccess,
			Syntax: "[onsuccess|always] add|append|echo|edit|edit*|merge|set|setifempty|unset|note " + arguments,
			Help:   "Changes a header of the answer", Set: setHeader},
		{Name: "RequestHeader", Args: parser.TakeArgv, In: parser.Anywhere | parser.HTAccess,
			Syntax: "add|append|edit|edit*|merge|set|setifempty|unset " + arguments,
			Help:   "Changes a header of the request, before a handler or a backend sees it", Set: setRequestHeader},
	}
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.PostReadRequest, Order: runtime.First, Run: early},
		{Phase: runtime.Fixups, Order: runtime.Last, Run: fixup},
		{Phase: runtime.OutputHead, Order: runtime.Last, Run: output},
		{Phase: runtime.ErrorHead, Order: runtime.Last, Run: outputError},
	}
	Module.PostConfig = warnRouteChanged
}

// config is one section's directives. The lists with early in their names run in post_read_request.
type config struct {
	in, onsuccess, always                []*entry
	earlyIn, earlyOnsuccess, earlyAlways []*entry
}

func merge(base, add *config) *config {
	join := func(a, b []*entry) []*entry { return append(a[:len(a):len(a)], b...) }
	return &config{
		join(base.in, add.in), join(base.onsuccess, add.onsuccess), join(base.always, add.always),
		join(base.earlyIn, add.earlyIn), join(base.earlyOnsuccess, add.earlyOnsuccess), join(base.earlyAlways, add.earlyAlways),
	}
}

func early(r *runtime.Request) runtime.Result {
	c := runtime.DirConf[config](r.Dir, Module)
	if c == nil {
		return runtime.Declined
	}
	if !apply(r, &r.HeadersIn, c.earlyIn) || !apply(r, &r.ErrHeadersOut, c.earlyAlways) || !apply(r, &r.HeadersOut, c.earlyOnsuccess) {
		r.Logf(Module, runtime.LogCrit, "AH01504", "Regular expression replacement failed (replacement too long?)")
		return 500
	}
	return runtime.Declined
}

func fixup(r *runtime.Request) runtime.Result {
	if c := runtime.DirConf[config](r.Dir, Module); c != nil {
		apply(r, &r.HeadersIn, c.in)
	}
	return runtime.Declined
}

// output works on an ordinary answer: first what goes with each answer, then what goes with this kind.
func output(r *runtime.Request) runtime.Result {
	if c := runtime.DirConf[config](r.Dir, Module); c != nil {
		apply(r, &r.ErrHeadersOut, c.always)
		apply(r, &r.HeadersOut, c.onsuccess)
	}
	return runtime.Declined
}

// outputError works on an answer that the server makes for an error.
func outputError(r *runtime.Request) runtime.Result {
	if c := runtime.DirConf[config](r.Dir, Module); c != nil {
		apply(r, &r.ErrHeadersOut, c.always)
	}
	return runtime.Declined
}
