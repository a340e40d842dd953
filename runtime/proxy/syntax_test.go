package proxy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pinion/parser"
)

type syntaxCase struct{ pinion, httpd, conf string }

func readSyntax(t *testing.T) (cases []syntaxCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/syntax.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		line, _, _ = strings.Cut(line, " ## ")
		w := strings.SplitN(line, " ", 3)
		cases = append(cases, syntaxCase{w[0], w[1], strings.ReplaceAll(w[2], `\n`, "\n")})
	}
	return cases
}

func TestSyntax(t *testing.T) {
	for _, c := range readSyntax(t) {
		g, diags := compile(t, c.conf, nil)
		got := "ok"
		if g == nil {
			got = "error"
		}
		if strings.HasPrefix(c.conf, "<If") {
			continue // expressions are another package's
		}
		if got != c.pinion {
			t.Errorf("%q: %s, want %s: %v", c.conf, got, c.pinion, diags)
		}
	}
}

// TestSyntaxOfHTTPD confirms the table with a real httpd.
func TestSyntaxOfHTTPD(t *testing.T) {
	httpd := os.Getenv("PINION_HTTPD")
	if httpd == "" {
		t.Skip("PINION_HTTPD doesn't name an httpd to compare with, such as /usr/sbin/apache2")
	}
	dir := t.TempDir()
	head := loadModules("mpm_event", "authz_core", "proxy", "proxy_http", "proxy_balancer", "slotmem_shm",
		"lbmethod_byrequests", "lbmethod_bytraffic", "lbmethod_bybusyness", "proxy_hcheck") +
		fmt.Sprintf("ServerName x\nListen 127.0.0.1:1\nPidFile %s/pid\nErrorLog %s/log\nDefaultRuntimeDir %s\n", dir, dir, dir)
	file := filepath.Join(dir, "httpd.conf")
	for _, c := range readSyntax(t) {
		if err := os.WriteFile(file, []byte(head+c.conf+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := "ok"
		out, err := exec.Command(httpd, "-t", "-f", file).CombinedOutput()
		if err != nil {
			got = "error"
		}
		if got != c.httpd {
			t.Errorf("%q: %s, want %s: %s", c.conf, got, c.httpd, out)
		}
	}
}

// TestDiagnostics checks what is said, and at which bytes: the part between » and « of the line.
func TestDiagnostics(t *testing.T) {
	cases := []struct{ conf, want, detail string }{
		{"ProxyPass / http://a/ »tiemout«=5", "error: unknown worker parameter \"tiemout\" [bad-parameter]", "did you mean timeout?"},
		{"ProxyPass / http://a/ lbset=»100«", "error: lbset must be from 0 to 99, found \"100\" [bad-value]", ""},
		{"ProxyPass / http://a/ \"status=+D»x«\"", "error: expected a status letter, found \"x\" [bad-status]", "the letters are D (disabled)"},
		{"ProxyPass / http://a/ status=+D»-«", "error: expected a status letter after '-', found the end [bad-status]", ""},
		{"ProxyPass / http://a/ timeout=»500ms«", "warning: timeout expects a whole number, found \"500ms\": read as 500, as httpd does [not-a-number]", ""},
		{"ProxyPass / http://a/ retry=1 »retry«=2", "", ""},
		{"ProxyPass / http://a/ »nocannon«", "error: expected key=value, found \"nocannon\" [bad-parameter]", "did you mean nocanon?"},
		{"ProxyPass / http://a/ »#« my backend", "error: expected key=value, found \"#\" [bad-parameter]", "a comment stands on a line of its own"},
		{"ProxyPass / balancer://b/ »loadfactor«=1", "error: unknown balancer parameter \"loadfactor\" [bad-parameter]", "BalancerMember"},
		{"ProxyPass / balancer://b/ lbmethod=»byrequest«", "error: unknown lbmethod \"byrequest\" [bad-value]", "known are byrequests"},
		{"ProxyPass / balancer://b/ failonstatus=500,»9«", "error: failonstatus expects HTTP statuses from 100 to 599, found \"9\" [bad-value]", ""},
		{"ProxyPass / »http://a:x/«", "error: bad URL \"http://a:x/\": expected a port from 1 to 65535 after the colon, found \"x\" [bad-url]", ""},
		{"ProxyPassMatch ^/»(« http://a/", "error: bad regular expression", ""},
		{"<Location /x>\nProxyPass »/x« http://a/\n</Location>", "error: ProxyPass has no path of its own inside of a section [wrong-arguments]", "leave \"/x\" out"},
		{"ProxySet »http://a/« retry=1", "error: no balancer or worker \"http://a/\" has been defined before this line [unknown-worker]", ""},
		{"ProxyRequests »On«", "error: forward proxying is not supported: ProxyRequests must be Off [unsupported]", ""},
		{"ProxyPass /a http://a/\nProxyPass /b http://a/b »retry«=1", "warning: retry is ignored: worker http://a/ is shared", ""},
		{"ProxyPass / http://a/ hcmethod=TCP »hcfails«=2", "", ""},
		{"ProxyPass / http://a/ hcmethod=»CPING«", "error: health checks by CPING are not supported: no backend speaks AJP here [unsupported-value]", "use TCP"},
		{"ProxyPass / http://a/ hcmethod=»POST«", "error: unknown health check method \"POST\" [bad-value]", "known are NONE, TCP"},
		{"ProxyPass / http://a/ hctemplate=»t«", "error: no ProxyHCTemplate \"t\" is defined before this line in this server [unknown-name]", ""},
		{"ProxyPass / http://a/ hcinterval=»99ms«", "error: ", ""},
		{"ProxyPass / gopher://a/", "warning: no module handles URLs of scheme \"gopher\"", ""},
		{"ProxyPass /a http://a/\n»ProxyPass /a/b http://b/«", "warning: no request reaches this mount: the earlier one of /a takes all requests for /a/b [shadowed-mount]", "put the longer path first"},
		{"ProxyPass /a http://a/\n»ProxyPass /a/b !«", "warning: this exception has no effect: the earlier mount of /a takes all requests for /a/b [late-exception]", "put the exception before it"},
		{"ProxyPass /a !\n»ProxyPass /a/b http://a/«", "warning: no request reaches this mount: the earlier exception of /a covers /a/b [shadowed-mount]", ""},
		{"ProxyPass /a/b http://a/\nProxyPass /a http://b/", "", ""},
		{"ProxyPass /a http://a/\nProxyPass /ab http://b/", "", ""},
		{"ProxyPass /a http://a/\n<VirtualHost *>\n»ProxyPass /a/b http://b/«\n</VirtualHost>", "warning: no request reaches this mount", ""},
		{"<Proxy balancer://b>\nBalancerMember http://a status=+»R«\n</Proxy>", "note: R is read as route-only", "BalancerFlagR hot-spare"},
		{"<Proxy balancer://b>\nBalancerMember http://a status=+»R«\nBalancerFlagR hot-spare\n</Proxy>", "note: R is read as hot spare", ""},
		{"BalancerFlagR hot-spare\n<VirtualHost *>\n<Proxy balancer://b>\nBalancerMember http://a status=»R«\n</Proxy>\n</VirtualHost>", "note: R is read as hot spare", ""},
		{"BalancerFlagR »spare«", "error: BalancerFlagR must be route-only or hot-spare, found \"spare\" [bad-value]", ""},
		{"<Proxy balancer://b>\nBalancerMember http://a\n</Proxy>\n<VirtualHost *>\n<Proxy balancer://b>\n»BalancerMember http://c«\n</Proxy>\n</VirtualHost>",
			"warning: the members of balancer://b given here are ignored", ""},
	}
	for _, c := range cases {
		conf := strings.NewReplacer("»", "", "«", "").Replace(c.conf)
		_, diags := compile(t, conf, nil)
		if c.want == "" {
			for _, d := range diags {
				if d.Code != "repeated-parameter" {
					t.Errorf("%q: %v", conf, d)
				}
			}
			continue
		}
		d := find(diags, c.want)
		if d == nil {
			t.Errorf("%q: %v, want %s", conf, diags, c.want)
			continue
		}
		if !strings.Contains(d.Detail, c.detail) {
			t.Errorf("%q: detail %q, want %q", conf, d.Detail, c.detail)
		}
		if from := strings.Index(c.conf, "»"); from >= 0 {
			to := strings.Index(c.conf, "«") - len("»")
			if r := d.Place.Range; r.Start.Offset != from || r.End.Offset != to {
				t.Errorf("%q: bytes %d to %d, want %d to %d", conf, r.Start.Offset, r.End.Offset, from, to)
			}
		}
	}
}

func find(diags []*parser.Diagnostic, want string) *parser.Diagnostic {
	for _, d := range diags {
		if strings.HasPrefix(fmt.Sprintf("%s: %s [%s]", d.Severity, d.Summary, d.Code), want) {
			return d
		}
	}
	return nil
}

// TestUnspokenSchemes: what no module speaks is refused with a way out, at its place.
func TestUnspokenSchemes(t *testing.T) {
	for scheme := range insteadOf {
		g, diags := compile(t, "ProxyPass / "+scheme+"://backend.test/\n", nil)
		if g != nil || len(diags) != 1 || diags[0].Code != "unsupported-scheme" || diags[0].Detail == "" || diags[0].Place.Range.Start.Col != 13 {
			t.Errorf("%s: %v", scheme, diags)
		}
	}
}
