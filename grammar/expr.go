package grammar

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// Expr is a node of an expression. Which fields are set depends on Op.
type Expr struct {
	Op     ExprOp
	Name   string // of an operator, variable or function, as written but for the operators' variants
	Text   string // of ExprString, ExprDigits and ExprRegex
	Index  int    // of ExprBackref: 0 to 9
	NoCase bool   // of ExprRegex: the flag i
	Args   []*Expr
	Range  Range // within the expression's text
}

// ExprOp is what a node of an expression is.
type ExprOp uint8

// The nodes of an expression. The first group is true or false, the second lists, the third strings.
const (
	ExprTrue    ExprOp = iota
	ExprFalse          //
	ExprNot            // Args[0]
	ExprAnd            // all of Args, two or more
	ExprOr             // one of Args, two or more
	ExprUnary          // Name "f" for -f, Args[0]
	ExprBinary         // Name "strmatch" for -strmatch, Args[0], Args[1]
	ExprCompare        // Name one of == != < <= > >= (strings), -eq -ne -lt -le -gt -ge (integers), Args[0], Args[1]
	ExprMatch          // Name =~ or !~, Args[0], Args[1] an ExprRegex
	ExprIn             // Args[0] is one of Args[1], an ExprList or an ExprListFunc

	ExprList     // the words in Args
	ExprListFunc // Name(Args[0])

	ExprString  // Text
	ExprDigits  // Text, such as "-12"
	ExprConcat  // all of Args, two or more
	ExprVar     // %{Name}
	ExprFunc    // Name(Args[0]) or %{Name:Args[0]}
	ExprBackref // $Index
	ExprRegex   // Text, NoCase; only in ExprMatch
)

// Walk calls f for e and all below it, e first.
func (e *Expr) Walk(f func(*Expr)) {
	f(e)
	for _, a := range e.Args {
		a.Walk(f)
	}
}

// ParseExpr reads a boolean expression, as of <If>, Require expr or SetEnvIfExpr. Whether an operator, variable or
// function exists is the evaluator's business.
func ParseExpr(s string) (*Expr, *Error) {
	sc := scanExpr(s, false)
	tree, err := parseTokens(boolParser, &sc)
	if err != nil {
		return nil, err
	}
	return sc.or(tree), nil
}

// ParseStringExpr reads a string expression, as of "expr=" values: text with %{…} and $1 in it. Quotes are plain text
// there. The empty text is an empty ExprString.
func ParseStringExpr(s string) (*Expr, *Error) {
	sc := scanExpr(s, true)
	tree, err := parseTokens(stringParser, &sc)
	if err != nil {
		return nil, err
	}
	return sc.parts(tree.Parts, within(0, len(s))), nil
}

// The grammar, for participle. Names such as StrOp are tokens of exprLexer. It follows httpd's: "not" binds
// tighter than "and", "and" tighter than "or"; words can't stand in parentheses.
type (
	exprOr struct {
		Args []*exprAnd `parser:"@@ (Or @@)*"`
	}
	exprAnd struct {
		Args []*exprTest `parser:"@@ (And @@)*"`
	}
	exprTest struct {
		Bang  lexer.Token `parser:"  @Not"`
		Not   *exprTest   `parser:"  @@"`
		Const lexer.Token `parser:"| @(True | False)"`
		Open  lexer.Token `parser:"| @LParen"`
		Group *exprOr     `parser:"  @@"`
		Close lexer.Token `parser:"  @RParen"`
		Unary lexer.Token `parser:"| @Unary"`
		Word  *exprWord   `parser:"  @@"`
		Left  *exprWord   `parser:"| @@"`
		Tail  *exprTail   `parser:"  @@"`
	}
	exprTail struct {
		Op    lexer.Token `parser:"  @(StrOp | IntOp | Binary)"`
		Right *exprWord   `parser:"  @@"`
		Match lexer.Token `parser:"| @Match"`
		Regex lexer.Token `parser:"  @(Regex | RegexI)"`
		List  *exprList   `parser:"| In @@"`
	}
	exprList struct {
		Open  lexer.Token `parser:"  @LBrace"`
		Words []*exprWord `parser:"  @@ (Comma @@)*"`
		Close lexer.Token `parser:"  @RBrace"`
		Call  *exprCall   `parser:"| @@"`
	}
	exprWord struct {
		Atoms []*exprAtom `parser:"@@ (Dot @@)*"`
	}
	exprAtom struct {
		Digits lexer.Token `parser:"  @Digits"`
		Ref    lexer.Token `parser:"| @Backref"`
		Var    *exprVar    `parser:"| @@"`
		Call   *exprCall   `parser:"| @@"`
		String *exprQuoted `parser:"| @@"`
	}
	exprCall struct {
		Name  lexer.Token `parser:"@Ident LParen"`
		Arg   *exprWord   `parser:"@@"`
		Close lexer.Token `parser:"@RParen"`
	}
	exprQuoted struct {
		Open  lexer.Token `parser:"@Quote"`
		Parts []*exprPart `parser:"@@*"`
		Close lexer.Token `parser:"@EndQuote"`
	}
	exprVar struct {
		Open  lexer.Token `parser:"@VarOpen"`
		Name  lexer.Token `parser:"@Ident"`
		Arg   []*exprPart `parser:"(Colon @@+)?"`
		Close lexer.Token `parser:"@VarClose"`
	}
	exprPart struct {
		Text lexer.Token `parser:"  @Text"`
		Ref  lexer.Token `parser:"| @Backref"`
		Var  *exprVar    `parser:"| @@"`
	}
	exprParts struct {
		Parts []*exprPart `parser:"@@+"`
	}
)

