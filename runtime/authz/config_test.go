package authz

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"pinion/parser"
)

// TestMistakes has what httpd 2.4.71 was seen to refuse, and to accept.
func TestMistakes(t *testing.T) {
	location := func(s string) string { return "<Location />\n" + s + "\n</Location>" }
	for _, c := range []struct{ conf, code string }{
		{"Require all granted", "wrong-context"},
		{"<Limit GET>\nRequire all granted\n</Limit>", "wrong-context"},
		{location("<Limit TRACE>\nRequire all granted\n</Limit>"), "bad-value"},
		{location("Require not all granted"), "bad-value"},
		{location("<RequireNone>\nRequire all granted\n</RequireNone>"), "bad-value"},
		{location("<RequireAll>\nRequire not all granted\n</RequireAll>"), "only-negative"},
		{location("<RequireAll>\n<RequireNone>\nRequire all granted\n</RequireNone>\n</RequireAll>"), "only-negative"},
		{location("<RequireAll>\n</RequireAll>"), "no-rules"},
		{location("<RequireAll x>\nRequire all granted\n</RequireAll>"), "wrong-arguments"},
		{location("Require foo bar"), "unknown-rule"},
		{location("Require ldap-user joe"), "unsupported-rule"},
		{location("Require"), "wrong-arguments"},
		{location("Require not"), "wrong-arguments"},
		{location("Require ip"), "wrong-arguments"},
		{location("Require ip foo"), "bad-address"},
		{location("Require ip 1.2.3.4/33"), "bad-address"},
		{location("Require ip 1.2.3.4.5"), "bad-address"},
		{location("Require method HEAD get"), "bad-value"},
		{location("Require all"), "bad-value"},
		{location(`Require expr "%{REQUEST_METHOD} == `), "bad-expression"},
		{location("Order allow"), "bad-value"},
		{location("Order allow, deny"), "wrong-arguments"},
		{location("Allow all"), "wrong-arguments"},
		{location("Allow of all"), "bad-value"},
		{location("Allow from 1.2.3.4/99"), "bad-address"},
		{location("Allow from foo/8"), "bad-address"},
		{location("Allow from foo#"), "bad-value"},
		{location("Satisfy some"), "bad-value"},
		{location("AuthMerging x"), "bad-value"},
		{location("<RequireAny>\nOrder allow,deny\n</RequireAny>"), "wrong-context no-rules"},
		{location("AllowMethods"), "wrong-arguments"},
		{location("AllowMethods GET reset"), "bad-value"},
		{location("AllowMethods reset"), ""},
		{"AllowMethods GET", "wrong-context"},
		{location("AuthType Digest\nRequire valid-user"), "unsupported-value"},
		{location("AuthBasicProvider ldap file"), "unsupported-value"},
		{location("AuthBasicAuthoritative Off"), "unsupported-value"},
		{location("AuthBasicFake x"), ""},
		{location("AuthBasicFake %{x:"), "bad-expression"},

		{location("<Limit GET>\n<RequireAny>\nRequire all granted\n</RequireAny>\n</Limit>"), ""},
		{location("<RequireAny>\n<Limit GET>\nRequire all granted\n</Limit>\n</RequireAny>"), ""},
		{location("AuthMerging And\n<RequireAll>\n<RequireAll>\nRequire not ip 1.1.1.1\n</RequireAll>\nRequire all granted\n</RequireAll>"), ""},
		{location("Require valid-user\nRequire user\nRequire host\nRequire env\nRequire local foo"), ""},
		{`<If "true">` + "\nRequire all granted\nOrder allow,deny\n</If>", ""},
		{location("Require method get") + "\n", "bad-value"},
		{"RegisterHttpMethod BREW\n" + location("Require method BREW"), ""},
		{location("AuthBasicAuthoritative On\nAuthBasicUseDigestAlgorithm off\nAuthBasicProvider file"), ""},
	} {
		g, diags := compile(t, "ServerName x.example\nListen 127.0.0.1:18461\n"+c.conf)
		var codes []string
		for _, d := range diags {
			if d.Severity == parser.Error {
				codes = append(codes, d.Code)
			}
		}
		if got := strings.Join(codes, " "); got != c.code || c.code == "" && g == nil {
			t.Errorf("%s\n got %q want %q: %v", c.conf, got, c.code, diags)
		}
	}
}

// switched is a resolver that a test changes while a server uses it.
type switched struct{ now atomic.Pointer[zone] }

func (s *switched) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	return s.now.Load().LookupAddr(ctx, addr)
}

func (s *switched) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return s.now.Load().LookupNetIP(ctx, network, host)
}

// zone is a resolver whose answers are known.
type zone struct {
	names map[string][]string
	addrs map[string][]string
}

func (z zone) LookupAddr(_ context.Context, addr string) ([]string, error) {
	if n := z.names[addr]; n != nil {
		return n, nil
	}
	return nil, errors.New("no such host")
}

func (z zone) LookupNetIP(_ context.Context, _, host string) (all []netip.Addr, err error) {
	for _, a := range z.addrs[host] {
		all = append(all, netip.MustParseAddr(a))
	}
	if all == nil {
		err = errors.New("no such host")
	}
	return all, err
}

