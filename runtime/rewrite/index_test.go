package rewrite

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"pinion/runtime"
)

// newRequest makes a request that no phase has seen.
func newRequest(g *runtime.Graph, uri string) *runtime.Request {
	r := runtime.NewRequest(g, g.Main, &runtime.Conn{RemoteIP: "127.0.0.1"}, nil)
	r.Method, r.TheRequest, r.UnparsedURI, r.Path, r.URI = "GET", "GET "+uri+" HTTP/1.1", uri, uri, uri
	r.Hostname = "example.test"
	return r
}

// randomRules writes a list of rules that meet each other: chains, skips, rounds, negations, common beginnings.
// Each that matches adds its number to the variable T.
func randomRules(rnd *rand.Rand) string {
	patterns := []string{"^/a", "^/ab", "^/ab/c", "^/abc$", "^/b/(.*)", "^/b/x", "^/(a|b)", "a", "!^/a", "!^/b", "^", "^/c/.*", "(?i)^/AB",
		"^(/a|/ab)c", "^/a|^/b", "^x", "^/ab?c", "c$", "^/ab/(c)", "^/d"}
	substs := []string{"-", "-", "-", "-", "/a", "/ab/c", "/b/$1", "/c/x", "/abc"}
	flags := []string{"C", "C", "C", "S=1", "S=2", "S=3", "N=4", "L", "END", "NS", "NC"}
	var conf strings.Builder
	conf.WriteString("RewriteEngine On\n")
	for i := range indexFrom + rnd.IntN(50) {
		f := fmt.Sprintf("E=T:%%{ENV:T},%d", i)
		// A comma always separates flags, so a dot stands for it.
		f = strings.Replace(f, "},", "}.", 1)
		if rnd.IntN(3) == 0 {
			flag := flags[rnd.IntN(len(flags))]
			if flag != "L" && flag != "END" || rnd.IntN(4) == 0 {
				f += "," + flag
			}
		}
		if rnd.IntN(10) == 0 {
			conf.WriteString("RewriteCond %{REQUEST_URI} b\n")
		}
		fmt.Fprintf(&conf, "RewriteRule %s %s [%s]\n", patterns[rnd.IntN(len(patterns))], substs[rnd.IntN(len(substs))], f)
	}
	return conf.String()
}

func TestIndexEqualsList(t *testing.T) {
	uris := []string{"/", "/a", "/ab", "/abc", "/ab/c", "/b/", "/b/x", "/c/d", "/x", "/AB", "x", "/ac", "/d", ""}
	hits := 0
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		text := randomRules(rnd)
		g := compileText(t, text)
		g.Main.Errors = &runtime.ErrorLog{Out: io.Discard}
		rules := runtime.ServerConf[serverConf](g.Main, Module).rules
		if rules.prepare() == nil {
			t.Fatal("no index")
		}
		list := &ruleset{rules: rules.rules}
		list.once.Do(func() {})
		for _, uri := range uris {
			apply := func(s *ruleset) string {
				r := newRequest(g, uri)
				defer r.Free()
				r.Filename = uri
				x := begin(r, runtime.DirConf[dirConf](g.Main.Dir, Module), false)
				defer x.end()
				result, last := x.applyList(s)
				n := -1
				for i, p := range rules.rules {
					if p == last {
						n = i
					}
				}
				return fmt.Sprint(result, n, " ", r.Filename, " ", r.Status, " ", r.Env.Get("T"))
			}
			want, got := apply(list), apply(rules)
			if want != got {
				t.Fatalf("seed %d, %s: list %s, index %s\n%s", seed, uri, want, got, text)
			}
			if strings.Contains(got, ".") {
				hits++
			}
		}
		g.Retire()
	}
	if hits < 1000 {
		t.Errorf("only %d runs applied a rule: the test says little", hits)
	}
}

// manyRules is a list of redirects of which a request matches at most one.
func manyRules(n int) string {
	var conf strings.Builder
	conf.WriteString("RewriteEngine On\n")
	for i := range n {
		fmt.Fprintf(&conf, "RewriteRule ^/old/section-%d/page-(\\d+)\\.html$ /new/%d/$1 [R=301,L]\n", i, i)
	}
	return conf.String()
}

func BenchmarkRules(b *testing.B) {
	for _, n := range []int{1, indexFrom - 1, indexFrom, 100, 1000, 10000} {
		g := compileText(b, manyRules(n))
		for _, uri := range []string{"/index.html", fmt.Sprintf("/old/section-%d/page-12.html", n-1)} {
			b.Run(fmt.Sprintf("%d%s", n, uri[:6]), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := newRequest(g, uri)
					translate(r)
					r.Free()
				}
			})
		}
	}
}

// BenchmarkUsual is a few rules as most files have them.
func BenchmarkUsual(b *testing.B) {
	g := compileText(b, `RewriteEngine On
RewriteCond %{HTTP_HOST} ^www\.(.*)$ [NC]
RewriteRule ^ https://%1%{REQUEST_URI} [R=301,L]
RewriteRule ^/old/(.*)$ /new/$1 [R,L]
RewriteRule ^/api/(.*)$ http://127.0.0.1:8080/$1 [P,L]
`)
	for _, uri := range []string{"/index.html", "/api/users/12"} {
		b.Run(uri[1:4], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := newRequest(g, uri)
				r.HeadersIn.Set("Host", "example.test")
				translate(r)
				r.Free()
			}
		})
	}
}
