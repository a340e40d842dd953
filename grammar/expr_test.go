package grammar

import (
	"fmt"
	"strings"
	"testing"
)

// showExpr prints a tree as "(op args) from-to".
func showExpr(e *Expr) string {
	var s string
	switch e.Op {
	case ExprTrue, ExprFalse:
		s = [...]string{"true", "false"}[e.Op]
	case ExprString:
		s = fmt.Sprintf("%q", e.Text)
	case ExprDigits:
		s = e.Text
	case ExprBackref:
		s = fmt.Sprintf("$%d", e.Index)
	case ExprRegex:
		s = "m#" + e.Text + "#"
		if e.NoCase {
			s += "i"
		}
	case ExprVar:
		s = "%{" + e.Name + "}"
	default:
		name := map[ExprOp]string{ExprNot: "not", ExprAnd: "and", ExprOr: "or", ExprUnary: "-" + e.Name, ExprBinary: "-" + e.Name,
			ExprCompare: e.Name, ExprMatch: e.Name, ExprIn: "in", ExprList: "list", ExprListFunc: e.Name + "[]", ExprConcat: "concat", ExprFunc: e.Name + "()"}[e.Op]
		var args []string
		for _, a := range e.Args {
			args = append(args, showExpr(a))
		}
		s = "(" + name + " " + strings.Join(args, " ") + ")"
	}
	return fmt.Sprintf("%s %d-%d", s, e.Range.Start.Col, e.Range.End.Col)
}

