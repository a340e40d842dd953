// Package pcre gives regular expressions the meaning they have in httpd: PCRE2
// on bytes, without UTF mode, with the flags of httpd's ap_regcomp.
//
// A pattern is parsed by this package, so that an error names its very byte and
// nothing is left to the opinion of an engine: every class becomes an explicit
// set of bytes, (?i) becomes both cases, $ becomes one kind of end. What comes out
// is run by the first of these that can:
//
//   - a matcher of our own, for patterns in which the next byte always decides
//     what to do next (direct.go);
//   - Go's regexp, which is linear in time, for what means the same there;
//   - regexp2, a backtracking engine, with limits in time and memory, for the rest:
//     look-around, back-references, atomic groups, possessive quantifiers.
//
// Refused with an error: recursion and subroutine calls, branch reset, verbs,
// callouts, \p and \X, conditions other than on a group, a second \K, references to
// a name that several groups have.
//
// Two differences are kept. A match stops after a time instead of a count of
// steps. And PCRE2 10.42 holds some pairs of escapes to exclude each other that
// don't, on bytes from 0x80 on or with \R: there, without DotAll, .*\R doesn't match "a\r", and
// \h*\S doesn't match "\xa0". This package answers as Perl does.
//
// Both engines match runes. They get each byte from 0x80 on as one rune of a
// private use area, which has no case and belongs to no class.
package pcre

import (
	"fmt"
	"strings"
)

// Flags are the options of a pattern, under httpd's names.
type Flags uint

// The flags of httpd's ap_regcomp. Callers pass Default unless
// RegexDefaultOptions says otherwise; patterns written as m#…# in expressions
// get only DollarEndOnly out of it, plus what is written after the second #.
const (
	ICase         Flags = 1 << iota // letters of ASCII match in both cases; "i"
	DotAll                          // . matches a newline too; "s"
	MultiLine                       // ^ and $ match at lines (AP_REG_NEWLINE); "m"
	DollarEndOnly                   // $ matches at the very end only, not before a final newline

	// Set by (?x), (?xx), (?n), (?U) inside a pattern.
	extended
	extendedMore
	noCapture
	ungreedy

	// Extended has no effect, as in httpd, which knows the name and ignores it.
	Extended Flags = 0

	// Default is what httpd starts with.
	Default = DotAll | DollarEndOnly
)

// FlagByName finds an option of RegexDefaultOptions, in any case.
func FlagByName(name string) (Flags, bool) {
	switch strings.ToUpper(name) {
	case "ICASE":
		return ICase, true
	case "DOTALL":
		return DotAll, true
	case "DOLLAR_ENDONLY":
		return DollarEndOnly, true
	case "EXTENDED":
		return Extended, true
	}
	return 0, false
}

// Error is a pattern that doesn't compile.
type Error struct {
	Offset  int    // of the byte that is wrong, 0 to the pattern's length
	Summary string // what is wrong, in one line
	Detail  string // what to do; may be empty
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("offset %d: %s", e.Offset, e.Summary)
	}
	return fmt.Sprintf("offset %d: %s: %s", e.Offset, e.Summary, e.Detail)
}

// matcher runs a compiled pattern. find sets the offsets in loc, which has two
// for each group and is full of -1, and reports whether there is a match.
type matcher interface {
	match(s string) (bool, error)
	find(s string, loc []int) (bool, error)
}

// Regexp is a compiled pattern, safe for concurrent use.
type Regexp struct {
	src      string
	names    []string
	prefix   string
	anchored bool
	m        matcher
}

// Compile compiles a pattern. The error is an *Error.
func Compile(pattern string, flags Flags) (*Regexp, error) {
	p, n := parse(pattern, flags)
	if p.err != nil {
		return nil, p.err
	}
	re := &Regexp{src: pattern, names: p.names}
	re.prefix, _, re.anchored = n.prefix()
	var err error
	if re.m, err = newMatcher(n, re.prefix, re.anchored); err != nil {
		return nil, &Error{Summary: "pattern is not supported", Detail: err.Error()}
	}
	return re, nil
}

// MatchString reports whether s holds a match. When the limit was hit it
// reports false, as httpd does.
func (re *Regexp) MatchString(s string) bool {
	if !re.possible(s) {
		return false
	}
	ok, _ := re.m.match(s)
	return ok
}

// Find finds the first match in s and returns byte offsets in pairs: the match,
// then each group, -1 for a group that took no part. It returns nil without a
// match. It uses loc's memory when that suffices. The error is not nil only when
// the limit was hit: then there is no match, and the caller should log it.
func (re *Regexp) Find(s string, loc []int) ([]int, error) {
	if !re.possible(s) {
		return nil, nil
	}
	size := 2 * len(re.names)
	if cap(loc) < size {
		loc = make([]int, size)
	}
	loc = loc[:size]
	for i := range loc {
		loc[i] = -1
	}
	ok, err := re.m.find(s, loc)
	if !ok || err != nil {
		return nil, err
	}
	return loc, nil
}

// possible rules out, without running a regex, what lacks the literal prefix.
func (re *Regexp) possible(s string) bool {
	return !re.anchored || strings.HasPrefix(s, re.prefix)
}

// NumSubexp returns the number of groups.
func (re *Regexp) NumSubexp() int { return len(re.names) - 1 }

// Names returns the names of the groups by their number, "" for one without a
// name; element 0, the match, never has one. The caller must not change it.
func (re *Regexp) Names() []string { return re.names }

// Prefix returns a literal that every match must begin with, and whether a match
// can begin at the subject's start only; so a subject without it can be skipped.
// The literal may be empty. With \K, it is what must stand at the place where the
// search succeeds, which may be before the match's first byte.
func (re *Regexp) Prefix() (literal string, anchored bool) { return re.prefix, re.anchored }

// String returns the pattern as it was given.
func (re *Regexp) String() string { return re.src }
