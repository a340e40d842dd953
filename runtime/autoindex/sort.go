package autoindex

import (
	"cmp"
	"slices"
	"strings"
)

// sort puts the lines in order: the parent first, folders first where asked for, then by the key.
func (l *listing) sort(all []*entry) {
	slices.SortStableFunc(all, func(a, b *entry) int {
		switch {
		case strings.HasPrefix(a.name, "/"):
			return -1
		case strings.HasPrefix(b.name, "/"):
			return 1
		case a.folder != b.folder:
			if a.folder {
				return -1
			}
			return 1
		}
		if l.order == 'D' {
			a, b = b, a
		}
		return l.compare(a, b)
	})
}

func (l *listing) compare(a, b *entry) int {
	version, fold := l.opts&versionSort != 0, l.opts&ignoreCase != 0
	c := 0
	switch l.key {
	case 'M':
		c = a.changed.Compare(b.changed)
	case 'S':
		c = cmp.Compare(a.size, b.size)
	case 'D':
		if c = strings.Compare(a.desc, b.desc); version {
			c = natural(a.desc, b.desc, false)
		}
	}
	if c == 0 && version && fold {
		c = natural(a.name, b.name, true)
	}
	if c == 0 && version {
		c = natural(a.name, b.name, false)
	}
	if c == 0 && fold {
		c = strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
	}
	if c == 0 {
		c = strings.Compare(a.name, b.name)
	}
	return c
}

func isDigit(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }

// natural compares so that numbers inside of text sort by their value (apr_strnatcmp).
func natural(a, b string, fold bool) int {
	if fold {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	for i, j := 0, 0; ; i, j = i+1, j+1 {
		for i < len(a) && a[i] == ' ' {
			i++
		}
		for j < len(b) && b[j] == ' ' {
			j++
		}
		if isDigit(a, i) && isDigit(b, j) {
			c := 0
			if a[i] == '0' || b[j] == '0' {
				c = fraction(a[i:], b[j:])
			} else {
				c = number(a[i:], b[j:])
			}
			if c != 0 {
				return c
			}
		}
		switch {
		case i >= len(a) && j >= len(b):
			return 0
		case i >= len(a):
			return -1
		case j >= len(b):
			return 1
		case a[i] != b[j]:
			return cmp.Compare(a[i], b[j])
		}
	}
}

// number compares whole numbers: the longer run of digits wins, then the first difference.
func number(a, b string) int {
	bias := 0
	for i := 0; ; i++ {
		x, y := isDigit(a, i), isDigit(b, i)
		switch {
		case !x && !y:
			return bias
		case !x:
			return -1
		case !y:
			return 1
		case bias == 0:
			bias = cmp.Compare(a[i], b[i])
		}
	}
}

// fraction compares digits from the left, as behind a decimal point.
func fraction(a, b string) int {
	for i := 0; ; i++ {
		x, y := isDigit(a, i), isDigit(b, i)
		switch {
		case !x && !y:
			return 0
		case !x:
			return -1
		case !y:
			return 1
		case a[i] != b[i]:
			return cmp.Compare(a[i], b[i])
		}
	}
}
