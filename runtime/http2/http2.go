// Package http2 is mod_http2 on net/http's HTTP/2 (RFC 9113), which is golang.org/x/net/http2: each stream is a runtime.Request like any other.
package http2

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/http1"
)

// Module is mod_http2.
var Module *runtime.Module

func init() {
	Module = runtime.Define(runtime.Module{Name: "http2_module", File: "mod_http2.c", Directives: directives, PostConfig: finish,
		MergeServer: runtime.Merger(merge)})
}

var directives = []runtime.Directive{
	{Name: "H2MaxSessionStreams", Args: parser.Take1, In: parser.ServerWide, Syntax: "n", Help: "How many streams a client may have open at once", Set: setNumber},
	{Name: "H2WindowSize", Args: parser.Take1, In: parser.ServerWide, Syntax: "bytes", Help: "How much of a request's body a client may send ahead", Set: setNumber},
	{Name: "H2MaxHeaderBlockLen", Args: parser.Take1, In: parser.ServerWide, Syntax: "bytes", Help: "How long a request's head may be", Set: setNumber},
}

type conf struct {
	streams, window, head runtime.Opt[int]
}

func merge(base, add *conf) *conf {
	return &conf{add.streams.Over(base.streams), add.window.Over(base.window), add.head.Over(base.head)}
}

func setNumber(c *runtime.Cmd) error {
	n := 0
	for _, d := range c.Arg(0) {
		if d < '0' || d > '9' || n > 1<<28 {
			return c.ArgErrorf(0, "bad-value", "expected a positive number, found %q", c.Arg(0))
		}
		n = n*10 + int(d-'0')
	}
	if n == 0 {
		return c.ArgErrorf(0, "bad-value", "expected a positive number, found %q", c.Arg(0))
	}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	switch strings.ToLower(c.Node.Name) {
	case "h2maxsessionstreams":
		conf.streams = runtime.Some(n)
	case "h2windowsize":
		conf.window = runtime.Some(n)
	default:
		conf.head = runtime.Some(n)
	}
	return nil
}

// finish makes connections that agree on h2 ours, where a virtual host offers it.
func finish(c *runtime.Compiler) {
	for _, s := range c.Graph.Servers {
		if slices.Contains(s.Settings.Protocols.Or(nil), "h2") {
			if c.Graph.Protocols == nil {
				c.Graph.Protocols = map[string]func(*runtime.Engine, net.Conn, *runtime.Conn){}
			}
			c.Graph.Protocols["h2"] = serve
			return
		}
	}
}

// serve is the life of an HTTP/2 connection.
func serve(e *runtime.Engine, nc net.Conn, meta *runtime.Conn) {
	g := e.Acquire(meta.ID)
	base := g.ServerFor(meta.Local, "")
	conf := runtime.ServerConf[conf](base, Module)
	if conf == nil {
		conf = noConf
	}
	timeout := base.Settings.Timeout.Or(runtime.DefaultTimeout)
	g.Release(meta.ID)
	// While a write is under way net/http gathers the frames of all streams for the next. Without a pause each answer finds
	// the connection free and goes out alone, which takes a record, a system call and two goroutines' turns for each.
	var running atomic.Int32
	http1.Gather(nc, func() bool { return running.Load() > 1 })
	one := &oneConn{conn: nc, ended: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	h2 := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
			running.Add(1)
			defer running.Add(-1)
			runtime.GrowStack()
			serveStream(e, meta, w, hr)
		}),
		ErrorLog:       log.New(io.Discard, "", 0),
		MaxHeaderBytes: conf.head.Or(64 << 10),
		IdleTimeout:    timeout,
		ConnState:      one.state,
		Protocols:      protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: conf.streams.Or(100), WriteByteTimeout: timeout,
			MaxReceiveBufferPerStream: conf.window.Or(1 << 20), MaxReceiveBufferPerConnection: max(conf.window.Or(1<<20), 1<<20),
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var stopping sync.WaitGroup
	defer stopping.Wait()
	forget := e.Track(meta, func() {
		// The end of the server: no new streams; those that run may end.
		stopping.Go(func() { _ = h2.Shutdown(ctx) })
	}, func() { nc.Close() })
	defer forget()
	_ = h2.Serve(one)
	<-one.ended
	cancel()
}

// oneConn is a listener of one connection, which has made its handshake. It ends with the connection.
type oneConn struct {
	conn  net.Conn
	given bool
	once  sync.Once
	ended chan struct{}
}

// Accept implements net.Listener.
func (o *oneConn) Accept() (net.Conn, error) {
	if !o.given {
		o.given = true
		return o.conn, nil
	}
	<-o.ended
	return nil, net.ErrClosed
}

// Close implements net.Listener; the connection is its server's to close.
func (o *oneConn) Close() error { return nil }

// Addr implements net.Listener.
func (o *oneConn) Addr() net.Addr { return o.conn.LocalAddr() }

func (o *oneConn) state(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		o.once.Do(func() { close(o.ended) })
	}
}

var noConf = &conf{}

// serveStream answers one request.
func serveStream(e *runtime.Engine, meta *runtime.Conn, w http.ResponseWriter, hr *http.Request) {
	g := e.Acquire(meta.ID)
	defer g.Release(meta.ID)
	// A stream has a connection record of its own: what a request notes there is not its siblings'.
	conn := *meta
	s := &stream{w: w, hr: hr, conn: &conn}
	r := runtime.NewRequest(g, g.ServerFor(meta.Local, ""), &conn, s)
	s.req = r
	defer r.Free()
	if fill(r, hr); !strings.HasPrefix(r.UnparsedURI, "/") && r.UnparsedURI != "*" || !r.ChooseServer(hr.Host) {
		r.RejectHead(400, "")
	} else {
		if hr.ContentLength != 0 {
			r.Body = s
		}
		s.limit = r
		r.Process()
	}
	if s.cut {
		panic(http.ErrAbortHandler)
	}
}

// fill gives the request what the stream's head said. The order of fields is not kept by net/http: they are sorted.
func fill(r *runtime.Request, hr *http.Request) {
	target := hr.RequestURI
	if target == "" {
		target = (&url.URL{Path: hr.URL.Path, RawQuery: hr.URL.RawQuery}).RequestURI()
	}
	r.Protocol, r.ProtoNum, r.Method = "HTTP/2.0", runtime.HTTP20, hr.Method
	r.HeaderOnly = hr.Method == "HEAD"
	r.TheRequest = hr.Method + " " + target + " HTTP/2.0"
	r.SetTarget(target)
	r.HeadersIn.Add("Host", hr.Host)
	names := make([]string, 0, len(hr.Header))
	for name := range hr.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range hr.Header[name] {
			r.HeadersIn.Add(name, v)
		}
	}
	if hr.ContentLength > 0 && !r.HeadersIn.Has("Content-Length") {
		r.HeadersIn.Add("Content-Length", itoa(hr.ContentLength))
	}
}
