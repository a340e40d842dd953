package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryLineIsWrittenOnceAndWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, true)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 5000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				fmt.Fprintf(l, "%d %d %s\n", w, i, strings.Repeat("x", 100))
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next := make([]int, writers)
	for line := range strings.Lines(read(t, path)) {
		var w, i int
		var tail string
		if _, err := fmt.Sscanf(line, "%d %d %s\n", &w, &i, &tail); err != nil || len(tail) != 100 || i != next[w] {
			t.Fatalf("line %q after %v: %v", line, next, err)
		}
		next[w]++
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d lines of %d", w, n, each)
		}
	}
	if _, err := l.Write([]byte("late\n")); err == nil {
		t.Error("a closed log took a line")
	}
}

func TestReopenAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprintln(l, "one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(l, "two")
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(l, "three")
	if old, now := read(t, path+".1"), read(t, path); old != "one\ntwo\n" || now != "three\n" {
		t.Errorf("rotated %q, new %q", old, now)
	}
}

func TestProgramGetsAllLinesBeforeCloseReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	l, err := Open("|$cat > "+path, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		fmt.Fprintln(l, i)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(read(t, path), "\n"); got != 100 {
		t.Errorf("the program got %d lines of 100", got)
	}
}

func TestProgramIsStartedAgain(t *testing.T) {
	dir := t.TempDir()
	// Each run of the program takes one line.
	l, err := Open(fmt.Sprintf("|$head -n1 >> %s/out", dir), false)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		fmt.Fprintln(l, strings.Repeat("line", 1000))
		if strings.Count(readMaybe(dir+"/out"), "\n") >= 3 {
			break
		}
	}
	l.Close()
	if got := strings.Count(read(t, dir+"/out"), "\n"); got < 2 {
		t.Errorf("%d lines: the program was not started again", got)
	}
}

func readMaybe(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

func TestOpenErrors(t *testing.T) {
	for _, spec := range []string{"|", "|/no/such/program", "/no/such/folder/log"} {
		if l, err := Open(spec, true); err == nil {
			l.Close()
			t.Errorf("%q was opened", spec)
		}
	}
}
