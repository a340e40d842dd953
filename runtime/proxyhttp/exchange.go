package proxyhttp

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// exchange is one request to a backend and its answer (httpd's proxy_http_req_t). It is reused.
type exchange struct {
	context.Context // as which it asks the pool: see dialExchange
	use

	head http1.ResponseHead
	body http1.Body
}

// use is what an exchange forgets at its end.
type use struct {
	r    *runtime.Request
	w    *proxy.Worker
	conf *proxy.ServerConf
	dir  *proxy.DirConf
	t    *transport // nil for a worker without connections of its own
	c    *http1.Conn

	scheme    string
	authority string // host and port as the URL has them
	host      string // without brackets
	port      int
	target    string // path and query
	socket    string
	secure    bool
	tls       runtime.BackendTLS // nil where it is not to be spoken

	reused  bool // c has served a request before
	closing bool // c must not be kept
	debug   bool // debug lines are wanted
	force10 bool
	expect  bool   // the body is only sent after the backend's 100 Continue
	upgrade string // the protocol asked for; "" for none

	in      *input // what was read of the request's body; nil without a body
	framing framing
	length  int64
	limits  http1.ResponseLimits
}

var exchanges = sync.Pool{New: func() any { return &exchange{Context: context.Background()} }}

// Value hands the exchange to the function that connects.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return nil
}

// free gives the exchange back, and the connection where it was not given back before: then something went wrong.
func (x *exchange) free() {
	x.release(false)
	x.in.free()
	x.use = use{}
	x.head.Reset()
	x.body.Reset(nil, http1.NoBody, 0, &http1.DefaultLimits)
	exchanges.Put(x)
}

// release gives the connection back to its pool.
func (x *exchange) release(reusable bool) {
	c := x.c
	if c == nil {
		return
	}
	x.c = nil
	if x.t != nil {
		x.t.pool.Put(c, reusable && !x.closing)
	} else {
		_ = c.Close() // whatever it says, it is of no more use
	}
	if x.debug {
		x.r.Server.Logf(proxy.Module, runtime.LogDebug, "AH00943", "%s: has released connection for (%s:%d)", x.scheme, x.w.Hostname, x.w.Port)
	}
}

// serve is proxy_http_handler and proxy_wstunnel_handler.
func serve(r *runtime.Request, w *proxy.Worker, url string) runtime.Result {
	if isWebSocket(url) && !fallback(r) {
		if res := requireUpgrade(r, w, url); res != runtime.OK {
			return res
		}
	}
	x := exchanges.Get().(*exchange)
	defer x.free()
	x.r, x.w, x.conf, x.dir = r, w, proxy.Conf(r), proxy.Dir(r)
	if !x.split(url) {
		r.Logf(Module, runtime.LogDebug, "AH01113", "HTTP: declining URL %s", url)
		return runtime.Declined
	}
	x.t, _ = w.Transport.(*transport)
	x.prepare()
	return x.run()
}

// split takes the URL apart. Nothing of it is copied.
func (x *exchange) split(url string) bool {
	i := strings.Index(url, "://")
	if i < 0 {
		return false
	}
	switch x.scheme = url[:i]; x.scheme {
	case "http", "ws":
		x.port = 80
	case "https", "wss":
		x.port, x.secure = 443, true
	default:
		return false
	}
	rest := url[i+3:]
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	x.authority, x.target = rest[:end], rest[end:]
	if x.target == "" {
		x.target = "/"
	}
	x.host = x.authority
	if port := strings.LastIndexByte(x.host, ':'); port >= 0 && strings.IndexByte(x.host[port:], ']') < 0 {
		n, err := strconv.ParseUint(x.host[port+1:], 10, 16)
		if err != nil {
			return false
		}
		x.host, x.port = x.host[:port], int(n)
		if n == 80 {
			x.authority = x.host // httpd leaves 80 out whatever the scheme
		}
	}
	x.host = strings.TrimSuffix(strings.TrimPrefix(x.host, "["), "]")
	return x.host != ""
}

