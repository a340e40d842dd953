package parser

import (
	"fmt"
	"strings"

	"pinion/grammar"
)

// macro is what <Macro> has defined: mod_macro's ap_macro_t.
type macro struct {
	name   string // lower case
	place  Place
	params []string
	body   []entry
}

// use is one Use of a Macro: what its parameters stand for.
type use struct {
	macro *macro
	args  []string
}

// sigils are what a parameter's name should begin with. What a parameter with an @ stands for is put in
// between quotes.
const sigils = "$%@"

// macro works off <Macro name par1 …> … </Macro>. Its lines are kept as they are written.
func (l *loader) macro(e *entry) {
	words := e.texts()
	m := &macro{place: e.place()}
	body, complete := l.macroBody(e)
	if !complete {
		return
	}
	if len(words) == 0 || words[0] == "" {
		l.say(Error, e, e.line.Range, "wrong-arguments", "", "<Macro> takes a name and parameters, found none")
		return
	}
	m.name, m.params, m.body = strings.ToLower(words[0]), words[1:], body
	l.warnAfter(e)
	if old := l.macros[m.name]; old != nil {
		d := l.say(Warning, e, e.line.Args[0].Range, "macro-redefined", "", "macro %q is defined already", clip(words[0]))
		d.Also = append(d.Also, Related{"defined here before", old.place})
	}
	if strings.IndexByte(sigils, m.name[0]) >= 0 {
		l.say(Warning, e, e.line.Args[0].Range, "macro-name", "",
			"macro name %q begins like a parameter, with one of %s", clip(words[0]), sigils)
	}
	if l.checkParams(e, m) {
		l.effect("Macro", words...)
		for i := range m.body {
			l.effect("line", m.body[i].line.Text)
		}
		l.macros[m.name] = m
	}
}

// macroBody reads the lines up to the </Macro> that matches.
func (l *loader) macroBody(opening *entry) (body []entry, complete bool) {
	macros, sections := 1, 1
	var e entry
	for l.next(&e) {
		switch e.line.Kind {
		case grammar.Open:
			sections++
			if strings.EqualFold(e.line.Name.Text, "Macro") {
				macros++
			}
		case grammar.Close:
			sections--
			if strings.EqualFold(e.line.Name.Text, "Macro") {
				macros--
			}
		}
		if macros == 0 {
			if sections != 0 {
				l.say(Warning, opening, opening.line.Range, "macro-nesting", "",
					"sections in this macro do not nest: %+d", sections)
			}
			l.warnAfter(&e)
			return body, true
		}
		body = append(body, e)
	}
	if !l.leaving() {
		l.say(Error, opening, opening.line.Range, "not-closed", "", "expected </Macro> before the end of the file")
	}
	return nil, false
}

// checkParams checks a macro's parameters as mod_macro does.
func (l *loader) checkParams(e *entry, m *macro) bool {
	ok := true
	for i, p := range m.params {
		at := e.line.Args[i+1].Range
		if p == "" {
			l.say(Error, e, at, "macro-parameter", "", "expected a name for parameter %d, found an empty one", i+1)
			ok = false
			continue
		}
		if strings.IndexByte(sigils, p[0]) < 0 {
			l.say(Warning, e, at, "macro-parameter", "httpd replaces it wherever these letters stand",
				"parameter %q should begin with one of %s", clip(p), sigils)
		}
		for _, before := range m.params[:i] {
			switch {
			case before == p:
				l.say(Error, e, at, "macro-parameter", "", "parameter %q is there twice", clip(p))
				ok = false
			case before != "" && (strings.HasPrefix(p, before) || strings.HasPrefix(before, p)):
				l.say(Warning, e, at, "macro-parameter", "the longer one counts where both fit",
					"parameters %q and %q begin alike", clip(before), clip(p))
			}
		}
	}
	if ok {
		l.warnUnused(e, m)
	}
	return ok
}

func (l *loader) warnUnused(e *entry, m *macro) {
	if len(m.body) == 0 {
		l.say(Warning, e, e.line.Range, "macro-empty", "", "macro %q has no lines", clip(m.name))
		return
	}
	used := make([]bool, len(m.params))
	for i := range m.body {
		u := use{m, m.params}
		u.substitute(m.body[i].line.Text, used, maxLine)
	}
	for i, p := range m.params {
		if !used[i] {
			l.say(Warning, e, e.line.Args[i+1].Range, "macro-parameter", "", "parameter %q is never used", clip(p))
		}
	}
}

