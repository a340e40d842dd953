package parser

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// allNames is a table of every name in a list of httpd's directives, each taking anything anywhere, and of all modules.
// The list lacks the directives of some MPMs and of modules that httpd does not ship.
func allNames(t testing.TB, path string) (*Table, map[string]bool) {
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("no list of httpd's directives: %v", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []*Directive
	modules := map[string]bool{"core.c": true}
	for _, row := range rows[1:] {
		if name, ok := strings.CutPrefix(row[2], "mod_"); ok {
			modules[row[2]+".c"], modules[name+"_module"] = true, true
		}
		all = append(all, &Directive{Name: row[0], Section: row[1] == "yes", Args: Raw})
	}
	return NewTable(all), modules
}

func shared(name string) string {
	abs, err := filepath.Abs(filepath.Join("..", "..", "shared", name))
	if err != nil {
		panic(err)
	}
	return abs
}

func referenceTable(t testing.TB) (*Table, map[string]bool) {
	dir := os.Getenv("PINION_REFERENCE")
	if dir == "" {
		dir = shared("reference")
	}
	return allNames(t, filepath.Join(dir, "httpd-directives.tsv"))
}

// TestDebian loads the configuration that Debian installs.
func TestDebian(t *testing.T) {
	table, modules := referenceTable(t)
	const path = "/etc/apache2/apache2.conf"
	if _, err := os.Stat(path); err != nil {
		t.Skipf("Debian's apache2 is not installed: %v", err)
	}
	env := map[string]string{"APACHE_RUN_USER": "www-data", "APACHE_RUN_GROUP": "www-data", "APACHE_PID_FILE": "/run/apache2.pid",
		"APACHE_RUN_DIR": "/run/apache2", "APACHE_LOCK_DIR": "/run/lock", "APACHE_LOG_DIR": "/var/log/apache2"}
	tree, diags := Load(path, &Options{
		ServerRoot: "/etc/apache2", Directives: table.Lookup, Nearest: table.Nearest, Modules: func(name string) bool { return modules[name] },
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if len(diags) > 0 {
		var b bytes.Buffer
		WriteText(&b, diags, TextOptions{Source: tree.Source})
		t.Error(b.String())
	}
	if len(tree.Files) < 5 || tree.Files[0] != path || len(tree.Root.Children) < 10 {
		t.Errorf("files %v, %d directives", tree.Files, len(tree.Root.Children))
	}
}

// TestCorpus loads real files by themselves, and compares with what httpd says of what the parser answers for.
func TestCorpus(t *testing.T) {
	table, modules := referenceTable(t)
	dir := os.Getenv("PINION_CORPUS")
	if dir == "" {
		dir = shared("corpus")
	}
	dir = filepath.Join(dir, "files")
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) == 0 {
		t.Skipf("no corpus in %s", dir)
	}
	// "file:line" of what httpd refuses, and whether for a reason that is the parser's.
	refused := map[string]bool{}
	structural := map[string]bool{}
	verdicts, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "httpd-verdict.tsv"))
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(verdicts)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) < 5 || row[1] != "refused" {
			continue
		}
		refused[row[0]] = true
		for _, m := range []string{"Invalid command", "was not closed", "without matching", "but saw", "missing closing", "before end of"} {
			if strings.Contains(row[4], m) {
				structural[row[0]] = true
			}
		}
	}
	for _, name := range names {
		base := filepath.Base(name)
		tree, diags := Load(name, &Options{ServerRoot: "/etc/apache2", Directives: table.Lookup, Nearest: table.Nearest,
			Modules: func(name string) bool { return modules[name] }, Offline: true,
			Getenv: func(string) (string, bool) { return "", false }})
		var b bytes.Buffer
		WriteText(&b, diags, TextOptions{Source: tree.Source})
		errs := diags.Count(Error)
		for _, d := range diags {
			if d.Code == "unknown-directive" && !structural[base] {
				errs-- // httpd had more modules
			}
		}
		switch {
		case errs > 0 && !refused[base]:
			t.Errorf("httpd accepts %s:\n%s", base, b.String())
		case errs == 0 && structural[base]:
			t.Errorf("httpd refuses %s", base)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// age makes a file look as if nobody had touched it for an hour. The time of the inode's change can't be set,
// so a test of what the cache does with an old file makes entries settled by hand.
func (c *Cache) age() {
	for _, p := range c.files {
		p.settled = true
	}
}

func TestCache(t *testing.T) {
	dir := t.TempDir()
	a, b, main := filepath.Join(dir, "a.conf"), filepath.Join(dir, "b.conf"), filepath.Join(dir, "main.conf")
	write(t, a, "ServerName a\n")
	write(t, b, "ServerName b\n")
	write(t, main, "Include *.conf.d\nInclude a.conf\nIncludeOptional b.conf\nInclude a.conf\n")
	os.Mkdir(filepath.Join(dir, "x.conf.d"), 0o755)
	c := &Cache{}
	o := &Options{ServerRoot: dir, Directives: testTable.Lookup, Cache: c}
	load := func() string {
		tree, diags := Load(main, o)
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		var s []string
		for _, n := range tree.Root.Children {
			s = append(s, n.Args[0])
		}
		return strings.Join(s, " ")
	}
	if got := load(); got != "a b a" || c.Len() != 3 {
		t.Fatalf("first load: %s, %d files", got, c.Len())
	}
	first := c.get(a).syntax
	// Not settled: read again, same content, same syntax.
	if load(); c.get(a).syntax != first {
		t.Error("the syntax of an unchanged file was made again")
	}
	c.age()
	if load(); c.get(a).syntax != first {
		t.Error("the syntax of a settled file was made again")
	}
	// Same size, time set back: the time of the inode's change tells.
	info, _ := os.Stat(a)
	write(t, a, "ServerName x\n")
	os.Chtimes(a, info.ModTime(), info.ModTime())
	if runtime.GOOS == "linux" {
		if got := load(); got != "x b x" {
			t.Errorf("after a change: %s", got)
		}
	}
	os.Remove(b)
	if got := load(); got != "x x" || c.Len() != 2 {
		t.Errorf("after removal: %s, %d files", got, c.Len())
	}
	// A new file in the place of the old.
	c.age()
	write(t, a+"~", "ServerName y\n")
	os.Chtimes(a+"~", info.ModTime(), info.ModTime())
	os.Rename(a+"~", a)
	if got := load(); got != "y y" {
		t.Errorf("after a rename: %s", got)
	}
}

func TestCacheConcurrent(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.conf", i)), "ServerName a\n")
	}
	o := &Options{ServerRoot: dir, Directives: testTable.Lookup, Cache: &Cache{}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if tree, diags := Load(dir, o); len(diags) > 0 || len(tree.Root.Children) != 20 {
					t.Error(diags)
				}
			}
		})
	}
	wg.Wait()
}

