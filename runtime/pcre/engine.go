package pcre

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// private is added to bytes from 0x80 on to make their rune. The area has no
// letters, so that \b and back-references under (?i) see bytes as PCRE does in
// the C locale.
const private = 0xE000

// The limits of a backtracking match. The clock ticks every clockPeriod, so a
// match ends after limit plus one to two of them.
const (
	limit       = 100 * time.Millisecond
	clockPeriod = 10 * time.Millisecond
	maxStack    = 1 << 20 // ints, 8 MB
)

// ErrLimit is what Find returns when a match took too long or too much memory.
var ErrLimit = errors.New("match limit exceeded")

func init() { regexp2.SetTimeoutCheckPeriod(clockPeriod) }

func newMatcher(n *node, prefix string, anchored bool) (matcher, error) {
	if d := newDirect(n, prefix, anchored); d != nil {
		return d, nil
	}
	if linear(n) {
		// Go refuses counts above 1000; regexp2 takes them.
		if m, err := newGo(n); err == nil {
			return m, nil
		}
	}
	return newBacktracker(n)
}

func newGo(n *node) (matcher, error) {
	w := writer{}
	w.write(n)
	re, err := regexp.Compile("(?s)" + w.String())
	return &goMatcher{re: re, keep: w.keep}, err
}

func newBacktracker(n *node) (matcher, error) {
	w := writer{full: true}
	w.write(n)
	re, err := regexp2.Compile(w.String(), regexp2.Singleline, regexp2.OptionMaxBacktrackingStackSize(maxStack))
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = limit
	return &backtracker{re: re, keep: w.keep}, nil
}

// linear reports whether n means the same to Go's regexp. With sets made
// explicit, three things remain: what that package lacks; ^ and $ of kinds it has
// otherwise (its (?m)^ matches after a final newline); and repeats of what may be
// empty, where it sets groups in another way than Perl.
func linear(n *node) bool {
	return !n.any(func(n *node) bool {
		switch n.op {
		case opAtomic, opLook, opRef, opCond:
			return true
		case opAssert:
			return n.n == atLastLine || n.n == atLineStart
		case opRepeat:
			return n.greed == possessive || n.max != 0 && n.max != 1 && n.subs[0].nullable()
		}
		return false
	})
}

// writer writes a node in the syntax of an engine: Go's, or regexp2's when full
// is set. Captures are numbered in order; the one that stands for \K shifts the
// numbers after it, which keep records.
type writer struct {
	strings.Builder
	full   bool
	groups int
	keep   int // the number of \K's group, 0 without
}

func (w *writer) write(n *node) {
	switch n.op {
	case opSet:
		w.set(n.set)
	case opCat:
		for _, s := range n.subs {
			w.write(s)
		}
	case opAlt:
		w.list("(?:", n.subs)
	case opRepeat:
		w.repeat(n)
	case opGroup:
		w.groups++
		w.list("(", n.subs)
	case opAtomic:
		w.list("(?>", n.subs)
	case opLook:
		w.list(map[[2]bool]string{{false, false}: "(?=", {true, false}: "(?!", {false, true}: "(?<=", {true, true}: "(?<!"}[[2]bool{n.neg, n.behind}], n.subs)
	case opAssert:
		w.assert(n.n)
	case opRef:
		// A group of its own, so that a digit that follows isn't taken for a part of the number.
		if n.fold {
			w.WriteString("(?i:\\" + w.number(n.n) + ")")
		} else {
			w.WriteString("(?:\\" + w.number(n.n) + ")")
		}
	case opCond:
		w.list("(?("+w.number(n.n)+")", n.subs)
	case opKeep:
		w.groups++
		w.keep = w.groups
		w.WriteString("()")
	}
}

func (w *writer) number(n int) string {
	if w.keep != 0 && n >= w.keep {
		n++
	}
	return strconv.Itoa(n)
}

func (w *writer) list(open string, subs []*node) {
	w.WriteString(open)
	for i, s := range subs {
		if i > 0 {
			w.WriteByte('|')
		}
		w.write(s)
	}
	w.WriteByte(')')
}

func (w *writer) repeat(n *node) {
	if n.greed == possessive {
		w.WriteString("(?>")
		defer w.WriteByte(')')
	}
	w.WriteString("(?:")
	w.write(n.subs[0])
	if n.max != 0 && n.max != 1 && n.subs[0].any(holds) {
		// regexp2 2.12 takes (?:(?>a+)){2} for a{2,}, which gives back what (?>…)
		// must hold. An assertion that is always true keeps the two loops apart.
		w.WriteString(`(?<=.|\A)`)
	}
	w.WriteString("){")
	w.WriteString(strconv.Itoa(n.min))
	switch n.max {
	case n.min:
	case unbounded:
		w.WriteByte(',')
	default:
		w.WriteString("," + strconv.Itoa(n.max))
	}
	w.WriteByte('}')
	if n.greed == lazy {
		w.WriteByte('?')
	}
}

// holds reports whether n keeps all it took.
func holds(n *node) bool {
	return n.op == opAtomic || n.op == opRepeat && n.greed == possessive
}

