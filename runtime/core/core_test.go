package core

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinion/parser"
	"pinion/runtime"
)

// compile makes a graph of a configuration's text and returns the codes of what was said about it, notes left out.
func compile(t *testing.T, text string, offline bool) (*runtime.Graph, []string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table := parser.NewTable(append(parser.Own(), runtime.Shapes(Modules())...))
	tree, read := parser.Load(file, &parser.Options{ServerRoot: dir, Directives: table.Lookup, Offline: offline})
	g, compiled := runtime.Compile(tree, Modules(), runtime.Options{Offline: offline})
	var codes []string
	for _, d := range append([]*parser.Diagnostic(read), compiled...) {
		switch d.Severity {
		case parser.Error:
			codes = append(codes, d.Code)
		case parser.Warning:
			codes = append(codes, "?"+d.Code)
		}
	}
	return g, codes
}

const head = "ServerName x.example\nListen 127.0.0.1:18461\n"

// TestMistakes has what httpd 2.4.71 was seen to refuse (a code), to warn of (a code after "?") and to take.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ conf, codes string }{
		{"Timeout 5xyz", "?ignored-text"}, {"Timeout 0", ""}, {"Timeout abc", "bad-value"}, {"Timeout 99999999999", "bad-value"},
		{"KeepAliveTimeout 500ms", ""}, {"KeepAliveTimeout 5x", "bad-value"}, {"KeepAliveTimeout abc", "bad-value"},
		{"Listen 127.0.0.1:18461", "duplicate-listen"}, {"Listen 18462 https options=v6only", "wrong-arguments"},
		{"Listen 0", "bad-address"}, {"Listen 127.0.0.1", "bad-address"}, {"Listen 127.0.0.1:99999", "bad-address"},
		{"Options Indexes +Includes", "bad-value"}, {"Options +Indexes Includes", "bad-value"}, {"Options All None", "bad-value"},
		{"Options Foo", "bad-value"}, {"Options", ""}, {"Options +All", "bad-value"}, {"Options All -Indexes", ""}, {"Options Indexes None", "bad-value"},
		{"ServerTokens x", "bad-value"}, {"ServerAlias foo", "wrong-context"}, {"ErrorDocument 999 x", "bad-value"}, {"ErrorDocument abc x", "bad-value"},
		{"ErrorDocument 404 /a b", "wrong-arguments"}, {"ErrorDocument 401 http://x.example/", "?no-effect"},
		{"LogLevel foo", "bad-value"}, {"LogLevel foo:debug", "unknown-module"}, {"LogLevel core:warn info:", "bad-value"}, {"LogLevel info ldap:debug", ""},
		{"ServerName *.foo", "bad-value"}, {"ServerName a:99999", "bad-value"}, {"ServerName a:x", "bad-value"},
		{"ServerSignature x", "bad-value"}, {"TraceEnable x", "bad-value"}, {"AllowEncodedSlashes x", "bad-value"},
		{"LimitRequestBody 1k", "bad-value"}, {"LimitRequestBody 99999999999999999999", "bad-value"}, {"LimitRequestLine -1", "bad-value"},
		{"HttpProtocolOptions x", "bad-value"}, {"HttpProtocolOptions Unsafe", "?not-as-httpd"}, {"HttpProtocolOptions Strict Unsafe", "bad-value"}, {"HttpProtocolOptions Strict\nHttpProtocolOptions Unsafe", "bad-value"},
		{"NameVirtualHost *:80", "?no-effect"}, {"RequestReadTimeout header=20-10,minrate=5", "bad-parameter"}, {"RequestReadTimeout foo=1", "bad-parameter"},
		{"RequestReadTimeout header=20-40", "bad-parameter"}, {"RequestReadTimeout header", "bad-parameter"}, {"RequestReadTimeout body=20,MinRate=0", "bad-parameter"},
		{"DocumentRoot /nonexistent", "?no-directory"}, {"DefaultRuntimeDir /nonexistent", "?no-directory"}, {"UseCanonicalName x", "bad-value"}, {"UseCanonicalName DNS", "?not-as-httpd"},
		{"HostnameLookups x", "bad-value"}, {"HostnameLookups On", "?no-effect"}, {"HostnameLookups Off", ""},
		{"User no-such-user", "bad-value"}, {"Group no-such-group", "bad-value"},
		{"FileETag foo", "bad-value"}, {"FileETag +All", "bad-value"}, {"AcceptPathInfo x", "bad-value"},
		{"AllowOverride None", "wrong-context"}, {"<Directory />\nAllowOverride foo\n</Directory>", "bad-value"},
		{"<Location />\nAllowOverride All\n</Location>", "?useless"},
		{"<Directory />\nAllowOverride None\n</Directory>", ""},
		{"<Directory />\nAllowOverride All\n</Directory>\n<Directory /a>\nAllowOverride FileInfo\n</Directory>", "?no-htaccess"},
		{"MaxRanges 0", "bad-value"}, {"MaxRanges none", ""}, {"LimitInternalRecursion 0", "bad-value"}, {"LimitInternalRecursion 3", "?low-limit"},
		{"Port 80", "unsupported-directive"}, {"DefaultType text/plain", "?no-effect"}, {"DefaultType none", ""},
		{"ProtocolsHonorOrder x", "bad-value"}, {"Protocols", "wrong-arguments"}, {"Protocols foo", "?unknown-protocol"},
		{"RegexDefaultOptions foo", "bad-value"}, {"RegexDefaultOptions DOTALL", ""}, {"RegexDefaultOptions -DOTALL", "unsupported-value"},
		{"GracefulShutdownTimeout x", "bad-value"}, {"PidFile", "wrong-arguments"}, {"MergeTrailers on", "unsupported-value"}, {"MergeTrailers off", ""},
		{"LoadModule ssl_module modules/mod_ssl.so", ""}, {"LoadModule security2_module modules/mod_security2.so", "?unknown-module"},
		{"ChrootDir /x", "unsupported-directive"}, {"SetHandler \"%{\"", "bad-expression"},
	} {
		if _, codes := compile(t, head+c.conf, false); strings.Join(codes, " ") != c.codes {
			t.Errorf("%s: got %q want %q", c.conf, codes, c.codes)
		}
	}
}

