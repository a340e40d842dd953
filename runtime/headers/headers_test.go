package headers_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/env"
	"pinion/runtime/headers"
	"pinion/runtime/runtimetest"
	"pinion/runtime/setenvif"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func serve(t testing.TB, config string) string {
	return runtimetest.Serve(t, config, env.Module, headers.Module, setenvif.Module)
}

// The answers are those that httpd 2.4.71 gave with the same directives and a file of three bytes.
const recordedConfig = `
Header set X-1 a
Header add X-1 b
Header append X-1 c
Header merge X-1 c
Header merge X-1 "b"
Header setifempty X-1 no
Header setifempty X-2 yes
Header set Multi "a=1"
Header add Multi "b=2"
Header edit Multi "([a-z])=(\d)" "$2-$1-&-\$1-\\x-%{FOO}e-%{NOPE}e"
Header set E "aaa bab"
Header edit* E ^a X
Header set E2 "abcabc"
Header edit* E2 (b)(c)? "[$1$2$3]"
Header set E3 "abc"
Header edit E3 b "expr=%{tolower:X$0Y}"
Header set E4 "abc"
Header edit E4 (B) "$1$1"
Header set X-Col: v
Header echo ^X-Req
Header set N1 notevalue
Header note N1 mynote
Header set N2 "expr=%{note:mynote}"
Header set T "%t %D %% %"
Header set S "%{SSL_PROTOCOL}s"
Header set Content-Type "text/x-foo"
Header edit Content-Type foo bar
Header unset ETag
Header set X-Env yes env=FOO
Header set X-NEnv yes env=!FOO
Header set X-NNope yes env=!NOPE
Header always set A1 always
Header onsuccess set A2 onsucc
Header always set A1b "%{FOO}e"
Header set X-Early yes early
Header always set X-EarlyA "%{FOO}e" early
RequestHeader set X-Rq early early
RequestHeader set X-Rq2 "%{FOO}e"
RequestHeader set X-Rq3 "%{HDR}e"
Header set X-GotRq "expr=%{req_novary:X-Rq}/%{req_novary:X-Rq2}/%{req_novary:X-Rq3}"
Header set X-Foo "%{FOO}e %{HDR}e %{CH}e %{R1}e %{PAT}e %{NS}e %{EX}e %{EX2}e"
Header set X-Nl "%{NL}e"
Header always set Last-Modified always
Header edit Set-Cookie ^(.*)$ "$1; Secure"
Header always add Set-Cookie "a=1"
Header add Set-Cookie "b=2"
SetEnvIf Request_URI . FOO=1
SetEnv FOO 2
SetEnvIf X-Req1 "(.*)" HDR=[$1$0]
SetEnvIf HDR "v" CH=chained
SetEnvIf ^X-R.*$ "(\d)" R1=$1
SetEnvIf Request_URI "index" PAT=$1\\x
SetEnvIf Request_URI "x" NS
SetEnvIf Request_URI "html" NS= !FOO2 EQ==v
SetEnvIfExpr "%{REQUEST_URI} =~ m#^/(.*)\.html#" EX=$1
SetEnvIfExpr "%{REQUEST_URI} !~ m#^/(zzz)#" EX2=$1
Header set X-EQ "%{EQ}e %{NS}e"
<Location /sec>
SetEnvIf Request_URI . FOO=sec
SetEnv SEC 1
UnsetEnv FOO
Header set X-Foo "%{FOO}e %{SEC}e"
</Location>
`

