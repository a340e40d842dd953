package grammar

import (
	"fmt"
	"strconv"
	"strings"
)

// Format is a %-format: what LogFormat, CustomLog, Header and RequestHeader write. Adjacent literal text is
// one item, unless it is very long. For a value "expr=…" of Header, Items is nil and Expr holds the expression.
type Format struct {
	Items []FormatItem
	Expr  *Expr
}

// FormatItem is literal text (Op is "") or one %-item.
type FormatItem struct {
	Literal string // with its escapes resolved
	Op      string // "h", "s", "^FB", …
	Arg     string // of %{Arg}x
	// Original says which request of an internal redirect is meant: '<' the first, '>' the last, 0 as is usual
	// for Op (the first for %s %U %T %D %r %R %L, else the last).
	Original byte
	// Conditions are status codes: %400,501{User-agent}i is written for these only, with Negate for all but
	// these; else it is "-".
	Conditions []int
	Negate     bool
	Angle      bool // written %<NAME>e, pinion's alternative to %{NAME}e
	Range      Range
	ArgRange   Range // of Arg without its brackets
}

// logOps are the items of mod_log_config, mod_logio (I O S ^FB) and mod_ssl (x c); headerOps those of mod_headers.
const (
	logOps    = "haAlutfbBionLeVvpPHmqXCkrDTUsRIOSxc"
	headerOps = "tDeslib"
)

var longLogOps = []string{"^ti", "^to", "^FB"}

// maxStatus bounds a status code in a condition, so that it can't overflow.
const maxStatus = 1 << 20

// maxLiteral is where joining of literals stops, so that a long row of "%%" costs no quadratic time.
const maxLiteral = 4096

// ParseLogFormat reads the format of LogFormat, CustomLog, TransferLog and GlobalLog. It
// knows each item of httpd's own modules, whether or not a server has the module.
func ParseLogFormat(s string) (*Format, *Error) {
	f := &Format{}
	for i := 0; i < len(s); {
		if s[i] != '%' {
			i = f.literal(s, i)
			continue
		}
		if i+1 < len(s) && s[i+1] == '%' {
			f.addLiteral("%", i, i+2)
			i += 2
			continue
		}
		item, next, err := logItem(s, i)
		if err != nil {
			return nil, err
		}
		f.Items = append(f.Items, item)
		i = next
	}
	return f, nil
}

// logItem reads the item that begins with the "%" at start. Between the "%" and the letter, httpd takes
// conditions, "!", "<", ">", "," and an argument in any order.
func logItem(s string, start int) (item FormatItem, next int, err *Error) {
	for i := start + 1; i < len(s); {
		switch c := s[i]; {
		case c == '!':
			item.Negate = !item.Negate
			i++
		case c == '<' && angleName(s, i) >= 2: // "%<s>e" is httpd's %<s and text
			n := angleName(s, i)
			item.Arg, item.ArgRange = s[i+1:i+1+n], within(i+1, i+1+n)
			item.Op, item.Angle = "e", true
			item.Range = within(start, i+n+3)
			return item, i + n + 3, nil
		case c == '<' || c == '>':
			item.Original = c
			i++
		case c == ',':
			i++
		case c == '{':
			i = item.braced(s, i)
		case '0' <= c && c <= '9':
			n := i
			for n < len(s) && '0' <= s[n] && s[n] <= '9' {
				n++
			}
			code, e := strconv.Atoi(s[i:n])
			if e != nil || code > maxStatus {
				return item, 0, &Error{Code: "bad-format", Summary: fmt.Sprintf("expected a status code, found %s", clip(s[i:n])), Range: within(i, n)}
			}
			item.Conditions = append(item.Conditions, code)
			i = n
		default:
			return item.finish(s, start, i)
		}
	}
	return item, 0, &Error{Code: "bad-format", Summary: fmt.Sprintf("expected a letter to end %s, found the end", clip(s[start:])),
		Detail: "a single % is written %%", Range: within(start, len(s))}
}

// finish takes the letter at s[i].
func (item FormatItem) finish(s string, start, i int) (FormatItem, int, *Error) {
	n := 1
	for _, op := range longLogOps {
		if strings.HasPrefix(s[i:], op) {
			n = len(op)
		}
	}
	item.Op = s[i : i+n]
	if n == 1 && strings.IndexByte(logOps, s[i]) < 0 {
		return item, 0, &Error{Code: "unknown-format", Summary: fmt.Sprintf("expected a LogFormat item, found %%%s", clip(s[i:i+1])),
			Detail: "a single % is written %%", Range: within(start, i+1)}
	}
	item.Range = within(start, i+n)
	return item, i + n, nil
}

