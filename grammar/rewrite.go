package grammar

import (
	"fmt"
	"strings"
)

// Rule is a RewriteRule.
type Rule struct {
	Negate       bool   // the pattern began with "!"
	Pattern      string // a regular expression
	PatternRange Range
	Subst        string // as written
	SubstRange   Range
	Template     *Template // of Subst; nil for "-", which leaves the URL as it is
	Flags        []RuleFlag
}

// RuleFlag is one flag of a RewriteRule.
type RuleFlag struct {
	// Name is the flag's short name in httpd's spelling: B BNE BNP BCTLS C CO DPI E END F G H L N NE NS NC P PT
	// QSA QSD QSL R S T UnsafePrefixStat UnsafeAllow3F UNC. It is "" for an unknown flag that begins with d,
	// which httpd passes over instead of refusing it.
	Name     string
	Value    string    // behind "="
	Number   int       // of S, N and R=302; 0 when there is none
	Template *Template // of the value of CO, E, H and T, which httpd expands for each request
	// Cookie is CO's value cut into its fields. httpd cuts after it has expanded: where the value holds
	// variables, use SplitCookie on what the Template gives.
	Cookie            *Cookie
	Range, ValueRange Range
}

// Cookie is what [CO=…] sets. Fields that aren't given are "".
type Cookie struct {
	Name, Value, Domain, Lifetime, Path, Secure, HTTPOnly, SameSite string
}

// Cond is a RewriteCond.
type Cond struct {
	Test      string    // as written
	Template  *Template // of Test
	TestRange Range
	Negate    bool
	Op        CondOp
	Letter    byte   // of CondFile: one of f s d x l U F (h and L are l)
	Operand   string // the regular expression, or what is compared with; not expanded by httpd
	Expr      *Expr  // of CondExpr
	NoCase    bool
	OrNext    bool
	NoVary    bool
	// PatternRange is the whole pattern, OperandRange what follows its operator.
	PatternRange, OperandRange Range
}

// CondOp is how a RewriteCond tests.
type CondOp uint8

// The tests of a RewriteCond.
const (
	CondRegex CondOp = iota
	CondExpr         // the test string is the word "expr"
	CondFile         // -f and the like
	CondStrLT        // <
	CondStrLE        // <=
	CondStrEQ        // =
	CondStrGT        // >
	CondStrGE        // >=
	CondIntLT        // -lt
	CondIntLE        // -le
	CondIntEQ        // -eq; -ne is CondIntEQ with Negate turned round
	CondIntGT        // -gt
	CondIntGE        // -ge
)

// RewriteArgs cuts the arguments of RewriteRule and RewriteCond as mod_rewrite does, which differs from other
// directives: a backslash only keeps a blank from ending a word and is never removed. It returns two
// or three words with ranges within raw; what follows the third is ignored, as httpd does.
func RewriteArgs(raw string) ([]Word, *Error) {
	var words []Word
	i := 0
	for n := 0; n < 3; n++ {
		i = skipSpace(raw, i)
		if n == 2 && i == len(raw) {
			break
		}
		w, next, ended := rewriteArg(raw, i)
		if n == 0 && !ended {
			return nil, &Error{Code: "bad-arguments", Summary: fmt.Sprintf("expected a test or pattern and a second argument, found %s", clip(raw)),
				Range: within(0, len(raw))}
		}
		words = append(words, w)
		i = next
	}
	return words, nil
}

// rewriteArg cuts the word at raw[i]; ended tells that something ended it before the end of raw.
func rewriteArg(raw string, i int) (w Word, next int, ended bool) {
	start := i
	if i < len(raw) && (raw[i] == '"' || raw[i] == '\'') {
		w.Quote = raw[i]
		i++
	}
	from := i
	for i < len(raw) {
		c := raw[i]
		if w.Quote == 0 && isSpace(c) || w.Quote != 0 && c == w.Quote {
			ended = true
			break
		}
		if c == '\\' && i+1 < len(raw) && isSpace(raw[i+1]) {
			i++
		}
		i++
	}
	w.Text = raw[from:i]
	next = i
	if ended {
		next++
	}
	end := i
	if ended && w.Quote != 0 {
		end++
	}
	w.Range = within(start, end)
	return w, next, ended
}