func TestRecorded(t *testing.T) {
	address := serve(t, recordedConfig)
	got := runtimetest.Get(t, address, "/index.html", "X-Req1: v1", "X-Req2: v2", "x-req3: v3")
	got = regexp.MustCompile(`t=\d{16} D=\d+`).ReplaceAllString(got, "t=N D=N")
	want := `HTTP/1.1 200 OK
Date: D
Server: Apache/2.4.71 (Debian)
X-EarlyA: (null)
A1: always
A1b: 1
Last-Modified: always
Set-Cookie: a=1
X-Early: yes
Last-Modified: Fri, 20 Nov 2026 10:12:58 GMT
Accept-Ranges: bytes
Content-Length: 3
X-1: a, c, b
X-1: b
X-2: yes
Multi: 1-a-&-$1-x-1-(null)
Multi: 2-b-&-$1-x-1-(null)
E: XXX bab
E2: a[bc]a[bc]
E3: axyc
E4: abc
X-Col: v
X-Req1: v1
X-Req2: v2
N1: notevalue
N2: notevalue
T: t=N D=N % %
S: (null)
Content-Type: text/x-bar
X-Env: yes
X-NNope: yes
A2: onsucc
X-GotRq: early/1/[v1v1]
X-Foo: 1 [v1v1] chained (null) $1\x 1 index $1
X-Nl: (null)
Set-Cookie: b=2
X-EQ: v 1

hi
`
	compare(t, got, want)
	got = runtimetest.Get(t, address, "/sec/index.html")
	for name, want := range map[string]string{"A1b": "sec", "X-GotRq": "early/sec/[]", "X-Foo": "sec 1"} {
		if v := runtimetest.Field(got, name); v != want {
			t.Errorf("%s: got %q, want %q", name, v, want)
		}
	}
	head, _, _ := strings.Cut(runtimetest.Get(t, address, "/missing"), "\n\n")
	compare(t, head, `HTTP/1.1 404 Not Found
Date: D
Server: Apache/2.4.71 (Debian)
A1: always
A1b: 1
Last-Modified: always
Set-Cookie: a=1
X-EarlyA: (null)
Content-Length: 236
Content-Type: text/html; charset=iso-8859-1`)
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := "nothing", "nothing"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d: got %q, want %q", i+1, a, b)
		}
	}
}

const moreConfig = `
RequestHeader set Content-Type text/x-req env=CT
RequestHeader append X-A two
RequestHeader merge X-M "a"
RequestHeader add X-D 2
RequestHeader edit X-E ^(.)(.) "$2$1"
RequestHeader edit* X-S a b
RequestHeader unset X-U
RequestHeader setifempty X-A three
Header always set X-Show "expr=%{note:thenote}|%{req_novary:X-A}|%{req_novary:X-M}|%{req_novary:X-E}|%{req_novary:X-S}|%{req_novary:X-U}|%{req_novary:Content-Type}"
Header unset Content-Type env=UNCT
Header always set Content-Type text/x-always env=ALCT
Header always add X-Dup one early
Header always add X-Dup two
Header onsuccess add X-Dup three
SetEnvIf X-Want "(.*)" W=$1
SetEnvIf X-Want CT CT=1
SetEnvIf X-Want UNCT UNCT=1
SetEnvIf X-Want ALCT ALCT=1
SetEnvIf X-Want "^$" EMPTY=1
SetEnvIfNoCase X-Want ^want$ NC=1
SetEnvIfNoCase X-Want "WANTS" NCT=1
BrowserMatch ^curl CURL=yes
BrowserMatchNoCase CUR CURL2=yes
SetEnvIf Remote_Addr 127 RA=1
SetEnvIf Server_Addr 127 SA=1
SetEnvIf Remote_Host ^127 RH=1
SetEnvIf Request_Method GET RM=1
SetEnvIf Request_Protocol "HTTP/1\.1" RP=1
SetEnvIf Chain ^$ Chain=1
SetEnvIf Chain 1 Chain2=1
SetEnvIf Request_URI . !CURL2
SetEnvIf Request_URI . UN=!x
SetEnvIfExpr "true" E0=a$1b\c
SetEnvIf Request_URI a\.b DOT=1
SetEnvIf Request_URI "^/(in)dex(zz)?" G=$0-$1-$2-$3
SetEnvIfExpr "-n %{REQUEST_URI}" G2=$1
Header always set X-Env "%{EMPTY}e %{NC}e %{NCT}e %{CURL}e %{CURL2}e %{RA}e %{SA}e %{RH}e %{RM}e %{RP}e %{Chain}e %{Chain2}e %{UN}e %{DOT}e %{G}e %{G2}e"
ErrorDocument 404 /error
Header always merge X-Merge "a"
Header always merge X-Merge "b, c"
Header always merge X-Merge "c"
Header always merge X-Merge "\"q, r\""
Header always merge X-Merge " r\""
Header always merge X-Merge "\"q, r\""
Header always set Host-E "%{X-Want}e %{HTTP_HOST}e"
Header always append X-App "" 
Header always append X-App "x"
`

