package manager

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pinion/runtime"
)

// params are a form's parameters by their names in lower case. The last one of a name counts.
type params map[string]string

func (p params) get(name string) string { return p[name] }

func (p params) has(name string) bool {
	_, ok := p[name]
	return ok
}

// read takes "a=b&c=d" apart as httpd does: values are decoded twice, as the page's links and forms hold names that were encoded
// before, and a plus sign stays one. Of the names only those allowed are taken; nil takes all.
func (p params) read(s string, allowed []string) {
	for _, pair := range strings.Split(s, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key = unescape(key); key == "" || allowed != nil && !slices.Contains(allowed, key) {
			continue
		}
		p[strings.ToLower(key)] = unescape(unescape(value))
	}
}

// unescape decodes %xx; what is no such thing stays, and a NUL ends the text (ap_unescape_url, and C).
func unescape(s string) string {
	if strings.IndexByte(s, '%') >= 0 {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) {
				if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
					b = append(b, byte(n))
					i += 2
					continue
				}
			}
			b = append(b, s[i])
		}
		s = string(b)
	}
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// number reads a number as C's atoi does: 0 for none.
func (p params) number(name string) int {
	n, _ := leadingNumber(p[name])
	return n
}

// milliseconds reads a time as a directive would, with ms, s, mi or h behind the number (ap_timeout_parameter_parse); 0 for none.
func (p params) milliseconds(name string) int {
	n, unit := leadingNumber(p[name])
	for _, u := range []struct {
		name  string
		scale int
	}{{"ms", 1}, {"mi", 60_000}, {"s", 1000}, {"h", 3_600_000}} {
		if strings.HasPrefix(unit, u.name) {
			return n * u.scale
		}
	}
	if unit != "" {
		return 0
	}
	return n
}

func leadingNumber(s string) (n int, rest string) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && (s[0] == '-' || s[0] == '+')) {
		end++
	}
	i, _ := strconv.ParseInt(s[:end], 10, 32) // out of range: the nearest, as good as any
	return int(i), s[end:]
}

// factor reads a load factor as C's atof does, times a hundred; 0 for none.
func (p params) factor(name string) int {
	s := strings.TrimLeft(p[name], " \t\n\v\f\r")
	for end := min(len(s), 16); end > 0; end-- {
		if f, err := strconv.ParseFloat(s[:end], 64); err == nil && f == f && f >= 0 && f < 1e6 {
			return int(f * 100)
		}
	}
	return 0
}

// sameHost tells whether a Referer or Origin names the host that this request came to (safe_referer). What stands behind
// the host doesn't matter.
func sameHost(r *runtime.Request, from string) bool {
	if host := strings.Index(from, "//") + 2; host > 1 {
		if end := strings.IndexAny(from[host:], "/?#"); end >= 0 {
			from = from[:host+end]
		}
	}
	u, err := url.Parse(from)
	return err == nil && u.Hostname() != "" && runtime.EqualFold(u.Hostname(), r.ServerName())
}