// use works off Use: the macro's lines come next.
func (l *loader) use(e *entry) {
	words := e.texts()
	if len(words) == 0 || words[0] == "" {
		l.say(Error, e, e.line.Range, "wrong-arguments", "syntax: Use name [value1 ... valueN]", "Use takes a macro's name, found none")
		return
	}
	m := l.findMacro(e)
	if m == nil {
		return
	}
	args := words[1:]
	if len(args) != len(m.params) {
		d := l.say(Error, e, e.line.Range, "wrong-arguments", "syntax: "+strings.TrimSpace("Use "+m.name+" "+strings.Join(m.params, " ")),
			"macro %q takes %d arguments, found %d", clip(m.name), len(m.params), len(args))
		d.Also = append(d.Also, Related{"defined here", m.place})
		return
	}
	if l.inUse(m.name, e.chain) {
		d := l.say(Error, e, e.line.Range, "macro-loop", "", "macro %q uses itself", clip(m.name))
		d.Also = append(d.Also, Related{"defined here", m.place})
		return
	}
	for i, a := range args {
		if a == "" {
			l.say(Warning, e, e.line.Args[i+1].Range, "macro-argument", "", "argument %d of macro %q is empty", i+1, clip(m.name))
		}
	}
	what := "Use " + clip(strings.Join(words, " "))
	l.in = &stream{use: &use{m, args}, up: l.in, chain: &Frame{What: what, File: e.file, Range: e.line.Range, Up: e.chain}}
}

// inUse reports whether a line with the chain came, directly or not, out of the macro. The streams of macros that
// are read to their end and not left yet are not on the chain; all others are, in the same order.
func (l *loader) inUse(name string, chain *Frame) bool {
	for s := l.in; s.use != nil; s = s.up {
		if s.chain != chain {
			continue
		}
		if s.use.macro.name == name {
			return true
		}
		chain = chain.Up
	}
	return false
}

// undefMacro works off UndefMacro.
func (l *loader) undefMacro(e *entry) {
	if m := l.findMacro(e); m != nil {
		delete(l.macros, m.name)
	}
}

// findMacro returns the macro that a line's first word names, or reports that there is none.
func (l *loader) findMacro(e *entry) *macro {
	name := strings.ToLower(e.texts()[0])
	if m := l.macros[name]; m != nil {
		return m
	}
	detail := ""
	if len(l.macros) == 0 {
		detail = "no macro is defined before this line"
	} else if l.hints++; l.hints <= maxHints {
		best := newNearest(name)
		for other := range l.macros {
			best.try(other)
		}
		if best.name != "" {
			detail = "did you mean " + best.name + "?"
		}
	}
	l.say(Error, e, e.line.Args[0].Range, "undefined-macro", detail, "macro %q is not defined", clip(e.texts()[0]))
	return nil
}

// substituted makes the line of a Macro's body that precedes s.pos; false when nothing is left of it.
func (l *loader) substituted(s *stream, e *entry) bool {
	*e = s.use.macro.body[s.pos-1]
	e.chain = s.chain
	text, ok := s.use.substitute(e.line.Text, nil, maxLine)
	if text == e.line.Text {
		return true
	}
	if l.expanded += len(text); l.expanded > l.bounds.expanded {
		l.stop(e, "expansion-too-large", multiplies, "expected ${VAR} and Macros to produce at most %d bytes in all", l.bounds.expanded)
		return false
	}
	if !ok {
		l.say(Error, e, e.line.Range, "line-too-long", "", "expected a line of at most %d bytes after putting in the macro's arguments", maxLine)
		return false
	}
	if strings.HasPrefix(text, "#") {
		return false
	}
	if !l.skips {
		if !l.reparse(e, text) {
			return false
		}
	} else if !l.reparseQuiet(e, text) {
		return false
	}
	e.vars = strings.Contains(text, "${")
	return true
}

// reparseQuiet is reparse for what is skipped: only sections count, and mistakes don't.
func (l *loader) reparseQuiet(e *entry, text string) bool {
	line, _ := grammar.ParseLine(text, e.line.Range)
	e.line, e.args = &line, nil
	return line.Name.Text != "" || line.Err != nil
}

// substitute puts the arguments in for the parameters, of two that begin at one place the longer. It notes
// in used which ones occur, unless that is nil, and stops when the text grows beyond max.
func (u *use) substitute(text string, used []bool, max int) (string, bool) {
	from := 0
	for len(text) <= max {
		at, which := -1, 0
		for i, p := range u.macro.params {
			k := strings.Index(text[from:], p)
			if k >= 0 && (at < 0 || k < at || k == at && len(p) > len(u.macro.params[which])) {
				at, which = k, i
			}
		}
		if at < 0 {
			return text, true
		}
		if used != nil {
			used[which] = true
		}
		at += from
		p, arg := u.macro.params[which], u.args[which]
		value := arg
		if p[0] == '@' && p != arg {
			value = quote(arg)
		}
		text = text[:at] + value + text[at+len(p):]
		from = at + len(arg) // for quoted ones, that is where mod_macro goes on too
	}
	return text, false
}

var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(s string) string { return fmt.Sprintf(`"%s"`, quoting.Replace(s)) }
