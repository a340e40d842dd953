package autoindex_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime/all"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // as where the answers were recorded
	runtimetest.Main(m)
}

// TestAnswers compares with what httpd 2.4.71 answered to the same requests with the same configuration and files.
func TestAnswers(t *testing.T) {
	root := t.TempDir()
	runtimetest.Plant(t, "testdata/tree.txt", root)
	site, err := os.ReadFile("testdata/site.conf")
	if err != nil {
		t.Fatal(err)
	}
	types := filepath.Join(root, "mime.types")
	if err := os.WriteFile(types, []byte("text/html html\ntext/plain txt\nimage/png png\napplication/gzip gz\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	address := runtimetest.Serve(t, fmt.Sprintf("Define ROOT %q\nTypesConfig %q\nServerTokens Full\nErrorLog /dev/null\n%s", root, types, site), all.Modules()...)
	if n := runtimetest.CheckAnswers(t, "testdata/answers.txt", address, root); n < 25 {
		t.Errorf("compared only %d answers", n)
	}
}

// TestNotLoaded checks that a file that loads modules, but not this one, gets 404 for a folder without an index.
func TestNotLoaded(t *testing.T) {
	root := t.TempDir()
	for load, want := range map[string]string{"LoadModule dir_module x.so": "404", "LoadModule autoindex_module x.so": "403", "": "403"} {
		address := runtimetest.Serve(t, fmt.Sprintf("%s\nDocumentRoot %q\nErrorLog /dev/null\n", load, root), all.Modules()...)
		if got := runtimetest.Ask(t, address, "GET /", nil, ""); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
			t.Errorf("%q: got %q", load, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, line := range []string{"IndexOptions Fancy", "IndexOptions +None", "IndexOptions None FancyIndexing", "IndexOptions NameWidth=3", "IndexOptions NameWidth",
		"IndexOptions -NameWidth=9", "IndexOptions DescriptionWidth=11", "IndexOptions IconWidth=-1", "IndexOptions NameWidth=1000000000",
		"IndexOrderDefault Up Name", "IndexOrderDefault Ascending Colour", "AddIcon (TXT,/x.gif .txt"} {
		if g, diags := runtimetest.Compile(t, line+"\n", all.Modules()...); g != nil || len(diags) != 1 {
			t.Errorf("%s: compiled is %v, with %d diagnostics", line, g != nil, len(diags))
		}
	}
}
