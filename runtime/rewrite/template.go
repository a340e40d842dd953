package rewrite

import (
	"strings"

	"pinion/grammar"
)

// template is a compiled grammar.Template.
type template struct {
	text  string   // the whole, where parts is nil
	mark  question // of text
	parts []part
}

// part is a piece of text, or what appends a piece to it.
type part struct {
	text string
	// literal tells that text is the author's own and stood behind no backslash: a question mark in it is meant.
	literal bool
	run     func(x *rewriting, dst []byte) []byte
}

// question is where the question mark that begins the query came from: of all, or of the last with [QSL].
type question int8

const (
	noQuestion     question = iota
	safeQuestion            // the rule's own text
	unsafeQuestion          // a variable, map or group, so perhaps an encoded one of the request (CVE-2024-38474)
)

// compiler compiles the templates of one rule or condition.
type compiler struct {
	escape *escaper // of groups; nil for none
	maps   []string // names of the maps met
}

// template compiles t.
func (c *compiler) template(t *grammar.Template) *template {
	if t == nil {
		return &template{}
	}
	out := &template{}
	constant := true
	for i := range t.Parts {
		p := &t.Parts[i]
		if p.Kind == grammar.PartText {
			out.text += p.Text
			if !p.Escaped && strings.Contains(p.Text, "?") {
				out.mark = safeQuestion
			}
			out.parts = append(out.parts, part{text: p.Text, literal: !p.Escaped})
			continue
		}
		constant = false
		out.parts = append(out.parts, part{run: c.part(p)})
	}
	if constant {
		out.parts = nil
	} else {
		out.text = ""
	}
	return out
}

func (c *compiler) part(p *grammar.TemplatePart) func(*rewriting, []byte) []byte {
	switch p.Kind {
	case grammar.PartRuleRef, grammar.PartCondRef:
		return c.group(p)
	case grammar.PartVariable:
		get := variable(p.Var)
		return func(x *rewriting, dst []byte) []byte { return append(dst, get(x)...) }
	}
	return c.mapped(p)
}

func (c *compiler) group(p *grammar.TemplatePart) func(*rewriting, []byte) []byte {
	n, ofCond, escape := p.Index, p.Kind == grammar.PartCondRef, c.escape
	return func(x *rewriting, dst []byte) []byte {
		m := &x.ofRule
		if ofCond {
			m = &x.ofCond
		}
		s := m.Group(n)
		if escape == nil || s == "" {
			return append(dst, s...)
		}
		from := len(dst)
		dst = escape.append(dst, s)
		if x.verbose >= 5 {
			x.logf(5, true, "escaping backreference '%s' to '%s'", s, dst[from:])
		}
		return dst
	}
}

// mapped compiles ${map:key|default}. The maps are those of the request's server, so they are found by name then.
func (c *compiler) mapped(p *grammar.TemplatePart) func(*rewriting, []byte) []byte {
	name := p.Map
	c.maps = append(c.maps, name)
	key := c.template(p.Key)
	var def *template
	if p.Default != nil {
		def = c.template(p.Default)
	}
	return func(x *rewriting, dst []byte) []byte {
		from := len(dst)
		dst = key.append(x, dst, nil, false)
		value, ok := x.lookupMap(name, dst[from:])
		dst = dst[:from]
		if ok {
			return append(dst, value...)
		}
		if def != nil {
			return def.append(x, dst, nil, false)
		}
		return dst
	}
}

// append appends the expansion to dst. q, which may be nil, learns where the first question mark, or with last the
// last one, came from.
func (t *template) append(x *rewriting, dst []byte, q *question, last bool) []byte {
	if t.parts == nil {
		if q != nil && t.mark != noQuestion {
			*q = t.mark
		}
		return append(dst, t.text...)
	}
	for i := range t.parts {
		p := &t.parts[i]
		from := len(dst)
		if p.run == nil {
			dst = append(dst, p.text...)
		} else {
			dst = p.run(x, dst)
		}
		if q == nil || *q != noQuestion && !last {
			continue
		}
		switch {
		case p.run != nil && hasQuestion(dst[from:]):
			*q = unsafeQuestion
		case p.literal && hasQuestion(dst[from:]):
			*q = safeQuestion
		}
	}
	return dst
}

func hasQuestion(b []byte) bool {
	for _, c := range b {
		if c == '?' {
			return true
		}
	}
	return false
}

// expand returns the expansion.
func (t *template) expand(x *rewriting) string {
	if t.parts == nil {
		return t.text
	}
	if len(t.parts) == 1 && t.parts[0].run == nil {
		return t.parts[0].text
	}
	x.buf = t.append(x, x.buf[:0], nil, false)
	return string(x.buf)
}

// escaper is what [B] and its relatives do to groups.
type escaper struct {
	bytes  [256]bool
	noPlus bool
}

// newEscaper reads the flags; it is nil without B and BCTLS. only and except are the values of B= and BNE=.
func newEscaper(flags []grammar.RuleFlag) *escaper {
	var on, controls, noPlus bool
	var only, except string
	for _, f := range flags {
		switch f.Name {
		case "B":
			on = true
			if f.Value != "" {
				only = f.Value
			}
		case "BCTLS":
			on, controls = true, true
		case "BNE":
			except = f.Value
		case "BNP":
			noPlus = true
		}
	}
	if !on {
		return nil
	}
	e := &escaper{noPlus: noPlus}
	for i := range e.bytes {
		c := byte(i)
		take := only == ""
		if controls {
			take = c <= ' ' || c == 0x7f
		}
		if strings.IndexByte(only, c) >= 0 {
			take = true
		}
		e.bytes[i] = take && strings.IndexByte(except, c) < 0 && !alnum(c) && c != '_'
	}
	return e
}

func (e *escaper) append(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case !e.bytes[c]:
			dst = append(dst, c)
		case c == ' ' && !e.noPlus:
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}
