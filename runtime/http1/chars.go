package http1

import "math/bits"

const (
	isToken  = 1 << iota // RFC 9110 5.6.2: a method's or a field name's character
	isTarget             // a visible character or a byte above 127: what httpd lets into a request target
)

var chars = func() (t [256]uint8) {
	for c := 0x21; c < 256; c++ {
		if c != 0x7f {
			t[c] |= isTarget
		}
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= isToken
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= isToken
		t[c-0x20] |= isToken
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= isToken
	}
	return t
}()

// span returns how many of s's first bytes are of class.
func span(s string, class uint8) int {
	for i := 0; i < len(s); i++ {
		if chars[s[i]]&class == 0 {
			return i
		}
	}
	return len(s)
}

// ValidName reports whether s is a token, as methods and field names must be.
func ValidName(s string) bool { return s != "" && span(s, isToken) == len(s) }

// ValidValue reports whether s may be a field's value: no control character but the tab.
func ValidValue(s string) bool { return valueEnd(s, 0) == len(s) }

// valueEnd returns where the first byte at or after i stands that no value may have: a control character but the tab.
// It looks at eight bytes at a time: values are most of a head.
func valueEnd(s string, i int) int {
	for i+8 <= len(s) {
		p := s[i : i+8]
		x := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
		const ones, high = 0x0101010101010101, 0x8080808080808080
		del := x ^ 0x7f*ones
		hits := ((x-0x20*ones)&^x | (del-ones)&^del) & high // a borrow spoils only what is above the first hit
		if hits == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hits) / 8
		if s[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(s) && (s[i] >= 0x20 && s[i] != 0x7f || s[i] == '\t') {
		i++
	}
	return i
}

// trim removes spaces and tabs from both ends (RFC 9110's OWS).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseLength reads a Content-Length: digits only, at most the largest int64. It returns -1 for anything else.
func parseLength(s string) int64 {
	if s == "" {
		return -1
	}
	var n int64
	for i := 0; i < len(s); i++ {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > (1<<63-1-d)/10 {
			return -1
		}
		n = n*10 + d
	}
	return n
}

// nextToken cuts the first element off a comma separated list.
func nextToken(list string) (token, rest string) {
	for i := 0; i < len(list); i++ {
		if list[i] == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), ""
}
