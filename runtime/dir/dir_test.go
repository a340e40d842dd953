package dir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinion/runtime/all"
	"pinion/runtime/dir"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func TestMistakes(t *testing.T) {
	for _, line := range []string{"DirectoryIndexRedirect 200", "DirectoryIndexRedirect maybe", "DirectoryIndexRedirect 400"} {
		if g, diags := runtimetest.Compile(t, line+"\n", dir.Module); g != nil || len(diags) != 1 || diags[0].Code != "bad-value" {
			t.Errorf("%s: got %v", line, diags)
		}
	}
}

// TestFolders checks what the recorded answers of runtime/static leave out.
func TestFolders(t *testing.T) {
	root := t.TempDir()
	for _, d := range []string{"a", "off", "deny", "sub/sub", "check", "list"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, d, "index.html"), []byte("index of "+d), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	address := runtimetest.Serve(t, fmt.Sprintf(`
DocumentRoot %q
ErrorLog /dev/null
DirectoryIndex none.html index.html
<Location /off>
  DirectorySlash Off
</Location>
<Location /deny/index.html>
  Require all denied
</Location>
<Location /list>
  Options +Indexes
  DirectoryIndex disabled
</Location>
<Location /a>
  DirectoryIndexRedirect seeother
</Location>
<Location /sub>
  DirectoryIndex index.txt
  DirectoryIndex /off/index.html
</Location>
<Location /fall>
  FallbackResource /off/index.html
</Location>
<Location /fall/off>
  FallbackResource disabled
</Location>
<Location /fall/deny>
  FallbackResource /deny/index.html
</Location>
<Location /fall/loop>
  FallbackResource /fall/loop
</Location>
`, root), all.Modules()...)
	for path, want := range map[string]string{
		"/a/": "303 http://127.0.0.1:18361/a/index.html", "/a": "301 http://127.0.0.1:18361/a/", "/off": "403", "/off/": "200  index of off",
		"/deny/": "403", "/sub/": "200  index of off", "/sub/sub/": "200  index of off", "/fall/x/y?z": "200  index of off", "/fall/off": "404",
		"/fall/deny/x": "403", "/fall/loop": "500", "/sub?x=y": "301 http://127.0.0.1:18361/sub/?x=y", "/check/": "200  index of check",
	} {
		got := runtimetest.Get(t, address, path)
		_, body, _ := strings.Cut(got, "\n\n")
		have := got[9:12] + " " + runtimetest.Field(got, "Location")
		if strings.HasPrefix(have, "200") {
			have += " " + body
		}
		if strings.TrimSpace(have) != want {
			t.Errorf("%s: got %q, expected %q", path, have, want)
		}
	}
	if got := runtimetest.Get(t, address, "/list/"); !strings.Contains(got, `<a href="index.html"> index.html</a>`) {
		t.Errorf("the folder without an index is not listed: %s", got)
	}
}