var (
	// No look-ahead: each alternative is known by its first token, and errors then stand at the right one.
	boolParser   = participle.MustBuild[exprOr](participle.Lexer(exprLexer{}), participle.UseLookahead(0))
	stringParser = participle.MustBuild[exprParts](participle.Lexer(exprLexer{}), participle.UseLookahead(0))
)

// parseTokens runs a parser over the scanned tokens and turns its error into one of ours.
func parseTokens[G any](p *participle.Parser[G], sc *exprScan) (*G, *Error) {
	if sc.err != nil && sc.err.Code != "bad-expression" {
		return nil, sc.err
	}
	lex, err := lexer.Upgrade(sc)
	if err != nil {
		return nil, &Error{Code: "bad-expression", Summary: err.Error(), Range: within(0, len(sc.s))}
	}
	tree, err := p.ParseFromLexer(lex)
	if err == nil {
		return tree, nil
	}
	at := len(sc.s)
	var unexpected *participle.UnexpectedTokenError
	var other participle.Error
	if errors.As(err, &unexpected) {
		at = unexpected.Unexpected.Pos.Offset
		if unexpected.Unexpected.Type == tokBad {
			return nil, sc.err
		}
	} else if errors.As(err, &other) {
		at = other.Position().Offset
	}
	return nil, sc.unexpected(at)
}

// unexpected words the error for the token at offset at, by the one before it.
func (sc *exprScan) unexpected(at int) *Error {
	prev := lexer.EOF
	found, end := "the end", at
	for _, t := range sc.toks {
		if t.Pos.Offset >= at {
			if t.Type == tokBad {
				return sc.err
			}
			end = max(at, sc.ends[at])
			found = clip(sc.s[at:end])
			break
		}
		prev = t.Type
	}
	want := "a condition"
	switch prev {
	case tokStrOp, tokIntOp, tokUnary, tokBinary, tokDot, tokComma, tokLBrace:
		want = "a string, number, variable or function"
	case tokMatch:
		want = "a regular expression such as m#…#"
	case tokIn:
		want = "a list such as {'a', 'b'}"
	case tokVarOpen:
		want = "a variable's name"
	case tokColon:
		want = "the function's argument"
	case tokIdent:
		want = "'('"
		if sc.inVariable(at) {
			want = "'}' or ':'"
		}
	case tokTrue, tokFalse, tokRegex, tokRegexI, tokRBrace:
		want = "'and', 'or' or the end"
	case tokRParen, tokEndQuote, tokVarClose, tokDigits, tokBackref:
		want = "an operator or the end"
	case tokLParen:
		want = "a condition or an argument"
	}
	return &Error{Code: "bad-expression", Summary: fmt.Sprintf("expected %s, found %s", want, found), Range: within(at, end)}
}

// inVariable tells whether offset at lies within "%{".
func (sc *exprScan) inVariable(at int) bool {
	return strings.LastIndex(sc.s[:at], "%{") > strings.LastIndexByte(sc.s[:at], '}')
}

// What follows turns participle's tree into Expr nodes.

func (sc *exprScan) from(a, b lexer.Token) Range {
	return within(a.Pos.Offset, sc.ends[b.Pos.Offset])
}

func spanning(args []*Expr) Range {
	return Range{args[0].Range.Start, args[len(args)-1].Range.End}
}

func (sc *exprScan) or(o *exprOr) *Expr {
	args := make([]*Expr, len(o.Args))
	for i, and := range o.Args {
		tests := make([]*Expr, len(and.Args))
		for k, t := range and.Args {
			tests[k] = sc.test(t)
		}
		args[i] = several(ExprAnd, tests)
	}
	return several(ExprOr, args)
}

// several is the only one of args, or a node of all of them.
func several(op ExprOp, args []*Expr) *Expr {
	if len(args) == 1 {
		return args[0]
	}
	return &Expr{Op: op, Args: args, Range: spanning(args)}
}

