package runtime

import (
	"strings"

	"pinion/runtime/glob"
)

// fnmatch is glob.Match; with pathname, no wildcard matches a slash.
func fnmatch(pattern, s string, pathname bool) bool {
	if pathname {
		return glob.Match(pattern, s, glob.PathName)
	}
	return glob.Match(pattern, s, 0)
}

// StrcmpMatch matches a pattern in which only * and ? are special, in this very case (ap_strcmp_match).
func StrcmpMatch(pattern, s string) bool { return wildMatch(pattern, s) }

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

// WildMatch tells whether a name fits a pattern of ServerAlias, in which * and ? stand for text, in whatever case.
func WildMatch(pattern, s string) bool {
	return wildMatch(strings.ToLower(pattern), strings.ToLower(s))
}
