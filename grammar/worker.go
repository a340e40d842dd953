package grammar

import (
	"fmt"
	"strings"
)

// Param is one parameter of BalancerMember, ProxyPass, ProxySet or <Proxy>: key=value, or a bare word such
// as "nocanon" or "+H". Keys keep their case; httpd compares them without it.
type Param struct {
	Key   string
	Value string
	Bare  bool // no "=": Key is the whole word
	// KeyRange and ValueRange are places in the file. Where the word holds escapes or runs over a line end,
	// both are the word's range.
	KeyRange, ValueRange Range
}

// Params reads a directive's words as parameters, each cut at its first "=".
func Params(words []Word) []Param {
	out := make([]Param, len(words))
	for i, w := range words {
		out[i] = param(w)
	}
	return out
}

func param(w Word) Param {
	key, value, ok := strings.Cut(w.Text, "=")
	p := Param{Key: key, Value: value, Bare: !ok, KeyRange: w.Range, ValueRange: w.Range}
	quotes := 0
	start := w.Range.Start
	if w.Quote != 0 {
		quotes = 1 // a missing end quote is allowed for below
		start.Col, start.Offset = start.Col+1, start.Offset+1
	}
	width := w.Range.End.Offset - w.Range.Start.Offset - len(w.Text)
	if width < quotes || width > 2*quotes || w.Range.Start.Line != w.Range.End.Line {
		return p
	}
	at := func(i int) Pos { return Pos{start.Line, start.Col + i, start.Offset + i} }
	p.KeyRange = Range{at(0), at(len(key))}
	if ok {
		p.ValueRange = Range{at(len(key) + 1), at(len(w.Text))}
	}
	return p
}

// workerFlags are the letters of a worker's status that httpd 2.4 knows (mod_proxy.h): Configured (O), Ignore
// errors, draiN, Generic, shUtdown, Disabled, Stopped, Error, Hot standby, Free, health Check failed, hot spaRe.
const workerFlags = "OINGUDSEHFCR"

// Flag is one letter of status=: to set it or to clear it.
type Flag struct {
	Set    bool
	Letter byte // upper case, one of "OINGUDSEHFCR"
	Pos    Pos  // of the letter in the value
}

// ParseStatus reads the value of status=, such as "+D-N" or "DI". A sign holds for all letters up to the next sign, and
// a value without a sign sets. The empty value is allowed and changes nothing.
func ParseStatus(value string) ([]Flag, *Error) {
	var flags []Flag
	set := true
	for i := 0; i < len(value); i++ {
		if value[i] == '+' || value[i] == '-' {
			set = value[i] == '+'
			i++
			if i == len(value) {
				return nil, &Error{
					Code:    "bad-status",
					Summary: fmt.Sprintf("expected a status letter after '%c', found the end", value[i-1]),
					Range:   within(i-1, i),
				}
			}
		}
		c := value[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if strings.IndexByte(workerFlags, c) < 0 {
			return nil, &Error{
				Code:    "bad-status",
				Summary: fmt.Sprintf("expected a status letter, found %q", value[i:i+1]),
				Detail:  "the letters are D (disabled), S (stopped), I (ignore errors), R (route-only or hot spare), H (hot standby), E (error), N (drain) and C (health check failed)",
				Range:   within(i, i+1),
			}
		}
		flags = append(flags, Flag{set, c, Pos{1, i + 1, i}})
	}
	return flags, nil
}
