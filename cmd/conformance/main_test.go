package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinion/cmd/conformance/casefile"
)

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "one.txtar")
	if err := os.WriteFile(path, []byte("x\n-- httpd.conf --\n-- requests --\nGET /\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "expected record or replay"},
		{[]string{"play", "-dir", dir}, `found "play"`},
		{[]string{"replay", "-dir", dir, "--target", "./server"}, "{conf}"},
		{[]string{"replay", "-dir", dir, "two"}, "two.txtar"},
		{[]string{"replay", "-dir", t.TempDir()}, "found none"},
		{[]string{"replay", "-dir", dir, "one"}, "1 of 1 cases"},
	} {
		if err := run(test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want one with %q", test.args, err, test.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	text := []byte("x\n-- httpd.conf --\n-- requests --\nGET /\n")
	for _, name := range []string{"b.txtar", "a.txtar", "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := func(cases []*casefile.Case, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, c := range cases {
			list = append(list, c.Name)
		}
		return strings.Join(list, " ")
	}
	if got := names(load(dir, nil)); got != "a b" {
		t.Errorf("all: %q", got)
	}
	if got := names(load(dir, []string{"b", filepath.Join(dir, "a.txtar")})); got != "b a" {
		t.Errorf("by name and path: %q", got)
	}
}
