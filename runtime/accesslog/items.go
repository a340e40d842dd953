package accesslog

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pinion/grammar"
	"pinion/runtime"
	"pinion/runtime/strftime"
	"pinion/runtime/table"
)

// ctx is what a line is about: the request the client sent, and the one that an internal redirect made of it.
type ctx struct{ first, last *runtime.Request }

// item appends its part of a line.
type item func(dst []byte, c *ctx) []byte

// value appends an item's value for one of the two requests.
type value func(dst []byte, r *runtime.Request) []byte

func literal(s string) item { return func(dst []byte, _ *ctx) []byte { return append(dst, s...) } }

// ofFirst are the items that mean the first request without "<" or ">".
const ofFirst = "sUTDrRL"

func compileItem(f *grammar.FormatItem) (item, error) {
	if f.Op == "" {
		return literal(f.Literal), nil
	}
	v, err := compileValue(f)
	if err != nil {
		return nil, err
	}
	first := f.Original == '<' || f.Original == 0 && len(f.Op) == 1 && strings.Contains(ofFirst, f.Op)
	it := func(dst []byte, c *ctx) []byte { return v(dst, c.last) }
	if first {
		it = func(dst []byte, c *ctx) []byte { return v(dst, c.first) }
	}
	if len(f.Conditions) == 0 {
		return it, nil
	}
	codes, negate := f.Conditions, f.Negate
	return func(dst []byte, c *ctx) []byte {
		if slices.Contains(codes, c.last.Status) == negate {
			return append(dst, '-')
		}
		return it(dst, c)
	}, nil
}

// text makes a value of a string, escaped, "-" where there is none.
func text(get func(r *runtime.Request) string) value {
	return func(dst []byte, r *runtime.Request) []byte { return appendText(dst, get(r)) }
}

// entry makes a value of a table's entry; one that is empty stays so, one that isn't there is "-".
func entry(of func(r *runtime.Request) *table.Table, key string) value {
	return func(dst []byte, r *runtime.Request) []byte {
		if s, ok := of(r).Lookup(key); ok {
			return appendEscaped(dst, s)
		}
		return append(dst, '-')
	}
}

func appendText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return appendEscaped(dst, s)
}

// appendEscaped writes what a client sent so that it can't forge a line (ap_escape_logitem).
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		default:
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, s[start:]...)
}

func number(get func(r *runtime.Request) int64) value {
	return func(dst []byte, r *runtime.Request) []byte { return strconv.AppendInt(dst, get(r), 10) }
}

func compileValue(f *grammar.FormatItem) (value, error) {
	arg := f.Arg
	if v, ok := plainValues[f.Op]; ok && arg == "" {
		return v, nil
	}
	switch f.Op {
	case "a":
		if arg == "c" {
			return text(func(r *runtime.Request) string { return r.Conn.RemoteIP }), nil
		}
		return plainValues["a"], nil
	case "C":
		return text(func(r *runtime.Request) string { return cookie(r, arg) }), nil
	case "e":
		return entry(func(r *runtime.Request) *table.Table { return &r.Env }, arg), nil
	case "i":
		return entry(func(r *runtime.Request) *table.Table { return &r.HeadersIn }, arg), nil
	case "o":
		return headerOut(arg), nil
	case "n":
		return entry(func(r *runtime.Request) *table.Table { return &r.Notes }, arg), nil
	case "^ti":
		return text(func(r *runtime.Request) string { return r.TrailersIn.Get(arg) }), nil
	case "^to":
		return text(func(r *runtime.Request) string { return r.TrailersOut.Get(arg) }), nil
	case "p":
		return port(arg)
	case "P":
		return process(arg)
	case "t":
		return requestTime(arg), nil
	case "T":
		return duration(arg)
	case "x", "c":
		if get, ok := runtime.LookupSSL(arg); ok {
			return text(get), nil
		}
		return text(func(*runtime.Request) string { return "" }), nil
	}
	if v, ok := plainValues[f.Op]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("%w %%%s", errNoItem, f.Op)
}

