package rewrite

import (
	"os"
	"strings"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/expr"
	"pinion/runtime/pcre"
)

// cond is a RewriteCond.
type cond struct {
	place   parser.Place
	input   *template
	pattern string // as written, for the log
	negate  bool
	noCase  bool
	orNext  bool
	noVary  bool
	maps    []string
	// reported tells, while compiling, that the condition was found without a rule.
	reported bool
	// test looks at the expanded input. It sets the groups of the conditions where it has some.
	test func(x *rewriting, input string) bool
}

func setCond(c *runtime.Cmd) error {
	parsed, e := grammar.ParseRewriteCond(c.Node.Raw)
	if e != nil {
		return rawError(c, "RewriteCond: ", e)
	}
	comp := &compiler{}
	k := &cond{place: c.Node.Place, negate: parsed.Negate, noCase: parsed.NoCase, orNext: parsed.OrNext, noVary: parsed.NoVary}
	k.pattern = c.Node.Raw[parsed.PatternRange.Start.Offset:parsed.PatternRange.End.Offset]
	if parsed.Op != grammar.CondExpr {
		k.input = comp.template(parsed.Template)
	}
	if k.noCase && parsed.Op != grammar.CondRegex && (parsed.Op < grammar.CondStrLT || parsed.Op > grammar.CondStrGE) {
		c.Warnf("ignored", "RewriteCond: NoCase option for non-regex pattern '%s' is not supported and will be ignored", parsed.Operand)
		k.noCase = false
	}
	var err error
	if k.test, err = condTest(c, parsed, k); err != nil {
		return err
	}
	k.maps = comp.maps
	s := settingsOf(c)
	s.conds = append(s.conds, k)
	return nil
}

func condTest(c *runtime.Cmd, p *grammar.Cond, k *cond) (func(*rewriting, string) bool, error) {
	switch p.Op {
	case grammar.CondRegex:
		return regexTest(c, p, k)
	case grammar.CondExpr:
		return exprTest(c, p, k)
	case grammar.CondFile:
		return fileTests[p.Letter], nil
	case grammar.CondIntLT, grammar.CondIntLE, grammar.CondIntEQ, grammar.CondIntGT, grammar.CondIntGE:
		n := atoi(p.Operand)
		ok := ordered(p.Op)
		return func(_ *rewriting, input string) bool {
			a := atoi(input)
			return a < n && ok[0] || a == n && ok[1] || a > n && ok[2]
		}, nil
	}
	text, ok, compare := p.Operand, ordered(p.Op), lexical
	if k.noCase {
		compare = lexicalNoCase
	}
	return func(_ *rewriting, input string) bool { return ok[compare(input, text)+1] }, nil
}

// ordered tells whether an operator holds for less, equal and greater.
func ordered(op grammar.CondOp) [3]bool {
	switch op {
	case grammar.CondIntLT, grammar.CondStrLT:
		return [3]bool{true, false, false}
	case grammar.CondIntLE, grammar.CondStrLE:
		return [3]bool{true, true, false}
	case grammar.CondIntGT, grammar.CondStrGT:
		return [3]bool{false, false, true}
	case grammar.CondIntGE, grammar.CondStrGE:
		return [3]bool{false, true, true}
	}
	return [3]bool{false, true, false}
}

// lexical is mod_rewrite's own order: the longer string is the greater one, whatever is in it.
func lexical(a, b string) int {
	if len(a) != len(b) {
		if len(a) > len(b) {
			return 1
		}
		return -1
	}
	return strings.Compare(a, b)
}

// lexicalNoCase is strcasecmp.
func lexicalNoCase(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			if x > y {
				return 1
			}
			return -1
		}
	}
	switch {
	case len(a) > len(b):
		return 1
	case len(a) < len(b):
		return -1
	}
	return 0
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func regexTest(c *runtime.Cmd, p *grammar.Cond, k *cond) (func(*rewriting, string) bool, error) {
	flags := pcre.Default
	if k.noCase {
		flags |= pcre.ICase
	}
	re, err := pcre.Compile(p.Operand, flags)
	if err != nil {
		return nil, regexError(c, "RewriteCond: cannot compile regular expression '"+p.Operand+"'", p.OperandRange, err)
	}
	if k.negate {
		return func(x *rewriting, input string) bool { return re.MatchString(input) }, nil
	}
	return func(x *rewriting, input string) bool { return x.match(re, input, &x.ofCond) }, nil
}

