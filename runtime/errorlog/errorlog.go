// Package errorlog is core's ErrorLog and ErrorLogFormat: where the error log goes and what its lines look like.
package errorlog

import (
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/logfile"
)

// Module holds the two directives; in httpd they are core's.
var Module *runtime.Module

func init() {
	Module = runtime.Define(runtime.Module{Name: "core", File: "core.c", Directives: directives,
		MergeServer: runtime.Merger(merge), PostServer: bind})
}

var directives = []runtime.Directive{
	{Name: "ErrorLog", Args: parser.Take12, In: parser.ServerWide, Syntax: "file|pipe|syslog[:facility[:tag]]",
		Help: "Where the error log goes; without it, to standard error", Set: setErrorLog},
	{Name: "ErrorLogFormat", Args: parser.Take12, In: parser.ServerWide, Syntax: "[connection|request] format",
		Help: "What a line of the error log looks like", Set: setFormat},
}

type conf struct {
	spec   runtime.Opt[string]
	cmd    *runtime.Cmd
	format func(dst []byte, e *runtime.LogEntry) []byte
}

func merge(base, add *conf) *conf {
	n := *add
	if !n.spec.Set {
		n.spec, n.cmd = base.spec, base.cmd
	}
	if n.format == nil {
		n.format = base.format
	}
	return &n
}

func setErrorLog(c *runtime.Cmd) error {
	if len(c.Node.Args) > 1 {
		return c.ArgErrorf(1, "unsupported-provider", "expected a file, a pipe or syslog, found the provider %q", c.Arg(0))
	}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	conf.spec, conf.cmd = runtime.Some(c.Arg(0)), c.Detached()
	return nil
}

func setFormat(c *runtime.Cmd) error {
	i := 0
	if len(c.Node.Args) == 2 {
		if !runtime.EqualFold(c.Arg(0), "connection") && !runtime.EqualFold(c.Arg(0), "request") {
			return c.ArgErrorf(0, "bad-value", "expected \"connection\" or \"request\" before the format, found %q", c.Arg(0))
		}
		// The once-per-request lines explain numbers of httpd's own; what they hold can stand in the main format.
		c.Warnf("no-effect", "ErrorLogFormat %s lines are not written; put what they hold into the main format", c.Arg(0))
		return nil
	}
	f, at, err := compile(c.Arg(i))
	if err != nil {
		return c.Within(c.ArgErrorf(i, "bad-format", "%v", err), i, at, min(at+2, len(c.Arg(i))))
	}
	runtime.OwnServerConf[conf](c.Server, Module).format = f
	return nil
}

// bind opens the log. Logs of one name are one log.
func bind(c *runtime.Compiler, s *runtime.Server) {
	conf := runtime.ServerConf[conf](s, Module)
	if conf == nil {
		return
	}
	log := &runtime.ErrorLog{Out: runtime.StderrLog.Out, Format: conf.format}
	if conf.spec.Set && !c.Offline {
		out, err := open(c, conf.spec.V)
		if err != nil {
			c.Report(runtime.WithDetail(conf.cmd.ArgErrorf(0, "no-log", "%v", err), "%s", hint(c, conf.spec.V, err)))
			return
		}
		if out != nil {
			log.Out = out
		}
	}
	s.Errors = log
}

func open(c *runtime.Compiler, spec string) (io.Writer, error) {
	if c.Test {
		return nil, check(c, spec)
	}
	if spec == "syslog" || strings.HasPrefix(spec, "syslog:") {
		return runtime.Adopt(c, "errorlog "+spec, func() (*syslog.Writer, error) { return openSyslog(spec) })
	}
	if spec == "" {
		return nil, errNoName
	}
	if spec[0] != '|' {
		spec = c.ServerPath(spec)
	}
	return runtime.Adopt(c, "errorlog "+spec, func() (*logfile.Log, error) { return logfile.Open(spec, false) })
}

func hint(c *runtime.Compiler, spec string, err error) string {
	if spec != "" && spec[0] != '|' {
		spec = c.ServerPath(spec)
	}
	return logfile.Hint(spec, err)
}

// File is what a server's ErrorLog says, as it is written; "" for none.
func File(s *runtime.Server) string {
	conf := runtime.ServerConf[conf](s, Module)
	if conf == nil {
		return ""
	}
	return conf.spec.V
}

// check tells why open would fail, and opens nothing.
func check(c *runtime.Compiler, spec string) error {
	switch {
	case spec == "syslog" || strings.HasPrefix(spec, "syslog:"):
		_, _, err := syslogName(spec)
		return err
	case spec == "":
		return errNoName
	case spec[0] != '|':
		spec = c.ServerPath(spec)
	}
	return logfile.Check(spec)
}

var errNoName = errors.New("expected a file after ErrorLog, found an empty name")

var facilities = map[string]syslog.Priority{
	"kern": syslog.LOG_KERN, "user": syslog.LOG_USER, "mail": syslog.LOG_MAIL, "daemon": syslog.LOG_DAEMON, "auth": syslog.LOG_AUTH,
	"syslog": syslog.LOG_SYSLOG, "lpr": syslog.LOG_LPR, "news": syslog.LOG_NEWS, "uucp": syslog.LOG_UUCP, "cron": syslog.LOG_CRON,
	"authpriv": syslog.LOG_AUTHPRIV, "ftp": syslog.LOG_FTP, "local0": syslog.LOG_LOCAL0, "local1": syslog.LOG_LOCAL1,
	"local2": syslog.LOG_LOCAL2, "local3": syslog.LOG_LOCAL3, "local4": syslog.LOG_LOCAL4, "local5": syslog.LOG_LOCAL5,
	"local6": syslog.LOG_LOCAL6, "local7": syslog.LOG_LOCAL7,
}

// openSyslog opens syslog, syslog:facility, syslog::tag or syslog:facility:tag.
func openSyslog(spec string) (*syslog.Writer, error) {
	facility, tag, err := syslogName(spec)
	if err != nil {
		return nil, err
	}
	return syslog.New(facility|syslog.LOG_ERR, tag)
}

func syslogName(spec string) (facility syslog.Priority, tag string, err error) {
	parts := strings.SplitN(spec, ":", 3)
	facility, tag = syslog.LOG_LOCAL7, "httpd"
	if len(parts) > 1 && parts[1] != "" {
		f, ok := facilities[strings.ToLower(parts[1])]
		if !ok {
			return 0, "", fmt.Errorf("expected a syslog facility such as local7, found %q", parts[1])
		}
		facility = f
	}
	if len(parts) > 2 && parts[2] != "" {
		tag = parts[2]
	}
	return facility, tag, nil
}
