package parser

import (
	"strings"

	"pinion/grammar"
)

// frame is one open section.
type frame struct {
	node  *Node // the innermost section that makes a node
	name  string
	place Place
	ctx   Context // what its inside is; 0 for a section that nobody knows, where everything may stand
	cond  bool    // a section whose condition is true: it leaves no node
	quiet bool    // what stands inside is not checked, as the section itself is refused
	kids  int     // where its children begin in loader.kids
}

func (l *loader) top() *frame { return &l.frames[len(l.frames)-1] }

// maxNesting is how deep sections may nest: who walks a tree may do so by recursion.
const maxNesting = 1000

// tooNested reports whether depth is beyond maxNesting, and ends the reading then.
func (l *loader) tooNested(e *entry, depth int) bool {
	if depth > maxNesting {
		l.stop(e, "too-many-sections", "look for a section's end that is missing", "sections nest more than %d deep", maxNesting)
		return true
	}
	return false
}

// opens is what the inside of httpd's sections is.
var opens = map[string]Context{
	"virtualhost": VHost,
	"directory":   Directory, "directorymatch": Directory,
	"location": Location, "locationmatch": Location,
	"files": Files, "filesmatch": Files,
	"if": If, "elseif": If, "else": If,
	"proxy": Proxy, "proxymatch": Proxy,
	"limit": Limit, "limitexcept": Limit,
	"requireall": Require, "requireany": Require, "requirenone": Require,
	"authnprovideralias": Require, "authzprovideralias": Require,
}

// inside returns what the inside of a section is that stands in ctx.
func (d *Directive) inside(ctx Context) Context {
	if d.Opens != 0 {
		return d.Opens
	}
	if c := opens[strings.ToLower(d.Name)]; c != 0 {
		return c
	}
	return ctx
}

// open opens a section that is not one of the parser's own.
func (l *loader) open(e *entry, def *Directive) {
	if len(l.frames) == l.base && len(l.owed) > 0 {
		clear(l.owed)
	}
	l.unclosedTwin(e, def)
	if l.tooNested(e, len(l.frames)) {
		return
	}
	up := *l.top()
	ok := l.check(e, def) && e.line.Err == nil
	if up.quiet {
		ok = false
	}
	f := frame{node: l.node(e, def), name: e.line.Name.Text, place: e.place(), ctx: up.ctx, quiet: up.quiet}
	switch {
	case def == nil:
		f.ctx = 0
	case def.Unsupported != "":
		f.quiet = true
	case def.Section:
		f.ctx = def.inside(up.ctx)
	}
	if ok {
		if up.node == l.tree.Root && def != nil && def.Name == "VirtualHost" {
			f.node.ID = lastID.Add(1)
		}
		l.kids = append(l.kids, f.node)
	}
	f.kids = len(l.kids)
	l.frames = append(l.frames, f)
	l.warnAfter(e)
}

// unclosedTwin finds the section that was never closed when one of the same name opens inside of it, where
// it may not stand: one mistake, which would otherwise make all that follows stand in the wrong place.
func (l *loader) unclosedTwin(e *entry, def *Directive) {
	up := l.top()
	if def == nil || up.ctx == 0 || def.In == 0 || def.In&up.ctx != 0 || up.quiet {
		return
	}
	for i := len(l.frames) - 1; i >= l.base && !l.frames[i].cond; i-- {
		if f := &l.frames[i]; f.node.Def == def {
			d := l.say(Error, e, e.line.Name.Range, "not-closed",
				"close the first section before the second; sections of this kind do not nest",
				"expected </%s> before this <%s>", f.name, e.line.Name.Text)
			d.Also = append(d.Also, Related{"opened here", f.place})
			for len(l.frames) > i {
				l.owed[strings.ToLower(l.top().name)]++
				l.pop()
			}
			return
		}
	}
}

// enter opens a section whose condition is true.
func (l *loader) enter(e *entry) {
	if l.tooNested(e, len(l.frames)) {
		return
	}
	f := *l.top()
	f.name, f.place, f.cond, f.kids = e.line.Name.Text, e.place(), true, len(l.kids)
	l.frames = append(l.frames, f)
	l.warnAfter(e)
}

// pop closes the innermost section.
func (l *loader) pop() {
	f := l.top()
	if !f.cond {
		f.node.Children = l.adopt(l.kids[f.kids:])
		l.kids = l.kids[:f.kids]
	}
	l.frames = l.frames[:len(l.frames)-1]
}

// close works off </name>.
func (l *loader) close(e *entry) {
	name := e.line.Name.Text
	i := len(l.frames) - 1
	for i >= l.base && !strings.EqualFold(l.frames[i].name, name) {
		i--
	}
	if i < l.base {
		l.closeOther(e)
		return
	}
	for len(l.frames)-1 > i {
		f := l.top()
		l.owed[strings.ToLower(f.name)]++
		l.mismatch(e, f.name, f.place)
		l.pop()
	}
	if after := e.line.After(); after != "" && l.top().cond {
		l.say(Error, e, e.line.Range, "text-after-section", "put the comment on a line of its own",
			"expected nothing after </%s>, found %q: httpd does not take this for the section's end", name, clip(after))
	} else {
		l.warnAfter(e)
	}
	l.pop()
}