// TestUserIsNotSwitchedTo checks that root, who may count on it, is warned; for others it is a note.
func TestUserIsNotSwitchedTo(t *testing.T) {
	want := ""
	if os.Geteuid() == 0 {
		want = "?not-as-httpd"
	}
	if g, codes := compile(t, head+"User #99999", false); g == nil || strings.Join(codes, " ") != want {
		t.Errorf("got %q want %q", codes, want)
	}
	if _, codes := compile(t, head+"User #99999", true); codes != nil {
		t.Errorf("offline: got %q", codes)
	}
}

func TestServerTokens(t *testing.T) {
	// httpd 2.4.71 as Debian builds it was seen to answer the same, with (Debian) for (Unix).
	for tokens, want := range map[string]string{"": "Apache/2.4.71 (Unix)", "Full": "Apache/2.4.71 (Unix)", "OS": "Apache/2.4.71 (Unix)", "Min": "Apache/2.4.71",
		"Minimal": "Apache/2.4.71", "Minor": "Apache/2.4", "Major": "Apache/2", "Prod": "Apache", "ProductOnly": "Apache"} {
		conf := head
		if tokens != "" {
			conf += "ServerTokens " + tokens
		}
		if g, codes := compile(t, conf, false); g == nil || g.Banner != want {
			t.Errorf("ServerTokens %s: got %v %v want %q", tokens, g, codes, want)
		}
	}
}

// TestOffline checks that a file may be judged far from its server.
func TestOffline(t *testing.T) {
	g, codes := compile(t, "ServerName x.example\nListen web1.internal:80\nListen web2.internal:80\nListen 127.0.0.1:81\nUser no-such-user\nDocumentRoot /nonexistent", true)
	if g == nil || len(codes) > 0 {
		t.Errorf("got %q", codes)
	}
	if _, codes = compile(t, "ServerName x.example", false); !slices.Equal(codes, []string{"?no-listen"}) {
		t.Errorf("without Listen: %q", codes)
	}
}

func mustCompile(t *testing.T, text string) *runtime.Graph {
	t.Helper()
	g, codes := compile(t, text, false)
	if g == nil {
		t.Fatalf("%s: %q", text, codes)
	}
	return g
}

