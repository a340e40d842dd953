package parser

import (
	"bytes"
	"os"
	"strings"

	"pinion/grammar"
)

// variable is what Define has set.
type variable struct{ name, value string }

// define works off Define.
func (l *loader) define(e *entry) {
	args := e.texts()
	if !l.checkVariable(e) {
		return
	}
	l.effect("Define", args...)
	l.defines[args[0]] = true
	if len(args) > 1 && args[1] != "" {
		l.vars[strings.ToLower(args[0])] = variable{args[0], args[1]}
	}
	for i := len(l.frames) - 1; i > 0; i-- {
		if f := &l.frames[i]; !f.cond {
			l.say(Note, e, e.line.Name.Range, "define-is-global", "",
				"Define in <%s> holds for all that is read after it, outside of <%s> too", f.name, f.name)
			break
		}
	}
}

// undefine works off UnDefine.
func (l *loader) undefine(e *entry) {
	name := e.texts()[0]
	if !l.checkVariable(e) {
		return
	}
	l.effect("UnDefine", name)
	delete(l.defines, name)
	delete(l.vars, strings.ToLower(name))
}

func (l *loader) checkVariable(e *entry) bool {
	if !strings.Contains(e.texts()[0], ":") {
		return true
	}
	l.say(Error, e, e.line.Args[0].Range, "bad-variable", "${name:key} is a RewriteMap's",
		"a variable's name must not contain ':', found %q", clip(e.texts()[0]))
	return false
}

// errorDirective works off Error.
func (l *loader) errorDirective(e *entry) {
	if l.top().quiet {
		return
	}
	msg := e.line.Raw
	if n := len(msg); n > 1 && (msg[0] == '"' || msg[0] == '\'') && msg[n-1] == msg[0] {
		msg = msg[1 : n-1]
	}
	if msg == "" {
		msg = "the Error directive was used with no message"
	}
	l.say(Error, e, e.line.Range, "error-directive", "", "%s", msg)
}

// expand replaces e's line by what it is after ${VAR} is expanded; false when nothing is left to work off. httpd
// expands the whole line before it cuts it into words, so that one ${VAR} may hold several words, a quote
// or the directive's name.
func (l *loader) expand(e *entry) bool {
	text, changed := l.resolve(e)
	if !changed {
		return true
	}
	if l.expanded += len(text); l.expanded > l.bounds.expanded {
		l.stop(e, "expansion-too-large", multiplies, "expected ${VAR} and Macros to produce at most %d bytes in all", l.bounds.expanded)
		return false
	}
	if len(text) > maxLine {
		l.say(Error, e, e.line.Range, "line-too-long", "", "expected a line of at most %d bytes after the expansion of ${VAR}", maxLine)
		return false
	}
	return l.reparse(e, text)
}

// reparse replaces e's line by the one that text is; its words keep the places they were written at.
func (l *loader) reparse(e *entry, text string) bool {
	was := e.line
	line, err := grammar.ParseLine(text, was.Range)
	if err != nil && was.Err == nil {
		l.reportGrammar(err, e.place())
	}
	if line.Name.Text == "" && line.Err == nil {
		return false
	}
	line.Name.Range, line.RawRange = was.Name.Range, was.RawRange
	for i := range line.Args {
		line.Args[i].Range = was.RawRange
		if len(line.Args) == len(was.Args) {
			line.Args[i].Range = was.Args[i].Range
		}
	}
	e.line, e.args, e.vars = &line, nil, false
	return true
}

// resolve expands ${VAR} in a line: what Define has set, else the environment. Unknown ones stay, with a
// warning unless there is a ":" in the name, which makes it a RewriteMap's.
func (l *loader) resolve(e *entry) (text string, changed bool) {
	s := e.line.Text
	var b strings.Builder
	for b.Len() <= maxLine {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		n := strings.IndexByte(s[i:], '}')
		if n < 0 {
			break
		}
		name := s[i+2 : i+n]
		value, ok := l.variable(name)
		switch {
		case ok:
			changed = true
		default:
			value = s[i : i+n+1]
			if !strings.Contains(name, ":") {
				l.say(Warning, e, l.find(e, value), "undefined-variable", "set it with Define or in the environment",
					"variable %s is not defined; it stays as it is written", clip(value))
			}
		}
		b.WriteString(s[:i])
		b.WriteString(value)
		s = s[i+n+1:]
	}
	if !changed {
		return e.line.Text, false
	}
	b.WriteString(s)
	return b.String(), true
}

func (l *loader) variable(name string) (string, bool) {
	if v, ok := l.vars[strings.ToLower(name)]; ok {
		return v.value, true
	}
	if l.o.Getenv != nil {
		return l.o.Getenv(name)
	}
	return os.LookupEnv(name)
}

// find returns where in the source of e's line a text stands, else the whole line.
func (l *loader) find(e *entry, text string) grammar.Range {
	r, src := e.line.Range, l.tree.sources[e.file]
	if r.Start.Offset < 0 || r.End.Offset > len(src) || r.Start.Offset > r.End.Offset {
		return r
	}
	line := src[r.Start.Offset:r.End.Offset]
	i := bytes.Index(line, []byte(text))
	if i < 0 {
		return r
	}
	at := r.Start
	at.Offset += i
	at.Col += i
	if n := bytes.Count(line[:i], []byte("\n")); n > 0 {
		at.Line += n
		at.Col = i - bytes.LastIndexByte(line[:i], '\n')
	}
	end := at
	end.Offset += len(text)
	end.Col += len(text)
	return grammar.Range{Start: at, End: end}
}
