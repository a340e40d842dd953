package substitute

import (
	"strings"
	"testing"

	"pinion/runtime"
	"pinion/runtime/filter"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// pieces sends the body of the test in the pieces that it names.
type pieces struct{ body []string }

func (p *pieces) module() *runtime.Module {
	return runtime.Define(runtime.Module{Name: "pieces_module", File: "mod_pieces.c", Hooks: []runtime.Hook{
		{Phase: runtime.Handler, Always: true, Run: func(r *runtime.Request) runtime.Result {
			for _, s := range p.body {
				if _, err := r.Write([]byte(s)); err != nil {
					return 500
				}
				if r.URI == "/flush" && r.Flush() != nil {
					return 500
				}
			}
			return runtime.OK
		}},
	}})
}

func get(t *testing.T, directives, path string, body ...string) string {
	t.Helper()
	p := &pieces{body}
	at := runtimetest.Serve(t, "SetOutputFilter SUBSTITUTE\n"+directives, filter.Module, Module, p.module())
	// A client of HTTP/1.0's kind: no chunks to take apart.
	return runtimetest.Get(t, at, path)
}

func TestPieces(t *testing.T) {
	const directives = "Substitute s/abc/X/\nSubstitute s/Xd/Y/\n"
	want := get(t, directives, "/", "zabcd abc\nabcd\nab")
	if !strings.Contains(want, "zY X\nY\n") || !strings.Contains(want, "ab") {
		t.Fatalf("%s", want)
	}
	text := "zabcd abc\nabcd\nab"
	for i := range text {
		for _, path := range []string{"/", "/flush"} {
			a := get(t, directives, path, text[:i], text[i:])
			if got, want := unchunk(a), unchunk(want); got != want {
				t.Errorf("%s, cut at %d: %q, expected %q", path, i, got, want)
			}
		}
	}
}

// unchunk joins the chunks of an answer whose line ends are plain.
func unchunk(answer string) string {
	head, rest, _ := strings.Cut(answer, "\n\n")
	if !strings.Contains(head, "chunked") {
		return rest
	}
	var b strings.Builder
	for {
		size, after, ok := strings.Cut(rest, "\n")
		n := 0
		for _, c := range size {
			n = n*16 + strings.IndexRune("0123456789abcdef", c|0x20)
		}
		if !ok || n <= 0 || n > len(after) {
			return b.String()
		}
		b.WriteString(after[:n])
		rest = strings.TrimPrefix(after[n:], "\n")
	}
}

func TestTooLong(t *testing.T) {
	const limit = "SubstituteMaxLineLength 10\n"
	for _, c := range []struct {
		directives string
		body       []string
		fails      bool
	}{
		{"Substitute s/a/bb/n\n", []string{"12345678a"}, false},
		{"Substitute s/a/bb/n\n", []string{"123456789a"}, true},
		{"Substitute s/a/b/\n", []string{"12345", "67890"}, false},
		{"Substitute s/a/b/\n", []string{"12345", "678901"}, true},
		{"Substitute s/a/b/\n", []string{"12345", "67890\n"}, true},
		{"Substitute s/x*/b/\n", []string{"1\n"}, true},  // endless in httpd
		{"Substitute s/$/b/\n", []string{"123"}, true},   // so too
		{"Substitute s/b*?$//\n", []string{"123"}, true}, // httpd hangs
		{"Substitute s/a/1234567890/\n", []string{"a"}, true},
		{"Substitute s/a/123456789/\n", []string{"a"}, false},
		{"Substitute s/a/12345/\nSubstitute s/b/c/\n", []string{"aa"}, true},
		{"", []string{"12345", "6789012"}, true},
	} {
		a := get(t, limit+c.directives, "/", c.body...)
		if failed := strings.HasPrefix(a, "HTTP/1.1 500 "); failed != c.fails {
			t.Errorf("%q of %q: failed is %v\n%s", c.directives, c.body, failed, a)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]script{
		"s/a/b/":       {from: "a", to: "b", flat: true},
		"s|a|b":        {from: "a", to: "b", flat: true},
		"S,a,,":        {from: "a", flat: true},
		"s/a/b/INq":    {from: "a", to: "b", ignoreCase: true, isText: true},
		"s/a/b/qf":     {from: "a", to: "b", flat: true},
		`sxa\xbx`:      {from: `a\`, to: "b", flat: true},
		"s/a b/c d/i ": {},
		"s/a":          {},
		"s//b/":        {},
		"s/":           {},
		"":             {},
		"x/a/b/":       {},
		"s/a/b/g":      {},
		"s/a/b/i/":     {},
	} {
		got, err := parse(text)
		if want.from == "" {
			if err == nil {
				t.Errorf("%q: expected an error", text)
			}
			continue
		}
		if want.fromAt = 2; err != nil || got != want {
			t.Errorf("%q: %+v %v, expected %+v", text, got, err, want)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	for line, code := range map[string]string{
		"Substitute s/a(/b/": "bad-regex", "Substitute s/a/b/z": "bad-value", "Substitute s/a*/b/": "endless-substitute",
		"SubstituteMaxLineLength -1": "bad-value", "SubstituteMaxLineLength 1kk": "bad-value", "SubstituteMaxLineLength 1x": "bad-value",
		"SubstituteMaxLineLength 99999999999999": "bad-value", "SubstituteMaxLineLength 2000g": "bad-value", "SubstituteMaxLineLength 2M": "",
	} {
		g, diags := runtimetest.Compile(t, line, Module)
		if g != nil {
			g.Retire()
		}
		got := ""
		if len(diags) > 0 {
			got = diags[0].Code
		}
		if got != code {
			t.Errorf("%s: %q, expected %q", line, got, code)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"s/a/b/", "s|a|b|nq", "s", "s/", "sxxx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parse(text); err == nil && (s.from == "" || !strings.HasPrefix(text[s.fromAt:], s.from)) {
			t.Fatalf("%q: %+v", text, s)
		}
	})
}

// FuzzReplace checks the bounds of a line, whatever a backend sends.
func FuzzReplace(f *testing.F) {
	f.Add([]byte("an apple\n"), 20)
	f.Add([]byte("aaaaaaaaaabbbbbbbbbb"), 5)
	g, diags := runtimetest.Compile(f, "Substitute s/(a+)(b?)/$2$1$1/\nSubstitute s/B/xyz/niq\nSubstitute s/yz|a/-$0-/q\n", Module)
	if g == nil {
		f.Fatal(diags)
	}
	conf := runtime.DirConf[config](g.Main.Dir, Module)
	f.Fuzz(func(t *testing.T, line []byte, max int) {
		if max < 1 || max > 1<<16 || len(line) > 1<<16 {
			return
		}
		l := &lines{patterns: conf.patterns, max: max}
		if err := l.replace(line); err == nil && len(l.out) > 9*(max+len(line))*len(conf.patterns) {
			t.Fatalf("%d bytes became %d, the limit is %d", len(line), len(l.out), max)
		}
	})
}
