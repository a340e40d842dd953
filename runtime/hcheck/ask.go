package hcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// maxBody bounds what is kept of an answer's body, in bytes: expressions see no more of it.
const maxBody = 1 << 20

// target is a worker whose health one graph wants checked, and how. Immutable.
type target struct {
	key      string // the worker and what it is asked: of the same key, results are kept over reloads
	graph    *runtime.Graph
	w        *proxy.Worker
	health   proxy.Health
	cond     *condition // nil for none
	request  string     // "" for TCP
	method   string
	version  string // "HTTP/1.0" or "HTTP/1.1"
	function string // what httpd calls the one who connects
}

func newTarget(g *runtime.Graph, w *proxy.Worker) *target {
	h := w.HealthNow()
	t := &target{graph: g, w: w, health: h, function: "HCTCP"}
	text := ""
	if conf := runtime.ServerConf[conf](w.Server, Module); conf != nil && h.Expr != "" {
		if t.cond = conf.exprs[strings.ToLower(h.Expr)]; t.cond != nil {
			text = t.cond.text
		}
	}
	t.key = strings.Join([]string{w.Key(), h.Method, h.URI, text}, "\x00")
	if h.Method != "TCP" {
		t.function = "HCOH"
		t.compose()
	}
	return t
}

// compose makes the request (create_hcheck_req). httpd joins the worker's path and hcuri= with a slash whatever they begin and end with; where
// there is neither it sends a request line without a path, which no strict server takes: here it is "/".
func (t *target) compose() {
	w := t.w
	t.method, t.version = t.health.Method, "HTTP/1.0"
	if m, ok := strings.CutSuffix(t.method, "11"); ok {
		t.method, t.version = m, "HTTP/1.1"
	}
	path := w.Path + t.health.URI
	switch {
	case t.method == "OPTIONS":
		path = "*"
	case w.Path != "" && t.health.URI != "":
		path = w.Path + "/" + t.health.URI
	case !strings.HasPrefix(path, "/"):
		path = "/" + path
	}
	t.request = t.method + " " + path + " " + t.version + "\r\nHost: " + net.JoinHostPort(strings.Trim(w.Hostname, "[]"), strconv.Itoa(w.Port)) + "\r\n\r\n"
}

// dialer is a proxy.Worker's Transport that connects for others than requests, too.
type dialer interface {
	Dial(ctx context.Context, r *runtime.Request, w *proxy.Worker, function string) (net.Conn, error)
}

// ask checks the worker once and tells whether it passed, and why (hc_check). ctx breaks it off.
func (t *target) ask(ctx context.Context) (passed bool, why string) {
	w := t.w
	s := w.Server
	s.Logf(Module, runtime.LogDebug, "AH03256", "Threaded Health checking %s", w.DisplayName())
	r := runtime.NewRequest(t.graph, s, &runtime.Conn{}, nil)
	defer r.Free()
	status, err := t.answer(ctx, r)
	s.LogCausef(Module, runtime.LogDebug, err, "AH03251", "Health check %s Status (%d) for %s.", t.health.Method, status, w.DisplayName())
	switch {
	case err != nil:
		why = err.Error()
	case t.request == "":
		why = "connected"
	case t.cond == nil:
		why = "answered " + r.StatusLine
	case status == healthy:
		why = "answered " + r.StatusLine + ", which meets " + t.health.Expr
	default:
		why = "answered " + r.StatusLine + ", which does not meet " + t.health.Expr
	}
	return status == healthy, bounded(why)
}

// maxWhy bounds what is shown of what a backend says, in bytes.
const maxWhy = 200

func bounded(why string) string {
	why = strings.ToValidUTF8(why, "\uFFFD")
	if len(why) > maxWhy {
		why = strings.ToValidUTF8(why[:maxWhy], "") + "…"
	}
	return why
}

// The outcomes of a check, as httpd logs them.
const (
	healthy   = 0
	unhealthy = 1
	unreached = -1
)

var errNoDialer = errors.New("nothing can connect to backends of this scheme")