// prepare decides what depends on the environment and the worker.
func (x *exchange) prepare() {
	r, w := x.r, x.w
	if x.socket = w.UDS; x.socket == "" && r.Notes.Len() > 0 {
		x.socket = r.Notes.Get("uds_path")
	}
	if x.secure {
		x.tls, _ = runtime.BackendTLSOf(r.Dir)
	}
	x.closing = x.t == nil || !w.Reuse()
	x.debug = r.Server.LogOn(proxy.Module, runtime.LogDebug)
	x.limits.FieldSize = w.FieldSize.Or(0)
	x.limits.BadHeader = badHeader[x.conf.BadHeader.Or(proxy.BadHeaderIsError)]
	if r.Env.Len() > 0 {
		x.force10 = r.Env.Has("force-proxy-request-1.0")
		if x.force10 || r.Env.Has("proxy-nokeepalive") ||
			r.Proxy == runtime.ProxyReverse && r.Conn.Keepalives == 0 && r.Env.Has("proxy-initial-not-pooled") {
			x.closing = true
		}
	}
	if x.force10 {
		return
	}
	if (w.Upgrade != "" || x.scheme[0] == 'w') && r.ProtoNum < runtime.HTTP20 {
		if u := r.HeadersIn.Get("Upgrade"); u != "" && x.mayUpgrade(u) {
			x.upgrade = u
		}
	}
	x.expect = r.Expecting100 && x.dir.Continue100.Or(true) || w.Ping.Set && r.Body.Length() != 0
}

var badHeader = [...]http1.BadHeaderPolicy{
	proxy.BadHeaderIsError: http1.IsError, proxy.BadHeaderIgnore: http1.Ignore, proxy.BadHeaderStartBody: http1.StartBody,
}

// run sends the request and the answer.
func (x *exchange) run() runtime.Result {
	if !x.w.Usable() && (!x.w.Retry(time.Now()) || !x.w.Usable()) {
		x.r.Server.Logf(proxy.Module, runtime.LogErr, "AH00940", "%s: disabled connection for (%s:%d)", x.scheme, x.w.Hostname, x.w.Port)
		return 503
	}
	if x.conf.Blocks() {
		if res := x.checkBlock(); res != runtime.OK {
			return res
		}
	}
	if res := x.prefetch(); res != runtime.OK {
		return res
	}
	for { // until a kept connection is met that is of use, or all are gone
		if res := x.connect(); res != runtime.OK {
			return x.failed(res)
		}
		res, again := x.attempt()
		if !again {
			return x.failed(res)
		}
		x.release(false)
	}
}

// checkBlock holds ProxyBlock.
func (x *exchange) checkBlock() runtime.Result {
	var addrs []netip.Addr
	if x.socket == "" {
		var err error
		if addrs, err = x.lookup(false); err != nil {
			return x.connectFailed(&dialError{stage: atLookup, err: err})
		}
	}
	if x.conf.Blocked(x.r, x.host, addrs) {
		return proxy.Error(x.r, 403, "Connect to remote machine blocked")
	}
	return runtime.OK
}

// failed keeps the body for another member, where there may be one.
func (x *exchange) failed(res runtime.Result) runtime.Result {
	if res == 503 {
		x.in.keepFor(x.r)
	}
	return res
}

// attempt sends the request on x.c and takes the answer. again says that the backend had closed a kept connection and that
// the request may be sent anew.
func (x *exchange) attempt() (res runtime.Result, again bool) {
	c, start := x.c, x.c.BytesOut()
	res = x.writeHead()
	if res == runtime.OK && !x.expect {
		res = x.writeBody()
	}
	sent := c.BytesOut() + int64(c.Unflushed()) - start
	x.w.State.Transferred.Add(sent)
	if res != runtime.OK {
		return res, false
	}
	if x.expect && x.w.Ping.Set {
		c.SetReadTimeout(x.w.Ping.V)
	}
	if c.BytesOut() == start {
		if err := c.FlushAwait(x.reused && x.in == nil); err != nil {
			return x.noAnswer(err, sent)
		}
		if x.reused && x.t.quits.Load() {
			x.t.quits.Store(false)
		}
	} else if err := c.Flush(); err != nil {
		return x.bodyFailed(&http1.WriteError{Err: err}), false
	}
	return x.answer(), false
}

