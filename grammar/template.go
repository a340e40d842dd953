package grammar

import (
	"fmt"
	"strings"
)

// Template is a RewriteRule's substitution, a RewriteCond's test string or a flag's value: text with $1, %1,
// %{VARIABLE} and ${map:key|default} in it. Ranges are within the text.
type Template struct {
	Parts []TemplatePart
}

// TemplatePart is one part of a Template.
type TemplatePart struct {
	Kind    PartKind
	Text    string    // of PartText
	Escaped bool      // of PartText: one character that stood behind a backslash
	Index   int       // of PartRuleRef and PartCondRef: 0 to 9
	Var     *Variable // of PartVariable
	Map     string    // of PartMap: the map's name
	Key     *Template // of PartMap
	Default *Template // of PartMap; nil when there is none
	Range   Range
}

// PartKind is what a TemplatePart is.
type PartKind uint8

// The parts of a Template.
const (
	PartText     PartKind = iota
	PartRuleRef           // $0 to $9: what the RewriteRule's pattern matched
	PartCondRef           // %0 to %9: what the last RewriteCond matched
	PartVariable          // %{NAME}
	PartMap               // ${map:key|default}
)

// Variable is a server variable of mod_rewrite.
type Variable struct {
	// Scope is "" for the plain variables, or "ENV", "SSL", "HTTP", "LA-U", "LA-F" in upper case.
	Scope string
	Name  string // behind the scope; upper case for plain variables
	// Inner is the variable that LA-U and LA-F look up in their subrequest; nil for other scopes.
	Inner *Variable
}

// maxNesting bounds maps within maps and look-aheads within look-aheads.
const maxNesting = 32

// maxBraces bounds pairs of braces within each other, of any kind: the time that a template costs grows with it.
const maxBraces = 256

// ParseTemplate reads a template. As in httpd nearly everything is one: a "%{" without "}", a "${" without ":" or "}"
// and a single "$" or "%" stand for themselves. The only error is nesting that is too deep.
func ParseTemplate(s string) (*Template, *Error) {
	return parseTemplate(s, 0, 0)
}

// parseTemplate reads s, which stands at base in the whole text.
func parseTemplate(s string, base, depth int) (*Template, *Error) {
	if depth > maxNesting {
		return nil, tooDeep(base, base+len(s), maxNesting)
	}
	t := &Template{}
	braces, deep := matchBraces(s)
	if deep {
		return nil, tooDeep(base, base+len(s), maxBraces)
	}
	for i := 0; i < len(s); {
		n := strings.IndexAny(s[i:], `\$%`)
		if n < 0 {
			n = len(s) - i
		}
		if n > 0 {
			t.text(s[i:i+n], base+i)
			i += n
			continue
		}
		next, err := t.special(s, i, base, depth, braces)
		if err != nil {
			return nil, err
		}
		i = next
	}
	return t, nil
}

func (t *Template) text(s string, at int) {
	if n := len(t.Parts); n > 0 {
		last := &t.Parts[n-1]
		if last.Kind == PartText && !last.Escaped && len(last.Text) < maxLiteral {
			last.Text += s
			last.Range.End = within(at, at+len(s)).End
			return
		}
	}
	t.Parts = append(t.Parts, TemplatePart{Text: s, Range: within(at, at+len(s))})
}

// special reads what begins with one of \ $ % at s[i] and returns where it ends.
func (t *Template) special(s string, i, base, depth int, braces map[int]int) (int, *Error) {
	c := s[i]
	switch {
	case i+1 == len(s):
		t.text(s[i:], base+i)
		return i + 1, nil
	case c == '\\':
		t.Parts = append(t.Parts, TemplatePart{Text: s[i+1 : i+2], Escaped: true, Range: within(base+i, base+i+2)})
		return i + 2, nil
	case '0' <= s[i+1] && s[i+1] <= '9':
		p := TemplatePart{Kind: PartRuleRef, Index: int(s[i+1] - '0'), Range: within(base+i, base+i+2)}
		if c == '%' {
			p.Kind = PartCondRef
		}
		t.Parts = append(t.Parts, p)
		return i + 2, nil
	case s[i+1] != '{':
		t.text(s[i:i+1], base+i)
		return i + 1, nil
	}
	end, closed := braces[i+1]
	if !closed {
		t.text(s[i:i+2], base+i)
		return i + 2, nil
	}
	p := TemplatePart{Range: within(base+i, base+end+1)}
	var err *Error
	if c == '%' {
		p.Kind = PartVariable
		if p.Var = variable(s[i+2:end], 0); p.Var == nil {
			return 0, tooDeep(base+i, base+end+1, maxNesting)
		}
	} else {
		p.Kind = PartMap
		colon := charInBraces(s[i+2:end], ':')
		if colon < 0 {
			t.text(s[i:i+2], base+i)
			return i + 2, nil
		}
		from := i + 2 + colon + 1
		p.Map = s[i+2 : from-1]
		to := end
		if bar := charInBraces(s[from:end], '|'); bar >= 0 {
			to = from + bar
			if p.Default, err = parseTemplate(s[to+1:end], base+to+1, depth+1); err != nil {
				return 0, err
			}
		}
		if p.Key, err = parseTemplate(s[from:to], base+from, depth+1); err != nil {
			return 0, err
		}
	}
	t.Parts = append(t.Parts, p)
	return end + 1, nil
}

func tooDeep(i, j, levels int) *Error {
	return &Error{Code: "too-deep", Summary: fmt.Sprintf("expected at most %d levels of nesting, found more", levels), Range: within(i, j)}
}

// matchBraces finds the closing brace of each "{" in one walk, so that unclosed ones cost no quadratic time.
// deep tells that more than maxBraces were open at a closing one.
func matchBraces(s string) (pairs map[int]int, deep bool) {
	var open []int
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			open = append(open, i)
		case '}':
			if n := len(open); n > 0 {
				deep = deep || n > maxBraces
				if pairs == nil {
					pairs = map[int]int{}
				}
				pairs[open[n-1]] = i
				open = open[:n-1]
			}
		}
	}
	return pairs, deep
}

// charInBraces finds c in s outside of inner braces, or returns -1.
func charInBraces(s string, c byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == c && depth == 0:
			return i
		case s[i] == '}':
			if depth == 0 {
				return -1
			}
			depth--
		case s[i] == '{':
			depth++
		}
	}
	return -1
}

// variable reads what stands between "%{" and "}"; nil when look-aheads nest too deep.
func variable(s string, depth int) *Variable {
	if depth > maxNesting {
		return nil
	}
	scope, name, ok := strings.Cut(s, ":")
	up := strings.ToUpper(scope)
	if !ok || name == "" {
		return &Variable{Name: strings.ToUpper(s)}
	}
	switch up {
	case "ENV", "SSL", "HTTP":
		return &Variable{Scope: up, Name: name}
	case "LA-U", "LA-F":
		inner := variable(name, depth+1)
		if inner == nil {
			return nil
		}
		return &Variable{Scope: up, Name: name, Inner: inner}
	}
	return &Variable{Name: strings.ToUpper(s)}
}
