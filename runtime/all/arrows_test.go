package all

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers are the folders in the order of the arrows: a package imports from the layers before its own, never from one
// after it.
var layers = []string{"grammar", "parser", "runtime", "reload", "cmd"}

// plumbing are the folders of runtime that are no modules: anything in runtime may import them, they know no module.
var plumbing = map[string]bool{"table": true, "pcre": true, "http1": true, "expr": true, "glob": true, "byterange": true, "logfile": true, "strftime": true, "subnet": true, "file": true,
	"ajp": true, "fcgi": true, "wire": true}

// friends are the modules that may import another one: what works on top of the proxy knows the proxy.
var friends = map[string][]string{
	"balancer": {"proxy", "heartbeat"}, "proxyhttp": {"proxy"}, "proxyajp": {"proxy"}, "proxyfcgi": {"proxy"}, "hcheck": {"proxy", "balancer"},
	"mime": {"filter"}, "manager": {"proxy", "balancer"}, "status": {"proxy", "balancer"}, "metrics": {"proxy", "balancer"},
}

// TestArrows holds the arrows of import: cmd → reload → runtime → parser → grammar, the module folders → runtime.
func TestArrows(t *testing.T) {
	seen := 0
	for _, f := range sources(t) {
		from := filepath.ToSlash(filepath.Dir(f.name))
		for _, to := range f.imports {
			seen++
			if why := badArrow(from, to); why != "" {
				t.Errorf("%s imports %s: %s", f.name, to, why)
			}
		}
	}
	if seen < 20 {
		t.Fatalf("expected to find many imports, found %d: does the test look in the right folder?", seen)
	}
}

func TestBadArrows(t *testing.T) {
	for _, c := range []struct {
		from, to string
		bad      bool
	}{
		{"cmd/pinion", "runtime", false}, {"cmd/pinion", "cmd/other", true}, {"grammar", "parser", true}, {"grammar", "runtime/pcre", true},
		{"parser", "runtime", true}, {"parser", "grammar", false}, {"runtime", "runtime/headers", true}, {"runtime", "runtime/table", false},
		{"runtime", "reload", true}, {"runtime/headers", "runtime/rewrite", true}, {"runtime/headers", "runtime", false},
		{"runtime/table", "runtime", true}, {"runtime/balancer", "runtime/proxy", false}, {"runtime/proxy", "runtime/balancer", true},
		{"runtime/all", "runtime/headers", false}, {"runtime/headers", "runtime/all", true}, {"reload", "runtime/all", false},
		{"reload", "cmd/pinion", true}, {"reload", "runtime/headers", true}, {"runtime/pcre", "runtime/table", false},
		{"runtime/headers", "reload", true}, {"runtime/expr", "runtime", true}, {"runtime/expr", "grammar", false},
	} {
		if why := badArrow(c.from, c.to); (why != "") != c.bad {
			t.Errorf("%s imports %s: bad is %v, expected %v (%s)", c.from, c.to, why != "", c.bad, why)
		}
	}
}

// badArrow says why the folder from must not import the folder to, "" where it may.
func badArrow(from, to string) string {
	a, b := layer(from), layer(to)
	module := func(p string) string { return strings.Split(strings.TrimPrefix(p, "runtime/"), "/")[0] }
	switch {
	case a < 0 || b < 0:
		return ""
	case to == "cmd" || strings.HasPrefix(to, "cmd/"):
		if top(from, 2) != top(to, 2) {
			return "nothing imports cmd"
		}
	case a < b:
		return layers[a] + " must not know " + layers[b]
	case layers[a] == "reload" && strings.HasPrefix(to, "runtime/") && module(to) != "all" && !plumbing[module(to)]:
		return "reload knows no module"
	case layers[a] != "runtime" || layers[b] != "runtime":
	case from == "runtime":
		if !plumbing[module(to)] {
			return "runtime knows no module"
		}
	case to == "runtime/all":
		return "only cmd and reload take the list of modules"
	case from == "runtime/all":
	case plumbing[module(from)]:
		if !plumbing[module(to)] {
			return "this folder knows no module, and no request"
		}
	case to == "runtime" || plumbing[module(to)] || module(from) == module(to):
	default:
		for _, f := range friends[module(from)] {
			if f == module(to) {
				return ""
			}
		}
		return "modules don't know each other"
	}
	return ""
}

func layer(p string) int {
	for i, l := range layers {
		if p == l || strings.HasPrefix(p, l+"/") {
			return i
		}
	}
	return -1
}

func top(p string, n int) string {
	parts := strings.Split(p, "/")
	return strings.Join(parts[:min(n, len(parts))], "/")
}

// source is one file that is built into a program, with what it imports of ours.
type source struct {
	name    string
	imports []string
}

// sources reads the imports of every file but tests, from the repository's root on.
func sources(t *testing.T) (all []source) {
	const root = "../.."
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			if base := e.Name(); base == "testdata" || name != root && strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		s := source{name: filepath.ToSlash(rel)}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(p, "pinion/") {
				s.imports = append(s.imports, strings.TrimPrefix(p, "pinion/"))
			}
		}
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
