package parser

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"pinion/grammar"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// memFS is a file set in memory, below "/".
type memFS struct{ files fstest.MapFS }

func (m memFS) Stat(name string) (fs.FileInfo, error) { return m.files.Stat(rel(name)) }

func (m memFS) ReadDir(name string) ([]fs.DirEntry, error) { return m.files.ReadDir(rel(name)) }

func (m memFS) ReadFile(name string, max int64) ([]byte, error) {
	b, err := m.files.ReadFile(rel(name))
	if int64(len(b)) > max {
		return nil, errTooLarge
	}
	return b, err
}

func rel(name string) string {
	if name == "/" {
		return "."
	}
	return strings.TrimPrefix(name, "/")
}

// files makes a memFS of pairs of a path and a text.
func files(pairs ...string) memFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[rel(pairs[i])] = &fstest.MapFile{Data: []byte(pairs[i+1]), Mode: 0o644}
	}
	return memFS{m}
}

// testTable is a small part of httpd's directives.
var testTable = NewTable([]*Directive{
	{Name: "VirtualHost", Section: true, Args: TakeArgv, In: Server},
	{Name: "Directory", Section: true, Args: TakeArgv, In: ServerWide},
	{Name: "Location", Section: true, Args: TakeArgv, In: ServerWide},
	{Name: "Files", Section: true, Args: TakeArgv, In: ServerWide | Directory | Location | If},
	{Name: "If", Section: true, Args: Raw, In: Anywhere},
	{Name: "Limit", Section: true, Args: TakeArgv, In: InDir},
	{Name: "Proxy", Section: true, Args: TakeArgv, In: ServerWide},
	{Name: "RequireAny", Section: true, Args: NoArgs, In: InDir | Require},
	{Name: "Require", Module: "authz_core_module", Args: Raw, In: InDir | Require},
	{Name: "MDomainSet", Module: "md_module", Section: true, Args: Raw, In: Server, Unsupported: "use a certificate file"},
	{Name: "ServerName", Args: Take1, In: ServerWide, Syntax: "[scheme://]fully-qualified-domain-name[:port]"},
	{Name: "ServerAlias", Args: Iterate, In: VHost},
	{Name: "DocumentRoot", Args: Take1, In: ServerWide},
	{Name: "KeepAlive", Args: Flag, In: ServerWide, Syntax: "On|Off"},
	{Name: "LoadModule", Args: Take2, In: ServerWide, NoEffect: "modules are part of the program"},
	{Name: "MDMember", Module: "md_module", Args: Take1, In: ServerWide, Unsupported: "use a certificate file"},
	{Name: "ProxyPass", Args: TakeArgv, In: ServerWide | Location},
	{Name: "RewriteRule", Args: Take23, In: Anywhere},
	{Name: "RewriteMap", Args: Take23, In: ServerWide},
	{Name: "Redirect", Args: Take123, In: Anywhere},
	{Name: "ErrorDocument", Args: Raw, In: Anywhere},
	{Name: "BrowserMatch", Args: Iterate2, In: Anywhere},
	{Name: "Timeout", Args: Take12, In: ServerWide},
	{Name: "T13", Args: Take13, In: ServerWide},
	{Name: "T3", Args: Take3, In: ServerWide},
})

func testOptions(m memFS) *Options {
	return &Options{
		ServerRoot: "/srv", FS: m, Directives: testTable.Lookup, Nearest: testTable.Nearest,
		Modules: func(name string) bool { return name == "mod_headers.c" || name == "headers_module" },
		Getenv:  func(string) (string, bool) { return "", false },
	}
}

// TestGolden loads /srv/main.conf of each archive. Lines before the first file set options.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { golden(t, name) })
	}
}

