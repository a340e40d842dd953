package proxyhttp

import (
	"context"
	"strconv"
	"time"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
	"pinion/runtime/table"
)

// requireUpgrade refuses what asks for no upgrade, where mod_proxy_wstunnel has the ws: URLs for itself.
func requireUpgrade(r *runtime.Request, w *proxy.Worker, url string) runtime.Result {
	asked := r.HeadersIn.Get("Upgrade")
	if asked != "" && mayUpgrade(w, "ws", asked) && r.ProtoNum < runtime.HTTP20 {
		return runtime.OK
	}
	expected := w.Upgrade
	if expected == "" {
		expected = "WebSocket"
	}
	if asked == "" {
		asked = "missing"
	}
	r.Logf(WSTunnel, runtime.LogInfo, "AH02900", "require upgrade for URL %s (Upgrade header is %s, expecting %s)", url, asked, expected)
	r.ErrHeadersOut.Set("Connection", "Upgrade")
	r.ErrHeadersOut.Set("Upgrade", expected)
	return 426
}

// switched takes the backend's 101: the client gets it, and the connections become a tunnel.
func (x *exchange) switched() runtime.Result {
	r, h := x.r, &x.head
	if h.Upgrade == "" || x.upgrade == "" || !table.EqualFold(x.upgrade, h.Upgrade) {
		return proxy.Error(r, 502, "Unexpected Upgrade: "+orNone(h.Upgrade)+" (expecting "+orNone(x.upgrade)+")")
	}
	if x.expect {
		r.Expecting100 = false
		x.expect = false
		if res := x.writeBody(); res != runtime.OK {
			return res
		}
	}
	r.HeadersOut.Set("Connection", "Upgrade")
	r.HeadersOut.Set("Upgrade", h.Upgrade)
	r.Logf(Module, runtime.LogDebug, "AH10239", "HTTP: tunneling protocol %s", h.Upgrade)
	t := &tunnel{backend: x.c, state: x.w.State, idle: max(x.w.Timeout(r), r.Server.Settings.Timeout.Or(runtime.DefaultTimeout))}
	if x.t != nil {
		t.pool = x.t.pool
	}
	if err := r.SwitchProtocols(t.run); err != nil {
		r.Wire.Abort()
		return runtime.Done
	}
	t.released = proxy.Of(r).Detach()
	x.c = nil // the tunnel's now
	return runtime.Done
}

func orNone(protocol string) string {
	if protocol == "" {
		return "n/a"
	}
	return protocol
}

// tunnel is an upgraded connection. It holds nothing of the request or its Graph: a reload neither cuts it nor is kept in memory
// by it.
type tunnel struct {
	backend  *http1.Conn
	pool     *http1.Pool // whose place the connection takes; nil for none
	state    *proxy.WorkerState
	released func()        // the worker counts as busy with it until then
	idle     time.Duration // without a byte either way
}

// run moves bytes until both sides have ended, or one fails. The engine cuts the client's connection when it stops.
func (t *tunnel) run(client *http1.Conn) {
	defer t.end()
	toBackend, toClient, _ := http1.Tunnel(context.Background(), client, t.backend, t.idle) // there is no one left to tell
	t.state.Transferred.Add(toBackend)
	t.state.Read.Add(toClient)
}

func (t *tunnel) end() {
	t.released()
	if t.pool != nil {
		t.pool.Put(t.backend, false)
		return
	}
	_ = t.backend.Close()
}

// localPort is the port that the backend sees.
func localPort(c *http1.Conn) string {
	a, ok := c.NetConn().LocalAddr().(interface{ String() string })
	if !ok {
		return ""
	}
	s := a.String()
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == ':' {
			if _, err := strconv.Atoi(s[i+1:]); err == nil {
				return s[i+1:]
			}
			break
		}
	}
	return "0"
}
