package runtime

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime/http1"
	"pinion/runtime/table"
)

// httpConn is one HTTP/1 client connection: the Wire of its requests, one after the other, and their body. It is small,
// as it is what stays while the connection is parked.
type httpConn struct {
	meta      *Conn
	nc        net.Conn
	engine    *Engine
	conn      *http1.Conn // on nc; nil while parked
	*exchange             // nil while there can't be a request
	req       *Request

	live    atomic.Pointer[http1.Conn] // conn, for cut
	aborted atomic.Bool
	idle    atomic.Bool
	tunnel  atomic.Bool

	wantContinue bool
	chunked      bool
	headless     bool // HTTP/0.9
	broken       bool // the answer was

	// While it is parked: until when, under which descriptor, and where in parking's order.
	until     time.Duration
	fd, place int32
}

// exchange is what a connection needs only while there is a request on it.
type exchange struct {
	head http1.RequestHead
	body http1.Body

	inStart, outStart int64 // the connection's counters when the request began

	// The stages of RequestReadTimeout. began is when the current one first had to wait, zero before that.
	headTime, bodyTime http1.ReqTimeout
	began              time.Time
	headDue            func(got int) time.Time // the method headDeadline, made once for all requests
	bodyDue            func(got int64) time.Time
}

var exchanges = sync.Pool{New: func() any {
	x := &exchange{}
	x.headDue, x.bodyDue = x.headDeadline, x.bodyDeadline
	return x
}}

func (x *exchange) headDeadline(got int) time.Time { return x.stage(&x.headTime, int64(got)) }

func (x *exchange) bodyDeadline(got int64) time.Time { return x.stage(&x.bodyTime, got) }

func (x *exchange) stage(t *http1.ReqTimeout, got int64) time.Time {
	if x.began.IsZero() {
		x.began = time.Now()
	}
	return t.Deadline(x.began, got)
}

// releaseExchange must come after the end of the last request.
func (c *httpConn) releaseExchange() {
	if x := c.exchange; x != nil {
		c.exchange = nil
		x.body.Drop()
		exchanges.Put(x)
	}
}

// serveHTTP1 is the life of a connection, up to when it is parked. While it waits for a request it holds no graph and
// no buffer.
func (e *Engine) serveHTTP1(nc net.Conn, meta *Conn) {
	c := &httpConn{meta: meta, nc: nc, engine: e}
	c.open()
	e.track(c)
	c.serve(c.await(0))
}

// open makes the connection ready for reading and writing.
func (c *httpConn) open() {
	c.conn = http1.NewConn(c.nc)
	c.live.Store(c.conn)
	if c.aborted.Load() { // whoever did that may have found no c.live
		c.conn.Abort()
	}
}

// shut gives all that up which a parked connection does without.
func (c *httpConn) shut() {
	c.live.Store(nil)
	c.conn = nil                      // not reused: cut may still have it
	_ = c.nc.SetDeadline(time.Time{}) // the next http1.Conn would not know of one; fails only on a closed connection
	c.releaseExchange()
}

// serve goes on from what a wait for a request has come to.
func (c *httpConn) serve(w waited) {
	e, meta := c.engine, c.meta
	for w == readable {
		if c.exchange == nil {
			c.exchange = exchanges.Get().(*exchange)
		}
		g := e.Acquire(meta.ID)
		base := g.ServerFor(meta.Local, "")
		c.conn.SetReadTimeout(base.Settings.Timeout.Or(DefaultTimeout))
		c.conn.SetWriteTimeout(base.Settings.Timeout.Or(DefaultTimeout))
		more := c.serveRequest(g, base)
		keepAlive := c.keepAliveTimeout()
		c.endRequest()
		g.Release(meta.ID)
		if meta.Takeover != nil {
			// The request and its graph are gone by now: a tunnel outlives reloads without keeping one in memory.
			e.open.Add(1)
			go c.takeover() // on a small stack: that of a request has grown
			return
		}
		if !more {
			break
		}
		w = c.await(keepAlive)
	}
	if w != parked {
		c.close()
	}
}

// takeover is the rest of a connection that switched protocols.
func (c *httpConn) takeover() {
	defer c.engine.open.Done()
	defer c.close()
	after := c.meta.Takeover
	c.meta.Takeover = nil
	c.releaseExchange()
	c.tunnel.Store(true)
	c.engine.parking.tunnel(1)
	defer c.engine.parking.tunnel(-1)
	if c.engine.stopping.Load() {
		c.conn.Abort() // after still has the other side to close
	}
	after(c.conn)
}

func (c *httpConn) close() {
	if c.conn != nil {
		_ = c.conn.Close() // whatever it says, there is nothing more to do
	} else {
		_ = c.nc.Close()
	}
	c.engine.forget(c)
}

// end makes the connection end: an idle one, and unless drain a tunnel, at once, another after its response (see Conn.Ending).
func (c *httpConn) end(drain bool) {
	if c.idle.Load() || c.tunnel.Load() && !drain {
		c.cut()
	}
}

