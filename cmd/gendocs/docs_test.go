package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryDifferenceIsListed checks that docs/differences.md names each conformance case that pinion answers otherwise
// than httpd, and no others.
func TestEveryDifferenceIsListed(t *testing.T) {
	page, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, italic := range regexp.MustCompile(`\*([a-z0-9, -]+)\* \|`).FindAllStringSubmatch(string(page), -1) {
		for _, name := range strings.Split(italic[1], ", ") {
			listed[name] = true
		}
	}
	cases, err := filepath.Glob("../../testdata/conformance/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("found no conformance cases: %v", err)
	}
	for _, c := range cases {
		text, err := os.ReadFile(c)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(c), ".txtar")
		if differs := strings.Contains(string(text), "\n-- differs --\n"); differs != listed[name] {
			t.Errorf("%s: differs: %v, listed: %v", name, differs, listed[name])
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s is listed and is no case", name)
	}
}

// TestLinks checks that every link between the repository's documents leads somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	pages := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pages++
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})
	if err != nil || pages < 5 {
		t.Fatalf("looked at %d documents: %v", pages, err)
	}
}
