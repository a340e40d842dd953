package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Level is a LogLevel of httpd; a higher one says more.
type Level int8

// The levels.
const (
	LogEmerg Level = iota
	LogAlert
	LogCrit
	LogErr
	LogWarn
	LogNotice
	LogInfo
	LogDebug
	LogTrace1
	LogTrace2
	LogTrace3
	LogTrace4
	LogTrace5
	LogTrace6
	LogTrace7
	LogTrace8
)

var levelNames = [...]string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug",
	"trace1", "trace2", "trace3", "trace4", "trace5", "trace6", "trace7", "trace8"}

func (l Level) String() string { return levelNames[l] }

// ParseLevel returns the level of that name.
func ParseLevel(name string) (Level, bool) {
	for i, n := range levelNames {
		if EqualFold(n, name) {
			return Level(i), true
		}
	}
	return 0, false
}

// LogLevels is what LogLevel says: a level, and others for single modules. Immutable once compiled.
type LogLevels struct {
	Default Opt[Level]
	Modules map[*Module]Level
}

func (l *LogLevels) over(b *LogLevels) *LogLevels {
	if l == nil {
		return b
	}
	if b == nil || l.Default.Set {
		return l
	}
	n := &LogLevels{Default: b.Default, Modules: map[*Module]Level{}}
	for m, v := range b.Modules {
		n.Modules[m] = v
	}
	for m, v := range l.Modules {
		n.Modules[m] = v
	}
	return n
}

func (l *LogLevels) of(m *Module) Level {
	if l == nil {
		return LogWarn
	}
	if v, ok := l.Modules[m]; ok {
		return v
	}
	return l.Default.Or(LogWarn)
}

// LogEntry is one line of the error log before it is formatted.
type LogEntry struct {
	Time    time.Time
	Module  *Module // nil for core
	Level   Level
	ID      string   // "AH01161", or "" for pinion's own lines
	Request *Request // nil outside of a request
	Conn    *Conn
	Server  *Server
	Remote  net.Addr // the other end of a connection to a backend; nil for none
	Err     error    // the cause, logged before ID; nil for none
	Message string
}

// ErrorLog writes the error log of a server. Safe for concurrent use: Out must take whole lines at once.
type ErrorLog struct {
	Out io.Writer
	// Format lays a line out; nil is httpd's default format.
	Format func(dst []byte, e *LogEntry) []byte
}

// StderrLog is the error log before one is configured.
var StderrLog = &ErrorLog{Out: os.Stderr}

// Write formats and writes one entry.
func (l *ErrorLog) Write(e *LogEntry) {
	format := l.Format
	if format == nil {
		format = DefaultErrorFormat
	}
	line := append(format(nil, e), '\n')
	// An error log that can't be written has nowhere to say so.
	_, _ = l.Out.Write(line)
}

var processID = os.Getpid()

// DefaultErrorFormat is httpd's without ErrorLogFormat:
// [time] [module:level] [pid N] [client IP:port] ID: message, referer: R.
func DefaultErrorFormat(dst []byte, e *LogEntry) []byte {
	dst = append(dst, '[')
	dst = e.Time.AppendFormat(dst, "Mon Jan 02 15:04:05.000000 2006")
	dst = append(dst, "] ["...)
	dst = append(dst, e.ModuleName()...)
	dst = append(dst, ':')
	dst = append(dst, e.Level.String()...)
	dst = append(dst, "] [pid "...)
	dst = strconv.AppendInt(dst, int64(processID), 10)
	if e.Conn != nil {
		// httpd names the thread; a connection's number is what serves the same end here.
		dst = append(dst, ":tid "...)
		dst = strconv.AppendUint(dst, e.Conn.ID, 10)
	}
	dst = append(dst, "] "...)
	if e.Err != nil {
		dst = append(AppendLogEscaped(dst, e.Cause()), ": "...)
	}
	if e.Request != nil || e.Conn != nil {
		dst = append(dst, "[client "...)
		dst = append(dst, e.client()...)
		dst = append(dst, "] "...)
	} else if e.Remote != nil {
		dst = append(dst, "[remote "...)
		dst = append(dst, e.Remote.String()...)
		dst = append(dst, "] "...)
	}
	if e.ID != "" {
		dst = append(dst, e.ID...)
		dst = append(dst, ": "...)
	}
	dst = AppendLogEscaped(dst, e.Message)
	if e.Request != nil {
		if ref := e.Request.HeadersIn.Get("Referer"); ref != "" {
			dst = append(dst, ", referer: "...)
			dst = AppendLogEscaped(dst, ref)
		}
	}
	return dst
}

