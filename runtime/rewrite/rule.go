package rewrite

import (
	"fmt"
	"strings"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/pcre"
)

// flags are those flags of a rule that need no value.
type flags uint32

const (
	flagRedirect flags = 1 << iota
	flagLast
	flagNext
	flagChain
	flagNoSubReq
	flagNegate
	flagProxy
	flagPassThrough
	flagQueryAppend
	flagNoEscape
	flagNoSubst // "-", or a flag that forces a status
	flagStatus
	flagDiscardPath
	flagQueryDiscard
	flagEnd
	flagQueryLast
	flagQueryNone
	flagUnsafeAllow3F
	flagUNC
	flagNoCase
	flagUnsafePrefixStat
)

// flagBits are the flags that are no more than a bit.
var flagBits = map[string]flags{
	"C": flagChain, "DPI": flagDiscardPath, "END": flagEnd, "L": flagLast, "NE": flagNoEscape, "NS": flagNoSubReq,
	"NC": flagNoCase, "P": flagProxy, "PT": flagPassThrough, "QSA": flagQueryAppend, "QSD": flagQueryDiscard,
	"QSL": flagQueryLast, "UnsafePrefixStat": flagUnsafePrefixStat, "UnsafeAllow3F": flagUnsafeAllow3F, "UNC": flagUNC,
	"F": flagStatus | flagNoSubst, "G": flagStatus | flagNoSubst, "R": flagRedirect, "N": flagNext,
}

// maxRounds is how often [N] begins anew, where it has no figure of its own.
const maxRounds = 32000

// rule is a RewriteRule with its conditions.
type rule struct {
	place   parser.Place
	conds   []*cond
	re      *pcre.Regexp
	pattern string // without "!"
	output  string // the substitution, without a "?" at its end
	subst   *template
	flags   flags
	status  int // of R, F, G
	skip    int
	rounds  int
	env     []*template
	cookies []*template
	mime    *template // of T; nil without
	handler *template // of H
	maps    []string  // names of the maps in it and its conditions
	proxy   bool      // whether there is a proxy module to hand URLs to
}

func setRule(c *runtime.Cmd) error {
	parsed, e := grammar.ParseRewriteRule(c.Node.Raw)
	if e != nil {
		return rawError(c, "RewriteRule: ", e)
	}
	s := settingsOf(c)
	r := &rule{place: c.Node.Place, pattern: parsed.Pattern, output: parsed.Subst, status: 302, rounds: maxRounds,
		conds: s.conds, proxy: c.Module("proxy_module") != nil}
	s.conds = nil
	if parsed.Negate {
		r.flags |= flagNegate
	}
	comp := &compiler{escape: newEscaper(parsed.Flags)}
	r.takeFlags(comp, parsed.Flags)
	var err error
	mode := pcre.Default
	if r.flags&flagNoCase != 0 {
		mode |= pcre.ICase
	}
	if r.re, err = pcre.Compile(r.pattern, mode); err != nil {
		return regexError(c, "RewriteRule: cannot compile regular expression '"+r.pattern+"'", parsed.PatternRange, err)
	}
	if err := r.setSubst(comp, parsed); err != nil {
		return rawError(c, "RewriteRule: ", err)
	}
	r.maps = comp.maps
	for _, k := range r.conds {
		r.maps = append(r.maps, k.maps...)
	}
	s.warn(c, r, parsed)
	s.rules.rules = append(s.rules.rules, r)
	return nil
}

func (r *rule) takeFlags(comp *compiler, list []grammar.RuleFlag) {
	plain := &compiler{}
	for i := range list {
		f := &list[i]
		r.flags |= flagBits[f.Name]
		switch f.Name {
		case "CO":
			r.cookies = append(r.cookies, plain.template(f.Template))
		case "E":
			r.env = append(r.env, plain.template(f.Template))
		case "H":
			r.handler = comp.template(f.Template)
		case "T":
			r.mime = comp.template(f.Template)
		case "F":
			r.status = 403
		case "G":
			r.status = 410
		case "N":
			if f.Value != "" {
				r.rounds = f.Number
			}
		case "S":
			r.skip = f.Number
		case "R":
			if f.Value == "" {
				break
			}
			r.status = f.Number
			if f.Number != 0 && (f.Number < 300 || f.Number > 399) {
				r.flags |= flagStatus | flagNoSubst
			}
		}
	}
	comp.maps = append(comp.maps, plain.maps...)
}

// setSubst compiles the substitution. A "?" at its very end takes the query away.
func (r *rule) setSubst(comp *compiler, parsed *grammar.Rule) *grammar.Error {
	if r.output == "-" {
		r.flags |= flagNoSubst
	}
	tree := parsed.Template
	switch {
	case strings.HasSuffix(r.output, "?") && r.flags&flagQueryAppend != 0:
		r.flags |= flagQueryLast
	case strings.HasSuffix(r.output, "?"):
		r.flags |= flagQueryNone
		r.output = r.output[:len(r.output)-1]
		var e *grammar.Error
		if tree, e = grammar.ParseTemplate(r.output); e != nil {
			return e
		}
	case r.flags&flagQueryDiscard != 0 && !strings.Contains(r.output, "?"):
		r.flags |= flagQueryNone
	}
	if r.flags&flagNoSubst == 0 {
		r.subst = comp.template(tree)
	}
	return nil
}