// plainValues are the items without an argument.
var plainValues = map[string]value{
	"a": func(dst []byte, r *runtime.Request) []byte { return append(dst, r.ClientIP...) },
	"h": func(dst []byte, r *runtime.Request) []byte { return append(dst, r.ClientIP...) },
	"A": func(dst []byte, r *runtime.Request) []byte { return append(dst, r.Conn.LocalIP...) },
	"B": number(func(r *runtime.Request) int64 { return r.First().BytesSent }),
	"b": func(dst []byte, r *runtime.Request) []byte {
		if n := r.First().BytesSent; n > 0 {
			return strconv.AppendInt(dst, n, 10)
		}
		return append(dst, '-')
	},
	"D":   number(func(r *runtime.Request) int64 { return time.Since(r.Time).Microseconds() }),
	"f":   text(func(r *runtime.Request) string { return r.Filename }),
	"H":   text(func(r *runtime.Request) string { return r.Protocol }),
	"I":   number(func(r *runtime.Request) int64 { in, _ := r.Wire.Counters(); return in }),
	"O":   number(func(r *runtime.Request) int64 { _, out := r.Wire.Counters(); return out }),
	"S":   number(func(r *runtime.Request) int64 { in, out := r.Wire.Counters(); return in + out }),
	"k":   number(keepalives),
	"l":   func(dst []byte, _ *runtime.Request) []byte { return append(dst, '-') },
	"L":   text(func(r *runtime.Request) string { return r.Conn.LogID }),
	"m":   text(func(r *runtime.Request) string { return r.Method }),
	"q":   query,
	"r":   text(func(r *runtime.Request) string { return r.TheRequest }),
	"R":   text(func(r *runtime.Request) string { return r.Handler }),
	"s":   status,
	"t":   commonTime,
	"u":   user,
	"U":   text(func(r *runtime.Request) string { return r.URI }),
	"v":   text(func(r *runtime.Request) string { return r.Server.ServerName }),
	"V":   text(func(r *runtime.Request) string { return r.ServerName() }),
	"X":   connection,
	"^FB": firstByte,
}

func keepalives(r *runtime.Request) int64 {
	return int64(max(r.Conn.Keepalives-1, 0))
}

func query(dst []byte, r *runtime.Request) []byte {
	if !r.HasArgs {
		return dst
	}
	return appendEscaped(append(dst, '?'), r.Args)
}

func status(dst []byte, r *runtime.Request) []byte {
	if r.Status <= 0 {
		return append(dst, '-')
	}
	return strconv.AppendInt(dst, int64(r.Status), 10)
}

func user(dst []byte, r *runtime.Request) []byte {
	if r.User == "" && r.NoName {
		return append(dst, `""`...)
	}
	return appendText(dst, r.User)
}

func connection(dst []byte, r *runtime.Request) []byte {
	switch {
	case r.Aborted():
		return append(dst, 'X')
	case r.Conn.KeepAlive == runtime.KeepAliveOn:
		return append(dst, '+')
	}
	return append(dst, '-')
}

func firstByte(dst []byte, r *runtime.Request) []byte {
	at := r.FirstByte()
	if at.IsZero() {
		return append(dst, '-')
	}
	return strconv.AppendInt(dst, at.Sub(r.Time).Microseconds(), 10)
}

// headerOut is %{NAME}o; Content-Type and the fields of a response that are several are what was sent.
func headerOut(name string) value {
	isType, all := runtime.EqualFold(name, "Content-Type"), runtime.EqualFold(name, "Set-Cookie")
	return func(dst []byte, r *runtime.Request) []byte {
		if isType && r.ContentType != "" {
			t, _, _ := strings.Cut(r.ContentType, ";")
			return appendText(dst, strings.TrimRight(t, " \t"))
		}
		first := true
		for _, f := range r.HeadersOut.Fields() {
			if runtime.EqualFold(f.Key, name) {
				if !first {
					dst = append(dst, ", "...)
				}
				dst = appendEscaped(dst, f.Value)
				first = false
				if !all {
					break
				}
			}
		}
		if first {
			return append(dst, '-')
		}
		return dst
	}
}

