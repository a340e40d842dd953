package headers_test

import (
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pinion/runtime/core"
	"pinion/runtime/env"
	"pinion/runtime/headers"
	"pinion/runtime/runtimetest"
	"pinion/runtime/setenvif"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
