package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// maxNULLines is how many lines with a NUL byte are reported before the file is taken for a binary one and
// the rest of it left unread.
const maxNULLines = 20

// Parse reads one configuration file. It never fails as a whole: each logical line is read by itself, and
// what is wrong with one is in File.Errors. src must not be changed afterwards.
//
// Lines, words and sections are cut as httpd 2.4 cuts them (ap_cfg_getline, ap_getword_conf,
// ap_build_config), with two differences: a line with a NUL byte is an error, where httpd silently drops the
// line's rest, and a byte order mark is an error of its own instead of part of a directive's name.
// "${VAR}" is left alone; a caller that expands it does so on Line.Text and calls ParseLine.
func Parse(name string, src []byte) *File {
	f := &File{Name: name, Source: src}
	r := lineReader{src: string(src), line: 1}
	// Room for all lines at once, but not for those of a file that is mostly empty lines.
	f.Lines = make([]Line, 0, min(strings.Count(r.src, "\n"), len(src)/16)+1)
	hasNUL := strings.IndexByte(r.src, 0) >= 0
	nuls := 0
	c := cutter{blockSize: min(512, 3*cap(f.Lines))} // a small file needs no large block: ten thousand of them are kept
	for {
		l, ok := r.next()
		if !ok {
			return f
		}
		if hasNUL && strings.IndexByte(l.text, 0) >= 0 {
			nuls++
			f.Errors = append(f.Errors, nulError(&l, nuls))
			if nuls == maxNULLines {
				return f
			}
			continue
		}
		if len(l.text) >= maxLine {
			f.Errors = append(f.Errors, &Error{
				Code:    "line-too-long",
				Summary: fmt.Sprintf("expected a line of less than %d bytes, found one of %d", maxLine, len(l.text)),
				Detail:  "look for a missing line end, or for backslashes that join lines by mistake",
				Range:   Range{l.pos(0), l.pos(1)},
			})
			continue
		}
		c.take(f, &l)
	}
}

func nulError(l *logical, count int) *Error {
	i := strings.IndexByte(l.text, 0)
	e := &Error{
		Code:    "nul-byte",
		Summary: "expected text, found a NUL byte",
		Detail:  "httpd ignores what follows a NUL byte in a line; remove it, or save the file as UTF-8 instead of UTF-16",
		Range:   l.span(i, i+1),
	}
	if count == maxNULLines {
		e.Summary = fmt.Sprintf("expected text, found a NUL byte in %d lines; the rest of the file is not read", count)
	}
	return e
}

// ParseLine cuts the text of one logical line, for example of a Macro's body after substitution; all its ranges
// are at. A blank line or a comment gives a Line without a name. A section line with a mistake comes back
// together with its Error, as in File.Lines.
func ParseLine(text string, at Range) (Line, *Error) {
	l := logical{text: text, at: Pos{1, 1, 0}}
	if i := strings.IndexByte(text, 0); i >= 0 {
		e := nulError(&l, 1)
		e.Range = at
		return Line{}, e
	}
	var c cutter
	line, err := c.cut(&l)
	line.Name.Range, line.RawRange, line.Range = at, at, at
	for i := range line.Args {
		line.Args[i].Range = at
	}
	if err != nil {
		err.Range = at
		if line.Err == nil {
			return Line{}, err
		}
	}
	return line, err
}

// SplitArgs cuts raw into words as ap_getword_conf does. Ranges count from the begin of raw, at line 1, column 1.
func SplitArgs(raw string) []Word {
	l := logical{text: raw, at: Pos{1, 1, 0}}
	var c cutter
	return c.words(&l, 0, len(raw))
}

// Place finds where r, a range within w.Text as the trees of the other languages hold it, stands in the file:
// it steps over quotes, backslashes that were resolved and line ends that were joined. For a word whose text
// isn't what the file holds (expanded, or of a Macro) it returns w.Range.
func (f *File) Place(w Word, r Range) Range { return f.place(w, r, true) }

// PlaceRaw is Place for a range within l.Raw, as RewriteRule and RewriteCond have it.
func (f *File) PlaceRaw(l *Line, r Range) Range {
	return f.place(Word{Text: l.Raw, Range: l.RawRange}, r, false)
}