// textRange is the range of w.Text without its quotes.
func textRange(w Word) Range {
	from := w.Range.Start.Offset
	if w.Quote != 0 {
		from++
	}
	return within(from, from+len(w.Text))
}

// ParseRewriteRule reads the arguments of a RewriteRule (Line.Raw). All its ranges are within raw, but for those
// of Templates, which are within their text.
func ParseRewriteRule(raw string) (*Rule, *Error) {
	words, err := RewriteArgs(raw)
	if err != nil {
		return nil, err
	}
	r := &Rule{Pattern: words[0].Text, PatternRange: textRange(words[0]), Subst: words[1].Text, SubstRange: textRange(words[1])}
	if strings.HasPrefix(r.Pattern, "!") {
		r.Negate = true
		r.Pattern = r.Pattern[1:]
		r.PatternRange = shiftStart(r.PatternRange, 1)
	}
	if r.Subst != "-" {
		if r.Template, err = ParseTemplate(r.Subst); err != nil {
			err.Range = shift(err.Range, r.SubstRange.Start.Offset)
			return nil, err
		}
	}
	if len(words) < 3 {
		return r, nil
	}
	from := textRange(words[2]).Start.Offset
	if r.Flags, err = ParseRuleFlags(words[2].Text); err != nil {
		err.Range = shift(err.Range, from)
		return nil, err
	}
	for i := range r.Flags {
		f := &r.Flags[i]
		f.Range, f.ValueRange = shift(f.Range, from), shift(f.ValueRange, from)
	}
	return r, nil
}

func shiftStart(r Range, n int) Range { return within(r.Start.Offset+n, r.End.Offset) }

// rawFlag is one key[=value] between brackets.
type rawFlag struct {
	key, value string
	from, to   int // of all
}

// flagList cuts "[a,b=c]". As in httpd a comma always separates, quoted or not.
func flagList(s string) ([]rawFlag, *Error) {
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return nil, &Error{Code: "bad-flags", Summary: fmt.Sprintf("expected flags in brackets such as [L], found %s", clip(s)),
			Detail: "flags with blanks in them need quotes: \"[R, L]\"", Range: within(0, len(s))}
	}
	var out []rawFlag
	for i := 1; i < len(s); {
		end := len(s) - 1
		if n := strings.IndexByte(s[i:end], ','); n >= 0 {
			end = i + n
		}
		f := rawFlag{from: skipSpace(s[:end], i)}
		f.to = max(f.from, trimEnd(s[:end]))
		if f.from == f.to {
			return nil, &Error{Code: "unknown-flag", Summary: "expected a flag, found none", Detail: "remove the comma that is too much",
				Range: within(end, end+1)}
		}
		f.key, f.value, _ = strings.Cut(s[f.from:f.to], "=")
		out = append(out, f)
		i = end + 1
	}
	return out, nil
}

func (f *rawFlag) valueRange() Range { return within(f.to-len(f.value), f.to) }

// ruleFlags maps the lower-case spellings of a flag to its name.
var ruleFlags = map[string]string{
	"b": "B", "backrefescaping": "B", "bne": "BNE", "bnp": "BNP", "backrefernoplus": "BNP", "bctls": "BCTLS",
	"c": "C", "chain": "C", "co": "CO", "cookie": "CO", "d": "DPI", "dpi": "DPI", "discardpath": "DPI",
	"e": "E", "env": "E", "end": "END", "f": "F", "forbidden": "F", "g": "G", "gone": "G",
	"h": "H", "handler": "H", "l": "L", "last": "L", "n": "N", "next": "N", "ne": "NE", "noescape": "NE",
	"ns": "NS", "nosubreq": "NS", "nc": "NC", "nocase": "NC", "p": "P", "proxy": "P", "pt": "PT", "passthrough": "PT",
	"qsa": "QSA", "qsappend": "QSA", "qsd": "QSD", "qsdiscard": "QSD", "qsl": "QSL", "qslast": "QSL",
	"r": "R", "redirect": "R", "s": "S", "skip": "S", "t": "T", "type": "T",
	"unsafeprefixstat": "UnsafePrefixStat", "unsafeallow3f": "UnsafeAllow3F", "unc": "UNC",
}