// TestHostileFiles loads what is no configuration.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("zeros"), strings.Repeat("\x00", 1<<20))
	write(t, path("long"), "ServerName "+strings.Repeat("x", 1<<20)+"\n")
	write(t, path("longname"), strings.Repeat("x", 1<<20)+" "+strings.Repeat("y ", 1<<19)+"\n")
	write(t, path("empty"), "")
	write(t, path("binary"), strings.Repeat("\xff\xfe</<>\x01\n<\n>\n", 50000))
	write(t, path("deep"), strings.Repeat("<Location /x>\n", 100000))
	write(t, path("nested"), strings.Repeat("<RequireAny>\n", 100000))
	write(t, path("skipped"), "<IfModule nope>\n"+strings.Repeat("<RequireAny>\n", 100000)+strings.Repeat("</X>\n", 100000))
	write(t, path("uses"), macroChain(3000))
	write(t, path("bomb"), "Define A 0123456789\n"+strings.Repeat("Define A ${A}${A}\n", 60))
	write(t, path("macrobomb"), macroBomb(40))
	os.Mkdir(path("folder"), 0o755)
	for _, c := range []struct{ name, code string }{
		{"zeros", "nul-byte"}, {"long", ""}, {"longname", "unknown-directive"}, {"empty", ""}, {"binary", "bad-section"}, {"deep", "too-many-errors"},
		{"nested", "too-many-sections"}, {"skipped", "too-many-sections"}, {"uses", ""},
		{"bomb", "line-too-long"}, {"macrobomb", "too-many-lines"}, {"folder", ""}, {"missing", "include-missing"},
		{"/dev/zero", "include-failed"}, {"/dev/null", ""}, {"zeros/x", "include-missing"},
	} {
		t.Run(filepath.Base(c.name), func(t *testing.T) {
			name := c.name
			if !filepath.IsAbs(name) {
				name = path(name)
			}
			l := newLoader(&Options{Directives: testTable.Lookup, Nearest: testTable.Nearest})
			l.bounds = bounds{lines: 1 << 20, expanded: 1 << 26}
			l.includePath(name, inclusion{place: Place{File: name}})
			tree, diags := l.finish()
			if err := WriteText(io.Discard, diags, TextOptions{Source: tree.Source, Color: true}); err != nil {
				t.Error(err)
			}
			found := c.code == ""
			for _, d := range diags {
				found = found || d.Code == c.code
			}
			if !found || c.code == "" && diags.HasErrors() {
				t.Errorf("want %q, got %.300v", c.code, diags)
			}
			if len(diags) > 2*maxErrors {
				t.Errorf("%d diagnostics", len(diags))
			}
		})
	}
}

// deniedFS lets nobody read a file.
type deniedFS struct{ memFS }