func (f *File) place(w Word, r Range, escapes bool) Range {
	var out Range
	at, i := w.Range.Start, 0
	if w.Quote != 0 {
		at.Col, at.Offset = at.Col+1, at.Offset+1
	}
	for at.Offset < w.Range.End.Offset && at.Offset < len(f.Source) {
		rest := f.Source[at.Offset:min(w.Range.End.Offset, len(f.Source))]
		n := 0
		if n = joinLen(rest); n > 0 {
			at = Pos{at.Line + 1, 1, at.Offset + n}
			continue
		}
		if i == r.Start.Offset {
			out.Start = at
		}
		if i >= len(w.Text) {
			break
		}
		n = 1
		if escapes && rest[0] == '\\' && len(rest) > 1 && (rest[1] == '\\' || w.Quote != 0 && rest[1] == w.Quote) {
			n = 2
		}
		if rest[n-1] != w.Text[i] {
			return w.Range
		}
		at.Col, at.Offset, i = at.Col+n, at.Offset+n, i+1
		if i == r.End.Offset {
			out.End = at
		}
	}
	if i == r.Start.Offset && out.Start.Line == 0 {
		out.Start = at
	}
	if r.End.Offset <= r.Start.Offset {
		out.End = out.Start
	}
	if i < len(w.Text) && out.End.Line == 0 || out.Start.Line == 0 || out.End.Line == 0 {
		return w.Range
	}
	return out
}

// joinLen is the length of the backslash and line end that join two physical lines, or 0.
func joinLen(s []byte) int {
	switch {
	case len(s) >= 2 && s[0] == '\\' && s[1] == '\n':
		return 2
	case len(s) >= 3 && s[0] == '\\' && s[1] == '\r' && s[2] == '\n':
		return 3
	}
	return 0
}

// After returns what follows the closing ">" of a section line, which httpd ignores without a word.
func (l *Line) After() string {
	if l.Kind == Simple || l.Err != nil {
		return ""
	}
	if l.Kind == Close {
		_, _, end := wordAt(l.Text, 0)
		return l.Text[skipSpace(l.Text, end):]
	}
	i := strings.LastIndexByte(l.Text, '>')
	if i < 0 { // "<RequireAny" alone passes
		return ""
	}
	return l.Text[skipSpace(l.Text, i+1):]
}

// cutter cuts logical lines into Lines. It is written by hand because participle is too slow here: on one
// machine 150,000 lines take Parse 0.055 s, positions and sections included (BenchmarkParse150k), and
// participle 0.43 to 1 s for cutting their words alone (BenchmarkParticiple150k); "apache2 -t" takes 1.06 s for
// reading and checking as many. Formats, rewrite rules and worker parameters are scanned by hand for the same
// reason, and because their words change with what stands before them; expressions are participle's (expr.go),
// at some 45 µs for one of three tests (BenchmarkParseExpr). It hands out words from blocks, since a file has many lines of few words.
type cutter struct {
	blockSize int // words a block; 0 for no blocks
	block     []Word
	scratch   []Word
}

// take cuts a line and puts it into f.
func (c *cutter) take(f *File, l *logical) {
	bom := l.at.Offset == 0 && strings.HasPrefix(l.text, "\xef\xbb\xbf")
	if bom {
		f.Errors = append(f.Errors, &Error{
			Code:    "byte-order-mark",
			Summary: "expected a directive, found a UTF-8 byte order mark",
			Detail:  "httpd takes it for a part of the directive's name; save the file without it",
			Range:   l.span(0, 3),
		})
		l.skip(3)
	}
	line, err := c.cut(l)
	if bom && err == nil && line.Kind != Simple {
		line.Err = f.Errors[len(f.Errors)-1]
	}
	if err != nil {
		f.Errors = append(f.Errors, err)
	}
	if line.Name.Text == "" && line.Err == nil || line.Err == nil && (err != nil || bom) {
		return
	}
	f.Lines = append(f.Lines, line)
}

// skip drops the first n bytes, which stand in the first physical line.
func (l *logical) skip(n int) {
	l.text = l.text[n:]
	l.at.Col += n
	l.at.Offset += n
	for i := range l.segs {
		if i == 0 {
			l.segs[0].at = l.at
		} else {
			l.segs[i].joined -= n
		}
	}
}