// warn speaks of what httpd takes without a word and probably nobody means.
func (s *settings) warn(c *runtime.Cmd, r *rule, parsed *grammar.Rule) {
	has := map[string]bool{}
	for _, f := range parsed.Flags {
		has[f.Name] = true
	}
	say := func(f *grammar.RuleFlag, detail, format string, args ...any) {
		d := c.Warnf("ignored-flag", format, args...)
		d.Detail = detail
		d.Place.Range = rawRange(c, f.Range)
	}
	for i := range parsed.Flags {
		f := &parsed.Flags[i]
		switch {
		case f.Name == "":
			say(f, "", "RewriteRule: httpd doesn't know this flag and ignores it, as all that begin with d")
		case f.Name == "R" && f.Value != "" && f.Number == 0:
			say(f, "write a number, or permanent, temp or seeother", "RewriteRule: R=%s is no status: httpd answers 302", f.Value)
		case f.Name == "PT" && c.Section != nil:
			say(f, "", "RewriteRule: PT has no effect in a section, where the result always begins anew")
		case f.Name == "DPI" && c.Section == nil:
			say(f, "", "RewriteRule: DPI has an effect in sections only")
		case (f.Name == "BNP" || f.Name == "BNE") && !has["B"] && !has["BCTLS"]:
			say(f, "add B", "RewriteRule: %s has no effect without B", f.Name)
		case f.Name == "N" && (has["L"] || has["P"] || has["END"] || has["PT"]):
			say(f, "", "RewriteRule: N has no effect with L, P, PT or END, which end the round")
		case (f.Name == "S" || f.Name == "N" && f.Value != "") && f.Number <= 0:
			say(f, "", "RewriteRule: %s wants a number above 0, found '%s'", f.Name, f.Value)
		}
	}
	if first := s.shadow(c.Section != nil); first != nil {
		d := c.Warnf("unreachable", "RewriteRule is never reached: an earlier rule matches every URL and ends the list")
		d.Also = append(d.Also, parser.Related{Summary: "this rule", Place: first.place})
	}
}

// everything are patterns that match whatever there is, rooted those that match every path of a server.
var (
	everything = set("", "^", "$", ".*", "^.*", ".*$", "^.*$", "(.*)", "^(.*)", "(.*)$", "^(.*)$", "^/?(.*)$", "^/?(.*)")
	rooted     = set("/", "^/", "^/.*", "^/.*$", "^/(.*)", "^/(.*)$", "^(/.*)$", "^(/.*)")
)

const ending = flagLast | flagEnd | flagProxy | flagPassThrough | flagStatus

// shadow returns the rule, if any, that ends the list for every request before a further rule could be reached. It
// looks at the last rule only: the one after it was warned of already.
func (s *settings) shadow(inDir bool) *rule {
	rules := s.rules.rules
	n := len(rules) - 1
	if n < 0 {
		return nil
	}
	r := rules[n]
	if len(r.conds) > 0 || r.flags&ending == 0 || r.flags&(flagNegate|flagNoSubReq) != 0 || !everything[r.pattern] && (inDir || !rooted[r.pattern]) ||
		n > 0 && rules[n-1].flags&flagChain != 0 {
		return nil
	}
	for i, earlier := range rules[:n] {
		// After a substitution the subject may be a URL, which is no path.
		if i+earlier.skip >= n || rooted[r.pattern] && earlier.flags&(flagNoSubst|ending) == 0 {
			return nil
		}
	}
	return r
}

// rawRange is where a range of the arguments stands in the file, as far as the line shows them as they are.
func rawRange(c *runtime.Cmd, r grammar.Range) grammar.Range {
	raw := c.Node.RawRange
	if raw.Start.Line != raw.End.Line || raw.End.Offset-raw.Start.Offset != len(c.Node.Raw) {
		return c.Node.Place.Range
	}
	shift := func(p grammar.Pos) grammar.Pos {
		return grammar.Pos{Line: raw.Start.Line, Col: raw.Start.Col + p.Offset, Offset: raw.Start.Offset + p.Offset}
	}
	return grammar.Range{Start: shift(r.Start), End: shift(r.End)}
}

func rawError(c *runtime.Cmd, what string, e *grammar.Error) error {
	d := c.Errorf(e.Code, "%s%s", what, e.Summary)
	d.Detail = e.Detail
	d.Place.Range = rawRange(c, e.Range)
	return d
}

// regexError is a mistake in the regular expression that stands at those bytes of the arguments.
func regexError(c *runtime.Cmd, what string, at grammar.Range, err error) error {
	d := c.Errorf("bad-regex", "%s: %v", what, err)
	if e, ok := err.(*pcre.Error); ok {
		d.Summary = fmt.Sprintf("%s: %s", what, e.Summary)
		d.Detail = e.Detail
		from := min(at.End.Offset-len(strings.TrimPrefix(patternOf(c, at), "!"))+e.Offset, max(at.End.Offset-1, 0))
		at.Start.Offset, at.End.Offset = from, from+1
	}
	d.Place.Range = rawRange(c, at)
	return d
}

func patternOf(c *runtime.Cmd, at grammar.Range) string {
	return c.Node.Raw[at.Start.Offset:at.End.Offset]
}
