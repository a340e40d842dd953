package grammar

import (
	"fmt"
	"strings"
	"testing"
)

// showFormat prints items as [literal] or op with its parts, each with its columns.
func showFormat(f *Format, err *Error) string {
	if err != nil {
		return located(err)
	}
	if f.Expr != nil {
		return "expr " + showExpr(f.Expr)
	}
	var out []string
	for _, it := range f.Items {
		s := fmt.Sprintf("[%s]", it.Literal)
		if it.Op != "" {
			s = it.Op
			if it.Arg != "" {
				s += fmt.Sprintf("{%s %d-%d}", it.Arg, it.ArgRange.Start.Col, it.ArgRange.End.Col)
			}
			if it.Original != 0 {
				s += string(it.Original)
			}
			if it.Negate {
				s += "!"
			}
			for _, c := range it.Conditions {
				s += fmt.Sprintf(",%d", c)
			}
			if it.Angle {
				s += "<>"
			}
		}
		out = append(out, fmt.Sprintf("%s %d-%d", s, it.Range.Start.Col, it.Range.End.Col))
	}
	return strings.Join(out, "; ")
}

func TestParseLogFormat(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, ``},
		{`%h %l`, `h 1-3; [ ] 3-4; l 4-6`},
		{`%>s %<s`, `s> 1-4; [ ] 4-5; s< 5-8`},
		{`%400,501{User-agent}i`, `i{User-agent 10-20},400,501 1-22`},
		{`%!200,304,302{Referer}i`, `i{Referer 15-22}!,200,304,302 1-24`},
		{`%{%d/%b/%Y}t`, `t{%d/%b/%Y 3-11} 1-13`},
		{`%{ms}T%^FB%{x}^ti`, `T{ms 3-5} 1-7; ^FB 7-11; ^ti{x 13-14} 11-18`},
		{`%{c}a`, `a{c 3-4} 1-6`},
		{`a%%b%%`, `[a%b%] 1-7`},
		{`\t\n\r\\\x\"\`, "[\t\n\r\\\\x\\\"\\] 1-14"},
		{`%{A}}}e`, `e{A 3-4} 1-8`},
		{`%<BALANCER_ROUTE>e`, `e{BALANCER_ROUTE 3-17}<> 1-19`},
		{`%<s>e`, `s< 1-4; [>e] 4-6`},
		{`%<{X}i`, `i{X 4-5}< 1-7`},
		{`%<s %>e`, `s< 1-4; [ ] 4-5; e> 5-8`},
		{`%I %O %S %{SSL_PROTOCOL}x`, `I 1-3; [ ] 3-4; O 4-6; [ ] 6-7; S 7-9; [ ] 9-10; x{SSL_PROTOCOL 12-24} 10-26`},
		{`a %N`, `error 3-5: expected a LogFormat item, found %"N"`},
		{`a %`, `error 3-4: expected a letter to end "%", found the end`},
		{`%{abc`, `error 1-6: expected a letter to end "%{abc", found the end`},
		{`%^F`, `error 1-3: expected a LogFormat item, found %"^"`},
		{`%99999999999999999999s`, `error 2-22: expected a status code, found "99999999999999999999"`},
	} {
		if got := showFormat(ParseLogFormat(c.in)); got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func TestParseHeaderFormat(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, ``},
		{`t=%t D=%D`, `[t=] 1-3; t 3-5; [ D=] 5-8; D 8-10`},
		{`%l%i%b`, `l 1-3; i 3-5; b 5-7`},
		{`%{VAR}e%{SSL_X}s`, `e{VAR 3-6} 1-8; s{SSL_X 10-15} 8-17`},
		{`100%%`, `[100%] 1-6`},
		{`100%`, `[100%] 1-5`},
		{`%<VAR>e.`, `e{VAR 3-6}<> 1-8; [.] 8-9`},
		{`a\tb\q`, "[a\tb\\q] 1-7"},
		{`expr=a%{req:X}`, `expr (concat "a" 6-7 (req() "X" 13-14) 7-15) 6-15`},
		{`expr=`, `expr "" 6-6`},
		{`expr=%{x`, `error 6-9: expected the end of the variable, found the end of the line`},
		{`%z`, `error 1-3: expected one of %t %D %l %i %b %{…}e %{…}s, found %"z"`},
		{`%>s`, `error 1-3: expected one of %t %D %l %i %b %{…}e %{…}s, found %">"`},
		{`x%{a`, `error 2-5: expected a letter to end "%{a", found the end`},
	} {
		if got := showFormat(ParseHeaderFormat(c.in)); got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{`%h %l %u %t \"%r\" %>s %b`, `%!200,304{Referer}i%%`, `%<NAME>e`, `expr=%{req:X}`, `%{`, `%^FB`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (*Format, *Error){ParseLogFormat, ParseHeaderFormat} {
			format, err := parse(s)
			if err != nil {
				checkWithin(t, err.Range, len(s))
				continue
			}
			at := 0
			for _, it := range format.Items {
				checkWithin(t, it.Range, len(s))
				if it.Range.Start.Offset != at {
					t.Fatalf("%q: item at %d, expected one at %d", s, it.Range.Start.Offset, at)
				}
				at = it.Range.End.Offset
			}
			if format.Expr == nil && at != len(s) {
				t.Fatalf("%q: read only to %d", s, at)
			}
		}
	})
}
