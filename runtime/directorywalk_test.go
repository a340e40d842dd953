package runtime

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalkFromRoot walks to what is there and what isn't, once with the folder that the URL was mapped into and once without:
// to spare looks at folders that exist must change nothing else.
func TestWalkFromRoot(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(top, "www")
	must(os.MkdirAll(filepath.Join(root, "a/b"), 0o755))
	must(os.WriteFile(filepath.Join(root, "a/f"), nil, 0o644))
	must(os.Symlink("nowhere", filepath.Join(root, "a/dangling")))
	must(os.Symlink("www", filepath.Join(top, "linked")))
	must(os.Symlink("a", filepath.Join(root, "l")))
	seen := map[Result]bool{}
	for _, options := range []OptionSet{{}, {Sub: OptSymLinks}, {Add: OptSymOwner}, {Whole: true, Set: OptSymOwner}} {
		server := &Server{modules: newModuleSet(nil), Errors: &ErrorLog{Out: io.Discard}}
		base := &DirConfig{server: server}
		base.Core.Options = options
		var sections []*Section
		for _, dir := range []string{"/", top + "/", root + "/", root + "/a/", root + "/none/", root + "/l/"} {
			sections = append(sections, &Section{Path: dir, Config: &DirConfig{}, dirSegs: strings.Count(dir, "/")})
		}
		sections[3].Config.Core.Options = OptionSet{Add: OptSymOwner}
		server.directories = indexDirectories(sections)
		for _, at := range []string{root, filepath.Join(top, "linked"), filepath.Join(top, "gone"), filepath.Join(root, "a/f")} {
			for _, rest := range []string{"", "/", "/none", "/none/", "/none/at/all", "/a/none", "/a/b/none/x", "/a/f", "/a/f/", "/a/f/info/x", "/a/dangling",
				"/a/dangling/x", "/l/none", "/l/f/x", "/a/b"} {
				walk := func(context string) (Result, *Request) {
					r := &Request{Filename: at + rest, ContextRoot: context, Server: server, Dir: base}
					return r.DirectoryWalk(), r
				}
				res, r := walk(at)
				res2, r2 := walk("")
				if res != res2 || r.Filename != r2.Filename || r.PathInfo != r2.PathInfo || (r.FileInfo == nil) != (r2.FileInfo == nil) || r.Dir != r2.Dir {
					t.Errorf("%v %s: %d %s %s, without %d %s %s", options, at+rest, res, r.Filename, r.PathInfo, res2, r2.Filename, r2.PathInfo)
				}
				seen[res], seen[404] = true, seen[404] || r.FileInfo == nil
			}
		}
	}
	if !seen[OK] || !seen[403] || !seen[404] {
		t.Errorf("expected walks to all kinds of ends, got %v", seen)
	}
}
