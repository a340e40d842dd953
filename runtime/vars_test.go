package runtime_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/headers"
	"pinion/runtime/runtimetest"
	"pinion/runtime/setenvif"
)

// The values are those of httpd 2.4.71, but for what names its own folders.
func TestVariables(t *testing.T) {
	values := map[string]string{
		"REQUEST_METHOD": "GET", "REQUEST_SCHEME": "http", "REQUEST_URI": "/index.html/x", "QUERY_STRING": "a=b",
		"REQUEST_FILENAME": "/srv/www/index.html/x", "SCRIPT_FILENAME": "/srv/www/index.html/x", "PATH_INFO": "",
		"THE_REQUEST": "GET /index.html/x?a=b HTTP/1.1", "REQUEST_STATUS": "200", "SERVER_PROTOCOL": "HTTP/1.1",
		"HTTP_HOST": "127.0.0.1:18361", "HTTP_USER_AGENT": "test/1", "HTTP_REFERER": "ref", "HTTP_COOKIE": "c=1", "HTTP_FORWARDED": "",
		"HTTP_ACCEPT": "*/*", "HTTP_PROXY_CONNECTION": "",
		"REMOTE_ADDR": "127.0.0.1", "REMOTE_HOST": "127.0.0.1", "CONN_REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "", "REMOTE_IDENT": "", "AUTH_TYPE": "",
		"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "18361", "SERVER_SOFTWARE": "Apache/2.4.71 (Debian)", "API_VERSION": "20120211",
		"SERVER_ADMIN": "[no address given]", "DOCUMENT_ROOT": "/srv/www", "CONTEXT_PREFIX": "", "CONTEXT_DOCUMENT_ROOT": "/srv/www",
		"IS_SUBREQ": "false", "CONTENT_TYPE": "text/html", "DOCUMENT_URI": "/index.html/x", "REQUEST_LOG_ID": "", "CONN_LOG_ID": "",
		"HTTPS": "off", "HTTP2": "off", "IPV6": "off", "SCRIPT_USER": "", "SCRIPT_GROUP": "", "TIME_YEAR": fmt.Sprint(time.Now().Year()),
	}
	config := "DocumentRoot /srv/www\nServerName www.example.org:18361\n"
	for name := range values {
		config += fmt.Sprintf("Header set X-%s \"expr=[%%{%s}]\"\n", name, strings.ToLower(name))
	}
	address := runtimetest.Serve(t, config, core.Module, headers.Module)
	answer := runtimetest.Get(t, address, "/index.html/x?a=b", "User-Agent: test/1", "Referer: ref", "Cookie: c=1", "Accept: */*")
	for name, want := range values {
		if got := runtimetest.Field(answer, "X-"+name); got != "["+want+"]" {
			t.Errorf("%s: got %s, want [%s]", name, got, want)
		}
	}
	if _, ok := runtime.Variable("no_such"); ok {
		t.Error("an unknown variable was found")
	}
}

