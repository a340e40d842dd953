package grammar

import (
	"sort"
	"strings"
)

// maxLine is the longest logical line in bytes, httpd's VARBUF_MAX_LEN.
const maxLine = 16 << 20

// lineReader cuts a source into logical lines as httpd's ap_cfg_getline does: a physical line that ends in a
// backslash goes on in the next one, and what ends in LF may end in CRLF.
type lineReader struct {
	src  string
	off  int // of the next physical line
	line int // its number
}

// logical is one logical line, still with its surrounding blanks, and where its bytes come from.
type logical struct {
	text string
	at   Pos       // of text[0] when segs is empty
	end  Pos       // behind the last byte of the last physical line, before its line end
	segs []segment // for joined lines
}

// segment says that the bytes of a joined line from joined on stand in the source at.
type segment struct {
	joined int
	at     Pos
}

// next returns the next logical line; ok is false at the end of the source.
func (r *lineReader) next() (l logical, ok bool) {
	if r.off >= len(r.src) {
		return logical{}, false
	}
	text, at, lf := r.physical()
	l = logical{text: text, at: at, end: endOf(at, text)}
	if lf {
		if t, more := continued(text); more {
			r.join(&l, t)
		}
	}
	return l, true
}

// physical takes one physical line without its LF.
func (r *lineReader) physical() (text string, at Pos, lf bool) {
	at = Pos{Line: r.line, Col: 1, Offset: r.off}
	rest := r.src[r.off:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		r.off += i + 1
		r.line++
		return rest[:i], at, true
	}
	r.off = len(r.src)
	return rest, at, false
}

// continued tells whether a line whose LF was cut off goes on in the next, and returns it without the backslash.
func continued(s string) (string, bool) {
	t := strings.TrimSuffix(s, "\r")
	if t != "" && t[len(t)-1] == '\\' {
		return t[:len(t)-1], true
	}
	return s, false
}

// join appends the physical lines that follow to l, whose first one was first. Like httpd it looks for the
// backslash in what has been joined so far: after "a\\" an empty line takes the second backslash off as well.
func (r *lineReader) join(l *logical, first string) {
	buf := append(make([]byte, 0, 2*len(first)+80), first...)
	l.segs = append(l.segs, segment{0, l.at})
	for r.off < len(r.src) {
		text, at, lf := r.physical()
		l.segs = append(l.segs, segment{len(buf), at})
		l.end = endOf(at, text)
		buf = append(buf, text...)
		if !lf {
			break
		}
		n := len(buf)
		if n > 0 && buf[n-1] == '\r' {
			n--
		}
		if n == 0 || buf[n-1] != '\\' {
			break
		}
		buf = buf[:n-1]
		for k := len(l.segs) - 1; k > 0 && l.segs[k].joined > len(buf); k-- {
			l.segs[k].joined = len(buf)
		}
	}
	l.text = string(buf)
}

func endOf(at Pos, text string) Pos {
	n := len(text)
	if n > 0 && text[n-1] == '\r' {
		n--
	}
	return Pos{at.Line, at.Col + n, at.Offset + n}
}

// pos returns where byte i of the line stands.
func (l *logical) pos(i int) Pos {
	at := l.at
	if len(l.segs) > 0 {
		// The last segment that begins at or before i; searched, as a line may be joined from many.
		k := max(0, sort.Search(len(l.segs), func(k int) bool { return l.segs[k].joined > i })-1)
		at = l.segs[k].at
		i -= l.segs[k].joined
	}
	return Pos{at.Line, at.Col + i, at.Offset + i}
}

// span returns the range of the bytes [i, j). Its end stands right behind byte j-1, also where the line
// goes on in the next physical one.
func (l *logical) span(i, j int) Range {
	start := l.pos(i)
	if len(l.segs) == 0 {
		return Range{start, Pos{start.Line, start.Col + j - i, start.Offset + j - i}}
	}
	if j <= i {
		return Range{start, start}
	}
	last := l.pos(j - 1)
	return Range{start, Pos{last.Line, last.Col + 1, last.Offset + 1}}
}

// isSpace is C's isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func skipSpace(s string, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

func trimEnd(s string) int {
	n := len(s)
	for n > 0 && isSpace(s[n-1]) {
		n--
	}
	return n
}

// wordAt cuts one word that begins at s[i], which is no blank, as httpd's ap_getword_conf does. A quoted word
// ends at its quote, even when no blank follows, or at the end of the line when the quote never comes.
func wordAt(s string, i int) (text string, quote byte, end int) {
	if q := s[i]; q == '"' || q == '\'' {
		j, escaped := i+1, false
		for j < len(s) && s[j] != q {
			if s[j] == '\\' && j+1 < len(s) && (s[j+1] == q || s[j+1] == '\\') {
				escaped = true
				j++
			}
			j++
		}
		text, end = s[i+1:j], j
		if j < len(s) {
			end++
		}
		if escaped {
			text = unescape(text, q)
		}
		return text, q, end
	}
	j, escaped := i, false
	for j < len(s) && !isSpace(s[j]) {
		if s[j] == '\\' && j+1 < len(s) && s[j+1] == '\\' {
			escaped = true
		}
		j++
	}
	text = s[i:j]
	if escaped {
		text = unescape(text, 0)
	}
	return text, 0, j
}

// unescape resolves \\ and, in a quoted word, the escaped quote. Every other backslash stays.
func unescape(s string, quote byte) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || quote != 0 && s[i+1] == quote) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// within is the range [i, j) of a text that stands for itself: line 1, columns from 1. The trees of the
// languages inside a word hold such ranges; File.Place finds them in a file.
func within(i, j int) Range { return Range{Pos{1, i + 1, i}, Pos{1, j + 1, j}} }
