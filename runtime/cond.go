package runtime

import (
	"strings"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime/expr"
)

// Cond compiles an expression such as that of <If>. An expression that fails for a request is false, and logged.
func (c *Cmd) Cond(text string) (func(*Request) bool, error) {
	p, err := c.Condition(text, false)
	if err != nil {
		return nil, err
	}
	place := c.Node.Place
	return func(r *Request) bool {
		ok, err := p.True(r, nil)
		if err != nil {
			r.logExprError(place, err)
		}
		return ok
	}, nil
}

// Condition compiles an expression for who wants its captures or its error. With noVary it leaves the Vary header
// alone.
func (c *Cmd) Condition(text string, noVary bool) (*expr.Cond[*Request], error) {
	tree, e := grammar.ParseExpr(text)
	if e == nil {
		var p *expr.Cond[*Request]
		if p, e = requestLanguage.Cond(tree, noVary); e == nil {
			return p, nil
		}
	}
	return nil, c.ExprError(text, e)
}

// StringExpr compiles a string expression, which stands in the argument with that index. One that fails for a
// request is "", and logged.
func (c *Cmd) StringExpr(argIndex int, text string) (func(*Request) string, error) {
	tree, e := grammar.ParseStringExpr(text)
	if e != nil {
		return nil, c.ArgError(argIndex, text, e)
	}
	return c.StringTree(argIndex, text, tree)
}

// StringTree compiles the tree of a string expression, whose ranges are within text.
func (c *Cmd) StringTree(argIndex int, text string, tree *grammar.Expr) (func(*Request) string, error) {
	p, e := requestLanguage.String(tree)
	if e != nil {
		return nil, c.ArgError(argIndex, text, e)
	}
	if s, ok := p.Const(); ok {
		return func(*Request) string { return s }, nil
	}
	place := c.Node.Place
	return func(r *Request) string {
		s, err := p.Value(r, nil)
		if err != nil {
			r.logExprError(place, err)
		}
		return s
	}, nil
}

func (r *Request) logExprError(at parser.Place, err error) {
	r.Logf(nil, LogErr, "", "Evaluation of expression from %s:%d failed: %v", at.File, at.Range.Start.Line, err)
}

// ExprError makes a diagnostic of a mistake in an expression, at its very place where the directive shows it.
func (c *Cmd) ExprError(text string, e *grammar.Error) *parser.Diagnostic {
	for i, w := range c.Node.Words {
		if strings.Contains(w.Text, text) {
			return c.ArgError(i, text, e)
		}
	}
	d := &parser.Diagnostic{Code: e.Code, Summary: e.Summary, Detail: e.Detail, Place: c.Node.Place}
	raw := c.Node.RawRange
	i := strings.Index(c.Node.Raw, text)
	if i < 0 || raw.Start.Line != raw.End.Line || raw.End.Offset-raw.Start.Offset != len(c.Node.Raw) {
		return d
	}
	shift := func(p grammar.Pos) grammar.Pos {
		n := i + p.Offset
		return grammar.Pos{Line: raw.Start.Line, Col: raw.Start.Col + n, Offset: raw.Start.Offset + n}
	}
	d.Place.Range = grammar.Range{Start: shift(e.Range.Start), End: shift(e.Range.End)}
	return d
}

// ArgError makes a diagnostic of a mistake in text, which is part of the argument with that index, at its very place.
func (c *Cmd) ArgError(arg int, text string, e *grammar.Error) *parser.Diagnostic {
	d := c.ArgErrorf(arg, e.Code, "%s", e.Summary)
	d.Detail = e.Detail
	if from := strings.Index(c.Arg(arg), text); from >= 0 {
		d = c.Within(d, arg, from+e.Range.Start.Offset, from+e.Range.End.Offset)
	}
	return d
}
