package proxyhttp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// transport holds the connections to one worker. It outlives the Graph, unless one of the settings that it is made of has
// changed: then the new Graph makes its own and this one closes with the last Graph that used it.
type transport struct {
	pool *http1.Pool
	addresses

	// quits says that the last kept connection of this backend was found closed: it may be one that closes each after its
	// answer without saying so. (As pinion comes back sooner than httpd, it meets such a close half way: with a Python
	// backend in 3 to 11 of 100 requests, httpd in 0.3.)
	quits atomic.Bool
}

// connections are those of all transports, busy and idle: half of the files that the process may open, for clients need some too.
var connections = http1.NewQuota(mayOpen() / 2)

func mayOpen() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 1024 // what POSIX systems begin with
	}
	return int(min(files.Cur, 1<<20))
}

// Close closes the idle connections; those in use are closed after their request.
func (t *transport) Close() error {
	t.pool.Close()
	return nil
}

// Connections counts the connections to the worker, for reports.
func (t *transport) Connections() (idle, busy int) {
	s := t.pool.Stats()
	return s.Idle, s.Busy
}

// bind gives the workers of s their transports.
func bind(c *runtime.Compiler, s *runtime.Server) {
	conf := proxy.ConfOf(s)
	for _, w := range conf.Workers {
		bindWorker(c, w)
	}
	for _, b := range conf.Balancers {
		for _, w := range b.Members {
			bindWorker(c, w)
		}
	}
}

func bindWorker(c *runtime.Compiler, w *proxy.Worker) {
	if w.Transport != nil || !w.FixedAddress || !isSecure(w) && w.Scheme != "http" && w.Scheme != "ws" {
		return
	}
	cfg := http1.PoolConfig{Dial: dialExchange, Max: w.Max, Smax: w.SMax, TTL: w.TTL, Acquire: w.Acquire.Or(0), DisableReuse: !w.Reuse(), Quota: connections}
	ttl := w.AddressTTL.Or(0)
	key := fmt.Sprintf("proxyhttp %s %d %d %d %d %t %d %t %d %v", w.Key(), cfg.Max, cfg.Smax, cfg.TTL, cfg.Acquire, cfg.DisableReuse,
		ttl, w.KeepAlive.Or(false), w.RecvBuffer.Or(0), proxy.ConfOf(w.Server).SourceAddress.V)
	t, err := runtime.Adopt(c, key, func() (*transport, error) {
		return &transport{pool: http1.NewPool(cfg), addresses: addresses{ttl: time.Duration(ttl) * time.Second}}, nil
	})
	if err != nil {
		c.Report(&parser.Diagnostic{Code: "internal", Summary: err.Error(), Place: w.Place})
		return
	}
	w.Transport = t
}

// connInfo stays with a backend connection.
type connInfo struct {
	port string             // the local one, for the note proxy-source-port
	sni  string             // of TLS; a request for another name needs another connection
	tls  runtime.BackendTLS // as is one under other settings
	move int64              // addresses.moves when it was made, or when its address was last found among those of now
}

// dialStage tells how far connecting came.
type dialStage uint8

const (
	atLookup dialStage = iota
	atConnect
	atSetup // of TLS
	atHandshake
)

type dialError struct {
	stage  dialStage
	err    error
	remote string // of atHandshake: the address
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

type exchangeKey struct{}

// dialExchange connects for the exchange that asked the pool: it is its own context, so that asking allocates nothing.
func dialExchange(ctx context.Context) (net.Conn, error) {
	return ctx.Value(exchangeKey{}).(*exchange).dial()
}

// dial connects to the backend of x, TLS included (ap_proxy_connect_backend).
func (x *exchange) dial() (net.Conn, error) {
	var nc net.Conn
	var err error
	if x.socket != "" {
		nc, err = x.dialSocket()
	} else {
		nc, err = x.dialTCP()
	}
	if err != nil || !x.secure {
		return nc, err
	}
	return x.handshake(nc)
}

func (x *exchange) dialSocket() (net.Conn, error) {
	ctx, cancel := x.within(x.w.ConnectTimeout(x.r))
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "unix", x.socket)
	if err != nil {
		x.r.Server.LogCausef(proxy.Module, runtime.LogErr, err, "AH02454", "%s: attempt to connect to Unix domain socket %s (%s:%d) failed",
			x.scheme, x.socket, x.host, x.port)
		return nil, &dialError{stage: atConnect, err: err}
	}
	return nc, nil
}

