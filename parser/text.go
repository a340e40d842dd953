package parser

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"pinion/grammar"
)

// TextOptions says how WriteText writes.
type TextOptions struct {
	Color  bool                     // with the escape sequences of a terminal
	Source func(file string) []byte // Tree.Source; nil leaves the source lines out
}

// chainEnds is how many links at each end of a long chain of Include and Use are shown.
const chainEnds = 4

// longestShown is how many bytes of a source line are shown; of a longer one only what is around the place.
const longestShown = 160

// WriteText writes diagnostics for people:
//
//	file:line:col: error: message [code]
//	    the source line
//	    ^~~~
//	  from file:line: Include sites-enabled/*.conf
//	  hint: what to do
func WriteText(w io.Writer, diags Diagnostics, o TextOptions) error {
	t := textWriter{w: bufio.NewWriter(w), o: o}
	for _, d := range diags {
		t.write(d)
	}
	return t.w.Flush()
}

type textWriter struct {
	w *bufio.Writer // keeps the first error
	o TextOptions
}

// The colours of a terminal.
const (
	bold, red, magenta, cyan, green, plain = "\x1b[1m", "\x1b[1;31m", "\x1b[1;35m", "\x1b[1;36m", "\x1b[1;32m", "\x1b[0m"
)

func (t *textWriter) color(c, s string) string {
	if !t.o.Color {
		return s
	}
	return c + s + plain
}

func (t *textWriter) write(d *Diagnostic) {
	colors := map[Severity]string{Error: red, Warning: magenta, Note: cyan}
	fmt.Fprintf(t.w, "%s: %s %s [%s]\n", t.color(bold, visible(d.Place.String())),
		t.color(colors[d.Severity], d.Severity.String()+":"), t.color(bold, visible(d.Summary)), d.Code)
	t.snippet(d.Place)
	for _, a := range d.Also {
		fmt.Fprintf(t.w, "  %s: %s\n", visible(a.Place.String()), visible(a.Summary))
		t.snippet(a.Place)
	}
	t.chain(d.Place.Chain)
	if d.Repeated > 0 {
		fmt.Fprintf(t.w, "  found here %d times\n", d.Repeated+1)
	}
	if d.Detail != "" {
		fmt.Fprintf(t.w, "  hint: %s\n", visible(d.Detail))
	}
}

func (t *textWriter) chain(f *Frame) {
	n := 0
	for x := f; x != nil; x = x.Up {
		n++
	}
	for i := 0; f != nil; f, i = f.Up, i+1 {
		switch {
		case n > 2*chainEnds+1 && i == chainEnds:
			fmt.Fprintf(t.w, "  … %d more …\n", n-2*chainEnds)
		case n <= 2*chainEnds+1 || i < chainEnds || i >= n-chainEnds:
			fmt.Fprintf(t.w, "  from %s:%d: %s\n", visible(f.File), f.Range.Start.Line, visible(f.What))
		}
	}
}

// snippet shows the source line with the place marked.
func (t *textWriter) snippet(p Place) {
	line, ok := t.sourceLine(p)
	if !ok {
		return
	}
	from := min(p.Range.Start.Col-1, len(line))
	to := len(line)
	if p.Range.End.Line == p.Range.Start.Line {
		to = min(max(p.Range.End.Col-1, from), len(line))
	}
	for to > from+1 && (line[to-1] == '\\' && to == len(line) || line[to-1] == ' ') {
		to--
	}
	before, after := "", ""
	if len(line) > longestShown {
		cut := max(0, from-longestShown/4)
		for range utf8.UTFMax - 1 { // what is no UTF-8 may have no begin of a character at all
			if cut > 0 && !utf8.RuneStart(line[cut]) {
				cut--
			}
		}
		if cut > 0 {
			before = "…"
		}
		line, from, to = line[cut:], from-cut, to-cut
		if len(line) > longestShown {
			line, after = line[:longestShown], "…"
			to = min(to, longestShown)
		}
	}
	marks := max(1, utf8.RuneCount(line[from:to]))
	pad := visibleTabs(before + string(line[:from]))
	fmt.Fprintf(t.w, "    %s\n", visibleTabs(before+string(line)+after))
	fmt.Fprintf(t.w, "    %s%s\n", strings.Map(blank, pad), t.color(green, "^"+strings.Repeat("~", marks-1)))
}

// blank turns all but tabs into blanks, so that a caret stands below its character.
func blank(r rune) rune {
	if r == '\t' {
		return r
	}
	return ' '
}

// sourceLine returns the line of a place without its end.
func (t *textWriter) sourceLine(p Place) ([]byte, bool) {
	if t.o.Source == nil || p.Range.Start == (grammar.Pos{}) {
		return nil, false
	}
	src := t.o.Source(p.File)
	at := p.Range.Start.Offset
	if len(src) == 0 || at < 0 || at > len(src) {
		return nil, false
	}
	start := bytes.LastIndexByte(src[:at], '\n') + 1
	line := src[start:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	return bytes.TrimSuffix(line, []byte("\r")), true
}

// visible makes control characters harmless to a terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// visibleTabs is visible that leaves tabs alone.
func visibleTabs(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = visible(parts[i])
	}
	return strings.Join(parts, "\t")
}