func TestParseExpr(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`true`, `true 1-5`},
		{` ! false `, `(not false 4-9) 2-9`},
		{`not not true`, `(not (not true 9-13) 5-13) 1-13`},
		{`true && false || true`, `(or (and true 1-5 false 9-14) 1-14 true 18-22) 1-22`},
		{`true and (false or true)`, `(and true 1-5 (or false 11-16 true 20-24) 10-25) 1-25`},
		{`! true && false`, `(and (not true 3-7) 1-7 false 11-16) 1-16`},
		{`'a' == "b"`, `(== "a" 1-4 "b" 8-11) 1-11`},
		{`'a' = 'b'`, `(== "a" 1-4 "b" 7-10) 1-10`},
		{`%{X} != 3`, `(!= %{X} 1-5 3 9-10) 1-10`},
		{`%{X}<'a'`, `(< %{X} 1-5 "a" 6-9) 1-9`},
		{`%{X} -eq 3 || %{X} lt -4`, `(or (-eq %{X} 1-5 3 10-11) 1-11 (-lt %{X} 15-19 -4 23-25) 15-25) 1-25`},
		{`%{X} =~ m#^/a#i`, `(=~ %{X} 1-5 m#^/a#i 9-16) 1-16`},
		{`%{X} !~ /b/`, `(!~ %{X} 1-5 m#b# 9-12) 1-12`},
		{`%{X} =~ m_^a_`, `(=~ %{X} 1-5 m#^a# 9-14) 1-14`},
		{`%{X} =~ m_a_`, `error 9-13: expected a regular expression such as m#…#, found "m_a_"`},
		{`'a' in {'b', 'c'}`, `(in "a" 1-4 (list "b" 9-12 "c" 14-17) 8-18) 1-18`},
		{`'a' -in file('b')`, `(in "a" 1-4 (file[] "b" 14-17) 9-18) 1-18`},
		{`%{X} -strmatch '*a'`, `(-strmatch %{X} 1-5 "*a" 16-20) 1-20`},
		{`-f '/x'`, `(-f "/x" 4-8) 1-8`},
		{`-R '10.0.0.0/8'`, `(-R "10.0.0.0/8" 4-16) 1-16`},
		{`tolower(req('X')) == $1`, `(== (tolower() (req() "X" 13-16) 9-17) 1-18 $1 22-24) 1-24`},
		{`%{tolower:%{req:X}-$2} == ''`, `(== (tolower() (concat (req() "X" 17-18) 11-19 "-" 19-20 $2 20-22) 11-22) 1-23 "" 27-29) 1-29`},
		{`'a%{X}b$1c' == 'x'`, `(== (concat "a" 2-3 %{X} 3-7 "b" 7-8 $1 8-10 "c" 10-11) 1-12 "x" 16-19) 1-19`},
		{`'a' . 'b' == 'ab'`, `(== (concat "a" 1-4 "b" 7-10) 1-10 "ab" 14-18) 1-18`},
		{`'\'\n\101\\' == "'"`, `(== "'\nA\\" 1-13 "'" 17-20) 1-20`},
		{`'50% $x }' == 'x'`, `(== "50% $x }" 1-11 "x" 15-18) 1-18`},
		{`'sss:' == 's'`, `(== "sss:" 1-7 "s" 11-14) 1-14`},
		{`%{req:a:b} == 'x'`, `(== (req() "a:b" 7-10) 1-11 "x" 15-18) 1-18`},
		{`m == 'x'`, `error 3-5: expected '(', found "=="`},
		{``, `error 1-1: expected a condition, found the end`},
		{`AND`, `error 4-4: expected '(', found the end`},
		{`true &&`, `error 8-8: expected a condition, found the end`},
		{`true && (false`, `error 15-15: expected 'and', 'or' or the end, found the end`},
		{`%{X} == m/x/`, `error 9-13: expected a string, number, variable or function, found "m/x/"`},
		{`%{X}`, `error 5-5: expected an operator or the end, found the end`},
		{`%{X} == 'a' 'b'`, `error 13-14: expected an operator or the end, found "'"`},
		{`-f /x/`, `error 4-7: expected a string, number, variable or function, found "/x/"`},
		{`'a' in {}`, `error 9-10: expected a string, number, variable or function, found "}"`},
		{`'a' =~ m#x#ig`, `error 13-14: expected 'and', 'or' or the end, found "g"`},
		{`'a' =~ 'b'`, `error 8-9: expected a regular expression such as m#…#, found "'"`},
		{`'a' =~ /b`, `error 8-10: expected "/" to end the regular expression, found none within 8191 bytes`},
		{`'a' == 'b`, `error 8-10: expected the end of the string, found the end of the line`},
		{`%{X == 'b'`, `error 4-5: expected a variable's name, found " "`},
		{`%{req:X`, `error 1-8: expected the end of the variable, found the end of the line`},
		{`%{req:}`, `error 7-8: expected the function's argument, found "}"`},
		{`%{tolower:a'b'}`, `error 12-13: expected the end of the variable's argument, found "'"`},
		{`'\400' == 'b'`, `error 2-6: expected an escape from \1 to \377, found 400`},
		{`'\9'`, `error 2-4: expected an escape from \1 to \377, found 9`},
		{`true & true`, `error 6-7: expected an expression, found "&"`},
		{`(true) == ('a')`, `error 8-10: expected an operator or the end, found "=="`},
		{strings.Repeat("(", 101) + `true`, `error 101-102: expected at most 100 levels of nesting, found more`},
		{strings.Repeat("!", 101) + `true`, `error 101-102: expected at most 100 levels of nesting, found more`},
	} {
		e, err := ParseExpr(c.in)
		got := ""
		if err != nil {
			got = located(err)
		} else {
			got = showExpr(e)
		}
		if got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func TestParseStringExpr(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, `"" 1-1`},
		{`plain 'x' "y" s:`, `"plain 'x' \"y\" s:" 1-17`},
		{`a%{X}$1b`, `(concat "a" 1-2 %{X} 2-6 $1 6-8 "b" 8-9) 1-9`},
		{`%{escape:%{X}?}`, `(escape() (concat %{X} 10-14 "?" 14-15) 10-15) 1-16`},
		{`a\%{X}`, `"a%{X}" 1-7`},
		{`100% }`, `"100% }" 1-7`},
		{`a\`, `error 2-3: expected a character after '\', found the end`},
		{`%{X`, `error 1-4: expected the end of the variable, found the end of the line`},
		{`%{1}`, `error 3-4: expected a variable's name, found "1"`},
		{"a\nb", `error 2-2: expected the rest of the string, found the end of the line`},
		{strings.Repeat("a", 8192), `error 1-8193: expected a string of at most 8191 bytes, found 8192`},
	} {
		e, err := ParseStringExpr(c.in)
		got := ""
		if err != nil {
			got = located(err)
		} else {
			got = showExpr(e)
		}
		if got != c.want {
			t.Errorf("%s\n gives %s\n   not %s", c.in, got, c.want)
		}
	}
}

func TestExprTooLong(t *testing.T) {
	_, err := ParseExpr(strings.Repeat("true&&", maxExprTokens/2+1) + "true")
	if err == nil || err.Code != "too-long" {
		t.Errorf("error %v, expected too-long", err)
	}
	if e, err := ParseExpr("'a' in {" + strings.Repeat("1,", 20_000) + "2}"); err != nil || len(e.Args[1].Args) != 20_001 {
		t.Errorf("a list of 20001 words: %v", err)
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{`%{X} == 'a' && !(-f '/x')`, `'a%{tolower:%{Y}$1}' =~ m#x#i`, `'a' in {'b', 'c'} or 1 -lt 2`, `-R '::1'`, `"\101`, `%{req:X}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (*Expr, *Error){ParseExpr, ParseStringExpr} {
			e, err := parse(s)
			if (e == nil) == (err == nil) {
				t.Fatalf("%q gives %v and %v", s, e, err)
			}
			if err != nil {
				checkWithin(t, err.Range, len(s))
				continue
			}
			e.Walk(func(n *Expr) { checkWithin(t, n.Range, len(s)) })
		}
	})
}

func BenchmarkParseExpr(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseExpr(`%{HTTP_HOST} == 'x' || (%{REQUEST_URI} =~ m#^/api/# && ! -R '10.0.0.0/8')`); err != nil {
			b.Fatal(err)
		}
	}
}
