package grammar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParams(t *testing.T) {
	src := "B  http://a route=x 'k=v w' nocanon a=b=c empty= \"q\\\"=1\" co\\\nnt=2 \"open=1"
	l := Parse("", []byte(src)).Lines[0]
	var got []string
	for _, p := range Params(l.Args) {
		got = append(got, fmt.Sprintf("%s %s|%s %s %v", p.Key, places(p.KeyRange), p.Value, places(p.ValueRange), p.Bare))
	}
	want := []string{
		"http://a 1:4-1:12| 1:4-1:12 true",
		"route 1:13-1:18|x 1:19-1:20 false",
		"k 1:22-1:23|v w 1:24-1:27 false",
		"nocanon 1:29-1:36| 1:29-1:36 true",
		"a 1:37-1:38|b=c 1:39-1:42 false",
		"empty 1:43-1:48| 1:49-1:49 false",
		`q" 1:50-1:57|1 1:50-1:57 false`,  // escapes: the whole word
		"cont 1:58-2:5|2 1:58-2:5 false",  // joined: the whole word
		"open 2:7-2:11|1 2:12-2:13 false", // end quote missing
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseStatus(t *testing.T) {
	for in, want := range map[string]string{
		"":       "",
		"+D-N":   "+D2 -N4",
		"DI":     "+D1 +I2",
		"-dn+h":  "-D2 -N3 +H5",
		"+R":     "+R2",
		"OGUEFC": "+O1 +G2 +U3 +E4 +F5 +C6",
		"S":      "+S1",
		"X":      `error 1-2: expected a status letter, found "X"`,
		"+D,N":   `error 3-4: expected a status letter, found ","`,
		"D+":     `error 2-3: expected a status letter after '+', found the end`,
		"+-D":    `error 2-3: expected a status letter, found "-"`,
	} {
		flags, err := ParseStatus(in)
		var got []string
		for _, f := range flags {
			sign := "-"
			if f.Set {
				sign = "+"
			}
			got = append(got, fmt.Sprintf("%s%c%d", sign, f.Letter, f.Pos.Col))
		}
		if err != nil {
			got = []string{located(err)}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q gives %s, not %s", in, s, want)
		}
	}
}

// located prints an error with its columns.
func located(e *Error) string {
	return fmt.Sprintf("error %d-%d: %s", e.Range.Start.Col, e.Range.End.Col, e.Summary)
}

// checkWithin fails unless r lies within a text of n bytes.
func checkWithin(t *testing.T, r Range, n int) {
	t.Helper()
	if r.Start.Offset < 0 || r.End.Offset < r.Start.Offset || r.End.Offset > n || r.Start.Line != 1 || r.Start.Col != r.Start.Offset+1 || r.End.Col != r.End.Offset+1 {
		t.Fatalf("range %+v is not within a text of %d bytes", r, n)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("+D-N", "a=b 'c=d e' \"f=\\\"\"")
	f.Fuzz(func(t *testing.T, value, args string) {
		flags, err := ParseStatus(value)
		if err != nil {
			checkWithin(t, err.Range, len(value))
		} else if len(flags) > len(value) {
			t.Fatalf("%d flags of %q", len(flags), value)
		}
		for _, p := range Params(SplitArgs(args)) {
			for _, r := range []Range{p.KeyRange, p.ValueRange} {
				checkWithin(t, r, len(args))
			}
			if n := p.KeyRange.End.Offset - p.KeyRange.Start.Offset; n < len(p.Key) {
				t.Fatalf("key %q has a range of %d bytes", p.Key, n)
			}
		}
	})
}
