// Package heartbeat is mod_heartmonitor and mod_heartbeat: backends tell each second by UDP how much they have to do, and a monitor keeps
// what it hears for lbmethod=heartbeat, in memory or in a file.
package heartbeat

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// Monitor is mod_heartmonitor.
var Monitor = runtime.Define(runtime.Module{Name: "heartmonitor_module", File: "mod_heartmonitor.c"})

// Sender is mod_heartbeat.
var Sender = runtime.Define(runtime.Module{Name: "heartbeat_module", File: "mod_heartbeat.c"})

// Modules returns both modules.
func Modules() []*runtime.Module { return []*runtime.Module{Monitor, Sender} }

func init() {
	Monitor.Directives = []runtime.Directive{
		{Name: "HeartbeatListen", Args: parser.Take1, In: parser.Server, Syntax: "addr:port",
			Help: "Where to listen for the heartbeats of backends, by UDP: a multicast address, or one of this machine", Set: setListen},
		{Name: "HeartbeatStorage", Args: parser.Take1, In: parser.Server, Syntax: "file-path",
			Help: "The file that heartbeats are kept in when HeartbeatMaxServers is 0, and that lbmethod=heartbeat reads then", Set: setStorage},
		{Name: "HeartbeatMaxServers", Args: parser.Take1, In: parser.Server, Syntax: "number-of-servers",
			Help: "How many backends are remembered, 10 or more; 0 keeps them in the file of HeartbeatStorage", Set: setMaxServers},
	}
	Monitor.PostServer = postMonitor
	Monitor.Private = []runtime.PrivateHandler{{Name: handlerName, Code: "open-heartbeat", Summary: "anybody may tell here how much a backend has to do, and so draw requests to it"}}
	Monitor.Hooks = []runtime.Hook{{Phase: runtime.Handler, Order: runtime.First, Always: true, Run: handle}}
	Monitor.ChildInit = func(g *runtime.Graph) {
		if c := runtime.ServerConf[monitorConf](g.Main, Monitor); c != nil && c.monitor != nil {
			c.monitor.serve(order{server: g.Main, path: c.filePath(), limit: c.limit()})
		}
	}
	Sender.Directives = []runtime.Directive{
		{Name: "HeartbeatAddress", Args: parser.Take1, In: parser.Server, Syntax: "addr:port",
			Help: "Where to tell each second how many requests this server works on, by UDP", Set: setAddress},
	}
	Sender.PostServer = postSender
	Sender.ChildInit = func(g *runtime.Graph) {
		if c := runtime.ServerConf[senderConf](g.Main, Sender); c != nil && c.sender != nil {
			c.sender.serve(load{server: g.Main, engine: g.Engine(), limit: c.limit})
		}
	}
}

// defaultMax is HeartbeatMaxServers.
const defaultMax = 10

// monitorConf is mod_heartmonitor's configuration, of the main server only. Immutable once compiled.
type monitorConf struct {
	listen  string // "address:port", "" for none
	storage string
	max     runtime.Opt[int]

	source  *Source
	monitor *monitor // nil where nothing listens
}

// filePath is the file to store in, "" where memory serves.
func (c *monitorConf) filePath() string {
	if c.max.Or(defaultMax) == 0 {
		return c.source.Path
	}
	return ""
}

// limit is how many servers are remembered.
func (c *monitorConf) limit() int {
	if n := c.max.Or(defaultMax); n != 0 {
		return n
	}
	return maxSenders
}

// senderConf is mod_heartbeat's configuration, of the main server only. Immutable once compiled.
type senderConf struct {
	address string
	limit   int // of requests at one time
	sender  *sender
}

func setListen(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[monitorConf](c.Server, Monitor)
	if conf.listen != "" {
		return c.Errorf("repeated-directive", "HeartbeatListen may be given once only")
	}
	err := parseAddress(c)
	if err == nil {
		conf.listen = c.Arg(0)
	}
	return err
}

func setAddress(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[senderConf](c.Server, Sender)
	if conf.address != "" {
		return c.Errorf("repeated-directive", "HeartbeatAddress may be given once only")
	}
	err := parseAddress(c)
	if err == nil {
		conf.address = c.Arg(0)
	}
	return err
}

