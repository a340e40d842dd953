package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// TestDiagnostics compares what -t says of each bad configuration in testdata/diagnostics with what was read by eye and
// found to be of help. @NUL@ and the like in the files stand for bytes that an editor would not keep.
func TestDiagnostics(t *testing.T) {
	files, _ := filepath.Glob("testdata/diagnostics/*.txtar")
	if len(files) == 0 {
		t.Fatal("expected golden files, found none")
	}
	bytesOf := strings.NewReplacer("@NUL@", "\x00", "@CR@", "\r", "@FF@", "\xff", "@MEGABYTE@", strings.Repeat("x", 1<<20))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			want := ""
			for _, f := range a.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				path := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(bytesOf.Replace(string(f.Data))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := diagnose(t, dir)
			if *update {
				a.Files = append(a.Files[:len(a.Files)-1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// diagnose loads dir's httpd.conf as -t does, and at a reload's way, and returns what is said, with dir as /conf.
func diagnose(t *testing.T, dir string) string {
	s := reload.Source{Path: filepath.Join(dir, "httpd.conf"), Modules: all.Modules(), Test: true,
		Parse: parser.Options{ServerRoot: dir, Cache: &parser.Cache{}}}
	var b bytes.Buffer
	for range 2 { // from the files, and from the cache of a reload
		b.Reset()
		l := s.Load(runtime.NewState())
		if l.Graph != nil {
			l.Graph.Retire()
		}
		var show parser.Diagnostics
		for _, d := range l.Diags {
			if d.Severity != parser.Note {
				show = append(show, d)
			}
		}
		if err := parser.WriteText(&b, show, parser.TextOptions{Source: l.Tree.Source}); err != nil {
			t.Fatal(err)
		}
		if show.HasErrors() != (l.Graph == nil) {
			t.Errorf("errors: %v, but the graph is nil: %v", show.HasErrors(), l.Graph == nil)
		}
	}
	return strings.ReplaceAll(b.String(), dir, "/conf")
}
