package proxy

import (
	"slices"
	"strings"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// setting is one key=value of a directive while it is compiled.
type setting struct {
	cmd *runtime.Cmd
	arg int // which argument
	key string
	val string
}

// settings reads those arguments as key=value pairs. The last one of a key alone counts: httpd keeps them in a table.
func settings(c *runtime.Cmd, args []int) ([]setting, error) {
	var all []setting
	for _, i := range args {
		s, err := keyValue(c, i)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(all, func(o setting) bool { return runtime.EqualFold(o.key, s.key) })
		if at < 0 {
			all = append(all, s)
			continue
		}
		c.Report(warning(all[at].keyErrorf("repeated-parameter", "%s is given again in this line: the last one counts", s.key)))
		all[at] = s
	}
	return all, nil
}

// inTurn reads the arguments from the from-th on as key=value pairs that are set one after the other.
func inTurn(c *runtime.Cmd, from int) ([]setting, error) {
	var all []setting
	for i := from; i < len(c.Node.Args); i++ {
		s, err := keyValue(c, i)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func keyValue(c *runtime.Cmd, i int) (setting, error) {
	key, val, ok := strings.Cut(c.Node.Args[i], "=")
	if !ok {
		return setting{}, notAParameter(c, i)
	}
	return setting{c, i, key, val}, nil
}

func notAParameter(c *runtime.Cmd, i int) error {
	word := c.Arg(i)
	d := c.ArgErrorf(i, "bad-parameter", "expected key=value, found %q", word)
	if strings.HasPrefix(word, "#") {
		return runtime.WithDetail(d, "a comment stands on a line of its own")
	}
	if n := nearest(word, append([]string{"nocanon", "interpolate", "noquery"}, workerNames...)); n != "" {
		runtime.WithDetail(d, "did you mean %s?", n)
	}
	return d
}

func warning(d *parser.Diagnostic) *parser.Diagnostic {
	d.Severity = parser.Warning
	return d
}

// errorf makes an error at the value.
func (s *setting) errorf(code, format string, args ...any) *parser.Diagnostic {
	return s.within(s.cmd.ArgErrorf(s.arg, code, format, args...), 0, len(s.val))
}

// within narrows an error to the bytes [from, to) of the value.
func (s *setting) within(d *parser.Diagnostic, from, to int) *parser.Diagnostic {
	n := len(s.key) + 1
	return s.cmd.Within(d, s.arg, n+from, n+to)
}

// keyErrorf makes an error at the key.
func (s *setting) keyErrorf(code, format string, args ...any) *parser.Diagnostic {
	return s.cmd.Within(s.cmd.ArgErrorf(s.arg, code, format, args...), s.arg, 0, len(s.key))
}

// unknown is the error for a key that is no parameter of what.
func (s *setting) unknown(what string, names []string) error {
	d := s.keyErrorf("bad-parameter", "unknown %s parameter %q", what, s.key)
	if what == "balancer" && workerParams[strings.ToLower(s.key)] != nil {
		return runtime.WithDetail(d, "it is a parameter of the balancer's members: put it in their BalancerMember lines")
	}
	if n := nearest(s.key, names); n != "" {
		return runtime.WithDetail(d, "did you mean %s?", n)
	}
	return runtime.WithDetail(d, "known are %s", strings.Join(names, ", "))
}

// number reads an integer as C's atoi does: up to the first byte that is no digit.
func (s *setting) number(from, to int) (int, error) {
	n, rest, err := leadingInt(s.val)
	if rest != "" {
		s.cmd.Report(warning(s.errorf("not-a-number", "%s expects a whole number, found %q: read as %d, as httpd does", s.key, s.val, n)))
	}
	if err || n < from || n > to {
		if to == maxInt {
			return 0, s.errorf("bad-value", "%s must be at least %d, found %q", s.key, from, s.val)
		}
		return 0, s.errorf("bad-value", "%s must be from %d to %d, found %q", s.key, from, to, s.val)
	}
	return n, nil
}

const maxInt = 1<<31 - 1

// leadingInt reads the decimal number at the front of s; tooLarge for one that an int of C can't hold.
func leadingInt(s string) (n int, rest string, tooLarge bool) {
	t := strings.TrimLeft(s, " \t")
	neg := false
	if t != "" && (t[0] == '-' || t[0] == '+') {
		neg, t = t[0] == '-', t[1:]
	}
	digits := 0
	for digits < len(t) && t[digits] >= '0' && t[digits] <= '9' {
		if n = n*10 + int(t[digits]-'0'); n > maxInt {
			return 0, "", true
		}
		digits++
	}
	if neg {
		n = -n
	}
	if digits == 0 {
		return 0, s, false
	}
	return n, t[digits:], false
}

func (s *setting) onOff() (bool, error) {
	switch {
	case runtime.EqualFold(s.val, "on"):
		return true, nil
	case runtime.EqualFold(s.val, "off"):
		return false, nil
	}
	return false, s.errorf("bad-value", "%s must be On or Off, found %q", s.key, s.val)
}

// optOnOff sets *o.
func (s *setting) optOnOff(o *runtime.Opt[bool]) error {
	on, err := s.onOff()
	if err == nil {
		*o = runtime.Some(on)
	}
	return err
}

// text reads a string of less than max bytes.
func (s *setting) text(max int) (string, error) {
	if len(s.val) >= max {
		return "", s.errorf("bad-value", "%s must be shorter than %d characters, found %d", s.key, max, len(s.val))
	}
	return s.val, nil
}

// interval reads a time of at least least, with one of httpd's units (ms, s, mi, h), without one in unit.
func (s *setting) interval(unit string, least time.Duration) (time.Duration, error) {
	n, rest, bad := leadingInt(s.val)
	if rest == "" {
		rest = unit
	}
	var scale time.Duration
	switch {
	case strings.HasPrefix(rest, "ms"):
		scale = time.Millisecond
	case strings.HasPrefix(rest, "mi"):
		scale = time.Minute
	case rest[0] == 's':
		scale = time.Second
	case rest[0] == 'h':
		scale = time.Hour
	default:
		bad = true
	}
	if bad || n < 0 || rest == s.val {
		return 0, runtime.WithDetail(s.errorf("bad-value", "%s expects a time, found %q", s.key, s.val),
			"a number, with ms, s, min or h behind it; without one it is in %s", unit)
	}
	if d := time.Duration(n) * scale; d >= least {
		return d, nil
	}
	return 0, s.errorf("bad-value", "%s must be at least %v, found %q", s.key, least, s.val)
}

// seconds reads a whole number of seconds, at least least.
func (s *setting) seconds(least int) (time.Duration, error) {
	n, err := s.number(least, maxInt)
	return time.Duration(n) * time.Second, err
}

// nearest returns the name that is most like word, "" where none is.
func nearest(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", len(word)/3+1
	for _, n := range names {
		if d := distance(word, n); d <= least && (best == "" || d < least) {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
