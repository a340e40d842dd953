// Package accesslog is mod_log_config with mod_logio: LogFormat, CustomLog, TransferLog, GlobalLog.
package accesslog

import (
	"fmt"
	"sync"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/logfile"
)

// Module is mod_log_config; LogIO has no directives here, its items %I %O %S are always there.
var (
	Module *runtime.Module
	LogIO  = runtime.Define(runtime.Module{Name: "logio_module", File: "mod_logio.c"})
)

func init() {
	Module = runtime.Define(runtime.Module{Name: "log_config_module", File: "mod_log_config.c",
		Directives: directives, MergeServer: runtime.Merger(merge), PostServer: bind,
		Hooks: []runtime.Hook{{Phase: runtime.LogTransaction, Order: runtime.Middle, Run: logTransaction}}})
}

var directives = []runtime.Directive{
	{Name: "LogFormat", Args: parser.Take12, In: parser.ServerWide, Syntax: "format|nickname [nickname]",
		Help: "Names a format of log lines, or sets the one that TransferLog uses", Set: setLogFormat},
	{Name: "CustomLog", Args: parser.Take23, In: parser.ServerWide, Syntax: "file|pipe format|nickname [env=[!]variable|expr=expression]",
		Help: "Writes a line for each request to a file or a program", Set: setCustomLog},
	{Name: "GlobalLog", Args: parser.Take23, In: parser.Server, Syntax: "file|pipe format|nickname [env=[!]variable|expr=expression]",
		Help: "Writes a line for each request of every virtual host", Set: setCustomLog},
	{Name: "TransferLog", Args: parser.Take1, In: parser.ServerWide, Syntax: "file|pipe",
		Help: "Writes a line for each request in the format of the last LogFormat without a nickname", Set: setCustomLog},
	{Name: "BufferedLogs", Args: parser.Flag, In: parser.Server, Syntax: "On|Off", Help: "Gathers log lines before writing them",
		NoEffect: "lines are gathered for 20 ms at most and written together, whatever it says"},
	{Name: "LogIOTrackTTFB", Args: parser.Flag, In: parser.ServerWide, Syntax: "ON|OFF", Help: "Keeps the time to the first byte for %^FB",
		NoEffect: "the time is always there for %^FB"},
}

// conf is a server's logs.
type conf struct {
	formats  map[string]*grammar.Format // by nickname
	transfer runtime.Opt[string]        // the format of TransferLog
	logs     []*accessLog
	global   []*accessLog
}

// accessLog is one log of a server. Immutable once compiled.
type accessLog struct {
	file   string
	format string // or a nickname, looked up in bind
	cond   func(*runtime.Request) bool
	cmd    *runtime.Cmd // where it was written, until bind
	items  []item
	out    *logfile.Log
}

// The formats that httpd knows without a LogFormat.
const (
	commonFormat = `%h %l %u %t "%r" %>s %b`
)

func merge(base, add *conf) *conf {
	n := &conf{formats: map[string]*grammar.Format{}, transfer: add.transfer.Over(base.transfer), logs: add.logs,
		global: append(base.global[:len(base.global):len(base.global)], add.global...)}
	if len(add.logs) == 0 {
		n.logs = base.logs
	}
	for _, from := range []*conf{base, add} {
		for k, v := range from.formats {
			n.formats[k] = v
		}
	}
	return n
}

func setLogFormat(c *runtime.Cmd) error {
	f, err := parse(c, 0, c.Arg(0))
	if err != nil {
		return err
	}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	if len(c.Node.Args) == 1 {
		conf.transfer = runtime.Some(c.Arg(0))
		return nil
	}
	if conf.formats == nil {
		conf.formats = map[string]*grammar.Format{}
	}
	conf.formats[c.Arg(1)] = f
	return nil
}

// parse reads a format; a mistake is reported at its place in the i-th argument.
func parse(c *runtime.Cmd, i int, text string) (*grammar.Format, error) {
	f, err := grammar.ParseLogFormat(text)
	if err != nil {
		d := c.ArgErrorf(i, err.Code, "%s", err.Summary)
		d.Detail = err.Detail
		return nil, c.Within(d, i, err.Range.Start.Offset, err.Range.End.Offset)
	}
	return f, nil
}