// cookie is %{NAME}C: the value of the cookie, of version 0.
func cookie(r *runtime.Request, name string) string {
	for _, f := range r.HeadersIn.Fields() {
		if !runtime.EqualFold(f.Key, "Cookie") {
			continue
		}
		for part := range strings.SplitSeq(f.Value, ";") {
			k, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if ok && runtime.EqualFold(strings.TrimRight(k, " \t"), name) {
				return strings.Trim(v, " \t")
			}
		}
	}
	return ""
}

func port(kind string) (value, error) {
	switch kind {
	case "", "canonical":
		return number(func(r *runtime.Request) int64 {
			if r.Server.Port != 0 {
				return int64(r.Server.Port)
			}
			return int64(r.DefaultPort())
		}), nil
	case "local":
		return number(func(r *runtime.Request) int64 { return int64(r.Conn.Local.Port()) }), nil
	case "remote":
		return number(func(r *runtime.Request) int64 { return int64(r.Client.Port()) }), nil
	}
	return nil, fmt.Errorf("expected %%{canonical}p, %%{local}p or %%{remote}p, found %%{%s}p", kind)
}

func process(kind string) (value, error) {
	pid := int64(os.Getpid())
	switch kind {
	case "", "pid":
		return number(func(*runtime.Request) int64 { return pid }), nil
	case "tid":
		// A connection's number is what tells parallel requests apart here.
		return number(func(r *runtime.Request) int64 { return int64(r.Conn.ID) }), nil
	case "hextid":
		return func(dst []byte, r *runtime.Request) []byte { return strconv.AppendUint(dst, r.Conn.ID, 16) }, nil
	}
	return nil, fmt.Errorf("expected %%{pid}P, %%{tid}P or %%{hextid}P, found %%{%s}P", kind)
}

func duration(unit string) (value, error) {
	var of time.Duration
	switch unit {
	case "", "s":
		of = time.Second
	case "ms":
		of = time.Millisecond
	case "us":
		of = time.Microsecond
	default:
		return nil, fmt.Errorf("expected %%{s}T, %%{ms}T or %%{us}T, found %%{%s}T", unit)
	}
	return number(func(r *runtime.Request) int64 { return int64(time.Since(r.Time) / of) }), nil
}

type second struct {
	unix int64
	text string
}

var clf atomic.Pointer[second]

// commonTime is %t; the text of a second is made once.
func commonTime(dst []byte, r *runtime.Request) []byte {
	sec := r.Time.Unix()
	s := clf.Load()
	if s == nil || s.unix != sec {
		s = &second{sec, r.Time.Format("[02/Jan/2006:15:04:05 -0700]")}
		clf.Store(s)
	}
	return append(dst, s.text...)
}

func requestTime(format string) value {
	at := func(r *runtime.Request) time.Time { return r.Time }
	rest := format
	if s, ok := strings.CutPrefix(rest, "begin"); ok && (s == "" || s[0] == ':') {
		rest = strings.TrimPrefix(s, ":")
	} else if s, ok := strings.CutPrefix(rest, "end"); ok && (s == "" || s[0] == ':') {
		rest = strings.TrimPrefix(s, ":")
		at = func(*runtime.Request) time.Time { return time.Now() }
	}
	switch rest {
	case "":
		return func(dst []byte, r *runtime.Request) []byte {
			return at(r).AppendFormat(dst, "[02/Jan/2006:15:04:05 -0700]")
		}
	case "sec":
		return number(func(r *runtime.Request) int64 { return at(r).Unix() })
	case "msec":
		return number(func(r *runtime.Request) int64 { return at(r).UnixMilli() })
	case "usec":
		return number(func(r *runtime.Request) int64 { return at(r).UnixMicro() })
	case "msec_frac":
		return func(dst []byte, r *runtime.Request) []byte { return fmt.Appendf(dst, "%03d", at(r).Nanosecond()/1e6) }
	case "usec_frac":
		return func(dst []byte, r *runtime.Request) []byte { return fmt.Appendf(dst, "%06d", at(r).Nanosecond()/1e3) }
	}
	return func(dst []byte, r *runtime.Request) []byte { return strftime.Append(dst, at(r), rest) }
}
