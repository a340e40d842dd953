// Package expr evaluates httpd's expressions (ap_expr), which <If>, Require expr, Header, RewriteCond, SetEnvIfExpr,
// ErrorDocument and others share. Their syntax is package grammar's. An expression is compiled to closures once; what
// it can speak of beside strings and files, such as the variables of a request, is in a Language.
package expr

import (
	"net/netip"
	"sync"

	"pinion/grammar"
)

// Language is what an expression can ask about a context of type C. Its functions are called while compiling and
// must be safe for concurrent use; so must what they return. A nil function knows nothing.
type Language[C any] struct {
	// Var finds a variable by its name, in whatever case.
	Var func(name string) (Var[C], bool)
	// Func finds a function that returns a string by its name, in whatever case. Those that need no context are
	// built in.
	Func func(name string) (Func[C], bool)
	// List finds a function that returns a list.
	List func(name string) (func(c C, arg string) []string, bool)
	// Unary finds a unary operator by its letter. Those that need no context are built in, and -R for which there
	// is ClientAddr.
	Unary func(letter string) (func(c C, arg string) bool, bool)
	// ClientAddr is what -R tests.
	ClientAddr func(C) netip.Addr
	// Vary is told which request headers a condition has read, as a value for the Vary header.
	Vary func(c C, names string)

	pool sync.Pool
}

// Var is a variable.
type Var[C any] struct {
	Get func(C) string
	// Vary names the request header that the value depends on; "" for none.
	Vary string
}

// Func is a function.
type Func[C any] struct {
	Call func(c C, arg string) string
	// Vary says that the argument names a request header.
	Vary bool
}

// Match is what the last successful =~ with groups left for $0 to $9. The zero Match is empty. It belongs to one
// goroutine.
type Match struct {
	Source string
	Loc    []int // offsets into Source in pairs, as pcre.Regexp.Find returns them; empty for no match
}

// Group returns what the n-th group matched, "" where it took no part.
func (m *Match) Group(n int) string {
	if 2*n+1 >= len(m.Loc) || m.Loc[2*n] < 0 || m.Loc[2*n+1] < m.Loc[2*n] {
		return ""
	}
	return m.Source[m.Loc[2*n]:m.Loc[2*n+1]]
}

// Reset empties m and keeps its memory.
func (m *Match) Reset() { m.Source, m.Loc = "", m.Loc[:0] }

// maxGroups is how many groups httpd keeps of a match, $0 included (AP_MAX_REG_MATCH).
const maxGroups = 10

// eval is one evaluation.
type eval[C any] struct {
	c    C
	m    *Match
	own  Match
	vary string
	err  error
}

type (
	cond[C any] func(*eval[C]) bool
	word[C any] func(*eval[C]) string
)

func (l *Language[C]) begin(c C, m *Match) *eval[C] {
	e, _ := l.pool.Get().(*eval[C])
	if e == nil {
		e = new(eval[C])
	}
	e.c, e.m = c, m
	if m == nil {
		e.own.Reset()
		e.m = &e.own
	}
	return e
}

func (l *Language[C]) end(e *eval[C]) {
	*e = eval[C]{own: Match{Loc: e.own.Loc[:0]}}
	l.pool.Put(e)
}

// Cond is a compiled condition, safe for concurrent use.
type Cond[C any] struct {
	lang *Language[C]
	run  cond[C]
	vary bool
}

// Cond compiles a tree of grammar.ParseExpr. The error's range is within the expression's text. With noVary the
// condition never tells Language.Vary.
func (l *Language[C]) Cond(tree *grammar.Expr, noVary bool) (*Cond[C], *grammar.Error) {
	run, err := l.cond(tree)
	if err != nil {
		return nil, err
	}
	return &Cond[C]{l, run, !noVary && l.Vary != nil}, nil
}

// True evaluates the condition. m, which may be nil, gives $0 to $9 their values at first and takes what the
// condition's regular expressions set. With an error, which says what could not be read or matched, it is false.
func (p *Cond[C]) True(c C, m *Match) (bool, error) {
	e := p.lang.begin(c, m)
	ok, err := p.run(e), e.err
	if p.vary && e.vary != "" && err == nil {
		p.lang.Vary(c, e.vary)
	}
	p.lang.end(e)
	return ok && err == nil, err
}

// String is a compiled string expression, safe for concurrent use.
type String[C any] struct {
	lang *Language[C]
	run  word[C]
	text string
}

// String compiles a tree of grammar.ParseStringExpr. The error's range is within the expression's text.
func (l *Language[C]) String(tree *grammar.Expr) (*String[C], *grammar.Error) {
	w, err := l.word(tree)
	if err != nil {
		return nil, err
	}
	if w.isConst {
		return &String[C]{text: w.text}, nil
	}
	return &String[C]{lang: l, run: w.run}, nil
}

// Const returns the value and true where it is the same for every request.
func (p *String[C]) Const() (string, bool) { return p.text, p.run == nil }

// Value evaluates the expression. m is as for Cond.True. With an error the value is "".
func (p *String[C]) Value(c C, m *Match) (string, error) {
	if p.run == nil {
		return p.text, nil
	}
	e := p.lang.begin(c, m)
	s, err := p.run(e), e.err
	p.lang.end(e)
	if err != nil {
		return "", err
	}
	return s, nil
}
