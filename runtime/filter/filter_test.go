package filter

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// mark puts its sign before each piece and behind the end.
type mark struct{ sign string }

func (m mark) Pass(p []byte, how runtime.Passing, next runtime.Next) error {
	out := bytes.ReplaceAll(p, []byte("\n"), []byte(m.sign+"\n"))
	return next.Pass(out, how)
}

func marker(name string, place runtime.FilterPlace, sign string) runtime.OutputFilter {
	return runtime.OutputFilter{Name: name, Place: place, Insert: func(r *runtime.Request, length int64) runtime.BodyFilter {
		r.HeadersOut.Add("X-Order", name)
		r.HeadersOut.Del("Content-Length")
		if length < 0 {
			r.HeadersOut.Add("X-Order", "behind another one")
		}
		return mark{sign}
	}}
}

var marks = runtime.Define(runtime.Module{Name: "marks_module", File: "mod_marks.c", OutputFilters: []runtime.OutputFilter{
	marker("LATE", runtime.ContentSetFilter, "l"), marker("A", runtime.ResourceFilter, "a"), marker("B", runtime.ResourceFilter, "b")}})

func TestOrder(t *testing.T) {
	for _, c := range []struct{ config, body, order string }{
		{"SetOutputFilter A", "hia", "A"},
		{"SetOutputFilter LATE;a;B", "hiabl", "A|B|behind another one|LATE|behind another one"},
		{"AddOutputFilterByType B text/html\nSetOutputFilter A", "hiab", "A|B|behind another one"},
		{"AddOutputFilterByType B text/plain text/html\nAddOutputFilterByType B x/y", "hib", "B"},
		{"AddOutputFilterByType B text/htm text/html2 TEXT/HTML", "hi", ""},
		{"AddOutputFilterByType A text/html\n<Location />\nAddOutputFilterByType A text/html\n</Location>", "hiaa", "A|A|behind another one"},
		{"AddOutputFilterByType A text/html\n<Location />\nAddOutputFilterByType A text/plain\n</Location>", "hi", ""},
		{"SetOutputFilter A\n<Location />\nSetOutputFilter B\n</Location>", "hib", "B"},
		{"SetOutputFilter A\n<Location />\nSetOutputFilter none\n</Location>", "hi", ""},
	} {
		at := runtimetest.Serve(t, c.config, Module, marks)
		a := runtimetest.Get(t, at, "/")
		if _, body, _ := strings.Cut(a, "\n\n"); !strings.Contains(body, c.body+"\n") || runtimetest.Field(a, "X-Order") != c.order {
			t.Errorf("%q:\n%s", c.config, a)
		}
		if a := runtimetest.Get(t, at, "/missing"); runtimetest.Field(a, "X-Order") != "" {
			t.Errorf("%q: the page of an error was filtered:\n%s", c.config, a)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	for _, c := range []struct {
		line string
		code string
	}{
		{"SetOutputFilter INCLUDES", "unsupported-directive"},
		{"SetOutputFilter A;B;INFLATE", "unsupported-directive"},
		{"SetOutputFilter BROTLI_COMPRESS;A", "no-effect"},
		{"AddOutputFilterByType A", "wrong-arguments"},
		{"AddOutputFilterByType A;X text/html", "unsupported-directive"},
		{"AddOutputFilterByType A;B text/html", ""},
	} {
		g, diags := runtimetest.Compile(t, c.line, Module, marks)
		if g != nil {
			g.Retire()
		}
		var codes []string
		bad := false
		for _, d := range diags {
			codes = append(codes, d.Code)
			bad = bad || d.Severity == parser.Error
		}
		if strings.Join(codes, " ") != c.code || bad != (g == nil) {
			t.Errorf("%s: %v", c.line, codes)
		}
		if c.code == "unsupported-directive" && !strings.Contains(diags[0].Detail, "LATE, A, B") {
			t.Errorf("%s: %q", c.line, diags[0].Detail)
		}
	}
}

func TestMergeKeepsItsInput(t *testing.T) {
	f := &runtime.OutputFilter{Name: "F"}
	base := &config{chain: []string{"F"}, types: map[string][]byType{"F": {{f, []string{"a/b"}}}}}
	add := &config{chain: []string{"F"}, types: map[string][]byType{"F": {{f, []string{"c/d"}}}}}
	n := merge(base, add)
	if !slices.Equal(n.chain, []string{"F", "F"}) || n.types["F"][0].types[0] != "c/d" || base.types["F"][0].types[0] != "a/b" || len(base.chain) != 1 {
		t.Errorf("%v of %v", n, base)
	}
}
