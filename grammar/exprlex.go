package grammar

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// The tokens of an expression.
const (
	tokBad lexer.TokenType = -2 - iota // what the scanner could not read; no rule takes it
	tokTrue
	tokFalse
	tokAnd
	tokOr
	tokNot
	tokLParen
	tokRParen
	tokLBrace
	tokRBrace
	tokComma
	tokColon
	tokDot
	tokStrOp   // == != < <= > >=
	tokIntOp   // -eq -ne -lt -le -gt -ge
	tokMatch   // =~ !~
	tokIn      // in -in
	tokUnary   // -f
	tokBinary  // -strmatch
	tokRegex   // /…/ or m#…#
	tokRegexI  // with the flag i
	tokDigits  // 12 or -12
	tokBackref // $1
	tokIdent
	tokText // a piece of a string
	tokQuote
	tokEndQuote
	tokVarOpen // %{
	tokVarClose
)

// exprLexer is participle's view of the tokens. The text itself is cut by scanExpr, since the language
// changes its words within strings and variables.
type exprLexer struct{}

func (exprLexer) Symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{
		"EOF": lexer.EOF, "Bad": tokBad, "True": tokTrue, "False": tokFalse, "And": tokAnd, "Or": tokOr, "Not": tokNot,
		"LParen": tokLParen, "RParen": tokRParen, "LBrace": tokLBrace, "RBrace": tokRBrace, "Comma": tokComma, "Colon": tokColon,
		"Dot": tokDot, "StrOp": tokStrOp, "IntOp": tokIntOp, "Match": tokMatch, "In": tokIn, "Unary": tokUnary, "Binary": tokBinary,
		"Regex": tokRegex, "RegexI": tokRegexI, "Digits": tokDigits, "Backref": tokBackref, "Ident": tokIdent, "Text": tokText,
		"Quote": tokQuote, "EndQuote": tokEndQuote, "VarOpen": tokVarOpen, "VarClose": tokVarClose,
	}
}

// Lex implements lexer.Definition for a boolean expression.
func (exprLexer) Lex(_ string, r io.Reader) (lexer.Lexer, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	sc := scanExpr(string(b), false)
	return &sc, nil
}

// Next implements lexer.Lexer.
func (sc *exprScan) Next() (lexer.Token, error) {
	if sc.given == len(sc.toks) {
		return lexer.EOFToken(place(len(sc.s))), nil
	}
	sc.given++
	return sc.toks[sc.given-1], nil
}

// exprScan cuts an expression into tokens.
type exprScan struct {
	s      string
	i      int
	toks   []lexer.Token
	ends   map[int]int // where the token that begins at an offset ends
	states []byte      // of what is open: 0 the expression, '"' or '\'' a string, stringForm, '{' a variable's name, ':' its argument
	nots   int
	depth  int
	given  int    // tokens that Next has handed out
	err    *Error // why there is a tokBad
}

// stringForm is the state of a string expression, which no quote ends.
const stringForm = 1

// Limits of an expression. httpd evaluates no more than 20 levels; a text is at most 8191 bytes there too.
const (
	maxExprDepth  = 100
	maxExprTokens = 100_000
	maxExprText   = 8191
)

func place(i int) lexer.Position { return lexer.Position{Offset: i, Line: 1, Column: i + 1} }

// scanExpr cuts s; str is for the string form, whose text stands outside of quotes. On a mistake the last token is
// a tokBad and err is set.
func scanExpr(s string, str bool) exprScan {
	sc := exprScan{s: s, ends: map[int]int{}, states: []byte{0}}
	if str {
		sc.states[0] = stringForm
	}
	for sc.err == nil {
		if len(sc.toks) > maxExprTokens {
			sc.fail(0, len(s), "too-long", fmt.Sprintf("expected an expression of at most %d words, found more", maxExprTokens))
		} else if !sc.step() {
			break
		}
	}
	return sc
}

func (sc *exprScan) state() byte { return sc.states[len(sc.states)-1] }

// step reads the next token or blank; it returns false at the end.
func (sc *exprScan) step() bool {
	switch sc.state() {
	case 0:
		return sc.word()
	case '{':
		return sc.variable()
	}
	return sc.text()
}

func (sc *exprScan) emit(t lexer.TokenType, value string, n int) {
	sc.toks = append(sc.toks, lexer.Token{Type: t, Value: value, Pos: place(sc.i)})
	sc.ends[sc.i] = sc.i + n
	sc.i += n
	if t == tokNot {
		sc.nots++
	} else {
		sc.nots = 0
	}
	switch t {
	case tokLParen, tokVarOpen:
		sc.depth++
	case tokRParen, tokVarClose:
		sc.depth--
	}
	if sc.depth > maxExprDepth || sc.nots > maxExprDepth {
		sc.fail(sc.i-n, sc.i, "too-deep", fmt.Sprintf("expected at most %d levels of nesting, found more", maxExprDepth))
	}
}

func (sc *exprScan) fail(i, j int, code, summary string) {
	sc.err = &Error{Code: code, Summary: summary, Range: within(i, j)}
	sc.toks = append(sc.toks, lexer.Token{Type: tokBad, Pos: place(i)})
}

// symbols are the words made of other than letters, longer ones first.
var symbols = []struct {
	text string
	tok  lexer.TokenType
	op   string
}{
	{"&&", tokAnd, ""}, {"||", tokOr, ""}, {"==", tokStrOp, "=="}, {"=~", tokMatch, "=~"}, {"!=", tokStrOp, "!="}, {"!~", tokMatch, "!~"},
	{"<=", tokStrOp, "<="}, {">=", tokStrOp, ">="}, {"<", tokStrOp, "<"}, {">", tokStrOp, ">"}, {"=", tokStrOp, "=="}, {"!", tokNot, ""},
	{"(", tokLParen, ""}, {")", tokRParen, ""}, {"{", tokLBrace, ""}, {"}", tokRBrace, ""}, {",", tokComma, ""}, {":", tokColon, ""}, {".", tokDot, ""},
}