func (w *writer) assert(kind int) {
	switch kind {
	case atStart:
		w.WriteString(`\A`)
	case atEnd:
		w.WriteString(`\z`)
	case atLastLine:
		w.WriteString(`(?=\n?\z)`)
	case atLineStart: // not after a newline that ends the subject
		w.WriteString(`(?:\A|(?<=\n)(?!\z))`)
	case atLineEnd:
		w.WriteString(`(?m:$)`)
	case atWord:
		w.WriteString(`\b`)
	case notAtWord:
		w.WriteString(`\B`)
	}
}

func (w *writer) set(s set) {
	if s == all {
		w.WriteByte('.')
		return
	}
	if s == (set{}) { // matches nothing
		if w.full {
			w.WriteString(`(?!)`)
		} else {
			w.WriteString(`[^\x00-\x{10FFFF}]`)
		}
		return
	}
	if b, ok := s.single(); ok {
		w.byte(b)
		return
	}
	w.WriteByte('[')
	for c := 0; c < 256; c++ {
		if !s.has(byte(c)) {
			continue
		}
		lo := c
		for c != 127 && c < 255 && s.has(byte(c+1)) {
			c++
		}
		w.byte(byte(lo))
		if c > lo {
			w.WriteByte('-')
			w.byte(byte(c))
		}
	}
	w.WriteByte(']')
}

func (w *writer) byte(b byte) {
	switch {
	case b >= 0x80:
		w.WriteRune(private + rune(b))
	case b != '_' && words.has(b):
		w.WriteByte(b)
	default:
		w.WriteString(`\x`)
		w.WriteByte("0123456789abcdef"[b>>4])
		w.WriteByte("0123456789abcdef"[b&15])
	}
}

// settle puts group g's offsets where they belong: \K's group moves the match's
// start, and the groups after it are numbered one lower.
func settle(loc []int, keep, g, from, to int) {
	switch {
	case keep != 0 && g == keep:
		if from >= 0 {
			loc[0] = from
		}
		return
	case keep != 0 && g > keep:
		g--
	}
	loc[2*g], loc[2*g+1] = from, to
}

// goMatcher runs Go's regexp.
type goMatcher struct {
	re   *regexp.Regexp
	keep int
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

var texts = sync.Pool{New: func() any { return new([]byte) }}

// maxKept is the longest buffer a pool keeps; subjects are URIs and headers as a rule.
const maxKept = 32 << 10

func putBack[T any](pool *sync.Pool, buf *[]T) {
	if cap(*buf) <= maxKept {
		pool.Put(buf)
	}
}

// runes writes s with each byte from 0x80 on as its private rune, in UTF-8: three bytes
// of which the first is 0xEE, which occurs nowhere else.
func runes(buf []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x80 {
			buf = append(buf, c)
		} else {
			buf = append(buf, 0xEE, 0x80|c>>6, 0x80|c&63)
		}
	}
	return buf
}

func (m *goMatcher) match(s string) (bool, error) {
	if ascii(s) {
		return m.re.MatchString(s), nil
	}
	buf := texts.Get().(*[]byte)
	defer putBack(&texts, buf)
	*buf = runes((*buf)[:0], s)
	return m.re.Match(*buf), nil
}

func (m *goMatcher) find(s string, loc []int) (bool, error) {
	if ascii(s) {
		return m.settle(m.re.FindStringSubmatchIndex(s), loc), nil
	}
	buf := texts.Get().(*[]byte)
	defer putBack(&texts, buf)
	*buf = runes((*buf)[:0], s)
	found := m.re.FindSubmatchIndex(*buf)
	for i, o := range found {
		if o > 0 {
			found[i] = o - 2*bytes.Count((*buf)[:o], []byte{0xEE})
		}
	}
	return m.settle(found, loc), nil
}

func (m *goMatcher) settle(found, loc []int) bool {
	if found == nil {
		return false
	}
	if m.keep == 0 {
		copy(loc, found)
		return true
	}
	for g := 0; 2*g+1 < len(found); g++ {
		settle(loc, m.keep, g, found[2*g], found[2*g+1])
	}
	return true
}

// backtracker runs regexp2.
type backtracker struct {
	re   *regexp2.Regexp
	keep int
}

var subjects = sync.Pool{New: func() any { return new([]rune) }}

func (m *backtracker) match(s string) (bool, error) {
	return m.run(s, func(regexp2.MatchView) {})
}

func (m *backtracker) find(s string, loc []int) (bool, error) {
	return m.run(s, func(v regexp2.MatchView) {
		for g := range v.GroupCount() {
			from, to := -1, -1
			if at, n, ok := v.GroupRange(g); ok {
				from, to = at, at+n
			}
			settle(loc, m.keep, g, from, to)
		}
	})
}

func (m *backtracker) run(s string, found func(regexp2.MatchView)) (ok bool, err error) {
	buf := subjects.Get().(*[]rune)
	defer putBack(&subjects, buf)
	r := (*buf)[:0]
	for i := 0; i < len(s); i++ {
		c := rune(s[i])
		if c >= 0x80 {
			c += private
		}
		r = append(r, c)
	}
	*buf = r
	err = m.re.FindRunesMatches(r, 0, func(v regexp2.MatchView) bool {
		ok = true
		found(v)
		return false
	})
	if err != nil {
		// The engine's own error quotes the subject, of whatever length it is.
		err = ErrLimit
	}
	return ok, err
}