// cut makes the connection end at once.
func (c *httpConn) cut() {
	c.aborted.Store(true)
	if conn := c.live.Load(); conn != nil {
		conn.Abort()
	}
	c.engine.parking.cut(c)
}

func (c *httpConn) about() *Conn { return c.meta }

func (c *httpConn) state() ConnState {
	switch {
	case c.tunnel.Load():
		return ConnTunnel
	case c.idle.Load():
		return ConnIdle
	}
	return ConnBusy
}

// rejectPlain answers a client that speaks plain HTTP where TLS is spoken.
func (e *Engine) rejectPlain(nc net.Conn, meta *Conn) {
	c := &httpConn{meta: meta, nc: nc, conn: http1.NewConn(nc), engine: e, exchange: exchanges.Get().(*exchange)}
	defer c.conn.Close()
	g := e.Acquire(meta.ID)
	defer g.Release(meta.ID)
	meta.Secure = false
	c.req = NewRequest(g, g.ServerFor(meta.Local, ""), meta, c)
	c.req.Protocol, c.req.ProtoNum = "HTTP/1.0", HTTP10
	c.req.RejectHead(400, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access this URL, please.<br />\n")
	c.linger()
	c.endRequest()
}

// waited is what a wait for a request has come to.
type waited uint8

const (
	over     waited = iota // the connection is to be closed
	readable               // the first byte of a request is there
	parked                 // the connection is another goroutine's now
)

// await waits for the first byte of a request.
func (c *httpConn) await(keepAlive time.Duration) waited {
	if c.conn.Buffered() > 0 {
		return readable
	}
	c.idle.Store(true)
	if c.meta.Ending() {
		return over
	}
	if keepAlive == 0 {
		keepAlive = DefaultTimeout
	}
	return c.wait(keepAlive)
}

// wait waits at most that long; the connection is parked before, if it can be.
func (c *httpConn) wait(left time.Duration) waited {
	first := min(left, c.engine.parking.after)
	c.conn.SetReadTimeout(first)
	err := c.conn.WaitReadable()
	if left -= first; left > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		c.until = sinceStart() + left
		if c.engine.parking.park(c) {
			return parked
		}
		c.conn.SetReadTimeout(left)
		err = c.conn.WaitReadable()
	}
	if err != nil {
		return over
	}
	c.idle.Store(false)
	return readable
}

func (c *httpConn) keepAliveTimeout() time.Duration {
	if c.req == nil {
		return 0
	}
	return c.req.Server.Settings.KeepAliveTimeout.Or(5 * time.Second)
}

func (c *httpConn) endRequest() {
	if c.req != nil {
		c.req.Free()
		c.req = nil
	}
	c.head.Reset()
}

// serveRequest reads and answers one request; more tells that another may follow.
func (c *httpConn) serveRequest(g *Graph, base *Server) (more bool) {
	c.inStart = c.conn.BytesIn() - int64(c.conn.Buffered())
	c.outStart = c.conn.BytesOut() + int64(c.conn.Unflushed())
	c.wantContinue, c.chunked, c.headless, c.broken = false, false, false, false
	limits := base.limitsOf()
	c.began, c.headTime = time.Time{}, base.headTime()
	limits.HeadDeadline = c.headDue
	limits.Scheme = schemeOf(base, c.meta)
	var refused *http1.ProtocolError
	if err := c.conn.ReadRequestHead(&c.head, &limits); err != nil {
		if refused = refusal(err); refused == nil {
			return false
		}
	}
	r := NewRequest(g, base, c.meta, c)
	c.req = r
	c.fill(r)
	if refused != nil {
		if refused.Code != "" || refused.Reason != "" {
			r.Logf(nil, LogInfo, refused.Code, "%s", refused.Reason)
		}
		if refused.Close {
			r.RejectHead(refused.Status, refused.Note)
			c.conn.Flush()
			c.linger()
			return false
		}
	}
	c.body.ResetRequest(c.conn, &c.head, &limits)
	if c.head.HasBody() {
		r.Body = c
		if c.bodyTime = r.Server.bodyTime(); c.bodyTime.Initial > 0 {
			c.began = time.Time{}
			c.body.SetDeadline(c.bodyDue)
		}
	}
	if refused != nil {
		r.refuse(refused.Status, refused.Note)
	} else {
		r.Process()
	}
	switch {
	case c.broken:
		return false
	case c.meta.Takeover != nil:
		return false
	case c.meta.KeepAlive != KeepAliveOn:
		if c.conn.Flush() == nil && (!c.body.Complete() || c.conn.Buffered() > 0) {
			c.linger()
		}
		return false
	}
	if !c.body.Complete() {
		if err := c.body.Discard(maxDiscard); err != nil {
			return false
		}
	}
	return true
}

// refusal is the answer that an unreadable head gets, nil where the connection itself failed.
func refusal(err error) (refused *http1.ProtocolError) {
	errors.As(err, &refused)
	return refused
}

// maxDiscard bounds what is read of a body that nobody wanted, to keep a connection: LimitRequestBody's default.
const maxDiscard = 1 << 30