// cut cuts one logical line. Blank lines, comments and lines whose name is an empty pair of quotes give a
// Line without a name, as httpd passes over all three.
func (c *cutter) cut(l *logical) (line Line, err *Error) {
	start := skipSpace(l.text, 0)
	end := trimEnd(l.text)
	if start >= end || l.text[start] == '#' {
		return Line{}, nil
	}
	s := l.text[:end]
	name, quote, next := wordAt(s, start)
	if name == "" {
		return Line{}, nil
	}
	line.Text = s[start:]
	line.Range = Range{l.pos(start), l.end}
	line.Name = Word{Text: name, Quote: quote}
	from, to := start, next // of the name in s
	rest := skipSpace(s, next)

	if len(name) > 1 && name[1] == '/' {
		if name[0] == '<' {
			return c.cutClose(l, line, start, next)
		}
	} else if n := len(name) - 1; name[n] == '>' { // httpd drops it from any name, not only from a section's
		line.Name.Text = name[:n]
		to--
	}
	if name[0] == '<' {
		line.Kind = Open
		line.Name.Text = strings.TrimPrefix(line.Name.Text, "<")
		from++
	}
	line.Name.Range = l.span(from, to)
	if quote != 0 {
		line.Name.Range = l.span(start, next)
	}
	if line.Name.Text == "" {
		err = badName(l, s, start)
		if line.Kind == Simple {
			return Line{}, err
		}
		line.Err = err
	}
	if line.Kind == Open && rest < end {
		gt := strings.LastIndexByte(s[rest:], '>')
		if gt >= 0 {
			end = rest + gt
		} else if line.Err == nil {
			line.Err = &Error{
				Code:    "bad-section",
				Summary: fmt.Sprintf("<%s> directive missing closing '>'", line.Name.Text),
				Detail:  fmt.Sprintf("write <%s %s>", line.Name.Text, s[rest:end]),
				Range:   l.span(start, end),
			}
			err = line.Err
		}
	}
	end = rest + trimEnd(s[rest:end])
	line.Raw = s[rest:end]
	line.RawRange = l.span(rest, end)
	line.Args = c.words(l, rest, end)
	return line, err
}

func badName(l *logical, s string, start int) *Error {
	e := &Error{Code: "bad-section", Summary: "expected a directive's name, found '>'", Range: l.span(start, start+1)}
	if s[start] != '>' {
		e.Summary = "expected the section's name right after '<'"
		e.Detail = "no blank may stand between '<' and the name"
	}
	return e
}

// cutClose finishes a line whose name, s[start:next], begins with "</". httpd ignores what follows it.
func (c *cutter) cutClose(l *logical, line Line, start, next int) (Line, *Error) {
	line.Kind = Close
	name := line.Name.Text[2:]
	closed := strings.HasSuffix(name, ">")
	line.Name.Text = strings.TrimSuffix(name, ">")
	line.Name.Range = l.span(start, next)
	if line.Name.Quote == 0 {
		to := next
		if closed {
			to--
		}
		line.Name.Range = l.span(start+2, to)
	}
	line.RawRange = l.span(next, next)
	switch {
	case line.Name.Text == "" && next < len(l.text):
		line.Err = &Error{Code: "bad-section", Summary: "expected the section's name right after '</'",
			Detail: "no blank may stand between '</' and the name", Range: l.span(start, next)}
	case line.Name.Text == "":
		line.Err = &Error{Code: "bad-section", Summary: "expected the section's name after '</'", Range: l.span(start, next)}
	case !closed:
		line.Err = &Error{Code: "bad-section", Summary: fmt.Sprintf("</%s> directive missing closing '>'", line.Name.Text),
			Detail: fmt.Sprintf("write </%s>, without a blank", line.Name.Text), Range: l.span(start, next)}
	}
	return line, line.Err
}

// words cuts l.text[i:end].
func (c *cutter) words(l *logical, i, end int) []Word {
	s := l.text[:end]
	c.scratch = c.scratch[:0]
	for i = skipSpace(s, i); i < len(s); {
		text, quote, next := wordAt(s, i)
		c.scratch = append(c.scratch, Word{text, quote, l.span(i, next)})
		i = skipSpace(s, next)
	}
	n := len(c.scratch)
	if n == 0 {
		return nil
	}
	if n > c.blockSize {
		return slices.Clone(c.scratch)
	}
	if n > cap(c.block)-len(c.block) {
		c.block = make([]Word, 0, c.blockSize)
	}
	at := len(c.block)
	c.block = append(c.block, c.scratch...)
	return c.block[at:len(c.block):len(c.block)]
}
