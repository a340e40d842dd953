package headers

import (
	"fmt"
	"strings"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/expr"
	"pinion/runtime/pcre"
)

// action is what an entry does to a header.
type action uint8

const (
	set action = iota
	setIfEmpty
	add
	appendTo
	mergeTo
	unset
	echo
	edit
	editAll
	note
)

var actions = map[string]action{
	"set": set, "setifempty": setIfEmpty, "add": add, "append": appendTo, "merge": mergeTo, "unset": unset,
	"echo": echo, "edit": edit, "edit*": editAll, "note": note,
}

// entry is one Header or RequestHeader directive.
type entry struct {
	action      action
	header      string
	contentType bool         // header is Content-Type, of an answer
	length      bool         // header is Content-Length, of an answer
	regex       *pcre.Regexp // of edit, edit* and echo
	value       func(*runtime.Request) string
	env         string // run only if this variable is set …
	notEnv      bool   // … or is not
	cond        *expr.Cond[*runtime.Request]
}

func setHeader(c *runtime.Cmd) error {
	i := 0
	always := runtime.EqualFold(c.Arg(0), "always")
	if always || runtime.EqualFold(c.Arg(0), "onsuccess") {
		i++
	}
	e, early, err := compile(c, i, false)
	if err != nil {
		return err
	}
	conf := runtime.OwnDirConf[config](c.Dir, Module)
	list := &conf.onsuccess
	switch {
	case early && always:
		list = &conf.earlyAlways
	case early:
		list = &conf.earlyOnsuccess
	case always:
		list = &conf.always
	}
	*list = append(*list, e)
	return nil
}

func setRequestHeader(c *runtime.Cmd) error {
	e, early, err := compile(c, 0, true)
	if err != nil {
		return err
	}
	conf := runtime.OwnDirConf[config](c.Dir, Module)
	if early {
		conf.earlyIn = append(conf.earlyIn, e)
	} else {
		conf.in = append(conf.in, e)
	}
	return nil
}

// compile reads the arguments from the i-th on: action header [value [replacement]] [condition].
func compile(c *runtime.Cmd, i int, request bool) (e *entry, early bool, err error) {
	act, ok := actions[strings.ToLower(c.Arg(i))]
	if !ok || request && (act == echo || act == note) {
		return nil, false, runtime.WithDetail(c.ArgErrorf(i, "bad-value", "expected an action, found %q", c.Arg(i)),
			"the actions are add, set, setifempty, append, merge, unset, edit and edit*, and of Header also echo and note")
	}
	e = &entry{action: act}
	if e.header, _, _ = strings.Cut(c.Arg(i+1), ":"); e.header == "" {
		return nil, false, c.ArgErrorf(i+1, "wrong-arguments", "expected the name of a header")
	}
	e.contentType = !request && runtime.EqualFold(e.header, "Content-Type")
	e.length = !request && runtime.EqualFold(e.header, "Content-Length")
	want := map[action]int{unset: 2, echo: 2, edit: 4, editAll: 4}[act]
	if want == 0 {
		want = 3
	}
	args := len(c.Node.Args) - i
	if args < want {
		return nil, false, c.Errorf("wrong-arguments", "%s %s needs %d arguments, found %d", c.Node.Name, c.Arg(i), want, args)
	}
	if args > want+1 {
		return nil, false, c.ArgErrorf(i+want+1, "wrong-arguments", "%s %s takes at most %d arguments, found %d", c.Node.Name, c.Arg(i), want+1, args)
	}
	switch act {
	case echo:
		e.regex, err = c.Regexp(i+1, pcre.Default)
	case edit, editAll:
		if e.regex, err = c.Regexp(i+2, pcre.Default); err == nil {
			e.value, err = compileValue(c, i+3)
		}
		if err == nil && act == editAll && e.regex.MatchString("") {
			runtime.WithDetail(c.Warnf("endless-edit", "the regular expression of edit* matches nothing, which takes httpd down when the header is there"),
				"use edit, or an expression that matches at least one character")
		}
	case unset:
	default:
		e.value, err = compileValue(c, i+2)
	}
	if err != nil {
		return nil, false, err
	}
	if args > want {
		early, err = e.condition(c, i+want)
	}
	return e, early, err
}

