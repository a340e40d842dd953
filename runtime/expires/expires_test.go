package expires

import (
	"strings"
	"testing"
	"time"

	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func TestParsePeriod(t *testing.T) {
	const days = 24 * time.Hour
	for _, c := range []struct {
		text string
		want period
		err  string
	}{
		{"A3600", period{false, time.Hour}, ""},
		{"M60", period{true, time.Minute}, ""},
		{"A", period{}, ""},
		{"A-5", period{false, -5 * time.Second}, ""},
		{"Access plus 1 month", period{}, ""}, // a count of seconds that isn't there
		{"access plus 1 month", period{false, 30 * days}, ""},
		{"access 1 year 2 weeks 3 days", period{false, (365 + 14 + 3) * days}, ""},
		{"now plus 4 hours 5 minutes 6 seconds", period{false, 4*time.Hour + 5*time.Minute + 6*time.Second}, ""},
		{"modification plus 1 day", period{true, days}, ""},
		{"m PL 1 MOnd 2 mi", period{true, 30*days + 2*time.Minute}, ""},
		{"a p 2x y", period{false, 730 * days}, ""},
		{"access plus", period{}, ""},
		{"access plus 99999999999 years", period{false, maxSeconds * time.Second}, ""},
		{"", period{}, "found nothing"},
		{"  ", period{}, "found blanks"},
		{"tomorrow", period{}, `found "tomorrow"`},
		{"access plus one day", period{}, `found "one"`},
		{"access plus -1 day", period{}, `found "-1"`},
		{"access plus 1", period{}, "expected a unit after 1"},
		{"access plus 1 m", period{}, `found "m"`},
		{"access plus 1 fortnight", period{}, `found "fortnight"`},
	} {
		got, err := parsePeriod(c.text)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %v, %v; expected %v", c.text, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %v; expected %q", c.text, err, c.err)
		}
	}
}

func TestModificationTime(t *testing.T) {
	// runtimetest's file is none on disk, as a proxied answer: there is no time to count from.
	at := runtimetest.Serve(t, "ExpiresActive On\nExpiresByType text/html M60\nExpiresDefault A60", Module)
	if a := runtimetest.Get(t, at, "/"); strings.Contains(a, "Expires") || strings.Contains(a, "max-age") {
		t.Errorf("expected no expiry, found\n%s", a)
	}
}

func TestDiagnostics(t *testing.T) {
	for _, c := range []struct{ config, code string }{
		{"ExpiresByType html A60", "bad-value"},
		{"ExpiresByType text/html tomorrow", "bad-value"},
		{"ExpiresDefault 60", "bad-value"},
		{`ExpiresDefault "Access plus 1 month"`, "odd-period"},
		{"ExpiresDefault A60", ""},
	} {
		g, diags := runtimetest.Compile(t, c.config, Module)
		if g != nil {
			g.Retire()
		}
		code := ""
		for _, d := range diags {
			code += d.Code
		}
		if code != c.code {
			t.Errorf("%s: %q, expected %q", c.config, code, c.code)
		}
	}
}

func TestMerge(t *testing.T) {
	base := &config{types: map[string]period{"text/*": {length: 1}, "text/html": {length: 2}}, wildcards: true, fallback: &period{length: 3}}
	n := merge(base, &config{types: map[string]period{"text/html": {length: 4}}})
	if p := n.find("TEXT/html ; charset=x"); p == nil || p.length != 4 {
		t.Errorf("expected the inner section's period, found %v", p)
	}
	if p := n.find("text/plain"); p == nil || p.length != 3 {
		t.Errorf("expected the default, as the inner section has no wildcard: found %v", p)
	}
	if p := base.find("text/plain"); p == nil || p.length != 1 {
		t.Errorf("expected the wildcard's period, found %v", p)
	}
	if p := n.find(""); p == nil || p.length != 3 {
		t.Errorf("expected the default for an answer without a type, found %v", p)
	}
	if len(base.types) != 2 || n.active.Set {
		t.Errorf("the merge changed what it merged: %v", base)
	}
}

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"A1", "access plus 1 month", "m 1 d 2 h", "M-1", "now 1 1 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePeriod(s); err == nil && (p.length > maxSeconds*time.Second || p.length < -maxSeconds*time.Second) {
			t.Fatalf("%q: %v", s, p)
		}
	})
}
