package pcre

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	for _, tt := range table {
		for _, c := range tt.cases {
			f.Add(tt.pattern, uint(tt.flags), c.subject)
		}
	}
}

// FuzzCompile holds that no pattern panics, that an error points into the
// pattern, and that what is found lies in the subject.
func FuzzCompile(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, pattern string, flags uint, subject string) {
		re, err := Compile(pattern, Flags(flags)&(ICase|DotAll|MultiLine|DollarEndOnly))
		var e *Error
		if errors.As(err, &e) {
			if e.Offset < 0 || e.Offset > len(pattern) || e.Summary == "" {
				t.Fatalf("%q: bad error %#v", pattern, e)
			}
			return
		} else if err != nil {
			t.Fatalf("%q: %v is not an *Error", pattern, err)
		}
		loc, err := re.Find(subject, nil)
		if err != nil {
			return
		}
		if loc != nil && len(loc) != 2+2*re.NumSubexp() {
			t.Fatalf("%q: %d offsets for %d groups", pattern, len(loc), re.NumSubexp())
		}
		for i := 0; i < len(loc); i += 2 {
			unset := loc[i] == -1 && loc[i+1] == -1 && i > 0
			if !unset && (loc[i] < 0 || loc[i+1] < loc[i] || loc[i+1] > len(subject)) {
				t.Fatalf("%q on %q: bad offsets %v", pattern, subject, loc)
			}
		}
		lit, anchored := re.Prefix()
		if loc != nil && (!strings.Contains(subject, lit) || anchored && !strings.HasPrefix(subject, lit)) {
			t.Fatalf("%q matches %q without its prefix %q (anchored %v)", pattern, subject, lit, anchored)
		}
	})
}

// common is what both syntaxes have and mean alike on ASCII.
var common = regexp.MustCompile(`^(?:[a-z/ ]|\\[.dw/]|\.|\^|\$|[()|]|\(\?:|[*+?]\??|\[\^?[a-z/]+\])*$`)

// FuzzGo compares with Go's regexp, given the pattern as it is written.
func FuzzGo(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, pattern string, _ uint, subject string) {
		if len(pattern) > 60 || len(subject) > 200 || !common.MatchString(pattern) || !ascii(subject) ||
			strings.Contains(strings.ReplaceAll(pattern, "(?:", ""), "(?") {
			return
		}
		std, goErr := regexp.Compile("(?s)" + strings.ReplaceAll(pattern, "$", `\z`))
		re, err := Compile(pattern, Default)
		if err != nil || goErr != nil {
			return // they differ on what may be repeated: ^* and a**
		}
		if _, n := parse(pattern, Default); !linear(n) {
			return
		}
		loc, err := re.Find(subject, nil)
		if want := std.FindStringSubmatchIndex(subject); err != nil || !reflect.DeepEqual(loc, want) {
			t.Fatalf("%q on %q (%T): got %v, %v; Go's regexp has %v", pattern, subject, re.m, loc, err, want)
		}
	})
}

// FuzzEngines compares the matcher that Compile chose with another one.
func FuzzEngines(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, pattern string, flags uint, subject string) {
		if len(pattern) > 100 || len(subject) > 200 {
			return
		}
		p, n := parse(pattern, Flags(flags)&(ICase|DotAll|MultiLine|DollarEndOnly))
		if p.err != nil {
			return
		}
		prefix, _, anchored := n.prefix()
		re := &Regexp{src: pattern, names: p.names, prefix: prefix, anchored: anchored}
		other := &Regexp{src: pattern, names: p.names}
		var err error
		if d := newDirect(n, prefix, anchored); d != nil {
			re.m = d
		} else if !linear(n) {
			return
		} else if re.m, err = newGo(n); err != nil {
			return
		}
		if other.m, err = newBacktracker(n); err != nil {
			return
		}
		got, err := re.Find(subject, nil)
		if err != nil {
			t.Fatalf("%q on %q (%T): %v", pattern, subject, re.m, err)
		}
		want, err := other.Find(subject, nil)
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q on %q: %T has %v, %T has %v", pattern, subject, re.m, got, other.m, want)
		}
	})
}
