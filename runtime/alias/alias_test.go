package alias

import (
	"fmt"
	"strings"
	"testing"

	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// matches is httpd's alias_matches, written down plainly: how much of uri fake stands for, 0 for no match.
func matches(uri, fake string) int {
	u, f := 0, 0
	for f < len(fake) {
		if fake[f] != '/' {
			if u == len(uri) || uri[u] != fake[f] {
				return 0
			}
			u, f = u+1, f+1
			continue
		}
		if u == len(uri) || uri[u] != '/' {
			return 0
		}
		for f < len(fake) && fake[f] == '/' {
			f++
		}
		for u < len(uri) && uri[u] == '/' {
			u++
		}
	}
	if fake == "" || fake[len(fake)-1] != '/' && u < len(uri) && uri[u] != '/' {
		return 0
	}
	return u
}

func FuzzFirst(f *testing.F) {
	f.Add("/a /a/b /a/ / /c//d", "/a/b/c")
	f.Add("/a/ /a //x", "//a//b")
	f.Add("b /b", "b/c")
	f.Fuzz(func(t *testing.T, fakes, uri string) {
		var l list
		all := strings.Fields(fakes)
		for _, s := range all {
			l.add(&entry{fake: s})
		}
		want, length := -1, 0
		for i, s := range all {
			if n := matches(uri, s); n > 0 {
				want, length = i, n
				break
			}
		}
		e, n, _ := l.first(uri)
		switch {
		case want < 0 && e != nil:
			t.Fatalf("%q in %q: found %q", uri, all, e.fake)
		case want >= 0 && (e != l.entries[want] || n != length):
			t.Fatalf("%q in %q: expected %q and %d bytes, found %v and %d", uri, all, all[want], length, e, n)
		}
	})
}

func TestEscapeTarget(t *testing.T) {
	for in, want := range map[string]string{
		"http://a.test/x y?q r#f g": "http://a.test/x%20y?q r#f g", "http://a.test:80/": "http://a.test/", "https://a.test:443": "https://a.test",
		"https://a.test:80/": "https://a.test:80/", "/p%q": "/p%25q", "http://u:p@a.test/": "http://u:XXXXXXXX@a.test/", "http://u@a.test/@x": "http://u@a.test/@x",
		"": "", "?": "?", "#": "#", "http://a.test?x": "http://a.test?x",
	} {
		if got := escapeTarget(in); got != want {
			t.Errorf("escapeTarget(%q) = %q, expected %q", in, got, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for config, code := range map[string]string{
		"Alias /a": "wrong-arguments",
		"<Location /a>\nAlias /a /b\n</Location>": "wrong-context",
		"<Directory /a>\nAlias /b\n</Directory>":  "wrong-context",
		"<Location /a>\nAlias %{\n</Location>":    "",
		"AliasMatch ( /b":                         "bad-regex",
		"ScriptAlias /cgi-bin/ /usr/lib/cgi-bin/": "unsupported-directive",
		"Redirect /a":                          "wrong-arguments",
		"Redirect /a b.test/":                  "bad-value",
		"Redirect sometimes /a http://b.test/": "bad-value",
		"Redirect gone /a http://b.test/":      "wrong-arguments",
		"Redirect 404 /a http://b.test/":       "wrong-arguments",
		"Redirect permanent /a":                "wrong-arguments",
		"Redirect 99999 /a":                    "bad-value",
		"RedirectMatch ( http://b.test/":       "bad-regex",
		"<Location /a>\nRedirect permanent http://b.test/ x y\n</Location>": "",
	} {
		g, diags := runtimetest.Compile(t, config+"\n", Module)
		if g != nil || len(diags) != 1 || code != "" && diags[0].Code != code {
			t.Errorf("%s: compiled is %v, diagnostics %v", config, g != nil, diags)
		}
	}
}

func TestShadowed(t *testing.T) {
	for config, want := range map[string]int{"Alias /a /x\nAlias /a/b /y": 1, "Alias /a/b /x\nAlias /a /y": 0, "AliasMatch ^/a /x\nAlias /ab /y": 1, "Alias /a/ /x\nAlias /a /y": 0} {
		if g, diags := runtimetest.Compile(t, config+"\n", Module); g == nil || len(diags) != want {
			t.Errorf("%s: got %v", config, diags)
		}
	}
}

// TestRedirects checks what the recorded answers of runtime/static leave out.
func TestRedirects(t *testing.T) {
	address := runtimetest.Serve(t, `
Redirect /first http://a.test/1
Redirect /first http://a.test/2
RedirectTemp /temp http://a.test/
RedirectPermanent /perm http://a.test/
RedirectMatch 404 ^/hidden
RedirectMatch ^/not x$0
<Location /gone>
  Redirect 410
</Location>
<Location /list>
  Redirect /list/one http://a.test/one
  RedirectMatch 301 two$ http://a.test/two
</Location>
`, Module)
	for path, want := range map[string]string{
		"/first/x": "302 http://a.test/1/x", "/temp?q": "302 http://a.test/?q", "/perm": "301 http://a.test/", "/hidden/x": "404 ", "/not": "500 ",
		"/gone": "410 ", "/gone/x": "410 ", "/list/one": "302 http://a.test/one", "/list/two": "301 http://a.test/two", "/list/three": "200 ", "/firsts": "200 ",
	} {
		got := runtimetest.Get(t, address, path)
		if have := got[9:13] + runtimetest.Field(got, "Location"); have != want {
			t.Errorf("%s: got %q, expected %q", path, have, want)
		}
	}
}

// BenchmarkFirst shows that the number of entries doesn't matter.
func BenchmarkFirst(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var l list
			for i := range n {
				l.add(&entry{fake: fmt.Sprintf("/app%d", i)})
			}
			for b.Loop() {
				if e, _, _ := l.first("/app7/some/path/to/a/file.html"); e == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}