func TestMoreRecorded(t *testing.T) {
	address := runtimetest.Serve(t, moreConfig, core.Module, env.Module, headers.Module, setenvif.Module)
	for _, c := range []struct{ path, header, want string }{
		{"/index.html", "X-A: one\nX-M: b, a\nX-D: 1\nX-E: abc\nX-E: def\nX-S: aaa\nX-U: u", `HTTP/1.1 200 OK
Date: D
Server: Apache/2.4.71 (Debian)
X-Dup: one
X-Show: |one, two|b, a|bac, def|bbb||
X-Dup: two
X-Env: 1 (null) (null) yes (null) 1 1 1 1 1 1 (null) (null) (null) /index-in-- in
X-Merge: a, b, c, "q, r",  r"
Host-E: (null) (null)
X-App: , x
Last-Modified: Fri, 20 Nov 2026 10:12:58 GMT
ETag: "3-660b27d100d41"
Accept-Ranges: bytes
Content-Length: 3
X-Dup: three
Content-Type: text/html

hi
`},
		{"/index.html", "X-Want: CT", `HTTP/1.1 200 OK
Date: D
Server: Apache/2.4.71 (Debian)
X-Dup: one
X-Show: |two|a||||text/x-req
X-Dup: two
X-Env: (null) (null) (null) yes (null) 1 1 1 1 1 1 (null) (null) (null) /index-in-- in
X-Merge: a, b, c, "q, r",  r"
Host-E: (null) (null)
X-App: , x
Last-Modified: Fri, 20 Nov 2026 10:12:58 GMT
ETag: "3-660b27d100d41"
Accept-Ranges: bytes
Content-Length: 3
X-Dup: three
Content-Type: text/html

hi
`},
		{"/index.html", "X-Want: wantsUNCT", `HTTP/1.1 200 OK
Date: D
Server: Apache/2.4.71 (Debian)
X-Dup: one
X-Show: |two|a||||text/x-req
X-Dup: two
X-Env: (null) (null) 1 yes (null) 1 1 1 1 1 1 (null) (null) (null) /index-in-- in
X-Merge: a, b, c, "q, r",  r"
Host-E: (null) (null)
X-App: , x
Last-Modified: Fri, 20 Nov 2026 10:12:58 GMT
ETag: "3-660b27d100d41"
Accept-Ranges: bytes
Content-Length: 3
X-Dup: three

hi
`},
		{"/missing", "X-Want: WaNT", `HTTP/1.1 404 Not Found
Date: D
Server: Apache/2.4.71 (Debian)
X-Dup: one
X-Dup: one
X-Show: |two, two|a||||
X-Dup: two
X-Env: (null) 1 (null) yes (null) 1 1 1 1 1 1 (null) (null) (null) (null) 
X-Merge: a, b, c, "q, r",  r"
Host-E: (null) (null)
X-App: , x
Last-Modified: Fri, 20 Nov 2026 10:12:58 GMT
ETag: "3-660b27d100d41"
Accept-Ranges: bytes
Content-Length: 3
X-Dup: three
Content-Type: text/html

hi
`},
	} {
		compare(t, runtimetest.Get(t, address, c.path, append(strings.Split(c.header, "\n"), "User-Agent: curl/8")...), c.want)
	}
}