func (l *loader) mismatch(e *entry, expected string, opened Place) {
	d := l.say(Error, e, e.line.Range, "section-mismatch", "close the inner section before the outer one", "expected </%s> but saw </%s>", expected, e.line.Name.Text)
	d.Also = append(d.Also, Related{"opened here", opened})
}

// closeOther works off the end of a section that is not open.
func (l *loader) closeOther(e *entry) {
	name := e.line.Name.Text
	inside := len(l.frames) > l.base
	if e.line.Err != nil { // told already
		if inside {
			l.pop()
		}
		return
	}
	if inside && !l.closesLater(l.top().name) {
		l.mismatch(e, l.top().name, l.top().place)
		l.owed[strings.ToLower(l.top().name)]++
		l.pop()
		return
	}
	if key := strings.ToLower(name); l.owed[key] > 0 {
		l.owed[key]--
		return
	}
	d := l.say(Error, e, e.line.Range, "not-opened", "", "</%s> without matching <%s> section", name, name)
	for i := l.base - 1; i > 0; i-- {
		if strings.EqualFold(l.frames[i].name, name) {
			d.Detail = "a section must be closed in the file that opens it"
			d.Also = append(d.Also, Related{"opened here", l.frames[i].place})
			break
		}
	}
}

// farAhead is how many lines closesLater looks ahead.
const farAhead = 2000

// closesLater reports whether the next end of a section that matches nothing in between is that of name:
// then the end that was just found is one too many, else it stands in the place of </name>.
func (l *loader) closesLater(name string) bool {
	if l.in.use != nil {
		return false
	}
	lines := l.in.syntax.file.Lines[l.in.pos:]
	depth := 0
	for i := range lines[:min(len(lines), farAhead)] {
		switch lines[i].Kind {
		case grammar.Open:
			depth++
		case grammar.Close:
			if depth == 0 {
				return strings.EqualFold(lines[i].Name.Text, name)
			}
			depth--
		}
	}
	return false
}

// closeRest ends the sections that a file leaves open. httpd ends a section whose condition is true, and all
// that is open inside of it, at the end of the file without a word; so that is a warning.
func (l *loader) closeRest() {
	severity := Error
	for i := l.base; i < len(l.frames) && !l.leaving(); i++ {
		f := &l.frames[i]
		detail := "add </" + f.name + "> where it ends; a section must be closed in the file that opens it"
		if f.cond {
			severity = Warning
		}
		if severity == Warning {
			detail = "httpd lets it end with the file; close it"
		}
		l.report(&Diagnostic{Severity: severity, Code: "not-closed", Detail: detail, Place: f.place,
			Summary: "<" + f.name + "> was not closed"})
	}
	for len(l.frames) > l.base {
		l.pop()
	}
}

// warnAfter tells of text after a section's ">", which httpd ignores.
func (l *loader) warnAfter(e *entry) {
	if after := e.line.After(); after != "" && after[0] != '#' {
		l.say(Warning, e, e.line.Range, "ignored-text", "put it on a line of its own",
			"text after > is ignored: %q", clip(after))
	}
}

// skip passes over the inside of a section whose condition is false: sections must nest, nothing else counts.
func (l *loader) skip(opening *entry) {
	type nested struct {
		name  string
		place Place
	}
	was := l.skips
	l.skips = true
	defer func() { l.skips = was }()
	open := []nested{{opening.line.Name.Text, opening.place()}}
	var e entry
	for l.next(&e) {
		switch e.line.Kind {
		case grammar.Open:
			open = append(open, nested{e.line.Name.Text, e.place()})
			l.tooNested(&e, len(open))
		case grammar.Close:
			i := len(open) - 1
			for i >= 0 && !strings.EqualFold(open[i].name, e.line.Name.Text) {
				i--
			}
			if i < 0 && e.line.Err != nil {
				i = len(open) - 1
			}
			outer := i < 0 && l.isOpen(e.line.Name.Text)
			if i < 0 && !outer {
				last := open[len(open)-1]
				l.mismatch(&e, last.name, last.place)
				continue
			}
			for j := len(open) - 1; j > i; j-- {
				l.mismatch(&e, open[j].name, open[j].place)
			}
			if outer {
				l.skips = was
				l.close(&e)
				return
			}
			if open = open[:i]; i == 0 {
				return
			}
		}
	}
	if !l.leaving() {
		for _, n := range open {
			l.report(&Diagnostic{Code: "not-closed", Place: n.place,
				Summary: "expected </" + n.name + "> before the end of the file"})
		}
	}
}

// isOpen reports whether the file has a section of the name open.
func (l *loader) isOpen(name string) bool {
	for i := l.base; i < len(l.frames); i++ {
		if strings.EqualFold(l.frames[i].name, name) {
			return true
		}
	}
	return false
}

// clip shortens a text that goes into a message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