// TestHost checks that a name counts only when its addresses hold the client's.
func TestHost(t *testing.T) {
	was, names := resolver, &switched{}
	resolver = names
	// The server is stopped by a cleanup of its own, which is registered later and so runs before this one.
	t.Cleanup(func() { resolver = was })
	g, diags := compile(t, `ServerName x.example
Listen 127.0.0.1:18461
<Location /host>
Require host good.example
</Location>
<Location /dot>
Require host .example # a comment
</Location>
<Location /other>
Require host ood.example
</Location>
<Location /allow>
Order deny,allow
Deny from all
Allow from example
</Location>
<Location /forward>
Require forward-dns dyn.example nothing.example
</Location>
<Location /comment>
Require forward-dns nothing.example #dyn.example
</Location>`)
	if g == nil {
		t.Fatal(diags)
	}
	address, log := serve(t, g)
	honest := zone{map[string][]string{"127.0.0.1": {"WWW.Good.Example."}}, map[string][]string{"www.good.example": {"192.0.2.1", "127.0.0.1"}}}
	forged := zone{map[string][]string{"127.0.0.1": {"www.good.example."}}, map[string][]string{"www.good.example": {"192.0.2.1"}, "dyn.example": {"127.0.0.1"}}}
	for _, c := range []struct {
		z            zone
		path, answer string
	}{
		{honest, "/host", "404"}, {honest, "/dot", "404"}, {honest, "/other", "403/AH01630"}, {honest, "/allow", "404"},
		{honest, "/forward", "403/AH03356/AH03356/AH01630"},
		{forged, "/host", "403/AH01753/AH01630"}, {forged, "/allow", "403/AH01797"}, {forged, "/forward", "404"},
		{forged, "/comment", "403/AH03356/AH01630"}, {zone{}, "/host", "403/AH01753/AH01630"},
	} {
		names.now.Store(&c.z)
		if got := ask(t, address, c.path, questions[0], log); got != c.answer {
			t.Errorf("%s: got %s want %s", c.path, got, c.answer)
		}
	}
}

func TestInDomain(t *testing.T) {
	for _, c := range []struct {
		domain, host string
		in           bool
	}{
		{"example.com", "example.com", true}, {"Example.com", "www.example.COM", true}, {"ample.com", "example.com", false},
		{".example.com", "www.example.com", true}, {".example.com", "example.com", false}, {"", "example.com", false},
		{"a.example.com", "example.com", false},
	} {
		if got := inDomain(c.domain, c.host); got != c.in {
			t.Errorf("inDomain(%q, %q) = %v", c.domain, c.host, got)
		}
	}
}

func TestDecode64(t *testing.T) {
	for in, want := range map[string]string{"am9lOnBhc3N3b3Jk": "joe:password", "am9lOng=": "joe:x", "am9lOng": "joe:x", "!!!": "", "": "",
		"am9lOng= x": "joe:x", "a": "", "YQBi": "a", "am9l\xffOng=": "joe", "YWI=YWI=": "ab"} {
		if got := decode64(in); got != want {
			t.Errorf("decode64(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzDecode64 looks for panics, and for texts longer than their code.
func FuzzDecode64(f *testing.F) {
	f.Add("am9lOnBhc3N3b3Jk")
	f.Add("a===")
	f.Fuzz(func(t *testing.T, s string) {
		if got := decode64(s); len(got) > len(s)*3/4+1 || strings.Contains(got, "\x00") {
			t.Errorf("decode64(%q) = %q", s, got)
		}
	})
}

func TestFiles(t *testing.T) {
	p, err := readPasswords(strings.NewReader("# c\n\njoe:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\njoe:second\nplain:plain\nno colon\nnt:x:y:z\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		user, password string
		found, match   bool
	}{{"joe", "password", true, true}, {"joe", "second", true, false}, {"plain", "plain", true, false}, {"no colon", "", false, false}, {"# c", "", false, false}} {
		if found, match := p.check(c.user, c.password); found != c.found || match != c.match {
			t.Errorf("check(%q, %q) = %v, %v", c.user, c.password, found, match)
		}
	}
	if got := strings.Join(p.odd, " "); got != "plain nt" {
		t.Errorf("passwords that can't be checked: %q", got)
	}
	g, err := readGroups(strings.NewReader("team : joe \"ann lee\"\n#x: joe\nadmins:joe\nempty:\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !g.of["joe"]["team"] || !g.of["joe"]["admins"] || !g.of["ann lee"]["team"] || len(g.of) != 2 {
		t.Errorf("groups: %v", g.of)
	}
}

// FuzzFiles reads files of users and groups, which are not always what they should be.
func FuzzFiles(f *testing.F) {
	f.Add("joe:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nann:$apr1$a$b\nx:$2y$99$\n", "joe", "password")
	f.Add("team: joe 'ann lee\\' \"", "joe", "")
	f.Fuzz(func(t *testing.T, text, user, password string) {
		if p, err := readPasswords(strings.NewReader(text)); err == nil && len(text) < 200 && !strings.Contains(text, "$") {
			if found, match := p.check(user, password); match && !found {
				t.Error("a password of nobody")
			}
		}
		if g, err := readGroups(strings.NewReader(text)); err == nil && g.of[""] != nil {
			t.Error("a user without a name")
		}
	})
}

func TestAllowMethods(t *testing.T) {
	g, diags := compile(t, `ServerName x.example
Listen 127.0.0.1:18461
<Location />
AllowMethods GET
</Location>
<Location /post>
AllowMethods POST
AllowMethods DELETE
</Location>
<Location /all>
AllowMethods Reset
</Location>`)
	if g == nil {
		t.Fatal(diags)
	}
	address, log := serve(t, g)
	for _, c := range []struct{ method, path, answer string }{
		{"GET", "/", "404"}, {"HEAD", "/", "404"}, {"POST", "/", "405/AH01623"}, {"PUT", "/", "405/AH01623"},
		{"GET", "/post", "405/AH01623"}, {"POST", "/post", "404"}, {"DELETE", "/post", "404"}, {"PUT", "/all", "404"},
	} {
		if got := ask(t, address, c.path, question{c.method, nil}, log); got != c.answer {
			t.Errorf("%s %s: got %s want %s", c.method, c.path, got, c.answer)
		}
	}
}
