package alias

import (
	"strings"
)

// list holds entries in the order of the file. The first that matches wins; those without a regular expression are
// found by the path's prefixes, so that their number doesn't matter.
type list struct {
	entries []*entry
	literal map[string]int // the first entry of each path, with slashes merged
	regexes []int
}

func (l *list) add(e *entry) {
	i := len(l.entries)
	l.entries = append(l.entries, e)
	if e.regex != nil {
		l.regexes = append(l.regexes, i)
		return
	}
	if l.literal == nil {
		l.literal = map[string]int{}
	}
	key := mergeSlashes(e.fake)
	if _, ok := l.literal[key]; !ok {
		l.literal[key] = i
	}
}

// joined returns a new list of the entries of both.
func joined(a, b *list) (n list) {
	switch {
	case len(a.entries) == 0:
		return *b
	case len(b.entries) == 0:
		return *a
	}
	for _, l := range []*list{a, b} {
		for _, e := range l.entries {
			n.add(e)
		}
	}
	return n
}

// first returns the first entry that matches the path, nil for none: with the length of the path that a plain one
// matched, or with the groups of a regular expression.
func (l *list) first(uri string) (e *entry, matched int, loc []int) {
	best := l.firstLiteral(mergeSlashes(uri))
	for _, i := range l.regexes {
		if i >= best {
			break
		}
		// A pattern that goes over its limits matches nothing, as a failed pcre_exec does in httpd.
		if loc, err := l.entries[i].regex.Find(uri, nil); err == nil && loc != nil {
			return l.entries[i], 0, loc
		}
	}
	if best == len(l.entries) {
		return nil, 0, nil
	}
	e = l.entries[best]
	return e, matchLength(uri, e.fake), nil
}

func (l *list) firstLiteral(path string) int {
	best := len(l.entries)
	if len(l.literal) == 0 {
		return best
	}
	try := func(key string) {
		if i, ok := l.literal[key]; ok && i < best && key != "" {
			best = i
		}
	}
	try(path)
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			// "/a" matches "/a/b", and so does "/a/".
			try(path[:i])
			try(path[:i+1])
		}
	}
	return best
}

// matchLength is how much of uri the path fake stands for, when any number of slashes counts as one (httpd's
// alias_matches). It is known to match.
func matchLength(uri, fake string) int {
	u := 0
	for f := 0; f < len(fake) && u < len(uri); {
		if fake[f] != '/' {
			f++
			u++
			continue
		}
		for f < len(fake) && fake[f] == '/' {
			f++
		}
		for u < len(uri) && uri[u] == '/' {
			u++
		}
	}
	return u
}

func mergeSlashes(p string) string {
	if !strings.Contains(p, "//") {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '/' || len(b) == 0 || b[len(b)-1] != '/' {
			b = append(b, p[i])
		}
	}
	return string(b)
}
