package rewrite

import (
	"io"
	"strings"
	"testing"

	"pinion/grammar"
	"pinion/runtime"
)

// FuzzExpand expands whatever template with whatever request. It holds the compiled template against an expansion
// that is written as httpd does it: byte by byte from the text.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "a$1b", "%1$0", "%{REQUEST_URI}?x", `\$1\\\?`, "${up:$1|d}", "${none:a|%{HTTP:X-A}}", "${up:${up:a|b}|c}",
		"%{ENV:E}%{LA-U:x}%{", "${", "$", "%", "${a}", "%{HTTP_HOST", "$9%9", "?$1?", `\`, "${up:a}b}c", "%{%{a}}", "${up:{|}|{}}"} {
		f.Add(s, "/p/a?b", "v")
	}
	g := compileText(f, "RewriteEngine On\nRewriteMap up int:toupper\n")
	g.Main.Errors = &runtime.ErrorLog{Out: io.Discard}
	f.Fuzz(func(t *testing.T, text, uri, value string) {
		if strings.Contains(strings.ToUpper(text), "%{LA-") || strings.Contains(strings.ToUpper(text), "TIME") || strings.IndexByte(text, 0) >= 0 {
			t.Skip("look-aheads run all phases, and the time goes on")
		}
		tree, err := grammar.ParseTemplate(text)
		if err != nil {
			t.Skip("nested too deep")
		}
		r := newRequest(g, uri)
		defer r.Free()
		r.HeadersIn.Set("X-A", value)
		r.Env.Set("E", value)
		x := begin(r, nil, false)
		defer x.end()
		x.ofRule.Source, x.ofRule.Loc = uri, []int{0, len(uri), len(uri) / 2, len(uri)}
		x.ofCond.Source, x.ofCond.Loc = value, []int{0, len(value), 0, len(value) / 2}
		for _, last := range []bool{false, true} {
			q := noQuestion
			got := string((&compiler{}).template(tree).append(x, nil, &q, last))
			want, wantQ := plainExpand(x, text, last)
			if got != want || q != wantQ {
				t.Fatalf("%q (last %v): got %q %d, want %q %d", text, last, got, q, want, wantQ)
			}
		}
	})
}

// plainExpand is do_expand, written without thought of speed.
func plainExpand(x *rewriting, s string, last bool) (string, question) {
	var out strings.Builder
	q := noQuestion
	see := func(piece string, kind question) {
		if strings.Contains(piece, "?") && (q == noQuestion || last) {
			q = kind
		}
	}
	for i := 0; i < len(s); {
		c := s[i]
		next := byte(0)
		if i+1 < len(s) {
			next = s[i+1]
		}
		piece, kind, n := s[i:i+1], safeQuestion, 1
		switch {
		case c == '\\' && i+1 < len(s):
			out.WriteByte(next)
			i += 2
			continue
		case (c == '$' || c == '%') && next == '{':
			end := closing(s, i+2)
			if end < 0 {
				piece, n = s[i:i+2], 2
				break
			}
			inner := s[i+2 : end]
			if c == '%' {
				piece, kind, n = plainVariable(x, inner), unsafeQuestion, end+1-i
				break
			}
			colon := outside(inner, ':')
			if colon < 0 {
				piece, n = s[i:i+2], 2
				break
			}
			key, def := inner[colon+1:], ""
			if bar := outside(key, '|'); bar >= 0 {
				key, def = key[:bar], key[bar+1:]
			}
			key, _ = plainExpand(x, key, false)
			if inner[:colon] == "up" {
				piece = upperASCII(key)
			} else {
				piece, _ = plainExpand(x, def, false)
			}
			kind, n = unsafeQuestion, end+1-i
		case (c == '$' || c == '%') && '0' <= next && next <= '9':
			m := &x.ofRule
			if c == '%' {
				m = &x.ofCond
			}
			piece, kind, n = m.Group(int(next-'0')), unsafeQuestion, 2
		}
		see(piece, kind)
		out.WriteString(piece)
		i += n
	}
	return out.String(), q
}

func plainVariable(x *rewriting, name string) string {
	switch {
	case len(name) > 4 && strings.EqualFold(name[:4], "ENV:"):
		return env(x.r, name[4:])
	case len(name) > 5 && strings.EqualFold(name[:5], "HTTP:"):
		return x.r.HeadersIn.Get(name[5:])
	}
	return variable(&grammar.Variable{Name: strings.ToUpper(name)})(x)
}

func closing(s string, i int) int {
	depth := 1
	for ; i < len(s); i++ {
		switch s[i] {
		case '}':
			if depth--; depth == 0 {
				return i
			}
		case '{':
			depth++
		}
	}
	return -1
}

func outside(s string, c byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == c && depth == 0:
			return i
		case s[i] == '}':
			depth--
		case s[i] == '{':
			depth++
		}
	}
	return -1
}

// FuzzRule compiles whatever rule and condition, and applies what compiles.
func FuzzRule(f *testing.F) {
	for _, s := range []string{"^/(.*) /x/$1 [R,L]", "a b [CO=a:b:c,E=!X,E=a:$0]", "^ - [N]", "(a)?b %{THE_REQUEST} [P,B]", "^/(.*) $0$0$0$0$0$0$0$0 [N]",
		"!x http://example.test:99999/ [QSA]", "^/(.*)$ ldap://h/?$1 [R]", "^ /../..//./x", "^ unix:// [R]", "^ h:// [R]", "^ mailto:? [R]"} {
		f.Add(s, "%{REQUEST_URI} a [OR]", "/a/b", "q?=&")
		f.Add(s, "%{HTTP_HOST} !=x", "//", "")
	}
	f.Fuzz(func(t *testing.T, rule, cond, uri, args string) {
		if strings.ContainsAny(rule+cond, "\n\r\x00") || strings.Contains(rule+cond, "LA-") || strings.Contains(cond, "-U") || strings.Contains(cond, "-F") {
			t.Skip("more than one line, or subrequests, which run all phases")
		}
		if len(rule)+len(cond)+len(uri) > 2000 {
			t.Skip("long")
		}
		conf := "RewriteEngine On\nRewriteCond " + cond + "\nRewriteRule " + rule + "\n"
		g := tryCompile(t, conf)
		if g == nil {
			return
		}
		defer g.Retire()
		g.Main.Errors = &runtime.ErrorLog{Out: io.Discard}
		g.Main.Dir.Core.LogLevel = &runtime.LogLevels{Modules: map[*runtime.Module]runtime.Level{Module: runtime.LogTrace2}}
		r := newRequest(g, "/"+uri)
		defer r.Free()
		r.Args, r.HasArgs = args, args != ""
		res := translate(r)
		// One rule can lengthen a name that was just short enough by each of its groups.
		if limit := 2 * defaultRequestLine * (len(rule) + 1); len(r.Filename) > limit {
			t.Errorf("result %d, file name of %d bytes", res, len(r.Filename))
		}
		if strings.Contains(r.Filename, "/../") && res == runtime.OK && r.Proxy == runtime.ProxyNone {
			t.Errorf("file name with ..: %q", r.Filename)
		}
	})
}