var keywords = map[string]struct {
	tok lexer.TokenType
	op  string
}{
	"and": {tokAnd, ""}, "or": {tokOr, ""}, "not": {tokNot, ""}, "true": {tokTrue, ""}, "false": {tokFalse, ""}, "in": {tokIn, ""}, "-in": {tokIn, ""},
	"lt": {tokIntOp, "-lt"}, "le": {tokIntOp, "-le"}, "gt": {tokIntOp, "-gt"}, "ge": {tokIntOp, "-ge"}, "ne": {tokIntOp, "-ne"}, "eq": {tokIntOp, "-eq"},
	"-lt": {tokIntOp, "-lt"}, "-le": {tokIntOp, "-le"}, "-gt": {tokIntOp, "-gt"}, "-ge": {tokIntOp, "-ge"}, "-ne": {tokIntOp, "-ne"}, "-eq": {tokIntOp, "-eq"},
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isName(c byte) bool  { return isAlpha(c) || isDigit(c) || c == '_' }

func nameLen(s string) int {
	n := 0
	for n < len(s) && isName(s[n]) {
		n++
	}
	return n
}

func (sc *exprScan) word() bool {
	for sc.i < len(sc.s) && strings.IndexByte(" \t\n", sc.s[sc.i]) >= 0 {
		sc.i++
	}
	if sc.i == len(sc.s) {
		return false
	}
	rest := sc.s[sc.i:]
	c := rest[0]
	var next byte
	if len(rest) > 1 {
		next = rest[1]
	}
	switch {
	case c == '"' || c == '\'':
		sc.emit(tokQuote, "", 1)
		sc.states[0] = c
	case c == '%' && next == '{':
		sc.openVar()
	case c == '$' && isDigit(next):
		sc.emit(tokBackref, rest[1:2], 2)
	case c == '/':
		sc.regex(rest, 0)
	case c == 'm' && strings.IndexByte("/#$%^,;:_?|-!.'\"", next) >= 0 && nameLen(rest) <= 2 && len(rest) > 1:
		sc.regex(rest, 1)
	case isAlpha(c):
		sc.name(rest[:nameLen(rest)], tokIdent)
	case isDigit(c) || c == '-' && isDigit(next):
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		sc.emit(tokDigits, rest[:n], n)
	case c == '-' && (isAlpha(next) || next == '_'):
		n := 1 + nameLen(rest[1:])
		t := tokBinary
		if n == 2 {
			t = tokUnary
		}
		sc.name(rest[:n], t)
	default:
		sc.symbol(rest)
	}
	return true
}

// name emits a keyword, or else a token of type t.
func (sc *exprScan) name(s string, t lexer.TokenType) {
	if k, ok := keywords[s]; ok {
		sc.emit(k.tok, k.op, len(s))
		return
	}
	sc.emit(t, strings.TrimPrefix(s, "-"), len(s))
}

func (sc *exprScan) symbol(rest string) {
	for _, y := range symbols {
		if strings.HasPrefix(rest, y.text) {
			sc.emit(y.tok, y.op, len(y.text))
			return
		}
	}
	sc.fail(sc.i, sc.i+1, "bad-expression", fmt.Sprintf("expected an expression, found %s", strconv.Quote(rest[:1])))
}

// regex reads a regular expression whose delimiter is rest[d]. It has no escapes: the delimiter always ends it.
func (sc *exprScan) regex(rest string, d int) {
	n := strings.IndexByte(rest[d+1:], rest[d])
	if n < 0 || n > maxExprText {
		sc.fail(sc.i, len(sc.s), "bad-expression", fmt.Sprintf("expected %q to end the regular expression, found none within %d bytes", rest[d:d+1], maxExprText))
		return
	}
	pattern := rest[d+1 : d+1+n]
	end := d + n + 2
	if end < len(rest) && rest[end] == 'i' {
		sc.emit(tokRegexI, pattern, end+1)
		return
	}
	sc.emit(tokRegex, pattern, end)
}

func (sc *exprScan) openVar() {
	sc.emit(tokVarOpen, "", 2)
	sc.states = append(sc.states, '{')
}

// variable reads within %{NAME} up to its end or to the ":" before its argument.
func (sc *exprScan) variable() bool {
	rest := sc.s[sc.i:]
	switch {
	case rest == "":
		sc.unterminated()
	case isAlpha(rest[0]):
		n := nameLen(rest)
		sc.emit(tokIdent, rest[:n], n)
	case rest[0] == '}':
		sc.states = sc.states[:len(sc.states)-1]
		sc.emit(tokVarClose, "", 1)
	case rest[0] == ':':
		sc.states[len(sc.states)-1] = ':'
		sc.emit(tokColon, "", 1)
	default:
		sc.fail(sc.i, sc.i+1, "bad-expression", fmt.Sprintf("expected a variable's name, found %s", strconv.Quote(rest[:1])))
	}
	return true
}

// unterminated reports the end of the text, or of the line, within a string or variable.
func (sc *exprScan) unterminated() {
	what := "variable"
	for k := len(sc.toks) - 1; k >= 0; k-- {
		if t := sc.toks[k]; t.Type == tokQuote || t.Type == tokVarOpen {
			if t.Type == tokQuote {
				what = "string"
			}
			sc.fail(t.Pos.Offset, sc.i, "bad-expression", "expected the end of the "+what+", found the end of the line")
			return
		}
	}
	sc.fail(sc.i, sc.i, "bad-expression", "expected the rest of the string, found the end of the line")
}
