package reload

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/all"
)

// manyVHosts writes a main file and n vhost files, each with names, a balancer of two, a rule, a header and three mounts.
func manyVHosts(tb testing.TB, n int) string {
	dir := tb.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sites"), 0o755); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		text := strings.ReplaceAll(`<VirtualHost *:18999>
  ServerName v@.example.org
  ServerAlias www.v@.example.org *.v@.example.net
  <Proxy balancer://lb@>
    BalancerMember http://127.0.0.1:13001 route=1
    BalancerMember http://127.0.0.1:13002 route=2
  </Proxy>
  Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
  RewriteEngine On
  RewriteCond %{HTTP_HOST} ^v@
  RewriteRule ^/old(.*)$ /new$1 [R=301,L]
  Header set X-V "@"
  ProxyPass /static !
  ProxyPass /app balancer://lb@/app stickysession=ROUTEID
  ProxyPassReverse /app balancer://lb@/app
</VirtualHost>
`, "@", fmt.Sprint(i))
		if err := os.WriteFile(filepath.Join(dir, "sites", fmt.Sprintf("v%05d.conf", i)), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	main := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(main, []byte("ServerName x\nListen 127.0.0.1:18999\nInclude sites/*.conf\n"), 0o644); err != nil {
		tb.Fatal(err)
	}
	return main
}

// BenchmarkLoad10000 is a first load, and a reload with nothing changed, of 10,000 virtual hosts in as many files.
func BenchmarkLoad10000(b *testing.B) {
	main := manyVHosts(b, 10000)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			s := Source{Path: main, Modules: all.Modules(), Parse: parser.Options{ServerRoot: filepath.Dir(main), Cache: &parser.Cache{}}}
			l := s.Load(runtime.NewState())
			if l.Graph == nil {
				b.Fatal(l.Diags)
			}
			l.Graph.Retire()
		}
	})
	b.Run("again", func(b *testing.B) { benchmarkAgain(b, main, func(int) {}) })
	b.Run("oneChanged", func(b *testing.B) {
		one := filepath.Join(filepath.Dir(main), "sites", "v00777.conf")
		text, err := os.ReadFile(one)
		if err != nil {
			b.Fatal(err)
		}
		benchmarkAgain(b, main, func(i int) {
			if err := os.WriteFile(one, append(text, fmt.Sprintf("# %d\n", i)...), 0o644); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// benchmarkAgain is what a reload costs beyond the looking which files have changed.
func benchmarkAgain(b *testing.B, main string, change func(i int)) {
	s := Source{Path: main, Modules: all.Modules(), Parse: parser.Options{ServerRoot: filepath.Dir(main), Cache: &parser.Cache{}}}
	state := runtime.NewState()
	l := s.Load(state)
	s.Keep(l)
	old := l.Graph
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		change(i)
		l := s.Load(state)
		if l.Graph == nil {
			b.Fatal(l.Diags)
		}
		s.Keep(l)
		old.Retire()
		old = l.Graph
	}
	old.Retire()
}
