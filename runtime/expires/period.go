package expires

import (
	"fmt"
	"math"
	"strings"
	"time"

	"pinion/runtime"
)

// period is how long an answer may be kept, from the request's time on or from the file's last modification.
type period struct {
	modified bool
	length   time.Duration // whole seconds
}

const (
	day = 24 * 60 * 60
	// maxSeconds is what httpd's int holds.
	maxSeconds = math.MaxInt32
)

// units are the words of httpd with as many letters as it looks at, in seconds.
var units = []struct {
	start   string
	seconds int64
}{{"y", 365 * day}, {"mo", 30 * day}, {"w", 7 * day}, {"d", day}, {"h", 60 * 60}, {"mi", 60}, {"s", 1}}

// readPeriod compiles the i-th argument.
func readPeriod(c *runtime.Cmd, i int) (period, error) {
	text := c.Arg(i)
	p, err := parsePeriod(text)
	if err != nil {
		return p, runtime.WithDetail(c.ArgErrorf(i, "bad-value", "%v", err), `write A3600, M3600, or "access plus 1 month"`)
	}
	if digits := strings.TrimLeft(strings.TrimPrefix(text[1:], "-"), "0123456789"); digits != "" && (text[0] == 'A' || text[0] == 'M') {
		runtime.WithDetail(c.Warnf("odd-period", "%q begins with %c, which makes it a count of seconds: %d", text, text[0], p.length/time.Second),
			"write access and modification in lower case")
	}
	return p, nil
}

// parsePeriod reads both spellings (httpd's check_code). A capital A or M is the short one, whatever follows.
func parsePeriod(text string) (period, error) {
	if text == "" {
		return period{}, fmt.Errorf("expected a period, found nothing")
	}
	if text[0] == 'A' || text[0] == 'M' {
		n, _ := leadingInt(text[1:])
		return period{text[0] == 'M', time.Duration(n) * time.Second}, nil
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return period{}, fmt.Errorf("expected a period, found blanks")
	}
	var p period
	switch words[0][0] | 0x20 {
	case 'n', 'a':
	case 'm':
		p.modified = true
	default:
		return p, fmt.Errorf("expected access, now or modification, found %q", words[0])
	}
	words = words[1:]
	if len(words) > 0 && words[0][0]|0x20 == 'p' {
		words = words[1:]
	}
	total := int64(0)
	for ; len(words) > 0; words = words[2:] {
		n, ok := leadingInt(words[0])
		if !ok || words[0][0] == '-' {
			return p, fmt.Errorf("expected a number, found %q", words[0])
		}
		if len(words) == 1 {
			return p, fmt.Errorf("expected a unit after %s, such as hours", words[0])
		}
		unit := unitOf(words[1])
		if unit == 0 {
			return p, fmt.Errorf("expected years, months, weeks, days, hours, minutes or seconds, found %q", words[1])
		}
		total = min(total+n*unit, maxSeconds)
	}
	p.length = time.Duration(total) * time.Second
	return p, nil
}

func unitOf(word string) int64 {
	for _, u := range units {
		if len(word) >= len(u.start) && runtime.EqualFold(word[:len(u.start)], u.start) {
			return u.seconds
		}
	}
	return 0
}

// leadingInt is C's atoi, at most maxSeconds; ok tells that there was a digit.
func leadingInt(s string) (n int64, ok bool) {
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n, ok = min(n*10+int64(s[i]-'0'), maxSeconds), true
	}
	if negative {
		n = -n
	}
	return n, ok
}