func (deniedFS) ReadFile(name string, _ int64) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestUnreadable(t *testing.T) {
	o := testOptions(memFS{})
	o.FS = deniedFS{files("/srv/main.conf", "ServerName a\n")}
	tree, diags := Load("main.conf", o)
	want := "main.conf: error: could not open configuration file /srv/main.conf: permission denied [include-failed]"
	if len(diags) != 1 || diags[0].String() != want {
		t.Errorf("got %v", diags)
	}
	// What can't be read is watched all the same.
	if d := cmp.Diff([]string{"/srv/main.conf"}, tree.Globs); d != "" {
		t.Error(d)
	}
}

// macroBomb is n macros, each of which uses the one before twice.
func macroBomb(n int) string {
	var b strings.Builder
	b.WriteString("<Macro m0>\nServerName x\n</Macro>\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "<Macro m%d>\nUse m%d\nUse m%d\n</Macro>\n", i, i-1, i-1)
	}
	fmt.Fprintf(&b, "Use m%d\n", n)
	return b.String()
}

// macroChain is n macros, each of which uses the one before.
func macroChain(n int) string {
	var b strings.Builder
	b.WriteString("<Macro m0>\nServerName x\n</Macro>\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "<Macro m%d>\nUse m%d\n</Macro>\n", i, i-1)
	}
	fmt.Fprintf(&b, "Use m%d\n", n)
	return b.String()
}

// FuzzLoad loads a set of three files that may include each other.
func FuzzLoad(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var texts [3]string
		for i, file := range parseArchive(string(src)).files {
			texts[min(i, 2)] += file.data
		}
		f.Add(texts[0], texts[1], texts[2])
	}
	f.Add(strings.Repeat("\xa6", 4000)+" ${"+strings.Repeat("\xa6", 400)+"}\n", "", "")
	f.Add("Include *\n", "Include /a /b\nUse x", "<Macro x>\n<Macro x>\n</Macro>")
	f.Fuzz(func(t *testing.T, main, a, b string) {
		m := files("/srv/main.conf", main, "/srv/a.conf", a, "/srv/b/c.conf", b)
		l := newLoader(testOptions(m))
		l.bounds = bounds{lines: 5000, expanded: 1 << 20}
		l.includePath("/srv/main.conf", inclusion{place: Place{File: "main.conf"}})
		tree, diags := l.finish()
		for i, d := range diags {
			if d.Code == "" || d.Summary == "" || strings.Contains(d.Summary, "\n") {
				t.Errorf("diagnostic %d: %+v", i, d)
			}
		}
		if err := WriteText(io.Discard, diags, TextOptions{Source: tree.Source}); err != nil {
			t.Error(err)
		}
		if err := WriteJSON(io.Discard, diags); err != nil {
			t.Error(err)
		}
		checkTree(t, tree.Root)
	})
}

// checkTree checks what users of a tree rely on.
func checkTree(t *testing.T, n *Node) {
	for _, c := range n.Children {
		if c.Def == nil || c.Parent != n || c.Def.Unsupported != "" {
			t.Fatalf("bad node %+v", c)
		}
		if c.Def.Args != Raw && len(c.Args) != len(c.Words) {
			t.Fatalf("%d arguments, %d words", len(c.Args), len(c.Words))
		}
		checkTree(t, c)
	}
}

func vhost(i int) string {
	return fmt.Sprintf(`<VirtualHost *:80>
  ServerName host%d.example.org
  ServerAlias www.host%d.example.org
  DocumentRoot "/srv/www/host%d"
  KeepAlive On
  <Location /app>
    ProxyPass http://backend%d.example.org:8080/app
    Require all granted
  </Location>
  # the old place
  Redirect permanent /old /new
  RewriteRule ^/a/(.*) /b/$1 [R=301,L]
  <Directory /srv/www>
    Require all granted
  </Directory>
</VirtualHost>
`, i, i, i, i)
}

func BenchmarkManyFiles(b *testing.B) {
	dir := b.TempDir()
	for i := range 10000 {
		write(b, filepath.Join(dir, fmt.Sprintf("%05d.conf", i)), vhost(i))
	}
	o := &Options{ServerRoot: dir, Directives: testTable.Lookup, Cache: &Cache{}}
	load := func(b *testing.B) {
		if tree, diags := Load(dir+"/*.conf", o); len(diags) > 0 || len(tree.Root.Children) != 10000 {
			b.Fatal(diags)
		}
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			o.Cache = &Cache{}
			load(b)
		}
	})
	b.Run("unsettled", func(b *testing.B) {
		for b.Loop() {
			load(b)
		}
	})
	b.Run("warm", func(b *testing.B) {
		o.Cache.age()
		for b.Loop() {
			load(b)
		}
	})
}

func BenchmarkOneFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "big.conf")
	var s strings.Builder
	for i := range 10000 {
		s.WriteString(vhost(i))
	}
	write(b, path, s.String())
	c := &Cache{}
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("warm=%v", warm), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				o := &Options{Directives: testTable.Lookup, Cache: c}
				if !warm {
					o.Cache = nil
				}
				if _, diags := Load(path, o); len(diags) > 0 {
					b.Fatal(diags)
				}
				c.age()
			}
		})
	}
}