func golden(t *testing.T, name string) {
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	a := parseArchive(string(src))
	m := fstest.MapFS{"srv": &fstest.MapFile{Mode: fs.ModeDir | 0o755}}
	want := map[string]string{}
	out := archive{comment: a.comment}
	for _, f := range a.files {
		if strings.HasPrefix(f.name, "want.") {
			want[f.name] = f.data
			continue
		}
		out.files = append(out.files, f)
		m["srv/"+f.name] = &fstest.MapFile{Data: []byte(f.data), Mode: 0o644}
	}
	o := testOptions(memFS{m})
	for line := range strings.Lines(a.comment) {
		setOption(t, o, strings.TrimSpace(line))
	}
	tree, diags := Load("/srv/main.conf", o)
	var text bytes.Buffer
	if err := WriteText(&text, diags, TextOptions{Source: tree.Source}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"want.tree": dump(tree), "want.text": text.String()}
	for _, key := range []string{"want.tree", "want.text"} {
		if d := cmp.Diff(want[key], got[key]); d != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", key, d)
		}
		out.files = append(out.files, archived{key, got[key]})
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func setOption(t *testing.T, o *Options, line string) {
	key, value, _ := strings.Cut(line, ": ")
	switch key {
	case "defines":
		o.Defines = strings.Fields(value)
	case "before":
		o.Before = append(o.Before, value)
	case "after":
		o.After = append(o.After, value)
	case "offline":
		o.Offline = true
	case "env":
		k, v, _ := strings.Cut(value, "=")
		o.Getenv = func(name string) (string, bool) { return v, name == k }
	case "":
	default:
		if !strings.HasPrefix(line, "#") {
			t.Fatalf("unknown option %q", line)
		}
	}
}

func span(r grammar.Range) string {
	return fmt.Sprintf("%d:%d-%d:%d", r.Start.Line, r.Start.Col, r.End.Line, r.End.Col)
}

// dump writes a tree with all its ranges.
func dump(t *Tree) string {
	var b strings.Builder
	var walk func(n *Node, depth int)
	walk = func(n *Node, depth int) {
		fmt.Fprintf(&b, "%s%s %s %s", strings.Repeat("  ", depth), n.Def.title(), strings.TrimPrefix(n.Place.File, "/srv/"), span(n.Place.Range))
		if n.Args == nil {
			fmt.Fprintf(&b, " raw %q@%s", n.Raw, span(n.RawRange))
		}
		for i, a := range n.Args {
			fmt.Fprintf(&b, " %q@%s", a, span(n.Words[i].Range))
		}
		for f := n.Place.Chain; f != nil; f = f.Up {
			fmt.Fprintf(&b, " < %s %d", f.What, f.Range.Start.Line)
		}
		b.WriteByte('\n')
		for _, c := range n.Children {
			if c.Parent != n {
				fmt.Fprintf(&b, "WRONG PARENT of %s\n", c.Name)
			}
			walk(c, depth+1)
		}
	}
	for _, c := range t.Root.Children {
		walk(c, 0)
	}
	fmt.Fprintf(&b, "files %s\n", strings.Join(t.Files, " "))
	if len(t.Globs) > 0 {
		fmt.Fprintf(&b, "watch %s\n", strings.Join(t.Globs, " "))
	}
	return b.String()
}

// codes loads a configuration and lists "line severity code".
func codes(t *testing.T, conf string) []string {
	t.Helper()
	_, diags := Load("/srv/main.conf", testOptions(files("/srv/main.conf", conf)))
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%d %s %s", d.Place.Range.Start.Line, d.Severity, d.Code))
	}
	return out
}

func TestArguments(t *testing.T) {
	// What httpd's invoke_cmd refuses, found by running httpd and by its conditions.
	good := []string{"ServerName a", `ServerName "a b"`, "Timeout 1", "Timeout 1 2", `Timeout 1 ""`, "T13 a", "T13 a b c", `T13 a ""`,
		"T3 a b c", "RewriteRule a b", "RewriteRule a b c", "Redirect a", "Redirect a b c", "KeepAlive oN", "BrowserMatch a b",
		"BrowserMatch a b c d", "ErrorDocument", "ProxyPass", "ProxyPass a b c d e f"}
	bad := []string{"ServerName", `ServerName ""`, "ServerName a b", "Timeout", "Timeout 1 2 3", `Timeout ""`, "T13 a b", "T13", "T13 a b c d",
		"T3 a b", `T3 a b ""`, "RewriteRule a", `RewriteRule a ""`, "RewriteRule a b c d", "Redirect", "Redirect a b c d", "KeepAlive",
		"KeepAlive yes", "BrowserMatch a", "BrowserMatch"}
	for _, line := range good {
		if got := codes(t, line+"\n"); got != nil {
			t.Errorf("%s: %v", line, got)
		}
	}
	for _, line := range bad {
		if d := cmp.Diff([]string{"1 error wrong-arguments"}, codes(t, line+"\n")); d != "" {
			t.Errorf("%s: %s", line, d)
		}
	}
	if d := cmp.Diff([]string{"1 warning ignored-argument"}, codes(t, "KeepAlive On foo\n")); d != "" {
		t.Error(d)
	}
}

