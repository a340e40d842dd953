package parser

import (
	"fmt"
	"strings"

	"pinion/grammar"
)

// maxHints bounds how many unknown names are compared with all known ones.
const maxHints = 200

// check reports what is wrong with a line and whether it may go into the tree.
func (l *loader) check(e *entry, def *Directive) bool {
	up := l.top()
	switch {
	case up.quiet:
		return false
	case def == nil:
		l.unknown(e)
		return false
	case def.Unsupported != "":
		l.say(Error, e, e.line.Name.Range, "unsupported-directive", def.Unsupported,
			"%s (%s) is not supported", def.title(), def.Module)
		return false
	case def.Section != (e.line.Kind == grammar.Open):
		l.wrongForm(e, def)
		return false
	case up.ctx != 0 && def.In != 0 && def.In&up.ctx == 0:
		l.wrongContext(e, def, up)
		return false
	}
	if !l.checkArgs(e, def) {
		return false
	}
	if def.NoEffect != "" {
		l.say(Note, e, e.line.Name.Range, "no-effect", "", "%s is accepted and has no effect: %s", def.title(), def.NoEffect)
	}
	return true
}

// title is the name as people write it, in angle brackets for a section.
func (d *Directive) title() string {
	if d.Section {
		return "<" + d.Name + ">"
	}
	return d.Name
}

func (l *loader) unknown(e *entry) {
	name := e.line.Name.Text
	title := name
	if e.line.Kind == grammar.Open {
		title = "<" + name + ">"
	}
	detail := ""
	if near := l.nearest(name); near != "" {
		detail = "did you mean " + near + "?"
	}
	l.say(Error, e, e.line.Name.Range, "unknown-directive", detail, "unknown directive %q", clip(title))
}

// nearest returns the known name that is most like name, or "".
func (l *loader) nearest(name string) string {
	if l.hints++; l.hints > maxHints {
		return ""
	}
	best := newNearest(name)
	if l.o.Nearest != nil {
		if near := l.o.Nearest(name); near != "" {
			best.try(near)
		}
	}
	for _, d := range own {
		best.try(d.Name)
	}
	return best.name
}

func (l *loader) wrongForm(e *entry, def *Directive) {
	if def.Section {
		l.say(Error, e, e.line.Name.Range, "bad-section", fmt.Sprintf("write <%s …> and </%s>", def.Name, def.Name),
			"%s is a section, expected it in angle brackets", def.Name)
		return
	}
	l.say(Error, e, e.line.Name.Range, "bad-section", "write it without angle brackets",
		"%s is a directive, expected a section", def.Name)
}

func (l *loader) wrongContext(e *entry, def *Directive, up *frame) {
	where, i := "outside of every section", len(l.frames)-1
	for i > 0 && l.frames[i].cond {
		i--
	}
	if i > 0 {
		where = "in <" + l.frames[i].name + ">"
	}
	d := l.say(Error, e, e.line.Name.Range, "wrong-context", "it may stand in: "+def.In.String(),
		"%s is not allowed %s", def.title(), where)
	if i > 0 {
		d.Also = append(d.Also, Related{"<" + l.frames[i].name + "> opened here", l.frames[i].place})
	}
}

var contextNames = []struct {
	bit  Context
	name string
}{
	{Server, "server config"}, {VHost, "virtual host"}, {Directory, "<Directory>"}, {Location, "<Location>"},
	{Files, "<Files>"}, {If, "<If>"}, {Proxy, "<Proxy>"}, {Limit, "<Limit>"}, {Require, "<RequireAll> and its like"},
	{HTAccess, ".htaccess"},
}

// String lists the places as the documentation names them: "server config, virtual host, <Directory>".
func (c Context) String() string {
	var names []string
	for _, n := range contextNames {
		if c&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// shapes says for each shape how many arguments it takes, in httpd's words, and how many of the first ones
// may not be empty: httpd counts an empty one as missing.
var shapes = [...]struct {
	least, most, filled int // most < 0: no bound
	words               string
}{
	NoArgs:   {0, 0, 0, "takes no arguments"},
	Take1:    {1, 1, 1, "takes one argument"},
	Take2:    {2, 2, 2, "takes two arguments"},
	Take3:    {3, 3, 3, "takes three arguments"},
	Take12:   {1, 2, 1, "takes 1-2 arguments"},
	Take13:   {1, 3, 1, "takes one or three arguments"},
	Take23:   {2, 3, 2, "takes two or three arguments"},
	Take123:  {1, 3, 1, "takes one, two or three arguments"},
	TakeArgv: {0, -1, 0, ""},
	Iterate:  {1, -1, 1, "requires at least one argument"},
	Iterate2: {2, -1, 1, "requires at least two arguments"},
	Raw:      {0, -1, 0, ""},
	Flag:     {1, -1, 1, "must be On or Off"},
}

// checkArgs compares the words of a line with the directive's shape, as httpd's invoke_cmd does.
func (l *loader) checkArgs(e *entry, def *Directive) bool {
	if int(def.Args) >= len(shapes) {
		return true
	}
	shape, words := &shapes[def.Args], e.line.Args
	n := len(words)
	r := e.line.Range
	ok, empty := n >= shape.least, false
	if ok && shape.most >= 0 && n > shape.most {
		ok, r = false, grammar.Range{Start: words[shape.most].Range.Start, End: words[n-1].Range.End}
	}
	for i := 0; ok && i < shape.filled; i++ {
		if words[i].Text == "" {
			ok, empty, r = false, true, words[i].Range
		}
	}
	switch {
	case !ok:
	case def.Args == Take13 && n == 2 && words[1].Text != "":
		ok, r = false, e.line.RawRange
	case def.Args == Flag && !strings.EqualFold(words[0].Text, "on") && !strings.EqualFold(words[0].Text, "off"):
		ok, r = false, words[0].Range
	case def.Args == Flag && n > 1:
		l.say(Warning, e, words[1].Range, "ignored-argument", "", "%s ignores what follows %s", def.title(), words[0].Text)
	}
	if !ok {
		l.wrongArgs(e, def, r, empty)
	}
	return ok
}

func (l *loader) wrongArgs(e *entry, def *Directive, r grammar.Range, empty bool) {
	syntax := ""
	if def.Syntax != "" {
		syntax = "syntax: " + def.Name + " " + def.Syntax
		if def.Section {
			syntax = "syntax: <" + def.Name + " " + def.Syntax + ">"
		}
	}
	found := fmt.Sprintf("found %d", len(e.line.Args))
	switch {
	case len(e.line.Args) == 0:
		found = "found none"
	case empty:
		found = "found an empty one"
	case def.Args == Flag:
		found = fmt.Sprintf("found %q", clip(e.line.Args[0].Text))
	}
	l.say(Error, e, r, "wrong-arguments", syntax, "%s %s, %s", def.title(), shapes[def.Args].words, found)
}