// TestVary has the answers of httpd 2.4.71: what conditions have read goes into one Vary field, each name once.
func TestVary(t *testing.T) {
	address := runtimetest.Serve(t, `
<If "%{HTTP_USER_AGENT} =~ /curl/">
Header set X-If yes
</If>
<If "req('Accept') == '*/*' && req('Accept') != 'x'">
Header set X-If2 yes
</If>
Header set X-H a "expr=%{HTTP_COOKIE} == ''"
Header always set X-HA a "expr=%{HTTP_REFERER} == ''"
RequestHeader set X-In a "expr=%{HTTP_ACCEPT} == '*/*'"
SetEnvIfExpr "req('X-Foo') == ''" FOO=bar
`, headers.Module, setenvif.Module)
	answer := runtimetest.Get(t, address, "/index.html", "User-Agent: curl/8", "Accept: */*")
	for name, want := range map[string]string{
		"Vary": "X-Foo,User-Agent,Accept,Referer,Cookie", "X-If": "yes", "X-If2": "yes", "X-H": "a", "X-HA": "a",
	} {
		if got := runtimetest.Field(answer, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := runtimetest.Field(runtimetest.Get(t, address, "/missing"), "Vary"); got != "Referer" {
		t.Errorf("error page: Vary: got %q", got)
	}
}

func TestIf(t *testing.T) {
	address := runtimetest.Serve(t, `
<If "%{REQUEST_URI} == '/a'">
Header set X-Case one
</If>
<ElseIf "%{QUERY_STRING} -eq 7">
Header set X-Case two
</ElseIf>
<Else>
Header set X-Case three
</Else>
<If "file('/no/such/file') == ''">
Header set X-Failed yes
</If>
`, headers.Module)
	for path, want := range map[string]string{"/a": "one", "/b?7": "two", "/b": "three", "/a?7": "one"} {
		answer := runtimetest.Get(t, address, path)
		if got := runtimetest.Field(answer, "X-Case"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
		if runtimetest.Field(answer, "X-Failed") != "" {
			t.Error("an expression that failed was taken for true")
		}
	}
}

func TestSubrequestOperators(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "there"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	forbid := runtime.Define(runtime.Module{Name: "forbid_module", File: "mod_forbid.c", Hooks: []runtime.Hook{
		{Phase: runtime.AccessChecker, Always: true, Run: func(r *runtime.Request) runtime.Result {
			if strings.HasPrefix(r.URI, "/secret") {
				return 403
			}
			return runtime.OK
		}}}})
	address := runtimetest.Serve(t, `
Header set X-U yes "expr=-U '/open'"
Header set X-U2 yes "expr=-U '/secret'"
Header set X-A yes "expr=-A %{REQUEST_URI}"
Header set X-F yes "expr=-F '`+dir+`/there'"
Header set X-F2 yes "expr=-F '`+dir+`/not'"
# A subrequest under the same configuration as its main request needs no leave of its own.
<Location /secret>
Header set X-Other 1
</Location>
`, headers.Module, forbid)
	answer := runtimetest.Get(t, address, "/x")
	for name, want := range map[string]string{"X-U": "yes", "X-U2": "", "X-A": "yes", "X-F": "yes", "X-F2": ""} {
		if got := runtimetest.Field(answer, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestExprPlaces shows where a mistake in an expression is reported.
func TestExprPlaces(t *testing.T) {
	for line, want := range map[string]string{
		`<If "%{NO_SUCH} == 'a'">`:       "unknown-variable %{NO_SUCH}",
		`<If "-R '10.0.0.0/40'">`:        "bad-address '10.0.0.0/40'",
		`<If "%{HTTP_HOST} =~ m#a(b#">`:  "bad-regex (",
		`<If %{HTTP_HOST} == 'a'>`:       "wrong-arguments ==",
		`<If "%{HTTP_HOST} == 'a' and">`: "bad-expression ",
		`<If "'a' -nosuch 'b'">`:         "unknown-operator 'a' -nosuch 'b'",
	} {
		g, diags := runtimetest.Compile(t, line+"\n</If>\n")
		if g != nil || len(diags) != 1 {
			t.Errorf("%s: got %v", line, diags)
			continue
		}
		r := diags[0].Place.Range
		if got := diags[0].Code + " " + line[r.Start.Offset:r.End.Offset]; got != want {
			t.Errorf("%s: got %s (%s), want %s", line, got, diags[0].Summary, want)
		}
	}
}

func TestRegsub(t *testing.T) {
	loc := []int{0, 3, 1, 2, -1, -1}
	for input, want := range map[string]string{
		"": "", "plain": "plain", "$0|$1|$2|$3": "abc|b||", `\$1\\$1\x`: `$1\bx`, "$": "$", "a$x": "a$x", `a\`: `a\`, "&": "&", "$10": "b0",
	} {
		if got, ok := runtime.Regsub(input, "abc", loc); !ok || got != want {
			t.Errorf("%s: got %q, %v, want %q", input, got, ok, want)
		}
	}
	if _, ok := runtime.Regsub(strings.Repeat("$0", 4), strings.Repeat("a", 20000), []int{0, 20000}); ok {
		t.Error("a text beyond the limit was made")
	}
}

func TestSSLVariables(t *testing.T) {
	runtime.SSLVariable = func(name string) (func(*runtime.Request) string, bool) {
		return func(*runtime.Request) string { return "value of " + name }, name == "SSL_PROTOCOL"
	}
	runtime.SSLList = func(_ *runtime.Request, oid string) []string { return []string{"first", oid} }
	t.Cleanup(func() { runtime.SSLVariable, runtime.SSLList = nil, nil })
	address := runtimetest.Serve(t, `
Header set X-1 "expr=%{SSL_PROTOCOL}"
Header set X-2 "expr=%{SSL:SSL_PROTOCOL}%{SSL:SSL_NONE}"
Header set X-3 "%{SSL_PROTOCOL}s %{SSL_NONE}s"
Header set X-4 yes "expr='1.2.3' in PeerExtList('1.2.3')"
`, headers.Module)
	answer := runtimetest.Get(t, address, "/")
	for name, want := range map[string]string{
		"X-1": "value of SSL_PROTOCOL", "X-2": "value of SSL_PROTOCOL", "X-3": "value of SSL_PROTOCOL (null)", "X-4": "yes",
	} {
		if got := runtimetest.Field(answer, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if g, diags := runtimetest.Compile(t, "Header set X \"expr=%{SSL_NONE}\"\n", headers.Module); g != nil || diags[0].Code != "unknown-variable" {
		t.Errorf("got %v", diags)
	}
}

func TestClientAddress(t *testing.T) {
	g, diags := runtimetest.Compile(t, "<If \"-R '2001:db8::/32'\">\n</If>\n")
	if g == nil {
		t.Fatal(diags)
	}
	cond := g.Main.Dir.Core.Ifs[0].Cond
	for ip, want := range map[string]bool{"2001:db8::5": true, "2001:db9::5": false, "192.0.2.1": false, "": false} {
		addr, _ := netip.ParseAddr(ip)
		r := runtime.NewRequest(g, g.Main, &runtime.Conn{RemoteIP: ip, Remote: netip.AddrPortFrom(addr, 0)}, nil)
		if got := cond(r); got != want {
			t.Errorf("%s: got %v", ip, got)
		}
		r.Free()
	}
}
