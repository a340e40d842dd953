package substitute

import (
	"fmt"
	"strings"

	"pinion/runtime"
	"pinion/runtime/pcre"
)

// pattern is one Substitute.
type pattern struct {
	literal     string       // of flag n; "" for a regular expression
	regex       *pcre.Regexp // also of a literal without regard to case
	replacement string
	flat        bool // the result is one piece of text for the patterns that follow
}

// script is a Substitute taken apart; from and to are the offsets of its first two parts.
type script struct {
	from, to                 string
	fromAt                   int
	ignoreCase, isText, flat bool
}

// parse reads s/from/to/flags with any byte for the slash, which can't stand in the parts. The last one may be missing.
func parse(text string) (script, error) {
	s := script{fromAt: 2, flat: true}
	if text == "" || text[0]|0x20 != 's' {
		return s, fmt.Errorf("expected s/pattern/replacement/, found %q", text)
	}
	if len(text) < 3 {
		return s, fmt.Errorf("expected a complete s/pattern/replacement/, found %q", text)
	}
	mark := text[1:2]
	from, rest, ok := strings.Cut(text[2:], mark)
	if from == "" || !ok {
		return s, fmt.Errorf("expected a complete s/pattern/replacement/, found %q", text)
	}
	s.from = from
	var flags string
	s.to, flags, _ = strings.Cut(rest, mark)
	for _, f := range flags {
		switch f {
		case 'i', 'I':
			s.ignoreCase = true
		case 'n', 'N':
			s.isText = true
		case 'f', 'F':
			s.flat = true
		case 'q', 'Q':
			s.flat = false
		default:
			return s, fmt.Errorf("expected the flags i, n, f or q, found %q", f)
		}
	}
	return s, nil
}

func setPattern(c *runtime.Cmd) error {
	s, err := parse(c.Arg(0))
	if err != nil {
		return c.ArgErrorf(0, "bad-value", "%v", err)
	}
	p := &pattern{replacement: s.to, flat: s.flat}
	flags := pcre.DollarEndOnly
	if s.ignoreCase {
		flags |= pcre.ICase
	}
	switch {
	case s.isText && s.ignoreCase:
		p.literal = s.from
		p.regex, err = pcre.Compile(quote(s.from), flags)
	case s.isText:
		p.literal = s.from
	default:
		p.regex, err = c.RegexpIn(0, s.fromAt, s.from, flags)
	}
	if err != nil {
		return err
	}
	if p.literal == "" && p.regex.MatchString("") {
		runtime.WithDetail(c.Warnf("endless-substitute", "the regular expression matches nothing, again and again: each line counts as too long"),
			"write an expression that matches at least one character")
	}
	d := runtime.OwnDirConf[config](c.Dir, Module)
	d.patterns = append(d.patterns, p)
	return nil
}

// quote makes a regular expression that matches the text alone.
func quote(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		fmt.Fprintf(&b, `\x%02x`, text[i])
	}
	return b.String()
}

// find returns where the pattern matches in s: begin, end and the groups of a regular expression, which uses loc's memory.
// The error is a regular expression's limit, and then there is no match.
func (p *pattern) find(s string, loc []int) (_ []int, ok bool, err error) {
	if p.regex == nil {
		i := strings.Index(s, p.literal)
		return append(loc[:0], i, i+len(p.literal)), i >= 0, nil
	}
	found, err := p.regex.Find(s, loc[:0])
	if found == nil {
		return loc, false, err
	}
	return found, true, nil
}

// appendReplacement appends what takes the place of the match loc in s; less than max bytes, or ok is false.
func (p *pattern) appendReplacement(dst []byte, s string, loc []int, max int) (_ []byte, ok bool) {
	if p.literal != "" {
		return append(dst, p.replacement...), true
	}
	start := len(dst)
	in := p.replacement
	for i := 0; i < len(in); i++ {
		c := in[i]
		if c == '$' && i+1 < len(in) && '0' <= in[i+1] && in[i+1] <= '9' {
			i++
			if n := 2 * int(in[i]-'0'); n+1 < len(loc) && 0 <= loc[n] && loc[n] < loc[n+1] {
				dst = append(dst, s[loc[n]:loc[n+1]]...)
			}
		} else {
			if c == '\\' && i+1 < len(in) {
				i++
				c = in[i]
			}
			dst = append(dst, c)
		}
		if len(dst)-start >= max {
			return dst, false
		}
	}
	return dst, true
}
