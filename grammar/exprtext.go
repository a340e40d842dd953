package grammar

import (
	"fmt"
	"strconv"
	"strings"
)

// text reads a piece of a string, of a variable's argument or of the string form: up to its end, a variable or a
// back reference.
func (sc *exprScan) text() bool {
	state, start, i := sc.state(), sc.i, sc.i
	var b []byte
	for ; i < len(sc.s) && sc.err == nil; i++ {
		c := sc.s[i]
		switch {
		case c == '\n':
			sc.i = i
			sc.unterminated()
		case c == '\\':
			i = sc.escape(&b, i)
		case c == '$' && i+1 < len(sc.s) && isDigit(sc.s[i+1]), c == '%' && i+1 < len(sc.s) && sc.s[i+1] == '{',
			state != ':' && c == state, c == '}' && state == ':':
			if i > start {
				sc.emitText(b, start, i)
				return true
			}
			sc.endText(c)
			return true
		case state == ':' && (c == '"' || c == '\''):
			sc.fail(i, i+1, "bad-expression", fmt.Sprintf("expected the end of the variable's argument, found %s", strconv.Quote(sc.s[i:i+1])))
		default:
			b = append(b, c)
		}
	}
	if sc.err != nil {
		return false
	}
	if state != stringForm {
		sc.i = i
		sc.unterminated()
		return false
	}
	if i > start || len(sc.toks) == 0 {
		sc.emitText(b, start, i)
	}
	return false
}

func (sc *exprScan) emitText(b []byte, start, end int) {
	if len(b) > maxExprText {
		sc.fail(start, end, "too-long", fmt.Sprintf("expected a string of at most %d bytes, found %d", maxExprText, len(b)))
		return
	}
	sc.emit(tokText, string(b), end-start)
}

// endText takes what ended a text: a quote, a "}", a variable or a back reference.
func (sc *exprScan) endText(c byte) {
	switch c {
	case '$':
		sc.emit(tokBackref, sc.s[sc.i+1:sc.i+2], 2)
	case '%':
		sc.openVar()
	case '}':
		sc.states = sc.states[:len(sc.states)-1]
		sc.emit(tokVarClose, "", 1)
	default:
		sc.states[0] = 0
		sc.emit(tokEndQuote, "", 1)
	}
}

// escape resolves the backslash at i into b and returns the index of the last byte it took.
func (sc *exprScan) escape(b *[]byte, i int) int {
	if i+1 == len(sc.s) {
		sc.fail(i, i+1, "bad-expression", "expected a character after '\\', found the end")
		return i
	}
	c := sc.s[i+1]
	if !isDigit(c) {
		if k := strings.IndexByte("nrtbf", c); k >= 0 {
			c = "\n\r\t\b\f"[k]
		}
		*b = append(*b, c)
		return i + 1
	}
	n := i + 1
	for n < len(sc.s) && isDigit(sc.s[n]) {
		n++
	}
	code, err := strconv.ParseUint(sc.s[i+1:n], 8, 8)
	if err != nil || n-i > 4 || code == 0 {
		sc.fail(i, n, "bad-expression", fmt.Sprintf("expected an escape from \\1 to \\377, found %s", clipBare(sc.s[i+1:n])))
		return i
	}
	*b = append(*b, byte(code))
	return n - 1
}
