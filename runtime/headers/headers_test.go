package headers_test

import (
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

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
