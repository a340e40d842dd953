package errorlog

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"pinion/runtime"
	"pinion/runtime/strftime"
)

// field is one part of ErrorLogFormat.
type field struct {
	literal   string
	separator bool // "% " and "\ " aside: a blank begins a new field
	message   bool
	value     func(dst []byte, e *runtime.LogEntry) []byte
	hyphen    bool // "-" for an empty value
	minLevel  runtime.Level
}

// compile reads ErrorLogFormat. at is where a mistake is.
func compile(format string) (f func([]byte, *runtime.LogEntry) []byte, at int, err error) {
	var fields []field
	seen := false
	for i := 0; i < len(format); {
		if format[i] != '%' {
			var fl field
			fl, i = readLiteral(format, i)
			fields = append(fields, fl)
			continue
		}
		fl, n, err := readItem(format[i:])
		if err != nil {
			return nil, i, err
		}
		seen = seen || fl.message
		fields = append(fields, fl)
		i += n
	}
	if !seen {
		return nil, 0, fmt.Errorf("expected %%M, the message, in ErrorLogFormat, found none")
	}
	return func(dst []byte, e *runtime.LogEntry) []byte { return layOut(dst, e, fields) }, 0, nil
}

// readLiteral reads text up to the next item or blank. A blank begins a field; "\ " is a blank that doesn't.
func readLiteral(s string, i int) (field, int) {
	if s[i] == ' ' {
		return field{literal: " ", separator: true}, i + 1
	}
	var b []byte
	for i < len(s) && s[i] != '%' && s[i] != ' ' {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			switch s[i] {
			case 'n':
				b = append(b, '\n')
			case 't':
				b = append(b, '\t')
			case 'r':
				b = append(b, '\r')
			case '\\', ' ', '%', '"':
				b = append(b, s[i])
			default:
				b = append(b, '\\', s[i])
			}
			i++
			continue
		}
		b = append(b, s[i])
		i++
	}
	return field{literal: string(b)}, i
}

func readItem(s string) (field, int, error) {
	var f field
	arg := ""
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%' && i == 1:
			return field{literal: "%"}, 2, nil
		case c == ' ' && i == 1:
			return field{separator: true}, 2, nil
		case c == '-':
			f.hyphen = true
		case c == '+':
			return f, 0, fmt.Errorf("the \"+\" of ErrorLogFormat is for connection and request lines only")
		case c >= '0' && c <= '9':
			f.minLevel = f.minLevel*10 + runtime.Level(c-'0')
			if f.minLevel > runtime.LogTrace8 {
				return f, 0, fmt.Errorf("expected a log level up to %d, found more", runtime.LogTrace8)
			}
		case c == '{':
			end := i + 1
			for end < len(s) && s[end] != '}' {
				end++
			}
			if end == len(s) {
				return f, 0, fmt.Errorf("expected \"}\" to end %q, found the end", s)
			}
			arg, i = s[i+1:end], end
		default:
			if c == 'M' {
				f.message = true
				return f, i + 1, nil
			}
			f.value = itemOf(c, arg)
			if f.value == nil {
				return f, 0, fmt.Errorf("expected an item of ErrorLogFormat, found %%%c", c)
			}
			return f, i + 1, nil
		}
	}
	return f, 0, fmt.Errorf("expected a letter to end %q, found the end", s)
}

// layOut appends a line: a field whose item has no value is left out, back to the blank before it.
func layOut(dst []byte, e *runtime.LogEntry, fields []field) []byte {
	start, skipping := len(dst), false
	for i := range fields {
		f := &fields[i]
		if f.separator {
			if skipping {
				skipping = false
			} else {
				start = len(dst)
			}
		}
		switch {
		case f.message:
			dst = runtime.AppendLogEscaped(dst, idAnd(e))
		case skipping:
		case f.value == nil:
			dst = append(dst, f.literal...)
		case f.minLevel > e.Level:
			dst, skipping = dst[:start], true
		default:
			n := len(dst)
			if dst = f.value(dst, e); len(dst) > n {
				continue
			}
			if f.hyphen {
				dst = append(dst, '-')
				continue
			}
			dst, skipping = dst[:start], true
		}
	}
	return dst
}

