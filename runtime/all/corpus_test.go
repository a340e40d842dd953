package all

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"testing"

	"pinion/parser"
	"pinion/runtime"
)

// wrapped are the names of lines that somebody's editor has broken in two: the verdicts don't speak of them.
var wrapped = regexp.MustCompile(`"(sv|application/.*|.*%\{User-Agent\}.*)"$`)

// TestCorpus compiles real configuration files: none may panic, and none that httpd takes may hold a directive that
// pinion knows nothing of. Directives that pinion refuses are counted; -v shows them.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("PINION_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	accepted := verdicts(t, filepath.Join(dir, "httpd-verdict.tsv"))
	dir = filepath.Join(dir, "files")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Skipf("no corpus of real configuration files, PINION_CORPUS names its folder: %v", err)
	}
	table := parser.NewTable(append(parser.Own(), runtime.Shapes(Modules())...))
	refused := map[string]int{}
	clean := 0
	for _, f := range files {
		tree, read := parser.Load(filepath.Join(dir, f.Name()), &parser.Options{Offline: true, Directives: table.Lookup,
			Modules: func(name string) bool { return runtime.HasModule(Modules(), name) }})
		g, compiled := runtime.Compile(tree, Modules(), runtime.Options{Offline: true})
		if g != nil {
			g.Retire()
		}
		errors := 0
		for _, d := range append([]*parser.Diagnostic(read), compiled...) {
			if d.Severity != parser.Error {
				continue
			}
			errors++
			refused[d.Code+": "+d.Summary]++
			if d.Code == "unknown-directive" && accepted[f.Name()] && !wrapped.MatchString(d.Summary) {
				t.Errorf("%s:%d: httpd takes the file: %s", f.Name(), d.Place.Range.Start.Line, d.Summary)
			}
		}
		if errors == 0 && accepted[f.Name()] {
			clean++
		}
	}
	t.Logf("%d of the %d files that httpd takes have no error", clean, len(accepted))
	most := make([]string, 0, len(refused))
	for m := range refused {
		most = append(most, m)
	}
	sort.Slice(most, func(i, j int) bool { return refused[most[i]] > refused[most[j]] })
	for _, m := range most[:min(60, len(most))] {
		t.Logf("%5d %s", refused[m], m)
	}
}

// verdicts returns the files that httpd takes.
func verdicts(t *testing.T, path string) map[string]bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Logf("what httpd says of the files is not known: %v", err)
		return nil
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]bool{}
	for _, row := range rows {
		if len(row) > 1 && row[1] == "accepted" {
			accepted[row[0]] = true
		}
	}
	return accepted
}