func (x *exchange) dialTCP() (net.Conn, error) {
	addrs, err := x.lookup(false)
	if err != nil {
		return nil, &dialError{stage: atLookup, err: err}
	}
	nc, err := x.dialAny(addrs)
	if err != nil && x.t != nil && x.t.ttl != 0 {
		// What was looked up long ago may have moved.
		if again, lookupErr := x.lookup(true); lookupErr == nil && !sameAddrs(addrs, again) {
			nc, err = x.dialAny(again)
		}
	}
	if err != nil {
		return nil, &dialError{stage: atConnect, err: err}
	}
	return nc, nil
}

func (x *exchange) dialAny(addrs []netip.Addr) (nc net.Conn, err error) {
	for i, a := range addrs {
		to := netip.AddrPortFrom(a, uint16(x.port))
		if nc, err = x.dialOne(to); err == nil {
			return nc, nil
		}
		level := runtime.LogErr
		if i < len(addrs)-1 {
			level = runtime.LogDebug
		}
		x.r.Server.LogCausef(proxy.Module, level, err, "AH00957", "%s: attempt to connect to %s (%s:%d) failed", x.scheme, to, x.host, x.port)
	}
	return nil, err
}

// dialOne connects in the plain way where nothing asks for more: parameters of the worker, an address with a zone, a context that may end.
func (x *exchange) dialOne(to netip.AddrPort) (net.Conn, error) {
	if x.Context.Done() == nil && x.w.RecvBuffer.Or(0) <= 0 && !x.w.KeepAlive.Or(false) && !x.conf.SourceAddress.Set && to.Addr().Zone() == "" {
		s, err := http1.Connect(to, x.w.ConnectTimeout(x.r))
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return x.dialWith(to)
}

func (x *exchange) dialWith(to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if x.w.RecvBuffer.Or(0) > 0 {
		d.Control = x.control
	}
	if x.w.KeepAlive.Or(false) {
		d.KeepAlive = 0
	}
	if from := x.conf.SourceAddress; from.Set {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.V, 0))
	}
	ctx, cancel := x.within(x.w.ConnectTimeout(x.r))
	defer cancel()
	return d.DialContext(ctx, "tcp", to.String())
}

// control sets the size of the receive buffer, before connecting.
func (x *exchange) control(_, _ string, raw syscall.RawConn) error {
	err := raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, x.w.RecvBuffer.V); err != nil {
			x.r.Server.LogCausef(proxy.Module, runtime.LogErr, err, "AH00953", "apr_socket_opt_set(SO_RCVBUF): Failed to set ProxyReceiveBufferSize, using default")
		}
	})
	return err
}

// within is a context that ends after d; 0 is no limit.
func (x *exchange) within(d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return x.Context, func() {}
	}
	return context.WithTimeout(x.Context, d)
}

// Dial connects to the backend of w as a proxied request does, beside the pool, until ctx ends: for health checks. r stands for
// the request; function names the caller in the log.
func (t *transport) Dial(ctx context.Context, r *runtime.Request, w *proxy.Worker, function string) (net.Conn, error) {
	secure := w.Scheme == "https" || w.Scheme == "wss"
	x := &exchange{Context: ctx, use: use{r: r, w: w, conf: proxy.Conf(r), dir: proxy.Dir(r), t: t, scheme: function,
		host: strings.Trim(w.Hostname, "[]"), port: w.Port, socket: w.UDS, secure: secure}}
	if secure {
		x.tls, _ = runtime.BackendTLSOf(r.Dir)
		if b := w.Balancer; b != nil && b.Section != nil {
			if t, said := runtime.BackendTLSOf(b.Section); said {
				x.tls = t // nil, too: the section may say Off
			}
		}
	}
	return x.dial()
}