// ParseRuleFlags reads the flags of a RewriteRule with their brackets, such as "[R=301,L]". Names are compared without
// case. Ranges are within s.
func ParseRuleFlags(s string) ([]RuleFlag, *Error) {
	list, err := flagList(s)
	if err != nil {
		return nil, err
	}
	out := make([]RuleFlag, 0, len(list))
	for i := range list {
		f, err := ruleFlag(&list[i])
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func ruleFlag(raw *rawFlag) (RuleFlag, *Error) {
	f := RuleFlag{Value: raw.value, Range: within(raw.from, raw.to), ValueRange: raw.valueRange()}
	name, ok := ruleFlags[strings.ToLower(raw.key)]
	if !ok && raw.key != "" && raw.key[0]|0x20 == 'd' {
		return f, nil
	}
	if !ok {
		return f, &Error{Code: "unknown-flag", Summary: fmt.Sprintf("unknown flag '%s'", clipBare(raw.key)), Range: within(raw.from, raw.from+len(raw.key))}
	}
	f.Name = name
	switch name {
	case "BNE":
		if f.Value == "" {
			return f, &Error{Code: "bad-flag", Summary: "flag 'BNE' wants a list of characters", Detail: "write [BNE=…]", Range: f.Range}
		}
	case "S", "N":
		f.Number = atoi(f.Value)
	case "R":
		return f, f.redirect()
	case "CO":
		c := SplitCookie(f.Value)
		f.Cookie = &c
	}
	var err *Error
	if name == "CO" || name == "E" || name == "H" || name == "T" {
		if f.Template, err = ParseTemplate(f.Value); err != nil {
			err.Range = shift(err.Range, f.ValueRange.Start.Offset)
		}
	}
	return f, err
}

// redirect reads the status of R. httpd takes any other word for no status at all, and then answers with status 0.
func (f *RuleFlag) redirect() *Error {
	switch strings.ToLower(f.Value) {
	case "permanent":
		f.Number = 301
	case "temp":
		f.Number = 302
	case "seeother":
		f.Number = 303
	default:
		if f.Value == "" || f.Value[0] < '0' || f.Value[0] > '9' {
			return nil
		}
		f.Number = atoi(f.Value)
		if !knownStatus(f.Number) {
			return &Error{Code: "bad-flag", Summary: fmt.Sprintf("invalid HTTP response code '%s' for flag 'R'", clipBare(f.Value)), Range: f.ValueRange}
		}
	}
	return nil
}

// knownStatus tells whether httpd 2.4 has a status line for the code.
func knownStatus(code int) bool {
	switch {
	case 100 <= code && code <= 102, 200 <= code && code <= 208, code == 226, 300 <= code && code <= 308 && code != 306,
		400 <= code && code <= 417, 421 <= code && code <= 424, code == 426, code == 428, code == 429, code == 431, code == 451,
		500 <= code && code <= 508, code == 510, code == 511:
		return true
	}
	return false
}

// atoi is C's: leading blanks, a sign and digits, else 0. It saturates at what fits into 32 bits.
func atoi(s string) int {
	i := skipSpace(s, 0)
	sign := 1
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		if s[i] == '-' {
			sign = -1
		}
		i++
	}
	n := 0
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), 1<<31-1)
	}
	return sign * n
}

func clipBare(s string) string {
	q := clip(s)
	return q[1 : len(q)-1]
}

// SplitCookie cuts the expanded value of a CO flag into NAME:VALUE:DOMAIN:lifetime:path:secure:httponly:samesite. A
// value that begins with ";" is cut at semicolons instead. Like C's strtok it takes separators in a row as one.
func SplitCookie(s string) Cookie {
	sep := byte(':')
	if strings.HasPrefix(s, ";") {
		sep, s = ';', s[1:]
	}
	var c Cookie
	for _, field := range []*string{&c.Name, &c.Value, &c.Domain, &c.Lifetime, &c.Path, &c.Secure, &c.HTTPOnly, &c.SameSite} {
		for s != "" && s[0] == sep {
			s = s[1:]
		}
		end := strings.IndexByte(s, sep)
		if end < 0 {
			end = len(s)
		}
		*field = s[:end]
		s = s[min(end+1, len(s)):]
	}
	return c
}