func (sc *exprScan) test(t *exprTest) *Expr {
	switch {
	case t.Not != nil:
		arg := sc.test(t.Not)
		return &Expr{Op: ExprNot, Args: []*Expr{arg}, Range: Range{sc.from(t.Bang, t.Bang).Start, arg.Range.End}}
	case t.Const.Type == tokTrue:
		return &Expr{Op: ExprTrue, Range: sc.from(t.Const, t.Const)}
	case t.Const.Type == tokFalse:
		return &Expr{Op: ExprFalse, Range: sc.from(t.Const, t.Const)}
	case t.Group != nil:
		e := sc.or(t.Group)
		e.Range = sc.from(t.Open, t.Close)
		return e
	case t.Word != nil:
		arg := sc.word1(t.Word)
		return &Expr{Op: ExprUnary, Name: t.Unary.Value, Args: []*Expr{arg}, Range: Range{sc.from(t.Unary, t.Unary).Start, arg.Range.End}}
	}
	return sc.comparison(sc.word1(t.Left), t.Tail)
}

func (sc *exprScan) comparison(left *Expr, t *exprTail) *Expr {
	var e Expr
	var right *Expr
	switch {
	case t.Right != nil:
		e.Op, e.Name, right = ExprCompare, t.Op.Value, sc.word1(t.Right)
		if t.Op.Type == tokBinary {
			e.Op = ExprBinary
		}
	case t.List != nil:
		e.Op, right = ExprIn, sc.list(t.List)
	default:
		e.Op, e.Name = ExprMatch, t.Match.Value
		right = &Expr{Op: ExprRegex, Text: t.Regex.Value, NoCase: t.Regex.Type == tokRegexI, Range: sc.from(t.Regex, t.Regex)}
	}
	e.Args = []*Expr{left, right}
	e.Range = spanning(e.Args)
	return &e
}

func (sc *exprScan) list(l *exprList) *Expr {
	if l.Call != nil {
		return sc.call(ExprListFunc, l.Call)
	}
	e := &Expr{Op: ExprList, Args: make([]*Expr, len(l.Words)), Range: sc.from(l.Open, l.Close)}
	for i, w := range l.Words {
		e.Args[i] = sc.word1(w)
	}
	return e
}

func (sc *exprScan) call(op ExprOp, c *exprCall) *Expr {
	return &Expr{Op: op, Name: c.Name.Value, Args: []*Expr{sc.word1(c.Arg)}, Range: sc.from(c.Name, c.Close)}
}

// word1 is one operand: atoms joined by ".".
func (sc *exprScan) word1(w *exprWord) *Expr {
	args := make([]*Expr, len(w.Atoms))
	for i, a := range w.Atoms {
		args[i] = sc.atom(a)
	}
	return several(ExprConcat, args)
}

func (sc *exprScan) atom(a *exprAtom) *Expr {
	switch {
	case a.Var != nil:
		return sc.varNode(a.Var)
	case a.Call != nil:
		return sc.call(ExprFunc, a.Call)
	case a.String != nil:
		return sc.parts(a.String.Parts, sc.from(a.String.Open, a.String.Close))
	case a.Ref.Type == tokBackref:
		return sc.backref(a.Ref)
	}
	return &Expr{Op: ExprDigits, Text: a.Digits.Value, Range: sc.from(a.Digits, a.Digits)}
}

func (sc *exprScan) backref(t lexer.Token) *Expr {
	return &Expr{Op: ExprBackref, Index: int(t.Value[0] - '0'), Range: sc.from(t, t)}
}

func (sc *exprScan) varNode(v *exprVar) *Expr {
	e := &Expr{Op: ExprVar, Name: v.Name.Value, Range: sc.from(v.Open, v.Close)}
	if len(v.Arg) > 0 {
		e.Op = ExprFunc
		first, last := v.Name.Pos.Offset+len(v.Name.Value)+1, v.Close.Pos.Offset
		e.Args = []*Expr{sc.parts(v.Arg, within(first, last))}
	}
	return e
}

// parts is the string made of ps, which stands in r with its quotes.
func (sc *exprScan) parts(ps []*exprPart, r Range) *Expr {
	args := make([]*Expr, len(ps))
	for i, p := range ps {
		switch {
		case p.Var != nil:
			args[i] = sc.varNode(p.Var)
		case p.Ref.Type == tokBackref:
			args[i] = sc.backref(p.Ref)
		default:
			args[i] = &Expr{Op: ExprString, Text: p.Text.Value, Range: sc.from(p.Text, p.Text)}
		}
	}
	if len(args) == 0 {
		return &Expr{Op: ExprString, Range: r}
	}
	e := several(ExprConcat, args)
	e.Range = r
	return e
}
