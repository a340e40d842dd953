package rewrite

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pinion/runtime"
	"pinion/runtime/core"
)

func TestProxyIsMissing(t *testing.T) {
	modules := append(core.Modules(), Module)
	g, diags := runtime.Compile(load(t, "RewriteEngine On\nRewriteRule ^/p http://other.test/ [P]\n"), modules, runtime.Options{})
	if g == nil {
		t.Fatal(diags)
	}
	defer g.Retire()
	log := &bytes.Buffer{}
	g.Main.Errors = &runtime.ErrorLog{Out: log}
	r := newRequest(g, "/p")
	defer r.Free()
	if res := translate(r); res != 403 || !strings.Contains(log.String(), "AH00669: attempt to make remote request from mod_rewrite without proxy enabled: proxy:http://other.test/") {
		t.Errorf("got %d, log %s", res, log)
	}
}

func TestProxyGetsTheQuery(t *testing.T) {
	g := compileText(t, "RewriteEngine On\nRewriteRule ^/p(.*) http://other.test$1 [P]\nRewriteRule ^/n(.*) http://other.test$1?x [P,NE]\n")
	defer g.Retire()
	for _, c := range []struct{ uri, file, nocanon string }{
		{"/p/a", "proxy:http://other.test/a", ""}, {"/n/a", "proxy:http://other.test/a?x", "1"},
	} {
		r := newRequest(g, c.uri)
		r.Args, r.HasArgs = "q", true
		res := translate(r)
		if res != runtime.OK || r.Filename != c.file || r.Handler != "proxy-server" || r.Proxy != runtime.ProxyReverse || r.Notes.Get("proxy-nocanon") != c.nocanon {
			t.Errorf("%s: %d %s %s %d", c.uri, res, r.Filename, r.Handler, r.Proxy)
		}
		r.Free()
	}
}

// TestTogether applies rules from many goroutines: what they share must bear it.
func TestTogether(t *testing.T) {
	g, _ := programGraph(t, `while read -r line; do echo "$line"; done`, "RewriteMap up int:toupper\n"+manyRules(100)+"RewriteRule ^/x/(.*) /${up:$1}/${m:$1}\n")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 50 {
				key := fmt.Sprintf("k%d-%d", i, n)
				r := newRequest(g, "/x/"+key)
				res := translate(r)
				if want := "/" + strings.ToUpper(key) + "/" + key; res != runtime.OK || !strings.HasSuffix(r.Filename, want) {
					t.Errorf("%s: %d %s", key, res, r.Filename)
				}
				r.Free()
			}
		})
	}
	all.Wait()
}

func BenchmarkFunctionMap(b *testing.B) {
	g := compileText(b, "RewriteEngine On\nRewriteMap m int:tolower\nRewriteRule ^/x/(.*) /y/${m:$1}\n")
	defer g.Retire()
	b.ReportAllocs()
	for b.Loop() {
		r := newRequest(g, "/x/abc")
		translate(r)
		r.Free()
	}
}
