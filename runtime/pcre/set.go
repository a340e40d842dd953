package pcre

import "math/bits"

// set is a set of bytes: what PCRE without UTF mode knows as characters.
type set [4]uint64

func (s *set) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *set) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *set) addRange(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s.add(byte(c))
	}
}

func (s *set) union(o set) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s set) not() set {
	for i := range s {
		s[i] = ^s[i]
	}
	return s
}

func (s set) meets(o set) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

func (s set) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// single returns the only byte of a set of one.
func (s set) single() (byte, bool) {
	if s.len() != 1 {
		return 0, false
	}
	for i, w := range s {
		if w != 0 {
			return byte(i<<6 + bits.TrailingZeros64(w)), true
		}
	}
	return 0, false
}

// fold adds the other case of each ASCII letter. Bytes from 0x80 on have no
// case: httpd compiles its patterns with PCRE's built-in tables, those of the
// C locale.
func (s set) fold() set {
	for c := byte('a'); c <= 'z'; c++ {
		if up := c - 32; s.has(c) || s.has(up) {
			s.add(c)
			s.add(up)
		}
	}
	return s
}

// setOf builds a set from pairs of bounds: "az09" is [a-z0-9].
func setOf(pairs string) set {
	var s set
	for i := 0; i+1 < len(pairs); i += 2 {
		s.addRange(pairs[i], pairs[i+1])
	}
	return s
}

var (
	all     = set{}.not()
	newline = setOf("\n\n")
	digits  = setOf("09")
	words   = setOf("azAZ09__")
	spaces  = setOf("\t\r  ")         // \s: with \v, as Perl since 5.18
	horiz   = setOf("\t\t  \xa0\xa0") // \h
	vert    = setOf("\n\r\x85\x85")   // \v
	posix   = map[string]set{         // [:name:], C locale
		"alpha":  setOf("azAZ"),
		"lower":  setOf("az"),
		"upper":  setOf("AZ"),
		"alnum":  setOf("azAZ09"),
		"ascii":  setOf("\x00\x7f"),
		"blank":  setOf("\t\t  "),
		"cntrl":  setOf("\x00\x1f\x7f\x7f"),
		"digit":  digits,
		"graph":  setOf("!~"),
		"print":  setOf(" ~"),
		"punct":  setOf("!/:@[`{~"),
		"space":  spaces,
		"word":   words,
		"xdigit": setOf("09afAF"),
	}
	// classes are the escapes that stand for a set, in and out of brackets.
	classes = map[byte]set{
		'd': digits, 'D': digits.not(), 'w': words, 'W': words.not(), 's': spaces, 'S': spaces.not(),
		'h': horiz, 'H': horiz.not(), 'v': vert, 'V': vert.not(),
	}
)