func idAnd(e *runtime.LogEntry) string {
	if e.ID == "" {
		return e.Message
	}
	return e.ID + ": " + e.Message
}

type value func(dst []byte, e *runtime.LogEntry) []byte

func ofRequest(get func(r *runtime.Request) string) value {
	return func(dst []byte, e *runtime.LogEntry) []byte {
		if e.Request == nil {
			return dst
		}
		return runtime.AppendLogEscaped(dst, get(e.Request))
	}
}

func itemOf(c byte, arg string) value {
	switch c {
	case 'a':
		return func(dst []byte, e *runtime.LogEntry) []byte { return clientAddress(dst, e, arg == "c") }
	case 'A':
		return func(dst []byte, e *runtime.LogEntry) []byte {
			if e.Conn == nil {
				return dst
			}
			return append(dst, e.Conn.Local.String()...)
		}
	case 'e':
		return ofRequest(func(r *runtime.Request) string { return r.Env.Get(arg) })
	case 'i':
		return ofRequest(func(r *runtime.Request) string { return r.HeadersIn.Get(arg) })
	case 'n':
		return ofRequest(func(r *runtime.Request) string { return r.Notes.Get(arg) })
	case 'E':
		return func(dst []byte, e *runtime.LogEntry) []byte { return runtime.AppendLogEscaped(dst, e.Cause()) }
	case 'F':
		// There is no C source to name.
		return func(dst []byte, _ *runtime.LogEntry) []byte { return dst }
	case 'k':
		return func(dst []byte, e *runtime.LogEntry) []byte {
			if e.Conn == nil {
				return dst
			}
			return strconv.AppendInt(dst, int64(e.Conn.Keepalives), 10)
		}
	case 'l':
		return func(dst []byte, e *runtime.LogEntry) []byte { return append(dst, e.Level.String()...) }
	case 'L':
		return func(dst []byte, e *runtime.LogEntry) []byte {
			if e.Conn == nil {
				return dst
			}
			return append(dst, e.Conn.LogID...)
		}
	case 'm':
		return func(dst []byte, e *runtime.LogEntry) []byte { return append(dst, e.ModuleName()...) }
	case 'P':
		pid := int64(os.Getpid())
		return func(dst []byte, _ *runtime.LogEntry) []byte { return strconv.AppendInt(dst, pid, 10) }
	case 'T':
		return func(dst []byte, e *runtime.LogEntry) []byte {
			if e.Conn == nil {
				return dst
			}
			return strconv.AppendUint(dst, e.Conn.ID, 10)
		}
	case 't':
		return logTime(arg)
	case 'v':
		return func(dst []byte, e *runtime.LogEntry) []byte { return append(dst, e.Server.ServerName...) }
	case 'V':
		return ofRequest(func(r *runtime.Request) string { return r.ServerName() })
	}
	return nil
}

// appendAddress writes no brackets around an IPv6 address, as httpd.
func appendAddress(dst []byte, ip string, port uint16) []byte {
	return strconv.AppendUint(append(append(dst, ip...), ':'), uint64(port), 10)
}

func clientAddress(dst []byte, e *runtime.LogEntry, peer bool) []byte {
	switch {
	case e.Request != nil && !peer:
		return appendAddress(dst, e.Request.ClientIP, e.Request.Client.Port())
	case e.Conn != nil:
		return appendAddress(dst, e.Conn.RemoteIP, e.Conn.Remote.Port())
	}
	return dst
}

// logTime is %t with u (microseconds), c (compact, ISO 8601) or both, or a format of strftime.
func logTime(arg string) value {
	layout := ""
	switch arg {
	case "":
		layout = time.ANSIC
	case "u":
		layout = "Mon Jan 02 15:04:05.000000 2006"
	case "c":
		layout = "2006-01-02 15:04:05"
	case "cu", "uc":
		layout = "2006-01-02 15:04:05.000000"
	default:
		return func(dst []byte, e *runtime.LogEntry) []byte { return strftime.Append(dst, e.Time, arg) }
	}
	return func(dst []byte, e *runtime.LogEntry) []byte { return e.Time.AppendFormat(dst, layout) }
}
