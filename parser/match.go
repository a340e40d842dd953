package parser

import "strings"

// hasWildcard reports whether a path is a pattern: apr_fnmatch_test.
func hasWildcard(s string) bool {
	bracket := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '?', '*':
			return true
		case '\\':
			i++
		case '[':
			bracket = true
		case ']':
			if bracket {
				return true
			}
		}
	}
	return false
}

// match reports whether a name matches one component of a pattern, as apr_fnmatch does with APR_FNM_PERIOD:
// "*", "?", "[a-z]", "[!a-z]", "\" before a special character; a leading dot matches only itself.
func match(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") && !strings.HasPrefix(pattern, `\.`) {
		return false
	}
	// One "*" to go back to is enough: an earlier one can't do what the last can't.
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				star, mark = p, n
				p++
				continue
			}
			if ok, next := matchOne(pattern, p, name[n]); ok {
				p = next
				n++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, n = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches one byte with what stands at pattern[p], and returns where the pattern goes on.
func matchOne(pattern string, p int, c byte) (bool, int) {
	switch pattern[p] {
	case '?':
		return true, p + 1
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	case '[':
		if ok, next, valid := matchBracket(pattern, p+1, c); valid {
			return ok, next
		}
	}
	return pattern[p] == c, p + 1
}

// matchBracket matches a byte with the set that begins at pattern[p], behind its "[". A set that isn't
// closed is no set.
func matchBracket(pattern string, p int, c byte) (ok bool, next int, valid bool) {
	negated := p < len(pattern) && (pattern[p] == '!' || pattern[p] == '^')
	if negated {
		p++
	}
	for first := true; p < len(pattern); first = false {
		if pattern[p] == ']' && !first {
			return ok != negated, p + 1, true
		}
		low := pattern[p]
		if low == '\\' && p+1 < len(pattern) {
			p++
			low = pattern[p]
		}
		p++
		high := low
		if p+1 < len(pattern) && pattern[p] == '-' && pattern[p+1] != ']' {
			high = pattern[p+1]
			p += 2
			if high == '\\' && p < len(pattern) {
				high = pattern[p]
				p++
			}
		}
		if low <= c && c <= high {
			ok = true
		}
	}
	return false, 0, false
}
