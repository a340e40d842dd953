package grammar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// showTemplate prints parts with their columns.
func showTemplate(tp *Template) string {
	if tp == nil {
		return "-"
	}
	var out []string
	for _, p := range tp.Parts {
		var s string
		switch p.Kind {
		case PartText:
			s = "[" + p.Text + "]"
			if p.Escaped {
				s = "\\" + s
			}
		case PartRuleRef, PartCondRef:
			s = fmt.Sprintf("%c%d", "$%"[p.Kind-PartRuleRef], p.Index)
		case PartVariable:
			s = "%{" + p.Var.Scope + ":" + p.Var.Name + "}"
			if p.Var.Inner != nil {
				s += "(" + p.Var.Inner.Scope + ":" + p.Var.Inner.Name + ")"
			}
		case PartMap:
			s = "${" + p.Map + ":" + showTemplate(p.Key) + "|" + showTemplate(p.Default) + "}"
		}
		out = append(out, fmt.Sprintf("%s %d-%d", s, p.Range.Start.Col, p.Range.End.Col))
	}
	return strings.Join(out, "; ")
}

func TestParseTemplate(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, ``},
		{`/a/$1?x=%2`, `[/a/] 1-4; $1 4-6; [?x=] 6-9; %2 9-11`},
		{`https://%{http_host}%{REQUEST_URI}`, `[https://] 1-9; %{:HTTP_HOST} 9-21; %{:REQUEST_URI} 21-35`},
		{`%{ENV:x}%{http:X-Y}%{SSL:S}`, `%{ENV:x} 1-9; %{HTTP:X-Y} 9-20; %{SSL:S} 20-28`},
		{`%{LA-U:REMOTE_USER}`, `%{LA-U:REMOTE_USER}(:REMOTE_USER) 1-20`},
		{`%{LA-F:ENV:x}`, `%{LA-F:ENV:x}(ENV:x) 1-14`},
		{`%{FOO:x}`, `%{:FOO:X} 1-9`},
		{`${map:$1|/none}`, `${map:$1 7-9|[/none] 10-15} 1-16`},
		{`${map:key}`, `${map:[key] 7-10|-} 1-11`},
		{`${map:key|}`, `${map:[key] 7-10|} 1-12`},
		{`${a:${b:%{X}|y}|${c:z}}`, `${a:${b:%{:X} 9-13|[y] 14-15} 5-16|${c:[z] 21-22|-} 17-23} 1-24`},
		{`\$1\\x`, `\[$] 1-3; [1] 3-4; \[\] 4-6; [x] 6-7`},
		{`a\`, `[a\] 1-3`},
		{`50%`, `[50%] 1-4`},
		{`$x%y$`, `[$x%y$] 1-6`},
		{`%{a${m:k}`, `[%{a] 1-4; ${m:[k] 8-9|-} 4-10`},
		{`${nomap}`, `[${nomap}] 1-9`},
		{strings.Repeat("${a:", 40) + strings.Repeat("}", 40), `error 133-168: expected at most 32 levels of nesting, found more`},
		{strings.Repeat("{", 300) + "}", `error 1-302: expected at most 256 levels of nesting, found more`},
		{"%{" + strings.Repeat("LA-U:", 40) + "X}", `error 1-205: expected at most 32 levels of nesting, found more`},
	} {
		tp, err := ParseTemplate(c.in)
		got := ""
		if err != nil {
			got = located(err)
		} else {
			got = showTemplate(tp)
		}
		if got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func showFlags(flags []RuleFlag, err *Error) string {
	if err != nil {
		return located(err)
	}
	var out []string
	for _, f := range flags {
		s := f.Name
		if f.Value != "" {
			s += fmt.Sprintf("=%s(%d-%d)", f.Value, f.ValueRange.Start.Col, f.ValueRange.End.Col)
		}
		if f.Number != 0 {
			s += fmt.Sprintf("#%d", f.Number)
		}
		if f.Template != nil {
			s += "{" + showTemplate(f.Template) + "}"
		}
		out = append(out, fmt.Sprintf("%s %d-%d", s, f.Range.Start.Col, f.Range.End.Col))
	}
	return strings.Join(out, "; ")
}

func TestParseRuleFlags(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[L]`, `L 2-3`},
		{`[R=301,L,NE]`, `R=301(4-7)#301 2-7; L 8-9; NE 10-12`},
		{`[r,QSA]`, `R 2-3; QSA 4-7`},
		{`[ R=Permanent , Last ]`, `R=Permanent(5-14)#301 3-14; L 17-21`},
		{`[redirect=temp,R=seeother]`, `R=temp(11-15)#302 2-15; R=seeother(18-26)#303 16-26`},
		{`[R=foo,R=500]`, `R=foo(4-7) 2-7; R=500(10-13)#500 8-13`},
		{`[S=3,skip=x,N=10,next]`, `S=3(4-5)#3 2-5; S=x(11-12) 6-12; N=10(15-17)#10 13-17; N 18-22`},
		{`[E=A:$1,env=!B]`, `E=A:$1(4-8){[A:] 1-3; $1 3-5} 2-8; E=!B(13-15){[!B] 1-3} 9-15`},
		{`[H=h,T=text/x,handler=%1]`, `H=h(4-5){[h] 1-2} 2-5; T=text/x(8-14){[text/x] 1-7} 6-14; H=%1(23-25){%1 1-3} 15-25`},
		{`[backrefescaping,B=#?;,BNE=/,BNP,bctls,C,chain,cookie=a,D,DPI,DiscardPath]`,
			`B 2-17; B=#?;(20-23) 18-23; BNE=/(28-29) 24-29; BNP 30-33; BCTLS 34-39; C 40-41; C 42-47; CO=a(55-56){[a] 1-2} 48-56; DPI 57-58; DPI 59-62; DPI 63-74`},
		{`[END,F,forbidden,G,gone,NC,noCase,NS,nosubreq,noescape,P,proxy,PT,passthrough]`,
			`END 2-5; F 6-7; F 8-17; G 18-19; G 20-24; NC 25-27; NC 28-34; NS 35-37; NS 38-46; NE 47-55; P 56-57; P 58-63; PT 64-66; PT 67-78`},
		{`[qsappend,QSD,qsdiscard,QSL,qslast,UnsafeAllow3F,unsafeprefixstat,UNC]`,
			`QSA 2-10; QSD 11-14; QSD 15-24; QSL 25-28; QSL 29-35; UnsafeAllow3F 36-49; UnsafePrefixStat 50-66; UNC 67-70`},
		{`[Dummy]`, ` 2-7`},
		{`[R=299]`, `error 4-7: invalid HTTP response code '299' for flag 'R'`},
		{`[BNE]`, `error 2-5: flag 'BNE' wants a list of characters`},
		{`[L,xyz=1]`, `error 4-7: unknown flag 'xyz'`},
		{`[R =301]`, `error 2-4: unknown flag 'R '`},
		{`[]`, `error 2-3: expected a flag, found none`},
		{`[R,]`, `error 4-5: expected a flag, found none`},
		{`[R,,L]`, `error 4-5: expected a flag, found none`},
		{`[R`, `error 1-3: expected flags in brackets such as [L], found "[R"`},
		{`[`, `error 1-2: expected flags in brackets such as [L], found "["`},
		{`L`, `error 1-2: expected flags in brackets such as [L], found "L"`},
	} {
		if got := showFlags(ParseRuleFlags(c.in)); got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func TestSplitCookie(t *testing.T) {
	for in, want := range map[string]Cookie{
		"N:V:.d:60:/p:true:1:Lax": {"N", "V", ".d", "60", "/p", "true", "1", "Lax"},
		"N:V:.d":                  {Name: "N", Value: "V", Domain: ".d"},
		";N;a:b;.d;60":            {Name: "N", Value: "a:b", Domain: ".d", Lifetime: "60"},
		"N::V:d":                  {Name: "N", Value: "V", Domain: "d"},
		"":                        {},
	} {
		if d := cmp.Diff(want, SplitCookie(in)); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
	flags, err := ParseRuleFlags("[CO=a:b:c]")
	if err != nil || *flags[0].Cookie != (Cookie{Name: "a", Value: "b", Domain: "c"}) {
		t.Error(err, flags)
	}
}

func TestSplitEnv(t *testing.T) {
	for in, want := range map[string][3]any{"A:b:c": {"A", "b:c", false}, "A": {"A", "", false}, "!A:b": {"A:b", "", true}, "": {"", "", false}} {
		name, value, unset := SplitEnv(in)
		if got := [3]any{name, value, unset}; got != want {
			t.Errorf("%q gives %v, not %v", in, got, want)
		}
	}
}

func TestParseRewriteRule(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`^/a /b [L]`, `^/a 1-4 false | /b 5-7 {[/b] 1-3} | L 9-10`},
		{`!^/a -`, `^/a 2-5 true | - 6-7 {-} | `},
		{`"^/a b" '/c d' "[R, L]" rest`, `^/a b 2-7 false | /c d 10-14 {[/c d] 1-5} | R 18-19; L 21-22`},
		{`^/a\ b /c\ d`, `^/a\ b 1-7 false | /c\ d 8-13 {[/c] 1-3; \[ ] 3-5; [d] 5-6} | `},
		// A backslash does not keep a quote from ending a word, so that "c" stands where flags should.
		{`"a\"b c`, `error 7-8: expected flags in brackets such as [L], found "c"`},
		{`"a"b`, `a 2-3 false | b 4-5 {[b] 1-2} | `},
		{`"a"`, `a 2-3 false |  4-4 {} | `},
		{`a "b c`, `a 1-2 false | b c 4-7 {[b c] 1-4} | `},
		{`a`, `error 1-2: expected a test or pattern and a second argument, found "a"`},
		{`a b [R=1]`, `error 8-9: invalid HTTP response code '1' for flag 'R'`},
		{`a b L`, `error 5-6: expected flags in brackets such as [L], found "L"`},
		{`a ` + strings.Repeat("${a:", 40) + strings.Repeat("}", 40), `error 135-170: expected at most 32 levels of nesting, found more`},
	} {
		r, err := ParseRewriteRule(c.in)
		got := ""
		if err != nil {
			got = located(err)
		} else {
			p, s := r.PatternRange, r.SubstRange
			got = fmt.Sprintf("%s %d-%d %v | %s %d-%d {%s} | %s", r.Pattern, p.Start.Col, p.End.Col, r.Negate, r.Subst, s.Start.Col, s.End.Col,
				showTemplate(r.Template), showFlags(r.Flags, nil))
		}
		if got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func TestParseRewriteCond(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`%{HTTP_HOST} ^www [NC,OR]`, `regex "^www" 14-18 false NC OR`},
		{`%{X} !^$ [nocase,ornext,novary]`, `regex "^$" 7-9 true NC OR NV`},
		{`%{X} !-f`, `file(f) "" 9-9 true`},
		{`%{X} -h`, `file(l) "" 8-8 false`},
		{`%{X} -U`, `file(U) "" 8-8 false`},
		{`%{X} -z`, `regex "-z" 6-8 false`},
		{`%{X} =abc [NC]`, `= "abc" 7-10 false NC`},
		{`%{X} =""`, `= "" 7-9 false`},
		{`%{X} !=`, `regex "=" 7-8 true`},
		{`%{X} >=b`, `>= "b" 8-9 false`},
		{`%{X} <=b`, `<= "b" 8-9 false`},
		{`%{X} >b`, `> "b" 7-8 false`},
		{`%{X} "<b"`, `< "b" 8-9 false`},
		{`%{X} -eq5`, `-eq "5" 9-10 false`},
		{`%{X} "-eq 5"`, `-eq " 5" 10-12 false`},
		{`%{X} !-ne5`, `-eq "5" 10-11 false`},
		{`%{X} -ne5`, `-eq "5" 9-10 true`},
		{`%{X} -lt5`, `-lt "5" 9-10 false`},
		{`%{X} -le5`, `-le "5" 9-10 false`},
		{`%{X} -gt5`, `-gt "5" 9-10 false`},
		{`%{X} -ge5`, `-ge "5" 9-10 false`},
		{`%{X} -eq`, `regex "-eq" 6-9 false`},
		{`expr "%{X} == 'a'"`, `expr "%{X} == 'a'" 7-18 false`},
		{`EXPR !true`, `expr "true" 7-11 true`},
		{`expr "%{X} =="`, `error 14-14: expected a string, number, variable or function, found the end`},
		{`%{X} a [L]`, `error 9-10: unknown flag 'L'`},
		{`%{X} a NC`, `error 8-10: expected flags in brackets such as [L], found "NC"`},
		{`%{X}`, `error 1-5: expected a test or pattern and a second argument, found "%{X}"`},
		{"%{" + strings.Repeat("LA-U:", 40) + "X} a", `error 1-205: expected at most 32 levels of nesting, found more`},
	} {
		cond, err := ParseRewriteCond(c.in)
		got := ""
		if err != nil {
			got = located(err)
		} else {
			op := [...]string{"regex", "expr", "file", "<", "<=", "=", ">", ">=", "-lt", "-le", "-eq", "-gt", "-ge"}[cond.Op]
			if cond.Letter != 0 {
				op += "(" + string(cond.Letter) + ")"
			}
			got = fmt.Sprintf("%s %q %d-%d %v", op, cond.Operand, cond.OperandRange.Start.Col, cond.OperandRange.End.Col, cond.Negate)
			for _, f := range []struct {
				on   bool
				name string
			}{{cond.NoCase, " NC"}, {cond.OrNext, " OR"}, {cond.NoVary, " NV"}} {
				if f.on {
					got += f.name
				}
			}
			if (cond.Op == CondExpr) != (cond.Expr != nil) {
				t.Errorf("%s: Expr is %v", c.in, cond.Expr)
			}
		}
		if got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{`^/a(.*)$ https://%{HTTP_HOST}/$1 [R=301,L,E=A:%1]`, `%{X} !-f [OR]`, `"a b" ${m:${n:$1|x}|%{LA-U:ENV:y}} [CO=;a;b;c]`, `expr "%{X} == 'a'"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRewriteRule(s); err != nil {
			checkWithin(t, err.Range, len(s))
		} else {
			for _, x := range []struct {
				text string
				r    Range
			}{{r.Pattern, r.PatternRange}, {r.Subst, r.SubstRange}} {
				checkWithin(t, x.r, len(s))
				if s[x.r.Start.Offset:x.r.End.Offset] != x.text {
					t.Fatalf("%q: range %v does not hold %q", s, x.r, x.text)
				}
			}
			for _, fl := range r.Flags {
				checkWithin(t, fl.Range, len(s))
				if s[fl.ValueRange.Start.Offset:fl.ValueRange.End.Offset] != fl.Value {
					t.Fatalf("%q: range %v does not hold %q", s, fl.ValueRange, fl.Value)
				}
			}
		}
		if c, err := ParseRewriteCond(s); err != nil {
			checkWithin(t, err.Range, len(s))
		} else {
			checkWithin(t, c.OperandRange, len(s))
		}
		tp, err := ParseTemplate(s)
		if err != nil {
			checkWithin(t, err.Range, len(s))
			return
		}
		at := 0
		for _, p := range tp.Parts {
			checkWithin(t, p.Range, len(s))
			if p.Range.Start.Offset != at {
				t.Fatalf("%q: part at %d, expected one at %d", s, p.Range.Start.Offset, at)
			}
			at = p.Range.End.Offset
		}
		if at != len(s) {
			t.Fatalf("%q: read only to %d", s, at)
		}
	})
}
