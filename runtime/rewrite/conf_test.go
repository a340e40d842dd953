package rewrite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime"
)

// diagnose compiles a configuration and returns "line:column-column severity code summary" of each diagnostic.
func diagnose(t *testing.T, conf string) []string {
	t.Helper()
	table := parser.NewTable(runtime.Shapes(testModules()))
	path := filepath.Join(t.TempDir(), "test.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	tree, diags := parser.Load(path, &parser.Options{Directives: table.Lookup})
	g, more := runtime.Compile(tree, testModules(), runtime.Options{})
	if g != nil {
		defer g.Retire()
	}
	var out []string
	for _, d := range append(diags, more...) {
		if d.Code == "no-listen" || d.Severity == parser.Note {
			continue
		}
		r := d.Place.Range
		mark := ""
		if lines := strings.Split(conf, "\n"); r.Start.Line == r.End.Line && r.Start.Line >= 1 && r.Start.Line <= len(lines) {
			mark = lines[r.Start.Line-1][r.Start.Col-1 : r.End.Col-1]
		}
		out = append(out, d.Severity.String()+" ["+mark+"] "+d.Code+": "+d.Summary+"; "+d.Detail)
	}
	return out
}

// tryCompile compiles a configuration; nil where it has mistakes.
func tryCompile(t *testing.T, conf string) *runtime.Graph {
	t.Helper()
	table := parser.NewTable(runtime.Shapes(testModules()))
	// What the parser refuses is left out of the tree.
	tree, _ := parser.Load(os.DevNull, &parser.Options{Directives: table.Lookup, Before: strings.Split(conf, "\n")})
	g, _ := runtime.Compile(tree, testModules(), runtime.Options{})
	return g
}

func TestTryCompile(t *testing.T) {
	if g := tryCompile(t, "RewriteRule a b\nRewriteCond a b"); g == nil || len(runtime.ServerConf[serverConf](g.Main, Module).rules.rules) != 1 {
		t.Error("the fuzz test's rules don't get through")
	}
	if tryCompile(t, "RewriteRule ( b") != nil {
		t.Error("a mistake got through")
	}
}

// mistakes are lines that httpd refuses. The message is that of httpd after its first words.
var mistakes = []struct{ conf, want string }{
	{"RewriteRule", "RewriteRule: "},
	{"RewriteRule x", "RewriteRule: "},
	{"RewriteRule ( x", "[(] bad-regex: RewriteRule: cannot compile regular expression '('"},
	{"RewriteRule !a**( x", "RewriteRule: cannot compile regular expression 'a**('"},
	{"RewriteRule a x R", "[R] bad-flags: RewriteRule: "},
	{"RewriteRule a x [R", "bad-flags: RewriteRule: "},
	{"RewriteRule a x [R, L]", "bad-flags: RewriteRule: "},
	{"RewriteRule a x [XY]", "[XY] unknown-flag: RewriteRule: unknown flag 'XY'"},
	{"RewriteRule a x [R=600]", "[600] bad-flag: RewriteRule: invalid HTTP response code '600' for flag 'R'"},
	{"RewriteRule a x [R=99]", "invalid HTTP response code '99' for flag 'R'"},
	{"RewriteRule a x [R=306]", "invalid HTTP response code '306' for flag 'R'"},
	{"RewriteRule a x [BNE]", "flag 'BNE' wants a list of characters"},
	{"RewriteRule a x [NX]", "unknown flag 'NX'"},
	{"RewriteRule a x [L,,R]", "unknown-flag: RewriteRule: "},
	{"RewriteCond a", "RewriteCond: "},
	{"RewriteCond a (", "[(] bad-regex: RewriteCond: cannot compile regular expression '('"},
	{"RewriteCond a !x( [NC]", "[(] bad-regex: RewriteCond: cannot compile regular expression 'x('"},
	{"RewriteCond a b [NX]", "[NX] unknown-flag: RewriteCond: unknown flag 'NX'"},
	{"RewriteCond a b NC", "bad-flags: RewriteCond: "},
	{"RewriteCond expr \"%{X\"", "error ["},
	{"RewriteCond expr \"%{NOSUCH} == 'x'\"", "variable 'NOSUCH' does not exist"},
	{"RewriteOptions nosuch", "[nosuch] bad-parameter: RewriteOptions: unknown option 'nosuch'"},
	{"RewriteBase /x", "RewriteBase: only valid in per-directory config files"},
	{"<Directory /x>\nRewriteBase x\n</Directory>", "RewriteBase: argument is not a valid URL"},
	{"<Directory /x>\nRewriteBase \"\"\n</Directory>", "wrong-arguments: RewriteBase"},
	{"<Directory /x>\nRewriteMap a int:tolower\n</Directory>", "wrong-context"},
	{"RewriteMap a int:nosuch", "RewriteMap: internal map not found:nosuch"},
	{"RewriteMap a int:TOLOWER", "RewriteMap: internal map not found:TOLOWER"},
	{"RewriteMap a txt:/nosuch/file", "RewriteMap: file for map a not found:/nosuch/file"},
	{"RewriteMap a /nosuch/file", "RewriteMap: file for map a not found:/nosuch/file"},
	{"RewriteMap a prg:/nosuch/file", "RewriteMap: file for map a not found:/nosuch/file"},
	{"RewriteMap a rnd:/nosuch/file", "RewriteMap: file for map a not found:/nosuch/file"},
	{"RewriteMap a dbd:SELECT", "unsupported: RewriteMap: maps of type dbd are not supported"},
	{"RewriteMap a", "RewriteMap takes two or three arguments"},
	{"RewriteEngine maybe", "RewriteEngine"},
	{"RewriteLog /x", "httpd 2.4 has no such directive any more"},
	{"RewriteLogLevel 3", "httpd 2.4 has no such directive any more"},
	{"RewriteLock /x", "httpd 2.4 has no such directive any more"},
}

// fine are lines that httpd takes; want is pinion's warning, "" for none.
var fine = []struct{ conf, want string }{
	{"RewriteRule a -", ""},
	{"RewriteRule \"a b\" 'c d' [R,L,NE]", ""},
	{"RewriteRule a x [R=foo]", "[R=foo] ignored-flag: RewriteRule: R=foo is no status: httpd answers 302"},
	{"RewriteRule a x [dunno]", "[dunno] ignored-flag"},
	{"RewriteRule a x [DPI]", "[DPI] ignored-flag"},
	{"RewriteRule a x [BNP]", "[BNP] ignored-flag"},
	{"RewriteRule a x [BNE=/]", "[BNE=/] ignored-flag"},
	{"RewriteRule a x [B,BNE=/]", ""},
	{"RewriteRule a x [N,L]", "[N] ignored-flag"},
	{"RewriteRule a x [S=x]", "[S=x] ignored-flag"},
	{"RewriteRule a x [N=10]", ""},
	{"<Location /x>\nRewriteRule a x [PT]\n</Location>", "[PT] ignored-flag"},
	{"RewriteRule .* /x [L]\nRewriteRule a b", "unreachable: RewriteRule is never reached"},
	{"RewriteRule ^/?(.*)$ https://x/$1 [R,L]\nRewriteRule a b\nRewriteRule c d", "unreachable"},
	{"RewriteCond a b\nRewriteRule .* /x [L]\nRewriteRule a b", ""},
	{"RewriteRule a b [C]\nRewriteRule .* /x [L]\nRewriteRule a b", ""},
	{"RewriteRule a b [S=1]\nRewriteRule .* /x [L]\nRewriteRule a b", ""},
	{"RewriteRule .* /x\nRewriteRule a b", ""},
	{"RewriteRule ^/(.*) /x [L]\nRewriteRule a b", "unreachable"},
	{"RewriteRule ^/y http://x/ [R]\nRewriteRule ^/(.*) /x [L]\nRewriteRule a b", ""},
	{"<Location /x>\nRewriteRule ^/(.*) /x [L]\nRewriteRule a b\n</Location>", ""},
	{"<Location /x>\nRewriteRule (.*) /x [L]\nRewriteRule a b\n</Location>", "unreachable"},
	{"RewriteRule .* - [F]\nRewriteRule a b", "unreachable"},
	{"RewriteCond a b", "unused: RewriteCond without a RewriteRule"},
	{"<Directory /x>\n<If true>\nRewriteCond a b\n</If>\n</Directory>\n<VirtualHost *>\nServerName y\n</VirtualHost>", "unused: RewriteCond without a RewriteRule"},
	{"RewriteCond a -d [NC]\nRewriteRule a b", "ignored: RewriteCond: NoCase option for non-regex pattern"},
	{"RewriteCond a =b [NC]\nRewriteRule a b", ""},
	{"RewriteOptions MaxRedirects=10", "MaxRedirects has been removed"},
	{"RewriteOptions Inherit inheritbefore InheritDown InheritDownBefore IgnoreInherit AllowNoSlash AllowAnyURI MergeBase IgnoreContextInfo LegacyPrefixDocRoot UnsafePrefixStat", ""},
	{"RewriteRule a ${nosuch:$1}", "unknown-map: RewriteMap 'nosuch' is not defined"},
	{"RewriteMap m int:tolower\nRewriteRule a ${m:$1}", ""},
}

func TestMistakes(t *testing.T) {
	for _, m := range mistakes {
		got := diagnose(t, m.conf)
		if len(got) != 1 || !strings.HasPrefix(got[0], "error") || !strings.Contains(got[0], m.want) {
			t.Errorf("%q: got %q, want %q", m.conf, got, m.want)
		}
	}
	for _, m := range fine {
		got := diagnose(t, m.conf)
		switch {
		case m.want == "" && len(got) > 0:
			t.Errorf("%q: got %q, want none", m.conf, got)
		case m.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "warning") || !strings.Contains(got[0], m.want)):
			t.Errorf("%q: got %q, want %q", m.conf, got, m.want)
		}
	}
}

// ownLine is an error in a line that stands below what the test puts in front.
var ownLine = regexp.MustCompile(`Syntax error on line [6-9] `)

// TestMistakesOfHTTPD asks a real httpd whether it takes what the tables above say.
func TestMistakesOfHTTPD(t *testing.T) {
	httpd := os.Getenv("PINION_HTTPD")
	if httpd == "" {
		t.Skip("PINION_HTTPD doesn't name an httpd to compare with")
	}
	takes := func(conf string) (bool, string) {
		path := filepath.Join(t.TempDir(), "httpd.conf")
		text := "ServerName x\nErrorLog /dev/stderr\nListen 127.0.0.1:1\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nLoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so\n" +
			"LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n"
		if err := os.WriteFile(path, []byte(text+conf+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(httpd, "-t", "-f", path).CombinedOutput()
		return err == nil, string(out)
	}
	for _, m := range mistakes {
		if ok, out := takes(m.conf); ok || !ownLine.MatchString(out) {
			t.Errorf("httpd takes %q: %s", m.conf, out)
		}
	}
	for _, m := range fine {
		if ok, out := takes(m.conf); !ok {
			t.Errorf("httpd refuses %q: %s", m.conf, out)
		}
	}
}
