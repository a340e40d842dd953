package expr

import (
	"fmt"
	"net/netip"

	"pinion/grammar"
	"pinion/runtime/pcre"
	"pinion/runtime/subnet"
)

// cond compiles a node that is true or false.
func (l *Language[C]) cond(t *grammar.Expr) (cond[C], *grammar.Error) {
	switch t.Op {
	case grammar.ExprTrue:
		return func(*eval[C]) bool { return true }, nil
	case grammar.ExprFalse:
		return func(*eval[C]) bool { return false }, nil
	case grammar.ExprNot:
		arg, err := l.cond(t.Args[0])
		if err != nil {
			return nil, err
		}
		return func(e *eval[C]) bool { return !arg(e) }, nil
	case grammar.ExprAnd, grammar.ExprOr:
		return l.several(t)
	case grammar.ExprUnary:
		return l.unary(t)
	case grammar.ExprBinary:
		return l.binary(t)
	case grammar.ExprCompare:
		return l.compare(t)
	case grammar.ExprMatch:
		return l.match(t)
	case grammar.ExprIn:
		return l.in(t)
	}
	return nil, bad(t, "bad-expression", "expected a condition, found a string")
}

func bad(t *grammar.Expr, code, format string, args ...any) *grammar.Error {
	return &grammar.Error{Code: code, Summary: fmt.Sprintf(format, args...), Range: t.Range}
}

// several compiles a chain of and, or of or.
func (l *Language[C]) several(t *grammar.Expr) (cond[C], *grammar.Error) {
	args := make([]cond[C], len(t.Args))
	for i, a := range t.Args {
		var err *grammar.Error
		if args[i], err = l.cond(a); err != nil {
			return nil, err
		}
	}
	stop := t.Op == grammar.ExprOr
	return func(e *eval[C]) bool {
		for _, arg := range args {
			if arg(e) == stop {
				return stop
			}
		}
		return !stop
	}, nil
}

func (l *Language[C]) unary(t *grammar.Expr) (cond[C], *grammar.Error) {
	if t.Name == "R" {
		net, err := constSubnet(t, t.Args[0])
		if err != nil || l.ClientAddr == nil {
			return nil, err
		}
		return func(e *eval[C]) bool { return net.Contains(l.ClientAddr(e.c)) }, nil
	}
	arg, err := l.word(t.Args[0])
	if err != nil {
		return nil, err
	}
	if f, ok := unaryOps[t.Name]; ok {
		return func(e *eval[C]) bool { return f(arg.run(e)) }, nil
	}
	if l.Unary != nil {
		if f, ok := l.Unary(t.Name); ok {
			return func(e *eval[C]) bool { return f(e.c, arg.run(e)) }, nil
		}
	}
	return nil, bad(t, "unknown-operator", "unary operator '-%s' does not exist", t.Name)
}

// constSubnet reads the network of -R and -ipmatch, which httpd wants to be known when the configuration is read.
func constSubnet(t, arg *grammar.Expr) (subnet.Subnet, *grammar.Error) {
	if arg.Op != grammar.ExprString {
		return subnet.Subnet{}, bad(arg, "bad-value", "-%s requires a network as a constant string", t.Name)
	}
	net, err := subnet.Parse(arg.Text)
	if err != nil {
		return subnet.Subnet{}, bad(arg, "bad-address", "%v", err)
	}
	return net, nil
}

func (l *Language[C]) binary(t *grammar.Expr) (cond[C], *grammar.Error) {
	left, err := l.word(t.Args[0])
	if err != nil {
		return nil, err
	}
	if fold(t.Name) == "ipmatch" {
		net, err := constSubnet(t, t.Args[1])
		if err != nil {
			return nil, err
		}
		return func(e *eval[C]) bool {
			ip, err := netip.ParseAddr(left.run(e))
			return err == nil && net.Contains(ip)
		}, nil
	}
	right, err := l.word(t.Args[1])
	if err != nil {
		return nil, err
	}
	f, ok := binaryOps[fold(t.Name)]
	if !ok {
		return nil, bad(t, "unknown-operator", "binary operator '-%s' does not exist", t.Name)
	}
	return func(e *eval[C]) bool { return f(left.run(e), right.run(e)) }, nil
}