func TestVersion(t *testing.T) {
	for args, want := range map[string]bool{
		"2.4.71": true, "2.4.70": false, "= 2.4.71": true, "== 2.4.71": true, ">= 2.4": true, ">= 2.4.72": false, "> 2.4.71": false, "> 2": true,
		"< 2.4.71": false, "<= 2.4.71": true, "< 3": true, "!< 2.4": true, "!>= 2.4": false, "~ ^2\\.4\\.": true, "= /^2\\.4\\./": true,
		"= /^2\\.2/": false, "!= 2.4.71": false, "!2.4": false, "!~ ^2\\.4": false, "2.4.": false, "> 2.": true,
	} {
		got, problem := testVersion(strings.Fields(args))
		if args == "!2.4" { // a "!" belongs to an operator
			if problem == "" {
				t.Errorf("%s: no error", args)
			}
			continue
		}
		if got != want || problem != "" {
			t.Errorf("%s: %v %s", args, got, problem)
		}
	}
	for _, args := range []string{"", ">=", "=> 2.4", "! 2.4", "> x", "> 2.4.71.1", "> .4", "= /x", "~ (", ">>= 2"} {
		if _, problem := testVersion(strings.Fields(args)); problem == "" {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.conf", "a.conf", true}, {"*.conf", ".conf", false}, {"*.conf", ".a.conf", false}, {".*", ".a", true}, {"*", "", true},
		{"?.conf", "a.conf", true}, {"?.conf", ".conf", false}, {"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false}, {"[^a-c]x", "dx", true},
		{"[]]x", "]x", true}, {"[a", "[a", true}, {`\*x`, "*x", true}, {`\*x`, "ax", false}, {"a*b*c", "aXXbYYbZc", true}, {"a*b*c", "aXXc", false},
		{"[a-]", "-", true}, {`[\]]`, "]", true}, {"*a*a*a*a*a*b", strings.Repeat("a", 60), false}, {`a\`, `a\`, true},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"SeverName": "ServerName", "servernmae": "ServerName", "ProxyPas": "ProxyPass", "VirtualHots": "VirtualHost",
		"Frobnicate": "", "": "", "T": "", strings.Repeat("x", 4000): "",
	} {
		if got := testTable.Nearest(name); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	_, diags := Load("/srv/main.conf", testOptions(files("/srv/main.conf", "Foo\nKeepAlive On x\nBar\n")))
	if !diags.HasErrors() || diags.Count(Warning) != 1 {
		t.Fatal(diags)
	}
	want := "/srv/main.conf:1:1: error: unknown directive \"Foo\" [unknown-directive]\n" +
		"/srv/main.conf:3:1: error: unknown directive \"Bar\" [unknown-directive]"
	if got := diags.Err().Error(); got != want {
		t.Errorf("got %s", got)
	}
	var d *Diagnostic
	if !errors.As(error(diags), &d) || d.Code != "unknown-directive" {
		t.Errorf("errors.As found %v", d)
	}
	if (Diagnostics{{Severity: Warning}}).Err() != nil {
		t.Error("a warning is an error")
	}
}

func TestJSON(t *testing.T) {
	_, diags := Load("/srv/main.conf", testOptions(files("/srv/main.conf", "Include a.conf\n", "/srv/a.conf", "SeverName x\n")))
	var b bytes.Buffer
	if err := WriteJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	want := `[
{"severity":"error","code":"unknown-directive","summary":"unknown directive \"SeverName\"","detail":"did you mean ServerName?","file":"/srv/a.conf","start":{"line":1,"column":1,"offset":0},"end":{"line":1,"column":10,"offset":9},"chain":[{"file":"/srv/main.conf","start":{"line":1,"column":1,"offset":0},"end":{"line":1,"column":15,"offset":14},"text":"Include a.conf"}]}
]
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// TestLongLine shows a place far inside of a line that is no UTF-8.
func TestLongLine(t *testing.T) {
	conf := strings.Repeat("\xa6", 4000) + " ${X} ${Y}\n"
	tree, diags := Load("/srv/main.conf", testOptions(files("/srv/main.conf", conf)))
	var b bytes.Buffer
	if err := WriteText(&b, diags, TextOptions{Source: tree.Source}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		caret := strings.Index(line, "^~~~")
		if caret < 0 || !strings.Contains(lines[i-2], "undefined-variable") {
			continue
		}
		if shown := []rune(lines[i-1]); string(shown[caret:caret+2]) != "${" {
			t.Errorf("the caret stands below %q", string(shown[caret:]))
		}
	}
	if n := strings.Count(b.String(), "undefined-variable"); n != 2 {
		t.Errorf("%d warnings in %s", n, b.String())
	}
}