func setCustomLog(c *runtime.Cmd) error {
	l := &accessLog{file: c.Arg(0), cmd: c.Detached()}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	if len(c.Node.Args) > 1 {
		l.format = c.Arg(1)
	}
	if len(c.Node.Args) > 2 {
		cond, err := condition(c)
		if err != nil {
			return err
		}
		l.cond = cond
	}
	if runtime.EqualFold(c.Node.Name, "GlobalLog") {
		conf.global = append(conf.global, l)
	} else {
		conf.logs = append(conf.logs, l)
	}
	return nil
}

func condition(c *runtime.Cmd) (func(*runtime.Request) bool, error) {
	text := c.Arg(2)
	switch {
	case len(text) > 5 && text[:5] == "expr=":
		return c.Cond(text[5:])
	case len(text) > 5 && text[:5] == "env=!":
		name := text[5:]
		return func(r *runtime.Request) bool { return !r.Env.Has(name) }, nil
	case len(text) > 4 && text[:4] == "env=":
		name := text[4:]
		return func(r *runtime.Request) bool { return r.Env.Has(name) }, nil
	}
	return nil, c.ArgErrorf(2, "bad-condition", "expected env=variable, env=!variable or expr=expression, found %q", text)
}

// bind looks nicknames up and opens files, when all formats of the server are known.
func bind(c *runtime.Compiler, s *runtime.Server) {
	conf := runtime.ServerConf[conf](s, Module)
	if conf == nil {
		return
	}
	for _, list := range [][]*accessLog{conf.logs, conf.global} {
		for _, l := range list {
			if l.out == nil && l.items == nil {
				if err := l.bind(c, conf); err != nil {
					c.Report(err)
				}
			}
		}
	}
}

func (l *accessLog) bind(c *runtime.Compiler, conf *conf) *parser.Diagnostic {
	f, ok := conf.formats[l.format]
	if !ok {
		text := l.format
		if text == "" {
			text = conf.transfer.Or(commonFormat)
		} else if text == "common" {
			text = commonFormat
		}
		p, err := parse(l.cmd, 1, text)
		if err != nil {
			return err.(*parser.Diagnostic)
		}
		f = p
	}
	for i := range f.Items {
		it, err := compileItem(&f.Items[i])
		if err != nil {
			return l.cmd.ArgErrorf(1, "bad-format", "%v", err)
		}
		if f.Items[i].Op == "^FB" {
			c.Graph.TrackFirstByte = true
		}
		l.items = append(l.items, it)
	}
	l.items = append(l.items, literal("\n"))
	if c.Offline {
		return nil
	}
	spec := l.file
	if spec != "" && spec[0] != '|' {
		spec = c.ServerPath(spec)
	}
	if c.Test {
		if err := logfile.Check(spec); err != nil {
			return runtime.WithDetail(l.cmd.ArgErrorf(0, "no-log", "%v", err), "%s", logfile.Hint(spec, err))
		}
		return nil
	}
	out, err := runtime.Adopt(c, "log "+spec, func() (*logfile.Log, error) { return logfile.Open(spec, true) })
	if err != nil {
		return runtime.WithDetail(l.cmd.ArgErrorf(0, "no-log", "%v", err), "%s", logfile.Hint(spec, err))
	}
	l.out = out
	return nil
}

// line is one line in the making, used again for others.
type line struct {
	ctx
	buf []byte
}

var lines = sync.Pool{New: func() any { return &line{buf: make([]byte, 0, 512)} }}

func logTransaction(r *runtime.Request) runtime.Result {
	conf := runtime.ServerConf[conf](r.Server, Module)
	if conf == nil {
		return runtime.Declined
	}
	ln := lines.Get().(*line)
	ln.ctx = ctx{first: r, last: r.Last()}
	for _, l := range conf.logs {
		l.write(ln)
	}
	for _, l := range conf.global {
		l.write(ln)
	}
	ln.ctx = ctx{}
	lines.Put(ln)
	return runtime.OK
}

func (l *accessLog) write(ln *line) {
	if l.out == nil || l.cond != nil && !l.cond(ln.first) {
		return
	}
	ln.buf = ln.buf[:0]
	for _, it := range l.items {
		ln.buf = it(ln.buf, &ln.ctx)
	}
	if _, err := l.out.Write(ln.buf); err != nil {
		ln.first.Logf(Module, runtime.LogWarn, "AH00646", "Error writing to %s: %v", l.file, err)
	}
}

// Files returns the logs of a server, for reports.
func Files(s *runtime.Server) []string {
	conf := runtime.ServerConf[conf](s, Module)
	if conf == nil {
		return nil
	}
	var names []string
	for _, l := range conf.logs {
		names = append(names, l.file)
	}
	return names
}

var errNoItem = fmt.Errorf("unknown item")