// noAnswer takes the error of waiting for the head's first bytes. A backend that had closed a kept connection before the
// request reached it has not seen it; one that has seen it gets it once, whatever it makes of it. What can't be told apart
// is decided by the backend's habit.
func (x *exchange) noAnswer(err error, sent int64) (res runtime.Result, again bool) {
	unseen := err == http1.ErrStale
	if x.reused && x.in == nil && idempotent(x.r.Method) && !unseen {
		ended := errors.Is(err, io.EOF)
		unseen = ended && x.c.Undelivered() || x.t.quits.Load() && (ended || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
	}
	if !unseen {
		return x.statusLineFailed(err), false
	}
	x.w.State.Transferred.Add(-sent)
	x.t.quits.Store(true)
	x.logDisconnected()
	return 0, true
}

func (x *exchange) logDisconnected() {
	x.r.Server.Logf(proxy.Module, runtime.LogDebug, "AH00951", "%s: backend socket is disconnected.", x.scheme)
}

// idempotent methods may be sent twice (RFC 9110 9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// connect takes a connection from the pool or makes one.
func (x *exchange) connect() runtime.Result {
	var move int64
	if x.t != nil {
		x.refresh()
		move = x.t.moves.Load()
	}
	c, reused, err := x.get()
	for err == nil && reused && !x.fit(c) {
		x.logDisconnected()
		x.t.pool.Put(c, false)
		c, reused, err = x.get()
	}
	if err != nil {
		return x.connectFailed(err)
	}
	x.c, x.reused = c, reused
	if x.debug {
		x.logConnection()
	}
	if !reused {
		info := &connInfo{port: localPort(c), move: move}
		if x.secure {
			info.sni, info.tls = x.serverName(), x.tls
		}
		c.Data = info
	}
	timeout := x.w.Timeout(x.r)
	c.SetReadTimeout(timeout)
	c.SetWriteTimeout(timeout)
	if !x.w.Connected() {
		return 503
	}
	return runtime.OK
}

// logConnection says at level debug what httpd says of the way to a connection.
func (x *exchange) logConnection() {
	r, w := x.r, x.w
	r.Server.Logf(proxy.Module, runtime.LogDebug, "AH00942", "%s: has acquired connection for (%s:%d)", x.scheme, w.Hostname, w.Port)
	r.Logf(proxy.Module, runtime.LogDebug, "AH00944", "connecting %s://%s%s to %s:%d", x.scheme, x.authority, x.target, x.host, x.port)
	if x.socket != "" {
		r.Logf(proxy.Module, runtime.LogDebug, "AH02545", "%s: has determined UDS as %s (for %s:%d)", x.scheme, x.socket, x.host, x.port)
	}
	to := x.c.NetConn().RemoteAddr()
	r.Logf(proxy.Module, runtime.LogDebug, "AH00947", "connecting %s to %s (%s:%d)", x.target, to, x.host, x.port)
	switch {
	case x.reused:
	case x.socket != "":
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH02823", "%s: connection established with Unix domain socket %s (%s:%d)", x.scheme, x.socket, x.host, x.port)
	default:
		r.Server.Logf(proxy.Module, runtime.LogDebug, "AH02824", "%s: connection established with %s (%s:%d)", x.scheme, to, x.host, x.port)
	}
}

func (x *exchange) get() (*http1.Conn, bool, error) {
	if x.t != nil {
		return x.t.pool.Get(x)
	}
	nc, err := x.dial()
	if err != nil {
		return nil, false, err
	}
	return http1.NewConn(nc), false, nil
}

// fit tells whether a kept connection can take this request (ap_proxy_check_connection).
func (x *exchange) fit(c *http1.Conn) bool {
	info, ok := c.Data.(*connInfo)
	if !ok || x.secure && (info.sni != x.serverName() || info.tls != x.tls) || x.socket == "" && !x.t.at(c, info) {
		return false
	}
	if x.in == nil || c.Alive() { // without a body, FlushAwait looks at it
		return true
	}
	x.t.quits.Store(true)
	return false
}
