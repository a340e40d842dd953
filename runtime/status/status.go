// Package status is mod_status: a page, or lines that monitoring agents parse (?auto), on what the server does. httpd shows slots of
// its processes; here each open client connection is a slot.
package status

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// Module is mod_status. ExtendedStatus is always on; requests are counted as soon as the configuration speaks of server-status.
var Module = runtime.Define(runtime.Module{Name: "status_module", File: "mod_status.c"})

func init() {
	Module.PostConfig = postConfig
	Module.Private = []runtime.PrivateHandler{{Name: handlerName, Code: "open-status", Summary: "anybody may read here who asks for what"}}
	Module.ChildInit = func(*runtime.Graph) { generation.Add(1) }
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.PostReadRequest, Order: runtime.ReallyLast, Run: begin},
		{Phase: runtime.LogTransaction, Order: runtime.ReallyFirst, Run: end},
		{Phase: runtime.Handler, Order: runtime.Middle, Always: true, Run: handle},
	}
}

var (
	started    = time.Now()
	generation atomic.Int64 // graphs that have begun to serve
)

// conf is what a server counts in. A graph that doesn't speak of server-status has none.
type conf struct{ totals *totals }

// totals count the requests of all servers, and of the graphs that follow.
type totals struct{ counts [shards]counts }

// shards is how many copies of the counts there are; a connection's number chooses one, so that processors don't share a cache line.
const shards = 8

type counts struct {
	requests, bytes, duration atomic.Int64 // duration in microseconds
	_                         [128 - 3*8]byte
}

func (t *totals) read() (requests, bytes int64, duration time.Duration) {
	for i := range t.counts {
		n := &t.counts[i]
		requests += n.requests.Load()
		bytes += n.bytes.Load()
		duration += time.Duration(n.duration.Load()) * time.Microsecond
	}
	return requests, bytes, duration
}

// postConfig has requests counted where a page may show them.
func postConfig(c *runtime.Compiler) {
	for _, s := range c.Compiled() {
		c.Directives(s, func(n *parser.Node) {
			if strings.Contains(n.Raw, handlerName) || strings.Contains(n.Raw, magicType) {
				runtime.OwnServerConf[mention](s, mentions)
			}
		})
	}
	if !slices.ContainsFunc(c.Graph.Servers, func(s *runtime.Server) bool { return runtime.ServerConf[mention](s, mentions) != nil }) {
		return
	}
	t, err := runtime.Adopt(c, "status", func() (*totals, error) { return &totals{}, nil })
	if err != nil {
		c.Report(&parser.Diagnostic{Code: "internal", Summary: err.Error(), Place: c.Graph.Main.Place})
		return
	}
	compiled := map[*runtime.Server]bool{}
	for _, s := range c.Compiled() {
		compiled[s] = true
		runtime.OwnServerConf[conf](s, Module).totals = t
	}
	for _, s := range c.Graph.Servers {
		if !compiled[s] && runtime.ServerConf[conf](s, Module) == nil {
			c.Outdate() // it didn't count before
			return
		}
	}
}

// mention marks a server with a directive that names the handler: SetHandler, AddHandler, RewriteRule with [H], an expression.
type mention struct{}

var mentions = runtime.Define(runtime.Module{Name: "status_mentions"})

// The names of the handler.
const (
	handlerName = "server-status"
	magicType   = "application/x-httpd-status"
)

// begin writes the request on the scoreboard.
func begin(r *runtime.Request) runtime.Result {
	if r.Main != nil || r.Prev != nil || r.Conn.Score == nil {
		return runtime.Declined
	}
	protocol := "http/1.1"
	if r.ProtoNum >= runtime.HTTP20 {
		protocol = "h2"
	}
	r.Conn.Score.Begin(r.TheRequest, r.Server.ServerName, r.ClientIP, protocol, r.Time)
	return runtime.Declined
}

// end counts the request.
func end(r *runtime.Request) runtime.Result {
	c := runtime.ServerConf[conf](r.Server, Module)
	if c == nil || r.Conn.Score == nil {
		return runtime.Declined
	}
	took := time.Since(r.Time)
	_, bytes := r.Wire.Counters()
	r.Conn.Score.End(took, bytes)
	n := &c.totals.counts[r.Conn.ID%shards]
	n.requests.Add(1)
	n.bytes.Add(bytes)
	n.duration.Add(took.Microseconds())
	return runtime.Declined
}