// TestContentType has the Content-Type that httpd 2.4.71 sends for a text/html file and for its own 404 page.
func TestContentType(t *testing.T) {
	const page = "text/html; charset=iso-8859-1"
	cases := []struct{ directives, file, missing string }{
		{`Header set Content-Type a/b`, "a/b", page},
		{`Header setifempty Content-Type a/b`, "a/b", page},
		{`Header add Content-Type a/b`, "text/html", page},
		{`Header append Content-Type a/b`, "text/html", page},
		{`Header merge Content-Type a/b`, "text/html", page},
		{`Header edit Content-Type html xhtml`, "text/xhtml", page},
		{`Header edit* Content-Type t X`, "XexX/hXml", page},
		{`Header unset Content-Type`, "", page},
		{`Header always unset Content-Type`, "", ""},
		{`Header always set Content-Type a/b`, "a/b", "a/b"},
		{`Header always edit Content-Type html xhtml`, "text/xhtml", "text/xhtml; charset=iso-8859-1"},
		{`Header always setifempty Content-Type a/b`, "a/b", "a/b"},
		{`Header always add Content-Type a/b`, "text/html", page},
		{"Header set Content-Type a/b\nHeader edit Content-Type b c", "a/c", page},
		{"Header set Content-Type a/b\nHeader unset Content-Type", "", page},
		{"Header unset Content-Type\nHeader set Content-Type a/b", "a/b", page},
		{"Header always set Content-Type a/b\nHeader set Content-Type c/d", "c/d", "a/b"},
		{"Header set Content-Type text/plain\nAddDefaultCharset utf-8", "text/plain; charset=utf-8", page},
		{`RequestHeader set Content-Type a/b`, "text/html", page},
	}
	var config strings.Builder
	for i, c := range cases {
		fmt.Fprintf(&config, "<LocationMatch /c%d$>\n%s\n</LocationMatch>\n", i, c.directives)
	}
	address := runtimetest.Serve(t, config.String(), core.Module, headers.Module)
	for i, c := range cases {
		for path, want := range map[string]string{"/c": c.file, "/missing/c": c.missing} {
			answer := runtimetest.Get(t, address, fmt.Sprintf("%s%d", path, i))
			if got := runtimetest.Field(answer, "Content-Type"); got != want {
				t.Errorf("%s: %s: got %q, want %q", c.directives, path, got, want)
			}
		}
	}
}

