package expr

import (
	"strings"

	"pinion/grammar"
)

// operand is a compiled string; text is its value where isConst.
type operand[C any] struct {
	run     word[C]
	text    string
	isConst bool
}

func constant[C any](s string) operand[C] {
	return operand[C]{func(*eval[C]) string { return s }, s, true}
}

// word compiles a node that is a string.
func (l *Language[C]) word(t *grammar.Expr) (operand[C], *grammar.Error) {
	switch t.Op {
	case grammar.ExprString, grammar.ExprDigits:
		return constant[C](t.Text), nil
	case grammar.ExprConcat:
		return l.concat(t)
	case grammar.ExprVar:
		return l.variable(t)
	case grammar.ExprFunc:
		return l.call(t)
	case grammar.ExprBackref:
		n := t.Index
		return operand[C]{run: func(e *eval[C]) string { return e.m.Group(n) }}, nil
	}
	return operand[C]{}, bad(t, "bad-expression", "expected a string, found a condition")
}

func (l *Language[C]) variable(t *grammar.Expr) (operand[C], *grammar.Error) {
	if l.Var != nil {
		if v, ok := l.Var(t.Name); ok {
			get, vary := v.Get, v.Vary
			if vary == "" {
				return operand[C]{run: func(e *eval[C]) string { return get(e.c) }}, nil
			}
			return operand[C]{run: func(e *eval[C]) string {
				e.addVary(vary)
				return get(e.c)
			}}, nil
		}
	}
	return operand[C]{}, bad(t, "unknown-variable", "variable '%s' does not exist", t.Name)
}

// addVary notes that the answer depends on a request header; on Host each answer does.
func (e *eval[C]) addVary(name string) {
	switch {
	case fold(name) == "host":
	case e.vary == "":
		e.vary = name
	default:
		e.vary += ", " + name
	}
}

func (l *Language[C]) call(t *grammar.Expr) (operand[C], *grammar.Error) {
	arg, err := l.word(t.Args[0])
	if err != nil {
		return operand[C]{}, err
	}
	if f, ok := stringFuncs[fold(t.Name)]; ok {
		return operand[C]{run: func(e *eval[C]) string {
			s, err := f(arg.run(e))
			if err != nil {
				e.err = err
			}
			return s
		}}, nil
	}
	if l.Func != nil {
		if f, ok := l.Func(t.Name); ok {
			return operand[C]{run: func(e *eval[C]) string {
				a := arg.run(e)
				if f.Vary {
					e.addVary(a)
				}
				return f.Call(e.c, a)
			}}, nil
		}
	}
	return operand[C]{}, bad(t, "unknown-function", "function '%s' does not exist", t.Name)
}

func (l *Language[C]) concat(t *grammar.Expr) (operand[C], *grammar.Error) {
	var parts []operand[C]
	for _, a := range t.Args {
		p, err := l.word(a)
		if err != nil {
			return operand[C]{}, err
		}
		if n := len(parts); n > 0 && p.isConst && parts[n-1].isConst {
			p = constant[C](parts[n-1].text + p.text)
			parts = parts[:n-1]
		}
		parts = append(parts, p)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	if len(parts) == 2 {
		a, b := parts[0].run, parts[1].run
		return operand[C]{run: func(e *eval[C]) string { return a(e) + b(e) }}, nil
	}
	return operand[C]{run: func(e *eval[C]) string {
		var buf [8]string
		all := buf[:0]
		for i := range parts {
			all = append(all, parts[i].run(e))
		}
		return strings.Join(all, "")
	}}, nil
}
