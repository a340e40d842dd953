package glob_test

import (
	"strings"
	"testing"

	"pinion/runtime/glob"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		flags      glob.Flags
		want       bool
	}{
		{"", "", 0, true}, {"", "a", 0, false}, {"*", "", 0, true}, {"a*", "abc", 0, true}, {"*c", "abc", 0, true}, {"*b", "abc", 0, false},
		{"a?c", "abc", 0, true}, {"a?c", "ac", 0, false}, {"*a*b*", "xxaxxbxx", 0, true}, {"**", "x", 0, true},
		{"[a-c]x", "bx", 0, true}, {"[!a-c]x", "bx", 0, false}, {"[^a-c]x", "dx", 0, true}, {"[]a]", "]", 0, true}, {"[a", "[a", 0, true}, {"[a", "a", 0, false},
		{`\*`, "*", 0, true}, {`\*`, "a", 0, false}, {`a\`, `a\`, 0, true}, {`[\]]`, "]", 0, true},
		{"*.html", "/a/b.html", 0, true}, {"*.html", "/a/b.html", glob.PathName, false}, {"/*/*.html", "/a/b.html", glob.PathName, true},
		{"/?b", "//b", glob.PathName, false}, {"/[/]b", "//b", glob.PathName, false}, {"/a*", "/a", glob.PathName, true},
		{"ABC*", "abcd", glob.NoCase, true}, {"ABC*", "abcd", 0, false}, {"[A-C]", "b", glob.NoCase, true}, {"[a-c]", "B", glob.NoCase, true},
	} {
		if got := glob.Match(c.pattern, c.s, c.flags); got != c.want {
			t.Errorf("%q matches %q with %d: got %v", c.pattern, c.s, c.flags, got)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("*a[!b-c]?", "xxad", uint8(0))
	f.Add("[", "[", uint8(3))
	f.Fuzz(func(t *testing.T, pattern, s string, flags uint8) {
		glob.Match(pattern, s, glob.Flags(flags))
		if !strings.ContainsAny(pattern, `*?[\`) && glob.Match(pattern, pattern, glob.Flags(flags)) != true {
			t.Errorf("%q doesn't match itself", pattern)
		}
	})
}