func TestServerSettings(t *testing.T) {
	g := mustCompile(t, `
Listen 127.0.0.1:18461
Listen *:18462 HTTPS
Listen [::1]:443
ServerName https://Main.Example:8443
ServerAdmin root@main.example
PidFile run/pinion.pid
DefaultRuntimeDir .
RegisterHttpMethod BREW
RegisterHttpMethod WHEN STEEP
GracefulShutdownTimeout 7
Timeout 12
KeepAlive Off
KeepAliveTimeout 250ms
MaxKeepAliveRequests 0
LimitRequestLine 100
LimitRequestFieldSize 200
LimitRequestFields 3
LimitInternalRecursion 5 6
TraceEnable Extended
MergeSlashes Off
HttpProtocolOptions Unsafe RegisteredMethods Require1.0
Protocols h2 http/1.1
ProtocolsHonorOrder Off
RequestReadTimeout header=10-30,MinRate=400 body=0
<VirtualHost *:18461>
ServerAlias a.example *.b.example
ServerPath /old
Timeout 3
ServerSignature Email
</VirtualHost>`)
	if n := len(g.Listens); n != 3 {
		t.Fatalf("found %d addresses", n)
	}
	for i, want := range []string{"", "https", "https"} {
		if g.Listens[i].Protocol != want {
			t.Errorf("protocol of %v: %q", g.Listens[i].Port, g.Listens[i].Protocol)
		}
	}
	m := g.Main
	if m.ServerName != "Main.Example" || m.Scheme != "https" || m.Port != 8443 || m.Admin.V != "root@main.example" {
		t.Errorf("name %q scheme %q port %d admin %q", m.ServerName, m.Scheme, m.Port, m.Admin.V)
	}
	if p := g.Process["pidfile"]; len(p) != 1 || !strings.HasSuffix(p[0], "/run/pinion.pid") || !filepath.IsAbs(p[0]) {
		t.Errorf("PidFile %q", p)
	}
	if p := g.Process["defaultruntimedir"]; len(p) != 1 || filepath.Join(p[0], "run/pinion.pid") != g.Process["pidfile"][0] {
		t.Errorf("DefaultRuntimeDir %q", p)
	}
	if p := g.Process["registerhttpmethod"]; !slices.Equal(p, []string{"BREW", "WHEN", "STEEP"}) {
		t.Errorf("RegisterHttpMethod %q", p)
	}
	s := m.Settings
	want := runtime.ServerSettings{
		Timeout: runtime.Some(12 * time.Second), KeepAlive: runtime.Some(false), KeepAliveTimeout: runtime.Some(250 * time.Millisecond),
		MaxKeepAliveRequests: runtime.Some(0), LimitRequestLine: runtime.Some(100), LimitRequestField: runtime.Some(200), LimitRequestFields: runtime.Some(3),
		InternalRedirects: runtime.Some(5), SubRequestDepth: runtime.Some(6), TraceEnable: runtime.Some("extended"), MergeSlashes: runtime.Some(false),
		HTTP09: runtime.Some(false), Unsafe: runtime.Some(true), RegisteredMethods: runtime.Some(true), ProtocolsHonorOrder: runtime.Some(false),
		Protocols:     runtime.Some([]string{"h2", "http/1.1"}),
		HeaderTimeout: runtime.Some(10 * time.Second), HeaderRate: runtime.Some(runtime.ReadRate{Max: 30 * time.Second, MinRate: 400}),
		BodyTimeout: runtime.Some(time.Duration(0)), BodyRate: runtime.Some(runtime.ReadRate{}),
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	v := g.Servers[1]
	if v.ServerName != "Main.Example" || v.Path != "/old" || !slices.Equal(v.Aliases, []string{"a.example", "*.b.example"}) {
		t.Errorf("virtual host: name %q path %q aliases %q", v.ServerName, v.Path, v.Aliases)
	}
	if v.Settings.Timeout.V != 3*time.Second || v.Settings.KeepAlive.V || v.Dir.Core.ServerSignature.V != "email" {
		t.Errorf("virtual host: %+v", v.Settings)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  runtime.OptionSet
	}{
		{"Options Indexes FollowSymLinks", runtime.OptionSet{Whole: true, Set: runtime.OptIndexes | runtime.OptSymLinks}},
		{"Options None", runtime.OptionSet{Whole: true}},
		{"Options All -ExecCGI", runtime.OptionSet{Whole: true, Set: runtime.OptAll &^ runtime.OptExecCGI}},
		{"Options +Indexes -FollowSymLinks", runtime.OptionSet{Add: runtime.OptIndexes, Sub: runtime.OptSymLinks}},
		{"Options +Indexes\nOptions -Indexes", runtime.OptionSet{Sub: runtime.OptIndexes}},
		{"Options Indexes\nOptions +ExecCGI", runtime.OptionSet{Whole: true, Set: runtime.OptIndexes | runtime.OptExecCGI}},
		{"Options Indexes\nOptions ExecCGI", runtime.OptionSet{Whole: true, Set: runtime.OptExecCGI}},
		{"Options", runtime.OptionSet{}},
	} {
		g := mustCompile(t, head+c.lines)
		if got := g.Main.Dir.Core.Options; got != c.want {
			t.Errorf("%q: got %+v want %+v", c.lines, got, c.want)
		}
	}
}

func TestErrorDocument(t *testing.T) {
	g := mustCompile(t, head+`
ErrorDocument 403 "Go away"
ErrorDocument 404 /missing.html
ErrorDocument 500 http://x.example/oops
ErrorDocument 502 sorry
ErrorDocument 503 default
ErrorDocument 410 "/looks like a path"`)
	docs := g.Main.Dir.Core.ErrorDocuments
	for status, want := range map[int]string{403: `"Go away`, 404: "/missing.html", 500: "http://x.example/oops", 502: `"sorry`, 503: "", 410: `"/looks like a path`} {
		if docs[status] == nil {
			t.Errorf("%d: nothing", status)
		} else if got := docs[status](nil); got != want {
			t.Errorf("%d: got %q want %q", status, got, want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	g := mustCompile(t, head+`
LogLevel so:trace1 info core:debug reqtimeout_module:error mod_unixd.c:crit
<Location /a>
LogLevel debug
</Location>`)
	l := g.Main.Dir.Core.LogLevel
	if l.Default.V != runtime.LogInfo || len(l.Modules) != 3 || l.Modules[nil] != runtime.LogDebug ||
		l.Modules[ReqTimeout] != runtime.LogErr || l.Modules[Unixd] != runtime.LogCrit {
		t.Errorf("got %+v", l)
	}
	if !g.Main.LogOn(nil, runtime.LogDebug) || g.Main.LogOn(HTTP, runtime.LogDebug) || !g.Main.LogOn(HTTP, runtime.LogInfo) {
		t.Error("the levels aren't obeyed")
	}
	if s := g.Main.Locations[0].Config.Core.LogLevel; s == nil || s.Default.V != runtime.LogDebug {
		t.Errorf("of the section: %+v", s)
	}
}

func TestDirSettings(t *testing.T) {
	g := mustCompile(t, head+`
AddDefaultCharset On
FileETag +INode LMTime -Size
MaxRanges unlimited
MaxRangeOverlaps default
MaxRangeReversals 3
LimitRequestBody 0
AcceptPathInfo ON
AllowEncodedSlashes NoDecode
<Location /a>
ForceType Text/Plain
SetHandler Server-Status
AddDefaultCharset UTF-8
</Location>`)
	d := &g.Main.Dir.Core
	if d.AddDefaultCharset.V != "iso-8859-1" || d.FileETag != (runtime.ETagSet{Whole: runtime.ETagMTime, Sub: runtime.ETagSize}) || d.MaxRanges.V != -1 || d.MaxRangeOverlaps.V != 20 ||
		d.MaxRangeReversals.V != 3 || !d.LimitRequestBody.Set || d.LimitRequestBody.V != 0 || d.AcceptPathInfo.V != "on" || d.AllowEncodedSlashes.V != "nodecode" {
		t.Errorf("got %+v", d)
	}
	s := &g.Main.Locations[0].Config.Core
	if s.ForceType.V != "text/plain" || s.SetHandler.V(nil) != "Server-Status" || s.AddDefaultCharset.V != "UTF-8" {
		t.Errorf("got %+v", s)
	}
}

func TestInterval(t *testing.T) {
	for in, want := range map[string]time.Duration{"5": 5 * time.Second, "5s": 5 * time.Second, "250ms": 250 * time.Millisecond, "2mi": 2 * time.Minute,
		"2min": 2 * time.Minute, "1h": time.Hour, "0": 0} {
		if got, ok := interval(in); !ok || got != want {
			t.Errorf("interval(%q) = %v, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "x", "-1", "5x", "5m", "9223372036854775807", "99999999999999999999"} {
		if got, ok := interval(in); ok {
			t.Errorf("interval(%q) = %v", in, got)
		}
	}
}

// FuzzArguments gives directives that read figures and words whatever there is.
func FuzzArguments(f *testing.F) {
	f.Add("header=20-40,MinRate=500")
	f.Add("250ms")
	f.Add("-1 +Indexes all")
	f.Fuzz(func(t *testing.T, s string) {
		interval(s)
		if st, problem := readStage(s); problem == "" && (st.timeout < 0 || st.max < 0 || st.rate < 0) {
			t.Errorf("readStage(%q) = %+v", s, st)
		}
	})
}
