package manager

import (
	"strings"
	"testing"
)

func FuzzParams(f *testing.F) {
	for _, s := range []string{"b=app&w=http://a&nonce=x", "a=%2541&A=%zz&=x&b", "w_lf=1e9&w_ls=-99999999999999999999", "x=%00y&y=%", "&&&=", "w_lf=nan&w_ls=+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := params{}
		p.read(s, nil)
		for name, value := range p {
			if strings.ToLower(name) != name || strings.ContainsRune(value, 0) || len(value) > len(s) {
				t.Errorf("%q: %q", name, value)
			}
			if n := p.number(name); n < -1<<31 || n > 1<<31-1 {
				t.Errorf("%q is %d", value, n)
			}
			if x := p.factor(name); x < 0 {
				t.Errorf("%q is %d", value, x)
			}
		}
		q := params{}
		q.read(s, []string{"b"})
		if _, ok := q["b"]; len(q) > 1 || len(q) == 1 && !ok {
			t.Errorf("%q", q)
		}
	})
}

func TestEscapeURI(t *testing.T) {
	if got := escapeURI("http://a/x%20y?q=[1]+\""); got != "http://a/x%2520y%3fq=%5b1%5d+%22" {
		t.Error(got)
	}
}
