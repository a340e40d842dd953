// Package glob matches the shell's patterns as httpd's apr_fnmatch does: * ? [set] [!set] and \ escapes.
package glob

// Flags change what a pattern means.
type Flags uint8

// The flags, those of apr_fnmatch that httpd's configuration reaches.
const (
	PathName Flags = 1 << iota // no wildcard matches a slash
	NoCase                     // ASCII letters match in both cases
)

// Match tells whether all of s matches the pattern. It backtracks over the last * only, so its time is bounded by
// the product of the lengths.
func Match(pattern, s string, flags Flags) bool {
	var starP, starS = -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				starP, starS = p, i
				p++
				continue
			}
			if n, ok := one(pattern[p:], s[i], flags); ok {
				p += n
				i++
				continue
			}
		}
		if starP < 0 || flags&PathName != 0 && s[starS] == '/' {
			return false
		}
		starS++
		p, i = starP+1, starS
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// one matches c against the first element of p, which is no *; n is the element's length.
func one(p string, c byte, flags Flags) (n int, ok bool) {
	wild := flags&PathName == 0 || c != '/'
	switch {
	case p[0] == '?':
		return 1, wild
	case p[0] == '[' && wild:
		if end, ok := matchSet(p, c, flags); end > 0 {
			return end, ok
		}
		return 1, c == '['
	case p[0] == '\\' && len(p) > 1:
		return 2, same(p[1], c, flags)
	}
	return 1, same(p[0], c, flags)
}

func same(a, b byte, flags Flags) bool {
	return a == b || flags&NoCase != 0 && lower(a) == lower(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// matchSet matches c against the set at the front of p; end is its length, 0 where it is not closed.
func matchSet(p string, c byte, flags Flags) (end int, ok bool) {
	i := 1
	not := i < len(p) && (p[i] == '!' || p[i] == '^')
	if not {
		i++
	}
	fold := func(b byte) byte {
		if flags&NoCase != 0 {
			return lower(b)
		}
		return b
	}
	c = fold(c)
	for first := true; i < len(p); first = false {
		if p[i] == ']' && !first {
			return i + 1, ok != not
		}
		lo := p[i]
		if lo == '\\' && i+1 < len(p) {
			i++
			lo = p[i]
		}
		hi := lo
		if i+2 < len(p) && p[i+1] == '-' && p[i+2] != ']' {
			hi = p[i+2]
			i += 2
		}
		if fold(lo) <= c && c <= fold(hi) {
			ok = true
		}
		i++
	}
	return 0, false
}
