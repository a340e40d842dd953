package rewrite

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
)

// lookUp looks a key up in the map m of the main server, at a time after the map was compiled.
func lookUp(g *runtime.Graph, key string, after time.Duration) (string, bool) {
	r := newRequest(g, "/")
	defer r.Free()
	r.Time = r.Time.Add(after)
	x := begin(r, nil, false)
	defer x.end()
	return x.lookupMap("m", []byte(key))
}

func TestTextMapIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "map.txt")
	write := func(text string, mtime time.Time) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now().Add(-time.Hour)
	write("a one\n", start)
	g := compileText(t, "RewriteEngine On\nRewriteMap m txt:"+file+"\n")
	if len(g.Files) != 1 || g.Files[0] != file {
		t.Errorf("watched: %q", g.Files)
	}
	check := func(after time.Duration, want string) {
		t.Helper()
		if v, _ := lookUp(g, "a", after); v != want {
			t.Errorf("after %v: got %q, want %q", after, v, want)
		}
	}
	check(0, "one")
	write("a two\n", start.Add(time.Second))
	check(2*time.Second, "two")
	// A reload adopts the map, and looks at the file at once.
	write("a three\n", start.Add(2*time.Second))
	again, diags := runtime.Compile(load(t, "RewriteEngine On\nRewriteMap m txt:"+file+"\n"), testModules(), runtime.Options{State: g.State})
	if again == nil {
		t.Fatal(diags)
	}
	defer again.Retire()
	check(2*time.Second, "three")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	g.Main.Errors = &runtime.ErrorLog{Out: log}
	check(4*time.Second, "")
	if !strings.Contains(log.String(), "AH00661") {
		t.Errorf("log: %s", log)
	}
	g.Retire()
}

func TestParseText(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	got := parseText("a 1\na 2\n# c\n b 1\nc\nd\t\t4 5\ne 6\r\nf 7\x00 8\ng\x00h 1\n" + long + "y 1\nlast 9")
	want := map[string]string{"a": "1", "d": "4", "e": "6", "f": "7", "y": "1", "last": "9"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestChoose(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		seen[choose("a|b||c")] = true
	}
	if fmt.Sprint(seen) != fmt.Sprint(map[string]bool{"": true, "a": true, "b": true, "c": true}) {
		t.Errorf("chosen: %v", seen)
	}
}

// programGraph compiles a graph whose map m is a shell script.
func programGraph(t *testing.T, script, more string) (*runtime.Graph, *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ask.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	g := compileText(t, "RewriteEngine On\n"+more+"RewriteMap m prg:"+file+"\n")
	t.Cleanup(g.Retire)
	log := &bytes.Buffer{}
	g.Main.Errors = &runtime.ErrorLog{Out: log}
	return g, log
}

func TestProgramStartsAgain(t *testing.T) {
	g, log := programGraph(t, `read -r line; echo "$$ $line"; read -r line; exit`, "")
	first, ok := lookUp(g, "a", 0)
	if !ok || !strings.HasSuffix(first, " a") {
		t.Fatalf("got %q", first)
	}
	if v, ok := lookUp(g, "b", 0); ok || !strings.Contains(log.String(), "AH00654") || !strings.Contains(log.String(), "the program ended") {
		t.Errorf("after its end: %q, %v, log %s", v, ok, log)
	}
	second, ok := lookUp(g, "c", 0)
	if !ok || !strings.HasSuffix(second, " c") || second[:len(second)-2] == first[:len(first)-2] {
		t.Errorf("started again: %q after %q", second, first)
	}
}

func TestProgramIsBounded(t *testing.T) {
	g, log := programGraph(t, `while read -r line; do head -c 100000 /dev/zero | tr '\0' x; echo; done`, "")
	if v, ok := lookUp(g, "a", 0); ok || !strings.Contains(log.String(), "expected a line of at most") {
		t.Errorf("got %d bytes, log %s", len(v), log)
	}
	g, log = programGraph(t, `while read -r line; do :; done`, "Timeout 1\n")
	if v, ok := lookUp(g, "a", 0); ok || !strings.Contains(log.String(), "timeout") {
		t.Errorf("got %q, log %s", v, log)
	}
	g, log = programGraph(t, "", "")
	p := runtime.ServerConf[serverConf](g.Main, Module).maps["m"].program
	if err := os.Chmod(p.path, 0o644); err != nil {
		t.Fatal(err)
	}
	if v, ok := lookUp(g, "a", 0); ok || !strings.Contains(log.String(), "permission denied") {
		t.Errorf("got %q, log %s", v, log)
	}
	if _, ok := lookUp(g, "a\nb", 0); ok {
		t.Error("a key with a newline was asked for")
	}
}

func TestProgramOutlivesReload(t *testing.T) {
	g, _ := programGraph(t, `while read -r line; do echo $$; done`, "")
	p := runtime.ServerConf[serverConf](g.Main, Module).maps["m"].program
	first, _ := lookUp(g, "a", 0)
	again, diags := runtime.Compile(load(t, "RewriteEngine On\nRewriteMap m prg:"+p.path+"\n"), testModules(), runtime.Options{State: g.State})
	if again == nil {
		t.Fatal(diags)
	}
	g.Retire()
	if second, _ := lookUp(again, "a", 0); second != first || first == "" {
		t.Errorf("process %s before the reload, %s after it", first, second)
	}
	again.Main.Errors = &runtime.ErrorLog{Out: io.Discard}
	again.Retire()
	if _, ok := lookUp(again, "a", 0); ok || p.running != nil {
		t.Error("the program runs on without a graph")
	}
}
