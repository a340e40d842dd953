package parser

import (
	"strings"

	"pinion/grammar"
)

// syntax is a file's lines with what every Load would work out again. It is not changed once made.
type syntax struct {
	file *grammar.File
	args []string // the texts of all words of all lines
	ends []int32  // where a line's end in args
	vars []bool   // which lines have a "${" in them
}

func newSyntax(f *grammar.File) *syntax {
	words := 0
	for i := range f.Lines {
		words += len(f.Lines[i].Args)
	}
	s := &syntax{file: f, args: make([]string, 0, words), ends: make([]int32, len(f.Lines)), vars: make([]bool, len(f.Lines))}
	for i := range f.Lines {
		line := &f.Lines[i]
		for j := range line.Args {
			s.args = append(s.args, line.Args[j].Text)
		}
		s.ends[i] = int32(len(s.args))
		s.vars[i] = strings.Contains(line.Text, "${")
	}
	return s
}

// argsOf returns the texts of the words of line i.
func (s *syntax) argsOf(i int) []string {
	from := int32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.args[from:s.ends[i]:s.ends[i]]
}

// entry is one line on its way through the loader.
type entry struct {
	line  *grammar.Line
	args  []string // the texts of line.Args, or nil when not made yet
	vars  bool     // has a "${" in it
	file  string
	chain *Frame
}

// texts returns the texts of the line's words, never nil.
func (e *entry) texts() []string {
	if e.args == nil {
		e.args = make([]string, len(e.line.Args))
		for i := range e.args {
			e.args[i] = e.line.Args[i].Text
		}
	}
	return e.args
}

// place is where the line stands.
func (e *entry) place() Place { return Place{e.file, e.line.Range, e.chain} }

// stream is where lines come from: a file, or the body of a Macro that is spliced into the stream up.
type stream struct {
	syntax *syntax
	file   string
	chain  *Frame
	errs   int // of the syntax, reported

	use *use // not nil for a Macro
	up  *stream

	pos int // of the next line
}

// next reads the next line, and reports the syntax errors before and in it. It ends at the end of the file.
func (l *loader) next(e *entry) bool {
	for !l.leaving() {
		s := l.in
		if s.use != nil {
			if s.pos == len(s.use.macro.body) {
				l.in = s.up
				continue
			}
			if s.pos++; l.substituted(s, e) {
				return l.count(e)
			}
			continue
		}
		if s.pos == len(s.syntax.file.Lines) {
			l.reportSyntax(s, len(s.syntax.file.Source)+1)
			return false
		}
		*e = entry{line: &s.syntax.file.Lines[s.pos], args: s.syntax.argsOf(s.pos), vars: s.syntax.vars[s.pos],
			file: s.file, chain: s.chain}
		s.pos++
		if s.errs < len(s.syntax.file.Errors) {
			l.reportSyntax(s, e.line.Range.End.Offset)
		}
		return l.count(e)
	}
	return false
}

// count holds the bound on lines.
func (l *loader) count(e *entry) bool {
	if l.lines++; l.lines > l.bounds.lines {
		l.stop(e, "too-many-lines", multiplies, "found more than %d lines in all", l.bounds.lines)
		return false
	}
	return true
}

// reportSyntax reports the mistakes that the grammar has found before an offset. What is skipped isn't checked.
func (l *loader) reportSyntax(s *stream, before int) {
	errs := s.syntax.file.Errors
	for ; s.errs < len(errs) && errs[s.errs].Range.Start.Offset < before; s.errs++ {
		if !l.skips {
			l.reportGrammar(errs[s.errs], Place{s.file, errs[s.errs].Range, s.chain})
		}
	}
}

func (l *loader) reportGrammar(err *grammar.Error, at Place) {
	l.report(&Diagnostic{Severity: Error, Code: err.Code, Summary: err.Summary, Detail: err.Detail, Place: at})
}
