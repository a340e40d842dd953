package core

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

var limitDirectives = []runtime.Directive{
	{Name: "Timeout", Args: parser.Take1, In: inVHost, Syntax: "time-interval",
		Help: "Seconds to wait for the next bytes of a client or backend", Set: setTimeout},
	intoServer("LimitRequestLine", "bytes", "The longest request line", func(s *runtime.ServerSettings) *runtime.Opt[int] { return &s.LimitRequestLine }),
	intoServer("LimitRequestFieldSize", "bytes", "The longest header field", func(s *runtime.ServerSettings) *runtime.Opt[int] { return &s.LimitRequestField }),
	intoServer("LimitRequestFields", "number", "The largest number of header fields; 0 is no limit", func(s *runtime.ServerSettings) *runtime.Opt[int] { return &s.LimitRequestFields }),
	{Name: "LimitRequestBody", Args: parser.Take1, In: anywhere, Syntax: "bytes",
		Help: "The largest request body; 0 is no limit", Set: setLimitRequestBody},
	{Name: "LimitInternalRecursion", Args: parser.Take12, In: inVHost, Syntax: "number [number]",
		Help: "How many internal redirects, and nested subrequests, one request may cause", Set: setRecursion},
	rangeLimit("MaxRanges", "How many ranges one request may ask for", func(d *runtime.CoreDir) *runtime.Opt[int] { return &d.MaxRanges }),
	rangeLimit("MaxRangeOverlaps", "How many ranges of one request may overlap", func(d *runtime.CoreDir) *runtime.Opt[int] { return &d.MaxRangeOverlaps }),
	rangeLimit("MaxRangeReversals", "How often the ranges of one request may go back", func(d *runtime.CoreDir) *runtime.Opt[int] { return &d.MaxRangeReversals }),
}

var httpDirectives = []runtime.Directive{
	{Name: "KeepAlive", Args: parser.Flag, In: inVHost, Syntax: "On|Off",
		Help: "Whether a connection carries several requests", Set: func(c *runtime.Cmd) error {
			c.Server.Settings.KeepAlive = runtime.Some(c.Flag())
			return nil
		}},
	{Name: "KeepAliveTimeout", Args: parser.Take1, In: inVHost, Syntax: "num[ms]",
		Help: "Seconds to wait for the next request of a connection", Set: func(c *runtime.Cmd) error {
			d, ok := interval(c.Arg(0))
			if !ok {
				return c.ArgErrorf(0, "bad-value", "expected seconds, or a number with ms, s, mi or h, found %q", c.Arg(0))
			}
			c.Server.Settings.KeepAliveTimeout = runtime.Some(d)
			return nil
		}},
	intoServer("MaxKeepAliveRequests", "number", "How many requests one connection may carry; 0 is no limit",
		func(s *runtime.ServerSettings) *runtime.Opt[int] { return &s.MaxKeepAliveRequests }),
}

var reqTimeoutDirectives = []runtime.Directive{
	{Name: "RequestReadTimeout", Args: parser.TakeArgv, In: inVHost,
		Syntax: "[handshake=timeout[-maxtimeout][,MinRate=rate]] [header=…] [body=…]",
		Help:   "How long a client may take to send the head and the body of a request", Set: setRequestReadTimeout},
}

// number reads a figure as C's atoi does, but refuses what has no digit at all, and warns of what follows the digits.
func number(c *runtime.Cmd, i int) (int, error) {
	text := strings.TrimLeft(c.Arg(i), " \t")
	end := 0
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		end = 1
	}
	first := end
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	if end == first {
		return 0, c.ArgErrorf(i, "bad-value", "%s needs a number, found %q", c.Node.Def.Name, c.Arg(i))
	}
	n, err := strconv.ParseInt(text[:end], 10, 32)
	if err != nil {
		return 0, c.ArgErrorf(i, "bad-value", "%s: the number %q is too large", c.Node.Def.Name, text[:end])
	}
	if end < len(text) {
		d := c.ArgErrorf(i, "ignored-text", "%q is read as %d; %q is ignored, as by httpd", text, n, text[end:])
		d.Severity = parser.Warning
		c.Report(d)
	}
	return int(n), nil
}

func intoServer(name, syntax, help string, field func(*runtime.ServerSettings) *runtime.Opt[int]) runtime.Directive {
	return runtime.Directive{Name: name, Args: parser.Take1, In: inVHost, Syntax: syntax, Help: help, Set: func(c *runtime.Cmd) error {
		n, err := number(c, 0)
		if err != nil {
			return err
		}
		if n < 0 {
			return c.ArgErrorf(0, "bad-value", "%s must not be negative, found %q", name, c.Arg(0))
		}
		*field(&c.Server.Settings) = runtime.Some(n)
		return nil
	}}
}

