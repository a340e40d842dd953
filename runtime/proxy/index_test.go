package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pinion/runtime"
)

// scan is what the index stands for: the first mount whose path matches, tried one after the other.
func scan(mounts []*Mount, path string) *Mount {
	for _, m := range mounts {
		if m.regex != nil {
			if m.regex.MatchString(path) {
				return m
			}
		} else if aliasMatch(path, m.Path) != 0 {
			return m
		}
	}
	return nil
}

// indexed is the first of the candidates that matches.
func indexed(x *mountIndex, path string) *Mount {
	var all []*Mount
	for _, i := range x.candidates(path, nil) {
		all = append(all, x.mounts[i])
	}
	return scan(all, path)
}

func TestIndexIsScan(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		return []string{"/", "/", "a", "b", "ab", "/a", "/b", "//", "x.y", "/a/"}[rnd.IntN(10)]
	}
	phrase := func() string {
		var b strings.Builder
		b.WriteByte('/')
		for range rnd.IntN(6) {
			b.WriteString(word())
		}
		return b.String()
	}
	matched := 0
	for range 300 {
		var conf strings.Builder
		for range rnd.IntN(30) {
			if rnd.IntN(4) == 0 {
				fmt.Fprintf(&conf, "ProxyPassMatch %s%s http://b/\n", []string{"^", "", "^(?:/a)?"}[rnd.IntN(3)], phrase())
			} else {
				fmt.Fprintf(&conf, "ProxyPass %s http://b/\n", phrase())
			}
		}
		x := ConfOf(mustCompile(t, conf.String()).Main).index[0]
		for range 100 {
			path := phrase()
			got, want := indexed(x, path), scan(x.mounts, path)
			if got != want {
				t.Fatalf("%s: %+v, want %+v with\n%s", path, got, want, &conf)
			}
			if want != nil {
				matched++
			}
		}
	}
	if matched < 10000 {
		t.Errorf("only %d of 30000 paths matched: the comparison says little", matched)
	}
}

// TestWorkerIndexIsScan holds the index of workers against trying each.
func TestWorkerIndexIsScan(t *testing.T) {
	conf := ConfOf(mustCompile(t, `
ProxyPass /1 http://a/
ProxyPass /2 http://a/deep/er
ProxyPass /3 http://a:8080
ProxyPass /4 https://a
ProxyPass /5 http://b/x?y
ProxyPassMatch ^/6/(.*) http://$1.example.org/z
ProxyPassMatch ^/7/(.*) http://a/m/$1
ProxyPassMatch ^/8/(.*) http://c:90$1
ProxyPass /9 unix:/run/s|http://sock/
`).Main)
	found := 0
	for _, u := range []string{"http://a/", "http://a/x", "http://A/deep/er/x", "http://a/deep", "http://a:8080/x", "http://a:80/", "http://a:808/",
		"https://a/", "https://ab/", "http://b/x?y=1", "http://b/x", "http://x.example.org/z", "http://x.example.org/q", "http://a/m/1", "http://c:90/x",
		"http://c:901/x", "http://sock/q", "http://", "", "balancer://a/"} {
		got, want := conf.workers.find(u), findWorker(conf.Workers, u, anyWorkers)
		if got != want {
			t.Errorf("%s: %+v, want %+v", u, got, want)
		}
		if want != nil {
			found++
		}
	}
	if found < 10 {
		t.Errorf("only %d URLs found a worker", found)
	}
}

// BenchmarkMount maps a request among 1 and 10,000 mounts; the one that it is for is the last.
func BenchmarkMount(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		var conf strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&conf, "ProxyPass /app/number%d/ http://10.%d.%d.1:8080/app/\n", i, i>>8, i&255)
		}
		conf.WriteString("ProxyPass /app/ http://192.0.2.1:8080/app/\n")
		g := mustCompile(b, conf.String())
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			r := runtime.NewRequest(g, g.Main, &runtime.Conn{}, nil)
			for b.Loop() {
				r.Proxy, r.URI, r.UnparsedURI = runtime.ProxyNone, "/app/some/page.html", "/app/some/page.html"
				if translate(r, false) != runtime.OK || CanonURL(r) != runtime.OK || choose(r, Of(r)) != runtime.OK {
					b.Fatal("not mapped")
				}
			}
		})
	}
}

// FuzzMatch checks what the mapping promises of any path.
func FuzzMatch(f *testing.F) {
	f.Add("/app/x", "/app")
	f.Add("//app;x/..;/y", "/app/")
	f.Add("/%2f/ü", "/")
	f.Fuzz(func(t *testing.T, uri, alias string) {
		if n := aliasMatch(uri, alias); n < 0 || n > len(uri) {
			t.Fatalf("alias: %d of %d bytes", n, len(uri))
		} else if n > 0 && oneSlash(uri[:n]) != oneSlash(alias) {
			t.Fatalf("%q matched %q", alias, uri[:n])
		}
		if s, n := servletMatch(uri, alias); n < 0 || n > len(uri) || n > 0 && (s == "" || s[0] != '/' || strings.Contains(s, ";") || len(s) > len(uri)+1) {
			t.Fatalf("servlet: %q, %d of %d bytes", s, n, len(uri))
		}
		if p, ok := encodePath(uri, false); !ok || !visible(p) {
			t.Fatalf("%q was encoded as %q", uri, p)
		} else if back, err := url.PathUnescape(p); err != nil || back != uri {
			t.Fatalf("%q came back as %q: %v", uri, back, err)
		}
		if p, ok := encodePath(uri, true); ok && !visible(p) {
			t.Fatalf("%q was encoded as %q", uri, p)
		}
		if uri != "" && !strings.ContainsAny(uri, `$\`) && matchName(uri, uri) != 0 {
			t.Fatalf("%q doesn't match itself", uri)
		}
		if matchName(uri, alias) > 1 {
			t.Fatalf("%q, %q", uri, alias)
		}
		if n, err := canonNetloc(uri); err == "" && n.host == "" {
			t.Fatalf("%q has no host", uri)
		}
		parseWorkerURL(uri)
	})
}