// condition reads the last argument.
func (e *entry) condition(c *runtime.Cmd, i int) (early bool, err error) {
	text := c.Arg(i)
	switch lower := strings.ToLower(text); {
	case lower == "early":
		return true, nil
	case strings.HasPrefix(lower, "env="):
		e.env, e.notEnv = strings.CutPrefix(text[len("env="):], "!")
		if e.env == "" {
			return false, c.ArgErrorf(i, "bad-value", "expected env=name or env=!name, found %q", text)
		}
		return false, nil
	case strings.HasPrefix(lower, "expr="):
		e.cond, err = c.Condition(text[len("expr="):], false)
		return false, err
	}
	return false, runtime.WithDetail(c.ArgErrorf(i, "bad-value", "expected early, env=… or expr=…, found %q", text),
		"put a value with blanks in double quotes")
}

// compileValue compiles the i-th argument, a format or "expr=" and a string expression.
func compileValue(c *runtime.Cmd, i int) (func(*runtime.Request) string, error) {
	text := c.Arg(i)
	if expression, ok := strings.CutPrefix(text, "expr="); ok {
		return c.StringExpr(i, expression)
	}
	f, e := grammar.ParseHeaderFormat(text)
	if e != nil {
		return nil, c.ArgError(i, text, e)
	}
	var parts []func(*runtime.Request) string
	constant := true
	for k := range f.Items {
		item := &f.Items[k]
		constant = constant && item.Op == ""
		if item.Angle {
			d := c.ArgErrorf(i, "angle-variable", "%%<%s>e is read as %%{%s}e, which is how httpd spells it", item.Arg, item.Arg)
			d = c.Within(d, i, item.Range.Start.Offset, item.Range.End.Offset)
			d.Severity = parser.Note
			c.Report(d)
		}
		get, err := formatItem(item)
		if err != nil {
			return nil, c.ArgErrorf(i, "unknown-format", "%v", err)
		}
		parts = append(parts, get)
	}
	value := joined(parts)
	if constant {
		text := value(nil)
		return func(*runtime.Request) string { return text }, nil
	}
	return value, nil
}

// joined returns the function that puts what parts return together.
func joined(parts []func(*runtime.Request) string) func(*runtime.Request) string {
	if len(parts) == 1 {
		return parts[0]
	}
	return func(r *runtime.Request) string {
		var buf [8]string
		all := buf[:0]
		for _, get := range parts {
			all = append(all, get(r))
		}
		return strings.Join(all, "")
	}
}

// routeChanged is the variable that the balancer sets when a request didn't go where its session belongs.
const routeChanged = "BALANCER_ROUTE_CHANGED"

// warnRouteChanged warns of headers that wait for a change of route where nothing makes sessions stick.
func warnRouteChanged(c *runtime.Compiler) {
	for _, s := range c.Compiled() {
		var f facts
		c.Directives(s, f.directive)
		if f.sticky || f.waiting != nil {
			*runtime.OwnServerConf[facts](s, known) = f
		}
	}
	var waiting []parser.Place
	for _, s := range c.Graph.Servers {
		if f := runtime.ServerConf[facts](s, known); f != nil {
			if f.sticky {
				return
			}
			waiting = append(waiting, f.waiting...)
		}
	}
	for _, at := range waiting {
		c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "no-stickysession", Place: at,
			Summary: fmt.Sprintf("the header is sent when %s is set, but no balancer has a stickysession", routeChanged),
			Detail:  "add stickysession=NAME to the balancer's ProxyPass or ProxySet, with the name of this cookie; without it the cookie is set with each answer and never read"})
	}
}

// facts are what a server's directives say of it, kept as a later Graph may take the server over without them.
type facts struct {
	sticky  bool // a balancer has a stickysession
	waiting []parser.Place
}

// known keeps the facts apart from what requests see.
var known = runtime.Define(runtime.Module{Name: "headers_facts"})

func (f *facts) directive(n *parser.Node) {
	header := n.Def != nil && n.Def.Name == "Header"
	for _, a := range n.Args {
		if header && runtime.EqualFold(a, "env="+routeChanged) {
			f.waiting = append(f.waiting, n.Place)
		}
		f.sticky = f.sticky || !header && len(a) > len("stickysession=") && runtime.EqualFold(a[:len("stickysession=")], "stickysession=")
	}
}