// answer connects and, unless that is all, asks for r. Its error is the cause of a status that isn't healthy, where there is one.
func (t *target) answer(ctx context.Context, r *runtime.Request) (status int, err error) {
	d, ok := t.w.Transport.(dialer)
	if !ok {
		return unreached, errNoDialer
	}
	nc, err := d.Dial(ctx, r, t.w, t.function)
	if err != nil {
		return unreached, err
	}
	c := http1.NewConn(nc)
	defer c.Close()
	if t.request == "" {
		return healthy, nil
	}
	// The whole answer has to come within the time that one read of a request may take.
	if limit := t.w.Timeout(r); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	defer context.AfterFunc(ctx, c.Abort)()
	r.Conn.Local, r.Conn.Remote = addrPort(nc.LocalAddr()), addrPort(nc.RemoteAddr())
	r.Conn.LocalIP, r.Conn.RemoteIP = r.Conn.Local.Addr().String(), r.Conn.Remote.Addr().String()
	if err := t.exchange(c, r); err != nil {
		return unhealthy, err
	}
	if !t.judge(r) {
		return unhealthy, nil
	}
	return healthy, nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}

// exchange sends the request and reads the answer into r: an interim answer counts as one, as in httpd.
func (t *target) exchange(c *http1.Conn, r *runtime.Request) error {
	s := t.w.Server
	r.Method, r.Protocol, r.ProtoNum = t.method, t.version, runtime.HTTP10
	if t.version == "HTTP/1.1" {
		r.ProtoNum = runtime.HTTP11
	}
	if _, err := c.WriteString(t.request); err != nil {
		return err
	}
	if err := c.FlushAwait(false); err != nil {
		return err
	}
	var head http1.ResponseHead
	if err := c.ReadResponseHead(&head, t.method, &http1.ResponseLimits{}); err != nil {
		return err
	}
	s.Logf(Module, runtime.LogDebug, "AH03254", "HTTP/1.%d %s", head.ProtoNum%1000, head.StatusLine)
	r.Status, r.StatusLine, r.ClientIP = head.Status, head.StatusLine, r.Conn.RemoteIP
	r.HeadersOut, head.Fields = head.Fields, r.HeadersOut
	r.ContentType = r.HeadersOut.Get("Content-Type")
	if t.method != "GET" {
		return nil
	}
	var body http1.Body
	body.ResetResponse(c, &head)
	b, err := io.ReadAll(io.LimitReader(&body, maxBody))
	if err != nil {
		s.LogCausef(Module, runtime.LogDebug, err, "AH03300", "Error reading response body")
		return err
	}
	runtime.SetRequestConf(r, Module, &kept{string(b)})
	return nil
}

// judge tells whether the answer meets the condition, or without one has a status from 200 to 399.
func (t *target) judge(r *runtime.Request) bool {
	s, name := t.w.Server, t.w.DisplayName()
	if t.cond == nil {
		if r.Status < 200 || r.Status > 399 {
			s.Logf(Module, runtime.LogTrace2, "", "Response status %d for %s: failed", r.Status, name)
			return false
		}
		return true
	}
	ok, err := t.cond.cond.True(r, nil)
	switch {
	case err != nil:
		s.Logf(Module, runtime.LogInfo, "AH03301", "Error on checking condition %s for %s: %v", t.health.Expr, name, err)
		return false
	case ok:
		s.Logf(Module, runtime.LogTrace2, "", "Condition %s for %s: passed", t.health.Expr, name)
	default:
		s.Logf(Module, runtime.LogTrace2, "", "Condition %s for %s: failed", t.health.Expr, name)
	}
	return ok
}

// kept is the body of the answer to a health check.
type kept struct{ body string }

func body(r *runtime.Request) string {
	if k := runtime.RequestConf[kept](r, Module); k != nil {
		return k.body
	}
	return ""
}

// lookupVar knows %{HC_BODY}. Any other name that begins so is known as well, and empty.
func lookupVar(name string) (func(*runtime.Request) string, bool) {
	if len(name) < 3 || !runtime.EqualFold(name[:3], "HC_") {
		return nil, false
	}
	if runtime.EqualFold(name, "HC_BODY") {
		return body, true
	}
	return func(*runtime.Request) string { return "" }, true
}

// lookupFunc knows hc('body').
func lookupFunc(name string) (func(*runtime.Request, string) string, bool) {
	return func(r *runtime.Request, arg string) string {
		if runtime.EqualFold(arg, "body") {
			return body(r)
		}
		return ""
	}, runtime.EqualFold(name, "hc")
}