// ModuleName is the module's short name as httpd logs it: "proxy_balancer", "core".
func (e *LogEntry) ModuleName() string {
	if e.Module == nil {
		return "core"
	}
	name := e.Module.Name
	if n := len(name) - len("_module"); n > 0 && name[n:] == "_module" {
		return name[:n]
	}
	return name
}

func (e *LogEntry) client() string {
	switch {
	case e.Request != nil && e.Request.Client.IsValid():
		return e.Request.ClientIP + ":" + strconv.Itoa(int(e.Request.Client.Port()))
	case e.Conn != nil && e.Conn.Remote.IsValid():
		return e.Conn.RemoteIP + ":" + strconv.Itoa(int(e.Conn.Remote.Port()))
	}
	return "unknown"
}

// AppendLogEscaped appends s with control bytes, quotes left alone, written as httpd's log escapes: \n, \xhh, \\.
func AppendLogEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c >= 0x7f:
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// LogOn tells whether a line of the module at that level would be written for this request: ask before making a costly one.
func (r *Request) LogOn(m *Module, l Level) bool { return l <= r.Dir.Core.LogLevel.of(m) }

// Logf writes a line about this request. m is nil for core; id is httpd's AH number or "".
func (r *Request) Logf(m *Module, l Level, id, format string, args ...any) {
	if !r.LogOn(m, l) {
		return
	}
	r.Server.Errors.Write(&LogEntry{Time: time.Now(), Module: m, Level: l, ID: id, Request: r, Conn: r.Conn, Server: r.Server,
		Message: fmt.Sprintf(format, args...)})
}

// LogCausef is Logf for what an error caused.
func (r *Request) LogCausef(m *Module, l Level, err error, id, format string, args ...any) {
	if !r.LogOn(m, l) {
		return
	}
	r.Server.Errors.Write(&LogEntry{Time: time.Now(), Module: m, Level: l, ID: id, Request: r, Conn: r.Conn, Server: r.Server,
		Err: err, Message: fmt.Sprintf(format, args...)})
}

// LogCausef is Logf for what an error caused.
func (s *Server) LogCausef(m *Module, l Level, err error, id, format string, args ...any) {
	if l > s.Dir.Core.LogLevel.of(m) && l > LogNotice {
		return
	}
	s.Errors.Write(&LogEntry{Time: time.Now(), Module: m, Level: l, ID: id, Server: s, Err: err, Message: fmt.Sprintf(format, args...)})
}

// Causes that httpd logs by APR's names for what has no number in the system.
var (
	ErrGeneral    = errors.New("internal error")           // APR_EGENERAL
	ErrIncomplete = errors.New("processing is incomplete") // APR_INCOMPLETE
)

// LogRemotef writes a line about a connection to a backend, whose address is remote.
func (s *Server) LogRemotef(m *Module, l Level, remote net.Addr, id, format string, args ...any) {
	if !s.LogOn(m, l) {
		return
	}
	s.Errors.Write(&LogEntry{Time: time.Now(), Module: m, Level: l, ID: id, Server: s, Remote: remote, Message: fmt.Sprintf(format, args...)})
}

// Cause is Err as httpd logs it, "(111)Connection refused", with APR's numbers for what is no system error; "" for none.
func (e *LogEntry) Cause() string {
	err := e.Err
	var no syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.As(err, &no):
		text := no.Error()
		if text != "" && text[0] >= 'a' && text[0] <= 'z' {
			text = string(text[0]-0x20) + text[1:]
		}
		return "(" + strconv.Itoa(int(no)) + ")" + text
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "(70014)End of file found"
	case errors.Is(err, ErrGeneral):
		return "(20014)Internal error (specific information not available)"
	case errors.Is(err, ErrIncomplete):
		return "(70008)Partial results are valid but processing is incomplete"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "(70007)The timeout specified has expired"
	}
	return err.Error()
}

// Logf writes a line about the server as a whole.
func (s *Server) Logf(m *Module, l Level, id, format string, args ...any) {
	if l > s.Dir.Core.LogLevel.of(m) && l > LogNotice {
		return
	}
	s.Errors.Write(&LogEntry{Time: time.Now(), Module: m, Level: l, ID: id, Server: s, Message: fmt.Sprintf(format, args...)})
}

// LogOn tells whether a line of the module at that level would be written for this server.
func (s *Server) LogOn(m *Module, l Level) bool { return l <= s.Dir.Core.LogLevel.of(m) }
