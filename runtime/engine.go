package runtime

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime/http1"
)

// Engine serves connections with whatever Graph is current. Safe for concurrent use.
type Engine struct {
	graph    atomic.Pointer[Graph]
	stopping atomic.Bool
	connID   atomic.Uint64
	conns    [sharedCounters]connSet
	open     sync.WaitGroup
	tunnels  atomic.Int64
	parking  parking
	reload   func(ctx context.Context, reason string) error
}

// connSet is the open connections whose number falls to one shard: so accepting takes no lock that all share.
type connSet struct {
	mu  sync.Mutex // guards set; held for a map operation
	set map[tracked]struct{}
}

// tracked is an open connection as the engine knows it. Its methods are safe for concurrent use.
type tracked interface {
	about() *Conn
	state() ConnState
	end(drain bool) // asks it to end: at once where it is idle, else after what it is doing; tunnels only if not drain
	cut()           // ends it
}

// NewEngine returns an engine that serves g.
func NewEngine(g *Graph) *Engine {
	e := &Engine{}
	e.parking.engine, e.parking.after = e, parkAfter
	for i := range e.conns {
		e.conns[i].set = map[tracked]struct{}{}
	}
	e.graph.Store(g)
	g.engine.Store(e)
	g.childInit()
	return e
}

// ErrNoReload is Reload's error where nothing can load the configuration anew.
var ErrNoReload = errors.New("this process can't load its configuration anew")

// OnReload says how the configuration is loaded anew. It must be called before connections are served.
func (e *Engine) OnReload(f func(ctx context.Context, reason string) error) { e.reload = f }

// Reload loads the configuration anew on a module's behalf and waits for the outcome: an error where the old one stays.
func (e *Engine) Reload(ctx context.Context, reason string) error {
	if e.reload == nil {
		return ErrNoReload
	}
	return e.reload(ctx, reason)
}

// Swap makes g the graph of every request from now on. The old one lives until its last request has ended.
func (e *Engine) Swap(g *Graph) {
	g.engine.Store(e)
	if old := e.graph.Swap(g); old != g {
		g.childInit()
		old.Retire()
	}
}

// Graph returns the current graph, for reports. It may be retired the next moment.
func (e *Engine) Graph() *Graph { return e.graph.Load() }

// Acquire counts a user of the current graph on behalf of a connection; the user calls Release on it in the end.
func (e *Engine) Acquire(connID uint64) *Graph { return Acquire(&e.graph, connID) }

// Connections counts the open client connections, and how many of them wait for a request.
func (e *Engine) Connections() (open, idle int) {
	e.eachConn(func(c tracked) {
		open++
		if c.state() == ConnIdle {
			idle++
		}
	})
	return open, idle
}

// Accepted counts the client connections since the start.
func (e *Engine) Accepted() uint64 { return e.connID.Load() }

// Tunnels counts the client connections that switched to another protocol, such as WebSocket. Connections counts them as open, too.
func (e *Engine) Tunnels() int { return int(e.tunnels.Load()) }

func (e *Engine) eachConn(f func(tracked)) {
	for i := range e.conns {
		s := &e.conns[i]
		s.mu.Lock()
		for c := range s.set {
			f(c)
		}
		s.mu.Unlock()
	}
}

// cutTime is how long connections that were cut may take to end.
const cutTime = time.Second

// Stop ends the service: idle connections are closed at once, others after their response. When ctx is done before
// all have ended, they are cut. The graph is released in the end. Listeners must have been closed before.
func (e *Engine) Stop(ctx context.Context) {
	e.stopping.Store(true)
	e.eachConn(func(c tracked) { c.end(false) })
	done := make(chan struct{})
	go func() {
		e.open.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		e.eachConn(func(c tracked) { c.cut() })
		// A request that waits for its backend learns of the cut when it writes: the end must not wait for that.
		select {
		case <-done:
		case <-time.After(cutTime):
		}
	}
	if g := e.graph.Load(); g != nil {
		g.Retire()
	}
}

// Stopping tells that Stop was called.
func (e *Engine) Stopping() bool { return e.stopping.Load() }

// Drain makes the connections that were accepted with this mark end: idle ones at once, others after their response.
// A tunnel goes on until one of its ends closes it.
func (e *Engine) Drain(gone *atomic.Bool) {
	e.eachConn(func(c tracked) {
		if c.about().Gone == gone {
			c.end(true)
		}
	})
}

// Serve serves one accepted connection in goroutines of its own until its end, and closes it. gone, which may be nil,
// becomes true when the address it came in on is listened on no more: the connection then ends after its response.
func (e *Engine) Serve(nc net.Conn, gone *atomic.Bool) {
	e.open.Add(1)
	go func() {
		defer e.open.Done()
		growStack(0)
		e.serve(nc, gone)
	}()
}

// growStack makes the goroutine's stack 8 KiB, enough for most requests, while there is nothing on it. Else it grows
// on its way down, and each time all that lies on it is moved: an eighth of the processor time of a connection for one request.
//
//go:noinline
func growStack(i int) byte {
	var frame [4 << 10]byte
	return frame[i]
}