func rangeLimit(name, help string, field func(*runtime.CoreDir) *runtime.Opt[int]) runtime.Directive {
	return runtime.Directive{Name: name, Args: parser.Take1, In: inDirs, Syntax: "default|unlimited|none|number", Help: help,
		Set: func(c *runtime.Cmd) error {
			o := field(&c.Dir.Core)
			switch strings.ToLower(c.Arg(0)) {
			case "default":
				*o = runtime.Some(defaultRanges(name))
			case "unlimited":
				*o = runtime.Some(-1)
			case "none":
				*o = runtime.Some(0)
			default:
				n, err := number(c, 0)
				if err != nil || n <= 0 {
					return c.ArgErrorf(0, "bad-value", "%s takes none, default, unlimited or a positive number, found %q", name, c.Arg(0))
				}
				*o = runtime.Some(n)
			}
			return nil
		}}
}

func defaultRanges(name string) int {
	if name == "MaxRanges" {
		return 200
	}
	return 20
}

func setTimeout(c *runtime.Cmd) error {
	n, err := number(c, 0)
	if err != nil {
		return err
	}
	if n < 0 {
		return c.ArgErrorf(0, "bad-value", "Timeout must not be negative, found %q", c.Arg(0))
	}
	c.Server.Settings.Timeout = runtime.Some(time.Duration(n) * time.Second)
	return nil
}

// interval reads a time as httpd's ap_timeout_parameter_parse does, seconds by default.
func interval(s string) (time.Duration, bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := time.Second
	switch u := s[end:]; {
	case u == "" || u[0] == 's':
	case u[0] == 'h':
		unit = time.Hour
	case strings.HasPrefix(u, "ms"):
		unit = time.Millisecond
	case strings.HasPrefix(u, "mi"):
		unit = time.Minute
	default:
		return 0, false
	}
	if n > math.MaxInt64/int64(unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

func setLimitRequestBody(c *runtime.Cmd) error {
	n, err := strconv.ParseInt(c.Arg(0), 10, 64)
	if err != nil || n < 0 {
		return c.ArgErrorf(0, "bad-value", "LimitRequestBody needs a number of bytes, found %q", c.Arg(0))
	}
	c.Dir.Core.LimitRequestBody = runtime.Some(n)
	return nil
}

func setRecursion(c *runtime.Cmd) error {
	s := &c.Server.Settings
	for i := range c.Node.Args {
		n, err := number(c, i)
		if err != nil {
			return err
		}
		if n <= 0 {
			return c.ArgErrorf(i, "bad-value", "the recursion limit must be greater than zero, found %q", c.Arg(i))
		}
		if n < 4 {
			c.Warnf("low-limit", "a recursion limit of %d may make normal requests fail", n)
		}
		if i == 0 {
			s.InternalRedirects = runtime.Some(n)
		}
		s.SubRequestDepth = runtime.Some(n)
	}
	return nil
}

// stage is one part of RequestReadTimeout.
type stage struct{ timeout, max, rate int }

func setRequestReadTimeout(c *runtime.Cmd) error {
	for i, a := range c.Node.Args {
		key, value, ok := strings.Cut(a, "=")
		if !ok {
			return c.ArgErrorf(i, "bad-parameter", "expected header=…, body=… or handshake=…, found %q", a)
		}
		st, problem := readStage(value)
		if problem != "" {
			return c.ArgErrorf(i, "bad-parameter", "%s: %s", a, problem)
		}
		s := &c.Server.Settings
		limit := runtime.Some(time.Duration(st.timeout) * time.Second)
		rate := runtime.Some(runtime.ReadRate{Max: time.Duration(st.max) * time.Second, MinRate: st.rate})
		switch strings.ToLower(key) {
		case "header":
			s.HeaderTimeout, s.HeaderRate = limit, rate
		case "body":
			s.BodyTimeout, s.BodyRate = limit, rate
		case "handshake":
			if st.timeout > 0 {
				c.Notef("not-as-httpd", "RequestReadTimeout handshake= is not obeyed by itself: a TLS handshake is bounded by Timeout")
			}
		default:
			return c.ArgErrorf(i, "bad-parameter", "unknown parameter %q: expected header, body or handshake", key)
		}
	}
	return nil
}

func readStage(value string) (st stage, problem string) {
	figure := func(s string) (n int) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > math.MaxInt32 {
			problem = strconv.Quote(s) + " is not a number of seconds or bytes"
		}
		return n
	}
	low := strings.ToLower(value)
	at := strings.Index(low, ",minrate=")
	if at < 0 {
		if strings.Contains(value, "-") {
			return st, "a range of timeouts needs MinRate"
		}
		st.timeout = figure(value)
		return st, problem
	}
	if st.rate = figure(value[at+len(",minrate="):]); problem == "" && st.rate == 0 {
		return st, "MinRate must be larger than 0"
	}
	first, most, ranged := strings.Cut(value[:at], "-")
	if ranged {
		st.max = figure(most)
	}
	st.timeout = figure(first)
	if problem == "" && st.max > 0 && st.timeout >= st.max {
		problem = "the maximum must be larger than the initial timeout"
	}
	return st, problem
}
