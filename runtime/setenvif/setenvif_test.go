package setenvif_test

import (
	"strings"
	"testing"

	"pinion/runtime"
	"pinion/runtime/env"
	"pinion/runtime/headers"
	"pinion/runtime/runtimetest"
	"pinion/runtime/setenvif"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// get serves directives, sends a request and returns the variable OUT, "(null)" where it isn't set.
func get(t *testing.T, directives, path string, lines ...string) string {
	t.Helper()
	address := runtimetest.Serve(t, directives+"\nHeader always set X-Out \"%{OUT}e\"\n", env.Module, headers.Module, setenvif.Module)
	return runtimetest.Field(runtimetest.Get(t, address, path, lines...), "X-Out")
}

// Each answer is that of httpd 2.4.71.
func TestSetEnvIf(t *testing.T) {
	for _, c := range []struct{ directives, path, headers, want string }{
		{`SetEnvIf X-Want "(.*)" OUT=$1`, "/", "X-Want: a b", "a b"},
		{`SetEnvIf X-Want "^$" OUT`, "/", "", "1"},
		{`SetEnvIf X-Want ^want$ OUT`, "/", "X-Want: WaNT", "(null)"},
		{`SetEnvIfNoCase X-Want ^want$ OUT`, "/", "X-Want: WaNT", "1"},
		{`SetEnvIfNoCase X-Want WANTS OUT`, "/", "X-Want: he wants it", "1"},
		{`SetEnvIf X-Want WANTS OUT`, "/", "X-Want: he wants it", "(null)"},
		{`SetEnvIf x-want a OUT`, "/", "X-Want: ab", "1"},
		{`SetEnvIf ^X-W.*t$ (\d) OUT=$1`, "/", "X-Want: 1\nX-Wart: 2\nX-Wask: 3", "2"},
		{`SetEnvIfNoCase ^x-w (\d) OUT=$1`, "/", "X-Want: 1", "1"},
		{`BrowserMatch ^test OUT=yes`, "/", "User-Agent: test/1", "yes"},
		{`BrowserMatch TEST OUT=yes`, "/", "User-Agent: test/1", "(null)"},
		{`BrowserMatchNoCase TEST OUT=yes`, "/", "User-Agent: test/1", "yes"},
		{`SetEnvIf Remote_Addr ^127\.0\.0\.1$ OUT`, "/", "", "1"},
		{`SetEnvIf remote_host ^127 OUT`, "/", "", "1"},
		{`SetEnvIf Server_Addr 127.0.0.1 OUT`, "/", "", "1"},
		{`SetEnvIf Request_Method GET OUT`, "/", "", "1"},
		{`SetEnvIf Request_Protocol HTTP/1\.1 OUT`, "/", "", "1"},
		{`SetEnvIf Request_URI ^/(in)dex(zz)? OUT=$0-$1-$2-$3`, "/index.html", "", "/index-in--"},
		{`SetEnvIf Request_URI a\.b OUT=$1\\x`, "/a.b", "", `$1\x`},
		{`SetEnvIf Request_URI a\.b OUT`, "/axb", "", "(null)"},
		{`SetEnvIf Request_URI . OUT=a !OUT`, "/", "", "(null)"},
		{`SetEnvIf Request_URI . OUT=a OUT=!b`, "/", "", "(null)"},
		{`SetEnvIf Request_URI . OUT==v`, "/", "", "v"},
		{`SetEnvIf Request_URI . OUT=`, "/", "", "1"},
		{`SetEnvIf Request_URI . "OUT=a b" X=y`, "/", "", "a b"},
		{"SetEnvIf Request_URI . A=v\nSetEnvIf A ^(v)$ OUT=$1$1", "/", "", "vv"},
		{"SetEnvIf Chain ^$ Chain=1\nSetEnvIf Chain 1 OUT", "/", "", "(null)"},
		{"SetEnvIf Chain ^$ Chain=1\nSetEnvIf Request_URI . B\nSetEnvIf Chain 1 OUT", "/", "", "1"},
		{`SetEnvIfExpr "%{REQUEST_URI} =~ m#^/(.*)\.html#" OUT=$1`, "/index.html", "", "index"},
		{`SetEnvIfExpr "%{REQUEST_URI} !~ m#^/(zzz)#" OUT=$1`, "/index.html", "", "$1"},
		{`SetEnvIfExpr "false" OUT`, "/", "", "(null)"},
		{"SetEnvIf Request_URI ^/(..) A\nSetEnvIfExpr \"-n %{REQUEST_URI}\" OUT=$1", "/index.html", "", "in"},
		{"SetEnvIf Request_URI . OUT=server\n<Location /a>\nSetEnvIf Request_URI . OUT=section\n</Location>", "/a/b", "", "section"},
		{"SetEnvIf Request_URI . OUT=server\n<Location /a>\nSetEnvIf Request_URI . OUT=section\n</Location>", "/c", "", "server"},
		{"<Location /a>\nSetEnvIf Request_URI . !OUT\n</Location>\nSetEnvIf Request_URI . OUT=server", "/a/b", "", "(null)"},
		{"SetEnvIf Request_URI . OUT=1\nSetEnv OUT 2", "/", "", "1"},
	} {
		var lines []string
		if c.headers != "" {
			lines = strings.Split(c.headers, "\n")
		}
		if got := get(t, c.directives, c.path, lines...); got != c.want {
			t.Errorf("%s\n%s %s: got %q, want %q", c.directives, c.path, c.headers, got, c.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		`SetEnvIf X-A`:                          "wrong-arguments SetEnvIf X-A",
		`SetEnvIf X-A b`:                        "wrong-arguments SetEnvIf X-A b",
		`SetEnvIf X-A b ""`:                     "wrong-arguments SetEnvIf X-A b \"\"",
		`SetEnvIf X-A "" c`:                     "wrong-arguments SetEnvIf X-A \"\" c",
		`SetEnvIf X-( b c`:                      "bad-regex (",
		`SetEnvIf X-A a(b c`:                    "bad-regex (",
		`BrowserMatch a[ c`:                     "bad-regex [",
		`BrowserMatch a`:                        "wrong-arguments BrowserMatch a",
		`SetEnvIfExpr "true"`:                   `wrong-arguments SetEnvIfExpr "true"`,
		`SetEnvIfExpr "%{NO_SUCH} == 'a'" OUT`:  "unknown-variable %{NO_SUCH}",
		`SetEnvIfExpr "%{HTTP_HOST} == 'a" OUT`: `bad-expression `,
	} {
		g, diags := runtimetest.Compile(t, line+"\n", setenvif.Module)
		if g != nil || len(diags) != 1 {
			t.Errorf("%s: got %v", line, diags)
			continue
		}
		r := diags[0].Place.Range
		if got := diags[0].Code + " " + line[r.Start.Offset:r.End.Offset]; got != want && !(want == "bad-expression " && diags[0].Code == "bad-expression") {
			t.Errorf("%s: got %s (%s), want %s", line, got, diags[0].Summary, want)
		}
	}
}

func TestTooLong(t *testing.T) {
	g, diags := runtimetest.Compile(t, `SetEnvIf X-A (.*) OUT=$1$1$1$1$1$1$1$1$1`+"\n", setenvif.Module)
	if g == nil {
		t.Fatal(diags)
	}
	r := runtime.NewRequest(g, g.Main, &runtime.Conn{}, nil)
	defer r.Free()
	r.HeadersIn.Set("X-A", strings.Repeat("a", 8000))
	for _, h := range setenvif.Module.Hooks {
		if got := h.Run(r); h.Phase == runtime.PostReadRequest && got != 500 {
			t.Errorf("got %v, want 500", got)
		}
	}
}

func BenchmarkBrowserMatch(b *testing.B) {
	g, diags := runtimetest.Compile(b, "BrowserMatch \"MSIE [2-6]\" nokeepalive\nBrowserMatch RealPlayer\\ 4\\.0 force-response-1.0\n", setenvif.Module)
	if g == nil {
		b.Fatal(diags)
	}
	r := runtime.NewRequest(g, g.Main, &runtime.Conn{}, nil)
	r.HeadersIn.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	run := setenvif.Module.Hooks[0].Run
	b.ReportAllocs()
	for b.Loop() {
		run(r)
	}
}