// parseAddress checks "address:port", IPv4 as in httpd. Names are looked up when the graph begins to serve.
func parseAddress(c *runtime.Cmd) error {
	text := c.Arg(0)
	at := strings.LastIndexByte(text, ':')
	host, port := text[:max(at, 0)], text[at+1:]
	if at < 0 && strings.Trim(port, "0123456789") != "" {
		return c.ArgErrorf(0, "bad-value", "%s expects a port behind the address, as in 239.0.0.1:27999, found %q", c.Node.Def.Name, text)
	}
	if host == "" {
		return c.ArgErrorf(0, "bad-value", "%s expects an address before the port, as in 239.0.0.1:27999, found %q", c.Node.Def.Name, text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return c.ArgErrorf(0, "bad-value", "%s expects a port from 1 to 65535, found %q", c.Node.Def.Name, port)
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && !ip.Is4() || strings.ContainsAny(host, ":[]%*") {
		return c.ArgErrorf(0, "bad-value", "%s expects an IPv4 address, found %q", c.Node.Def.Name, host)
	}
	return nil
}

func setStorage(c *runtime.Cmd) error {
	if c.Arg(0) == "" {
		return c.ArgErrorf(0, "bad-value", "HeartbeatStorage expects the path of a file, found nothing")
	}
	runtime.OwnServerConf[monitorConf](c.Server, Monitor).storage = c.Arg(0)
	return nil
}

func setMaxServers(c *runtime.Cmd) error {
	n := leadingInt(c.Arg(0))
	if n != 0 && n < 10 || strings.HasPrefix(c.Arg(0), "-") {
		return c.ArgErrorf(0, "bad-value", "HeartbeatMaxServers expects 0, for a file, or 10 and more, found %q", c.Arg(0))
	}
	if n > maxSenders {
		c.Warnf("bad-value", "HeartbeatMaxServers is at most %d here", maxSenders)
	}
	runtime.OwnServerConf[monitorConf](c.Server, Monitor).max = runtime.Some(min(n, maxSenders))
	return nil
}

// runtimePath makes a path absolute by DefaultRuntimeDir, else by the folder of the PidFile, else by ServerRoot.
func runtimePath(c *runtime.Compiler, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	if d := c.Graph.Process["defaultruntimedir"]; len(d) > 0 {
		return filepath.Join(c.ServerPath(d[0]), path)
	}
	if p := c.Graph.Process["pidfile"]; len(p) > 0 {
		return filepath.Join(filepath.Dir(c.ServerPath(p[0])), path)
	}
	return c.ServerPath(path)
}

func postMonitor(c *runtime.Compiler, s *runtime.Server) {
	if !s.Main {
		return
	}
	conf := runtime.OwnServerConf[monitorConf](c.Graph.Main, Monitor)
	path := conf.storage
	if path == "" {
		path = "hb.dat"
	}
	conf.source = &Source{Path: runtimePath(c, path)}
	if conf.max.Or(defaultMax) != 0 && (conf.listen != "" || slices.Contains(c.Graph.Process["loadmodule"], Monitor.Name)) {
		conf.source.live, _ = runtime.Adopt(c, "heartmonitor", func() (*servers, error) { return newServers(), nil })
	}
	if conf.listen == "" {
		return
	}
	heard := conf.source.live
	if heard == nil {
		heard, _ = runtime.Adopt(c, "heartmonitor file", func() (*servers, error) { return newServers(), nil })
	}
	conf.monitor, _ = runtime.Adopt(c, "heartmonitor "+strconv.FormatBool(conf.source.live != nil)+" "+conf.listen,
		func() (*monitor, error) { return newMonitor(conf.listen, heard), nil })
}

// eventLimit is how many requests httpd's event MPM works on at one time, where MaxRequestWorkers doesn't say.
const eventLimit = 400

func postSender(c *runtime.Compiler, s *runtime.Server) {
	if !s.Main {
		return
	}
	conf := runtime.ServerConf[senderConf](c.Graph.Main, Sender)
	if conf == nil || conf.address == "" {
		return
	}
	conf.limit = eventLimit
	for _, n := range c.Tree.Root.Children {
		if runtime.EqualFold(n.Def.Name, "MaxRequestWorkers") && len(n.Args) > 0 {
			conf.limit = max(leadingInt(n.Args[0]), 1)
		}
	}
	conf.sender, _ = runtime.Adopt(c, "heartbeat "+conf.address, func() (*sender, error) { return newSender(conf.address), nil })
}