// SplitEnv cuts the expanded value of an E flag: "!NAME" unsets, "NAME:value" or "NAME" sets.
func SplitEnv(s string) (name, value string, unset bool) {
	if strings.HasPrefix(s, "!") {
		return s[1:], "", true
	}
	name, value, _ = strings.Cut(s, ":")
	return name, value, false
}

// ParseRewriteCond reads the arguments of a RewriteCond (Line.Raw). Its ranges are within raw, but for those of
// the Template and of Expr, which are within their texts.
func ParseRewriteCond(raw string) (*Cond, *Error) {
	words, err := RewriteArgs(raw)
	if err != nil {
		return nil, err
	}
	c := &Cond{Test: words[0].Text, TestRange: textRange(words[0]), PatternRange: textRange(words[1])}
	if len(words) == 3 {
		if err := c.flags(words[2].Text); err != nil {
			err.Range = shift(err.Range, textRange(words[2]).Start.Offset)
			return nil, err
		}
	}
	if c.Template, err = ParseTemplate(c.Test); err != nil {
		err.Range = shift(err.Range, c.TestRange.Start.Offset)
		return nil, err
	}
	pattern := words[1].Text
	c.Operand = pattern
	if strings.HasPrefix(pattern, "!") {
		c.Negate = true
		c.Operand = pattern[1:]
	}
	if strings.EqualFold(c.Test, "expr") {
		c.Op = CondExpr
	} else {
		c.operator()
	}
	c.OperandRange = shiftStart(c.PatternRange, len(pattern)-len(c.Operand))
	if c.Op == CondStrEQ && c.Operand == `""` {
		c.Operand = ""
	}
	if c.Op == CondExpr {
		if c.Expr, err = ParseExpr(c.Operand); err != nil {
			err.Range = shift(err.Range, c.OperandRange.Start.Offset)
			return nil, err
		}
	}
	return c, nil
}

// operator takes a test operator off the pattern; without one it is a regular expression.
func (c *Cond) operator() {
	s := c.Operand
	if len(s) < 2 {
		return
	}
	cut := 0
	switch {
	case s[0] == '-' && len(s) == 2:
		if strings.IndexByte("fsdxhLlUF", s[1]) >= 0 {
			c.Op, c.Letter, cut = CondFile, s[1], 2
			if s[1] == 'h' || s[1] == 'L' {
				c.Letter = 'l'
			}
		}
	case s[0] == '-' && len(s) > 3:
		ops := map[string]CondOp{"-lt": CondIntLT, "-le": CondIntLE, "-gt": CondIntGT, "-ge": CondIntGE, "-eq": CondIntEQ, "-ne": CondIntEQ}
		if op, ok := ops[s[:3]]; ok {
			c.Op, cut = op, 3
			c.Negate = c.Negate != (s[:3] == "-ne")
		}
	case strings.HasPrefix(s, ">="):
		c.Op, cut = CondStrGE, 2
	case strings.HasPrefix(s, "<="):
		c.Op, cut = CondStrLE, 2
	case s[0] == '>':
		c.Op, cut = CondStrGT, 1
	case s[0] == '<':
		c.Op, cut = CondStrLT, 1
	case s[0] == '=':
		c.Op, cut = CondStrEQ, 1
	}
	c.Operand = s[cut:]
}

func (c *Cond) flags(s string) *Error {
	list, err := flagList(s)
	if err != nil {
		return err
	}
	for i := range list {
		switch f := &list[i]; strings.ToLower(f.key) {
		case "nc", "nocase":
			c.NoCase = true
		case "or", "ornext":
			c.OrNext = true
		case "nv", "novary":
			c.NoVary = true
		default:
			return &Error{Code: "unknown-flag", Summary: fmt.Sprintf("unknown flag '%s'", clipBare(f.key)),
				Detail: "a RewriteCond has the flags NC, OR and NV", Range: within(f.from, f.from+len(f.key))}
		}
	}
	return nil
}