// braced reads "{Arg}" at s[i]. As in httpd, more closing braces belong to it, and a missing one ends the
// argument at the end of the text.
func (item *FormatItem) braced(s string, i int) int {
	end := len(s)
	if n := strings.IndexByte(s[i:], '}'); n >= 0 {
		end = i + n
	}
	item.Arg, item.ArgRange = s[i+1:end], within(i+1, end)
	for end < len(s) && s[end] == '}' {
		end++
	}
	return end
}

// angleName returns the length of NAME in "<NAME>e" at s[i], or 0.
func angleName(s string, i int) int {
	n := 0
	for j := i + 1; j < len(s); j++ {
		c := s[j]
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (n == 0 || (c < '0' || c > '9') && c != '-') {
			break
		}
		n++
	}
	if n > 0 && strings.HasPrefix(s[i+1+n:], ">e") {
		return n
	}
	return 0
}

// ParseHeaderFormat reads a value of Header or RequestHeader. A value that begins with "expr=" is a string expression.
func ParseHeaderFormat(s string) (*Format, *Error) {
	if rest, ok := strings.CutPrefix(s, "expr="); ok {
		e, err := ParseStringExpr(rest)
		if err != nil {
			err.Range = shift(err.Range, len("expr="))
			return nil, err
		}
		e.Walk(func(n *Expr) { n.Range = shift(n.Range, len("expr=")) })
		return &Format{Expr: e}, nil
	}
	f := &Format{}
	for i := 0; i < len(s); {
		switch {
		case s[i] != '%':
			i = f.literal(s, i)
		case i+1 == len(s):
			f.addLiteral("%", i, i+1)
			i++
		case s[i+1] == '%':
			f.addLiteral("%", i, i+2)
			i += 2
		default:
			item, next, err := headerItem(s, i)
			if err != nil {
				return nil, err
			}
			f.Items = append(f.Items, item)
			i = next
		}
	}
	return f, nil
}

func headerItem(s string, start int) (item FormatItem, next int, err *Error) {
	i := start + 1
	if n := angleName(s, i); s[i] == '<' && n > 0 {
		return FormatItem{Op: "e", Arg: s[i+1 : i+1+n], Angle: true, Range: within(start, i+n+3), ArgRange: within(i+1, i+1+n)}, i + n + 3, nil
	}
	if s[i] == '{' {
		i = item.braced(s, i)
	}
	if i == len(s) {
		return item, 0, &Error{Code: "bad-format", Summary: fmt.Sprintf("expected a letter to end %s, found the end", clip(s[start:])),
			Detail: "a single % is written %%", Range: within(start, i)}
	}
	if strings.IndexByte(headerOps, s[i]) < 0 {
		return item, 0, &Error{Code: "unknown-format", Summary: fmt.Sprintf("expected one of %%t %%D %%l %%i %%b %%{…}e %%{…}s, found %%%s", clip(s[i:i+1])),
			Detail: "a single % is written %%", Range: within(start, i+1)}
	}
	item.Op = s[i : i+1]
	item.Range = within(start, i+1)
	return item, i + 1, nil
}

// literal reads text up to the next "%" and returns where that is. \n, \r, \t and \\ are resolved; other
// backslashes stay.
func (f *Format) literal(s string, start int) int {
	end := len(s)
	if n := strings.IndexByte(s[start:], '%'); n >= 0 {
		end = start + n
	}
	text := s[start:end]
	if strings.IndexByte(text, '\\') >= 0 {
		b := make([]byte, 0, len(text))
		for i := 0; i < len(text); i++ {
			c := text[i]
			if c == '\\' && i+1 < len(text) {
				if k := strings.IndexByte(`\rnt`, text[i+1]); k >= 0 {
					c = "\\\r\n\t"[k]
					i++
				}
			}
			b = append(b, c)
		}
		text = string(b)
	}
	f.addLiteral(text, start, end)
	return end
}

func (f *Format) addLiteral(text string, start, end int) {
	if n := len(f.Items); n > 0 && f.Items[n-1].Op == "" && len(f.Items[n-1].Literal) < maxLiteral {
		last := &f.Items[n-1]
		last.Literal += text
		last.Range.End = within(end, end).End
		return
	}
	f.Items = append(f.Items, FormatItem{Literal: text, Range: within(start, end)})
}

func shift(r Range, n int) Range { return within(r.Start.Offset+n, r.End.Offset+n) }

// clip quotes text for a message, cut short.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.Quote(s)
}