// GrowStack makes the stack of a goroutine that is about to serve requests as large as most of them need. See growStack.
func GrowStack() { growStack(0) }

func (e *Engine) serve(nc net.Conn, gone *atomic.Bool) {
	c := &Conn{ID: e.connID.Add(1), Engine: e, Gone: gone, Score: new(Score)}
	if a, ok := nc.(*http1.Socket); ok {
		c.Local, c.Remote, c.LocalIP = a.Addresses()
	} else {
		c.Local, c.Remote = addrPort(nc.LocalAddr()), addrPort(nc.RemoteAddr())
		c.LocalIP = c.Local.Addr().String()
	}
	c.RemoteIP = c.Remote.Addr().String()
	g := e.Acquire(c.ID)
	secure, timeout := g.Secure, g.ServerFor(c.Local, "").Settings.Timeout.Or(DefaultTimeout)
	var cfg *tls.Config
	if secure != nil {
		cfg = secure(c.Local)
	}
	protocols, preface := g.Protocols, g.Preface
	g.Release(c.ID)
	if preface != nil {
		nc.SetDeadline(time.Now().Add(timeout))
		if err := preface(nc, c); err != nil {
			nc.Close()
			return
		}
		nc.SetDeadline(time.Time{})
	}
	if cfg != nil {
		c.Secure = true
		if nc = handshake(nc, cfg, c, timeout); nc == nil {
			return
		}
		if serve := protocols[c.ALPN]; serve != nil {
			serve(e, nc, c)
			return
		}
	}
	e.serveHTTP1(nc, c)
}

// DefaultTimeout is Timeout's default.
const DefaultTimeout = 60 * time.Second

func handshake(nc net.Conn, cfg *tls.Config, c *Conn, timeout time.Duration) net.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	tc := tls.Server(http1.UnderTLS(nc), cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		// Scanners and health checks end here all day; httpd logs it at info.
		g := c.Engine.Acquire(c.ID)
		s := g.ServerFor(c.Local, "")
		if s.LogOn(nil, LogInfo) {
			s.Errors.Write(&LogEntry{Time: time.Now(), Level: LogInfo, ID: "AH02008", Conn: c, Server: s, Message: "SSL library error 1 in handshake: " + err.Error()})
		}
		g.Release(c.ID)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && isHTTP(plain.RecordHeader[:]) {
			c.Engine.rejectPlain(plain.Conn, c)
			return nil
		}
		tc.Close()
		return nil
	}
	st := tc.ConnectionState()
	c.TLS, c.ALPN = &st, st.NegotiatedProtocol
	return tc
}

// isHTTP tells that what came instead of a TLS record begins as a request does.
func isHTTP(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != ' ' && c != '/' {
			return false
		}
	}
	return true
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// Track makes the engine end a connection of another protocol than HTTP/1 when it stops: end asks for it, cut does
// it. The result is called when the connection has ended.
func (e *Engine) Track(meta *Conn, end, cut func()) (forget func()) {
	c := &otherConn{meta, end, cut}
	e.track(c)
	return func() { e.forget(c) }
}

// otherConn is a connection that Track was told of: it is always busy.
type otherConn struct {
	meta         *Conn
	ask, cutFunc func()
}

func (c *otherConn) about() *Conn     { return c.meta }
func (c *otherConn) state() ConnState { return ConnBusy }
func (c *otherConn) end(bool)         { c.ask() }
func (c *otherConn) cut()             { c.cutFunc() }

func (e *Engine) track(c tracked) {
	s := &e.conns[c.about().ID%sharedCounters]
	s.mu.Lock()
	s.set[c] = struct{}{}
	s.mu.Unlock()
}

func (e *Engine) forget(c tracked) {
	s := &e.conns[c.about().ID%sharedCounters]
	s.mu.Lock()
	delete(s.set, c)
	s.mu.Unlock()
}

// headTime is the time for a request's head; mod_reqtimeout's default is header=20-40,MinRate=500.
func (s *Server) headTime() http1.ReqTimeout {
	rate := s.Settings.HeaderRate.Or(ReadRate{Max: 40 * time.Second, MinRate: 500})
	return http1.ReqTimeout{Initial: s.Settings.HeaderTimeout.Or(20 * time.Second), Max: rate.Max, MinRate: rate.MinRate}
}

// bodyTime is the time for a request's body. mod_reqtimeout's default, body=20,MinRate=500, is not taken over: to count
// the bytes of every upload keeps the kernel from moving them by itself. Timeout bounds each wait in any case.
func (s *Server) bodyTime() http1.ReqTimeout {
	rate := s.Settings.BodyRate.Or(ReadRate{})
	return http1.ReqTimeout{Initial: s.Settings.BodyTimeout.Or(0), Max: rate.Max, MinRate: rate.MinRate}
}

// limitsOf are the bounds of a request's head on the server.
func (s *Server) limitsOf() http1.Limits {
	l := http1.Limits{
		RequestLine:      s.Settings.LimitRequestLine.Or(8190),
		RequestFieldSize: s.Settings.LimitRequestField.Or(8190),
		RequestFields:    s.Settings.LimitRequestFields.Or(100),
		Require10:        !s.Settings.HTTP09.Or(true),
	}
	return l
}