// TestMistakes shows where a mistake is reported: the text under the caret.
func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		`Header replace X-A b`:                           "bad-value replace",
		`Header always`:                                  "bad-value Header always",
		`RequestHeader echo X-A`:                         "bad-value echo",
		`RequestHeader note X-A b`:                       "bad-value note",
		`Header set X-A`:                                 "wrong-arguments Header set X-A",
		`Header set`:                                     "wrong-arguments Header set",
		`Header edit X-A b`:                              "wrong-arguments Header edit X-A b",
		`Header set X-A b c`:                             "bad-value c",
		`Header set X-A b env=`:                          "bad-value env=",
		`Header set X-A b env=!`:                         "bad-value env=!",
		`Header set X-A b early d`:                       "wrong-arguments d",
		`Header unset X-A early env=C`:                   "wrong-arguments env=C",
		`Header set X-A "b %{C}q"`:                       "unknown-format %{C}q",
		`Header set X-A %h`:                              "unknown-format %h",
		`Header edit X-A (b c`:                           "bad-regex (",
		`Header echo X-(`:                                "bad-regex (",
		`Header set X-A b "expr=%{NO_SUCH} == 'a'"`:      "unknown-variable %{NO_SUCH}",
		`Header set X-A b "expr=-R 'host'"`:              "bad-address 'host'",
		`Header set X-A b "expr=%{HTTP_HOST} =="`:        "bad-expression ",
		`Header set X-A "expr=a%{nosuch:b}c"`:            "unknown-function %{nosuch:b}",
		`RequestHeader set X-A "expr=a%{NO_SUCH}" early`: "unknown-variable %{NO_SUCH}",
	} {
		g, diags := runtimetest.Compile(t, line+"\n", headers.Module)
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

const cookieLine = `Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED` + "\n"

func TestRouteChangedWarning(t *testing.T) {
	sticky := parser.Directive{Name: "ProxySet", Module: "test", Args: parser.TakeArgv, In: parser.Anywhere}
	for config, want := range map[string]string{
		cookieLine: "no-stickysession",
		"ProxySet balancer://b stickysession=ROUTEID\n" + cookieLine:                    "",
		"<VirtualHost *:80>\nProxySet stickysession=\n</VirtualHost>\n" + cookieLine:    "no-stickysession",
		"<VirtualHost *:80>\nProxySet stickysession=A|b\n</VirtualHost>\n" + cookieLine: "",
		`Header set X-A b env=OTHER` + "\n":                                             "",
	} {
		module := runtime.Define(runtime.Module{Name: "test_module", File: "mod_test.c", Directives: []runtime.Directive{
			{Name: sticky.Name, Args: sticky.Args, In: sticky.In, Set: func(*runtime.Cmd) error { return nil }}}})
		g, diags := runtimetest.Compile(t, config, headers.Module, module)
		if g == nil {
			t.Fatal(diags)
		}
		got := ""
		for _, d := range diags {
			got += d.Code
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", config, got, want)
		}
	}
}

// prepared returns a request that has been through the server's configuration.
func prepared(tb testing.TB, config string) *runtime.Request {
	tb.Helper()
	g, diags := runtimetest.Compile(tb, config, headers.Module)
	if g == nil {
		tb.Fatal(diags)
	}
	return runtime.NewRequest(g, g.Main, &runtime.Conn{}, nil)
}

func hook(p runtime.Phase) func(*runtime.Request) runtime.Result {
	for _, h := range headers.Module.Hooks {
		if h.Phase == p {
			return h.Run
		}
	}
	return nil
}

func TestConditionIsFree(t *testing.T) {
	r := prepared(t, cookieLine)
	r.Env.Set("FIRST", "1")
	output := hook(runtime.OutputHead)
	if n := testing.AllocsPerRun(100, func() { output(r) }); n > 0 {
		t.Errorf("%v allocations for a header that is not sent", n)
	}
	if r.HeadersOut.Len() > 0 {
		t.Errorf("got %v", r.HeadersOut.Fields())
	}
	r.Env.Set("BALANCER_ROUTE_CHANGED", "1")
	r.Env.Set("BALANCER_WORKER_ROUTE", "one")
	output(r)
	if got := r.HeadersOut.Get("Set-Cookie"); got != "ROUTEID=.one; path=/" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkConditionNotMet(b *testing.B) {
	r := prepared(b, cookieLine)
	r.Env.Set("FIRST", "1")
	output := hook(runtime.OutputHead)
	b.ReportAllocs()
	for b.Loop() {
		output(r)
	}
}

// TestLongEdit: a value that grows beyond what httpd makes ends the work on headers.
func TestLongEdit(t *testing.T) {
	r := prepared(t, `RequestHeader edit* X-A a "$0`+strings.Repeat("b", 1000)+`"`+"\nRequestHeader set X-B c\n")
	r.HeadersIn.Set("X-A", strings.Repeat("a", 8000))
	hook(runtime.Fixups)(r)
	if got := r.HeadersIn.Get("X-A"); len(got) != 8000 || r.HeadersIn.Has("X-B") {
		t.Errorf("got %d bytes and X-B %v", len(got), r.HeadersIn.Has("X-B"))
	}
	r = prepared(t, "RequestHeader edit* X-A ^ b\nRequestHeader edit* X-B x* -\nRequestHeader edit X-C ^.*$ \"\"\nRequestHeader edit* X-D ^.*$ b\n")
	r.HeadersIn.Set("X-A", "a")
	r.HeadersIn.Set("X-B", "xaxx")
	r.HeadersIn.Set("X-C", "c")
	r.HeadersIn.Set("X-D", "abc")
	hook(runtime.Fixups)(r)
	all := r.HeadersIn.Get("X-D")
	if a, b, c := r.HeadersIn.Get("X-A"), r.HeadersIn.Get("X-B"), r.HeadersIn.Get("X-C"); a != "ba" || b != "-axx" || all != "b" || c != "" {
		t.Errorf("got %q, %q, %q, %q", a, b, c, all)
	}
}

func TestAngleVariable(t *testing.T) {
	const line = `Header set X-A "a %<FOO>e b"`
	g, diags := runtimetest.Compile(t, line+"\n", headers.Module)
	if g == nil || len(diags) != 1 || diags[0].Severity != parser.Note {
		t.Fatalf("got %v", diags)
	}
	if r := diags[0].Place.Range; line[r.Start.Offset:r.End.Offset] != "%<FOO>e" {
		t.Errorf("the note is at %q", line[r.Start.Offset:r.End.Offset])
	}
	r := runtime.NewRequest(g, g.Main, &runtime.Conn{}, nil)
	defer r.Free()
	r.Env.Set("FOO", "c\r\nd")
	hook(runtime.OutputHead)(r)
	if got := r.HeadersOut.Get("X-A"); got != "a c  d b" {
		t.Errorf("got %q", got)
	}
}
