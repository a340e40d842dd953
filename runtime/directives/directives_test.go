package directives

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime"
)

// guards are the names of directives that keep people out, or protect what they send.
var guards = regexp.MustCompile(`(?i)^(auth|anonymous|require|order$|allow|deny|satisfy|limit$|limitexcept$|sslverify|sslrequire|sslca|sslocsp|sslproxyverify|` +
	`sslproxyca|sslprotocol|sslproxyprotocol|sslcipher|sslstrict|sslvhostsni|sslusername|sec|dos|qs_|oidc|shib|mellon|cas|krb|gssapi|sspi|mdrequirehttps|davdepth|session|remoteip|chroot)`)

// TestGuardsAreNeverIgnored holds the promise that what guards access is obeyed or refused.
func TestGuardsAreNeverIgnored(t *testing.T) {
	found := 0
	for _, d := range all() {
		if !guards.MatchString(d.Name) {
			continue
		}
		found++
		if d.NoEffect != "" {
			t.Errorf("%s guards access and is accepted without effect", d.Name)
		}
		if d.Unsupported == "" {
			t.Errorf("%s guards access and is not refused", d.Name)
		}
	}
	if found < 100 {
		t.Errorf("found only %d directives that guard access", found)
	}
}

// TestRows checks that each row has one class, and that no hint of the tables is for a name that there isn't.
func TestRows(t *testing.T) {
	seen, module := map[string]bool{}, map[string]bool{}
	for _, n := range names {
		seen[strings.ToLower(n.name)] = true
		module[n.module] = true
		if n.in == 0 || n.module == "" {
			t.Errorf("%s: no contexts or no module", n.name)
		}
	}
	rows := map[string]string{}
	for _, d := range all() {
		classes := 0
		for _, is := range []bool{d.NoEffect != "", d.Unsupported != "", d.Set != nil} {
			if is {
				classes++
			}
		}
		if classes != 1 {
			t.Errorf("%s is not in exactly one class", d.Name)
		}
		if d.Of == "" || d.In == 0 {
			t.Errorf("%s: no contexts or no module", d.Name)
		}
		key := strings.ToLower(d.Name)
		// Two modules of httpd have HeartbeatStorage.
		if other := rows[key]; other != "" && key != "heartbeatstorage" {
			t.Errorf("%s is there twice, of %s and %s", d.Name, other, d.Of)
		}
		rows[key] = d.Of
	}
	given := map[string]bool{}
	for _, g := range noEffect {
		for _, n := range strings.Fields(g.names) {
			key := strings.ToLower(n)
			if !seen[key] {
				t.Errorf("%s is accepted without effect, but httpd has no such directive", n)
			}
			if given[key] {
				t.Errorf("%s is accepted for two reasons", n)
			}
			given[key] = true
		}
	}
	for n := range instead {
		if !seen[n] || given[n] {
			t.Errorf("the hint for %s is never given", n)
		}
	}
	for m := range modules {
		if !module[m] {
			t.Errorf("the hint for %s is never given", m)
		}
	}
}

// TestRest checks that what a module has is left out.
func TestRest(t *testing.T) {
	m := runtime.Define(runtime.Module{Name: "substitute_module", Directives: []runtime.Directive{{Name: "sUBSTITUTE", In: parser.Anywhere}}})
	for _, d := range Rest([]*runtime.Module{m}).Directives {
		switch strings.ToLower(d.Name) {
		case "substitute", "include", "directory":
			t.Errorf("%s is there all the same", d.Name)
		}
	}
	if len(rest.Directives) < 700 {
		t.Errorf("found only %d directives", len(rest.Directives))
	}
}

// TestNamesAreCurrent compares names.go with the table that it is generated from.
func TestNamesAreCurrent(t *testing.T) {
	table := os.Getenv("HTTPD_DIRECTIVES")
	if table == "" {
		table = filepath.Join("..", "..", "..", "shared", "reference", "httpd-directives.tsv")
	}
	if _, err := os.Stat(table); err != nil {
		t.Skipf("the table of httpd's directives is not here (HTTPD_DIRECTIVES names it): %v", err)
	}
	abs, err := filepath.Abs(table)
	if err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command("go", "run", "./generate", abs).Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("names.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("names.go is not what go generate makes of the table")
	}
}