// compare compiles the comparisons of strings and integers; one with a constant is the usual one.
func (l *Language[C]) compare(t *grammar.Expr) (cond[C], *grammar.Error) {
	left, err := l.word(t.Args[0])
	if err != nil {
		return nil, err
	}
	right, err := l.word(t.Args[1])
	if err != nil {
		return nil, err
	}
	a, b := left.run, right.run
	switch t.Name {
	case "==", "!=":
		equal := t.Name == "=="
		if right.isConst {
			text := right.text
			return func(e *eval[C]) bool { return (a(e) == text) == equal }, nil
		}
		return func(e *eval[C]) bool { return (a(e) == b(e)) == equal }, nil
	case "<":
		return func(e *eval[C]) bool { return a(e) < b(e) }, nil
	case "<=":
		return func(e *eval[C]) bool { return a(e) <= b(e) }, nil
	case ">":
		return func(e *eval[C]) bool { return a(e) > b(e) }, nil
	case ">=":
		return func(e *eval[C]) bool { return a(e) >= b(e) }, nil
	}
	test, ok := intOps[t.Name]
	if !ok {
		return nil, bad(t, "unknown-operator", "operator '%s' does not exist", t.Name)
	}
	if right.isConst {
		n := atoi64(right.text)
		return func(e *eval[C]) bool { return test(atoi64(a(e)), n) }, nil
	}
	return func(e *eval[C]) bool { return test(atoi64(a(e)), atoi64(b(e))) }, nil
}

// match compiles =~ and !~. A pattern without groups leaves $0 to $9 as they are.
func (l *Language[C]) match(t *grammar.Expr) (cond[C], *grammar.Error) {
	subject, err := l.word(t.Args[0])
	if err != nil {
		return nil, err
	}
	re, err := regexp(t.Args[1])
	if err != nil {
		return nil, err
	}
	want := t.Name == "=~"
	if re.NumSubexp() == 0 {
		return func(e *eval[C]) bool { return re.MatchString(subject.run(e)) == want }, nil
	}
	return func(e *eval[C]) bool {
		s := subject.run(e)
		loc, err := re.Find(s, e.m.Loc[:0])
		if err != nil {
			e.err = fmt.Errorf("regular expression %s: %w", re, err)
		}
		if loc == nil {
			e.m.Reset()
			return !want
		}
		e.m.Source, e.m.Loc = s, loc[:min(len(loc), 2*maxGroups)]
		return want
	}, nil
}

func regexp(t *grammar.Expr) (*pcre.Regexp, *grammar.Error) {
	flags := pcre.Default
	if t.NoCase {
		flags |= pcre.ICase
	}
	re, err := pcre.Compile(t.Text, flags)
	if err == nil {
		return re, nil
	}
	e := bad(t, "bad-regex", "bad regular expression: %v", err)
	if p, ok := err.(*pcre.Error); ok {
		e.Summary, e.Detail = "bad regular expression: "+p.Summary, p.Detail
		// The text stands behind the delimiter: / or m#.
		from := t.Range.End.Offset - len(t.Text) - 1
		if t.NoCase {
			from--
		}
		e.Range = at(from+min(p.Offset, max(len(t.Text)-1, 0)), 1)
	}
	return nil, e
}

func at(offset, n int) grammar.Range {
	return grammar.Range{
		Start: grammar.Pos{Line: 1, Col: offset + 1, Offset: offset},
		End:   grammar.Pos{Line: 1, Col: offset + n + 1, Offset: offset + n},
	}
}

func (l *Language[C]) in(t *grammar.Expr) (cond[C], *grammar.Error) {
	needle, err := l.word(t.Args[0])
	if err != nil {
		return nil, err
	}
	list := t.Args[1]
	if list.Op == grammar.ExprListFunc {
		return l.inFunc(needle, list)
	}
	words := make([]operand[C], len(list.Args))
	for i, a := range list.Args {
		if words[i], err = l.word(a); err != nil {
			return nil, err
		}
	}
	return func(e *eval[C]) bool {
		s := needle.run(e)
		for i := range words {
			if w := &words[i]; w.isConst && w.text == s || !w.isConst && w.run(e) == s {
				return true
			}
		}
		return false
	}, nil
}

func (l *Language[C]) inFunc(needle operand[C], t *grammar.Expr) (cond[C], *grammar.Error) {
	arg, err := l.word(t.Args[0])
	if err != nil {
		return nil, err
	}
	if l.List != nil {
		if f, ok := l.List(t.Name); ok {
			return func(e *eval[C]) bool {
				s := needle.run(e)
				for _, v := range f(e.c, arg.run(e)) {
					if v == s {
						return true
					}
				}
				return false
			}, nil
		}
	}
	return nil, bad(t, "unknown-function", "list-returning function '%s' does not exist", t.Name)
}