// fill copies what the head said into the request and chooses its virtual host.
func (c *httpConn) fill(r *Request) {
	h := &c.head
	r.TheRequest, r.Method, r.ProtoNum = h.RequestLine, h.Method, h.ProtoNum
	r.HeaderOnly = h.Method == "HEAD"
	switch h.ProtoNum {
	case HTTP11:
		r.Protocol = "HTTP/1.1"
	case HTTP10:
		r.Protocol = "HTTP/1.0"
	case HTTP09:
		r.Protocol, c.headless = "HTTP/0.9", true
	default:
		r.Protocol = "HTTP/1.1"
	}
	if h.MaybeDuplicates {
		http1.MergeDuplicates(&h.Fields)
	}
	r.HeadersIn, h.Fields = h.Fields, r.HeadersIn
	r.Hostname, r.HostPort, r.Scheme = h.Hostname, h.Port, h.Scheme
	if h.TargetHost && h.HasHost {
		host := h.Hostname
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if h.Port != 0 {
			host += ":" + strconv.Itoa(h.Port)
		}
		r.HeadersIn.Set("Host", host)
	}
	if h.Form != http1.AuthorityForm {
		r.parseTarget(h.Path)
	} else {
		r.URI = "/"
	}
	r.UnparsedURI = h.Target
	r.Expecting100, c.wantContinue = h.Expect100, h.Expect100
	s := r.Server
	if h.Hostname != "" {
		s = r.Graph.ServerFor(c.meta.Local, h.Hostname)
	} else {
		s = r.Graph.serverOfPath(c.meta.Local, r.URI, s)
	}
	if s != r.Server {
		r.Server, r.Dir = s, s.Dir
	}
}

// linger lets the client read the answer before the connection ends: closing with unread bytes would reset it
// (httpd's ap_lingering_close).
func (c *httpConn) linger() {
	if c.conn.CloseWrite() != nil {
		return
	}
	c.conn.SetReadTimeout(2 * time.Second)
	buf := make([]byte, 4096)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if _, err := c.conn.Read(buf); err != nil {
			return
		}
	}
}

// Read is the request's body.
func (c *httpConn) Read(p []byte) (int, error) {
	if err := c.beforeBody(); err != nil {
		return 0, err
	}
	n, err := c.body.Read(p)
	if limit := c.bodyLimit(); limit > 0 && c.body.BytesRead() > limit {
		return 0, &BodyError{413, errTooLarge}
	}
	return n, c.bodyError(err)
}

// RelayBody sends the request's body on to a backend, by the kernel's means where that pays, framed as chunks if chunked.
func (c *httpConn) RelayBody(dst *http1.Conn, chunked bool) (int64, error) {
	if err := c.beforeBody(); err != nil {
		return 0, err
	}
	n, err := c.body.Relay(dst, chunked)
	return n, c.bodyError(err)
}

var errTooLarge = errors.New("the request's body is larger than LimitRequestBody allows")

// bodyLimit is the longest body in bytes, 0 for any. httpd leaves the bodies of proxied requests to the backend.
func (c *httpConn) bodyLimit() int64 {
	r := c.req.Last()
	if r.Proxy != ProxyNone {
		return 0
	}
	return r.Dir.Core.LimitRequestBody.Or(1 << 30)
}

// beforeBody checks the announced length and sends "100 Continue" to a client that waits for it.
func (c *httpConn) beforeBody() error {
	if limit := c.bodyLimit(); limit > 0 && c.head.ContentLength > limit {
		return &BodyError{413, errTooLarge}
	}
	if !c.wantContinue {
		return nil
	}
	c.wantContinue = false
	for r := c.req; r != nil; r = r.Next {
		r.Expecting100 = false
	}
	return c.WriteInterim(100, nil)
}

func (c *httpConn) bodyError(err error) error {
	var pe *http1.ProtocolError
	var we *http1.WriteError
	switch {
	case err == nil || err == io.EOF || errors.As(err, &we):
		return err
	case errors.As(err, &pe):
		// httpd's input filter makes the error page, past the filter that would count its length.
		c.req.Last().UnknownLength = true
		return &BodyError{pe.Status, err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &BodyError{408, err}
	}
	return &BodyError{400, err}
}

// Length is the request body's.
func (c *httpConn) Length() int64 {
	if c.head.Chunked {
		return -1
	}
	return max(c.head.ContentLength, 0)
}

// Complete tells that the request's body was read to its end.
func (c *httpConn) Complete() bool { return c.body.Complete() }

// Trailers returns the fields after a chunked request body.
func (c *httpConn) Trailers() *table.Table { return c.body.Trailers() }

// Counters implements Wire.
func (c *httpConn) Counters() (in, out int64) {
	return c.conn.BytesIn() - int64(c.conn.Buffered()) - c.inStart, c.conn.BytesOut() + int64(c.conn.Unflushed()) - c.outStart
}

// Abort implements Wire.
func (c *httpConn) Abort() {
	c.broken = true
	c.meta.KeepAlive = KeepAliveClose
	// What was sent so far still reaches the client; that the body ends early is what tells it.
	c.conn.Flush()
}
