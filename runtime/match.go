package runtime

// fnmatch is the shell's pattern match as apr_fnmatch does it: * ? [set] [!set] and \ escapes. With pathname, no
// wildcard matches a slash. It backtracks over the last * only, so its time is bounded by the product of the lengths.
func fnmatch(pattern, s string, pathname bool) bool {
	var starP, starS = -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				starP, starS = p, i
				p++
				continue
			case c == '?' && !(pathname && s[i] == '/'):
				p++
				i++
				continue
			case c == '[' && !(pathname && s[i] == '/'):
				if end, ok := matchSet(pattern[p:], s[i]); ok {
					p += end
					i++
					continue
				} else if end == 0 && s[i] == '[' {
					p++
					i++
					continue
				}
			case c == '\\' && p+1 < len(pattern) && pattern[p+1] == s[i]:
				p += 2
				i++
				continue
			case c == s[i] && c != '[' && c != '?' && c != '\\':
				p++
				i++
				continue
			}
		}
		if starP < 0 || pathname && s[starS] == '/' {
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

// matchSet matches c against the set at the front of p; end is its length, 0 where it is not closed.
func matchSet(p string, c byte) (end int, ok bool) {
	i := 1
	not := i < len(p) && (p[i] == '!' || p[i] == '^')
	if not {
		i++
	}
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
		if lo <= c && c <= hi {
			ok = true
		}
		i++
	}
	return 0, false
}

// wildMatch matches * and ? only (ap_strcasecmp_match on names already in lower case).
func wildMatch(pattern, s string) bool {
	starP, starS := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			starP, starS = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case starP >= 0:
			starS++
			p, i = starP+1, starS
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// HasWildcard tells whether httpd takes the path of a section for a pattern (apr_fnmatch_test).
func HasWildcard(s string) bool {
	open := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?':
			return true
		case '\\':
			i++
		case '[':
			open = true
		case ']':
			if open {
				return true
			}
		}
	}
	return false
}