func exprTest(c *runtime.Cmd, p *grammar.Cond, k *cond) (func(*rewriting, string) bool, error) {
	compiled, err := c.Condition(p.Operand, p.NoVary)
	if err != nil {
		return nil, err
	}
	pattern := k.pattern
	return func(x *rewriting, _ string) bool {
		m := &x.scratch
		m.Reset()
		ok, err := compiled.True(x.r, m)
		if err != nil {
			if x.verbose >= 1 {
				x.logf(1, true, "RewriteCond: expr='%s' evaluation failed: %s", pattern, err)
			}
			return false
		}
		if ok && !k.negate {
			x.ofCond, x.scratch = x.scratch, x.ofCond
		}
		return ok
	}, nil
}

var fileTests = map[byte]func(*rewriting, string) bool{
	'f': func(_ *rewriting, name string) bool {
		fi, err := os.Stat(name)
		return err == nil && fi.Mode().IsRegular()
	},
	's': func(_ *rewriting, name string) bool {
		fi, err := os.Stat(name)
		return err == nil && fi.Mode().IsRegular() && fi.Size() > 0
	},
	'l': func(_ *rewriting, name string) bool {
		fi, err := os.Lstat(name)
		return err == nil && fi.Mode()&os.ModeSymlink != 0
	},
	'd': func(_ *rewriting, name string) bool { fi, err := os.Stat(name); return err == nil && fi.IsDir() },
	'x': func(_ *rewriting, name string) bool {
		fi, err := os.Stat(name)
		return err == nil && fi.Mode().Perm()&0o111 != 0
	},
	'U': urlTest,
	'F': fileTest,
}

func urlTest(x *rewriting, uri string) bool {
	if uri == "" || !mayLookUp(x.r) {
		return false
	}
	sub := x.r.SubRequest(uri)
	status := sub.Status
	sub.Free()
	if x.verbose >= 5 {
		x.logf(5, false, "RewriteCond URI (-U check: path=%s -> status=%d", uri, status)
	}
	return status < 400
}

func fileTest(x *rewriting, name string) bool {
	if name == "" || !mayLookUp(x.r) {
		return false
	}
	sub := x.r.SubRequestFile(name)
	status, file := sub.Status, sub.Filename
	sub.Free()
	ok := status < 300
	if ok {
		_, err := os.Stat(file)
		ok = err == nil
	}
	if x.verbose >= 5 {
		x.logf(5, false, "RewriteCond file (-F check: path=%s -> file=%s status=%d", name, file, status)
	}
	return ok
}

// holds applies the condition.
func (k *cond) holds(x *rewriting) bool {
	input := ""
	if k.input != nil {
		input = k.input.expand(x)
	}
	ok := k.test(x, input) != k.negate
	if x.verbose >= 4 {
		if k.input == nil {
			input = "(null)"
		}
		nc, result := "", "not-matched"
		if k.noCase {
			nc = " [NC]"
		}
		if ok {
			result = "matched"
		}
		x.logf(4, true, "RewriteCond: input='%s' pattern='%s'%s => %s", input, k.pattern, nc, result)
	}
	return ok
}

// allHold applies the conditions of a rule, and gathers the request headers that they looked at.
func (x *rewriting) allHold(conds []*cond) bool {
	for i := 0; i < len(conds); i++ {
		k := conds[i]
		ok := k.holds(x)
		if k.noVary {
			x.varyThis = ""
		}
		switch {
		case k.orNext && !ok:
			// Another one may be true yet.
			x.varyThis = ""
			continue
		case k.orNext:
			for i < len(conds) && conds[i].orNext {
				i++
			}
		case !ok:
			return false
		}
		if x.varyThis != "" {
			x.vary = listed(x.vary, x.varyThis)
			x.varyThis = ""
		}
	}
	return true
}

// match runs a regular expression and keeps its groups in m where it matches.
func (x *rewriting) match(re *pcre.Regexp, s string, m *expr.Match) bool {
	loc, err := re.Find(s, x.loc[:0])
	if err != nil {
		x.r.Logf(Module, runtime.LogErr, "", "regular expression '%s' was given up on '%s': %v", re, s, err)
	}
	if loc == nil {
		return false
	}
	x.loc, m.Loc = m.Loc, loc
	if len(m.Loc) > 2*maxGroups {
		m.Loc = m.Loc[:2*maxGroups]
	}
	m.Source = s
	return true
}

// maxGroups is how many groups a match has, $0 included (AP_MAX_REG_MATCH).
const maxGroups = 10
