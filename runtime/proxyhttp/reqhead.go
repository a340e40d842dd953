package proxyhttp

import (
	"strconv"
	"strings"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
	"pinion/runtime/table"
)

// writeHead puts the request's head into the write buffer of x.c (ap_proxy_create_hdrbrgd and terminate_headers).
func (x *exchange) writeHead() runtime.Result {
	if !http1.ValidName(x.r.Method) || !http1.ValidValue(x.target) || strings.IndexByte(x.target, ' ') >= 0 {
		x.r.Logf(Module, runtime.LogErr, "AH10408", "To be forwarded URL contains control characters or spaces")
		return 403
	}
	h := headWriter{x: x}
	x.c.AppendTo(h.append)
	if h.bad.Key != "" {
		x.r.Logf(Module, runtime.LogErr, "", "request header '%s' with value '%s' contains invalid characters, not sent to the backend", h.bad.Key, h.bad.Value)
		return 400
	}
	return runtime.OK
}

// headWriter writes one head in one pass over the client's fields: they stay in order, each change at its place.
type headWriter struct {
	x     *exchange
	named string // the client's Connection field, where it names other fields
	bad   table.Field

	via, expect, forFor, forHost, forServer bool // written
}

func (h *headWriter) append(dst []byte) []byte {
	x := h.x
	r := x.r
	dst = append(append(dst, r.Method...), ' ')
	dst = append(dst, x.target...)
	if x.force10 {
		dst = append(dst, " HTTP/1.0\r\n"...)
	} else {
		dst = append(dst, " HTTP/1.1\r\n"...)
	}
	dst = h.field(dst, "Host", x.hostField())
	if v, ok := r.HeadersIn.Lookup("Connection"); ok && !table.EqualFold(v, "keep-alive") && !table.EqualFold(v, "close") {
		h.named = v
	}
	fields := r.HeadersIn.Fields()
	for i := range fields {
		dst = h.client(dst, &fields[i])
	}
	dst = h.own(dst)
	switch {
	case x.framing == chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case x.framing == byLength:
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, x.length, 10), "\r\n"...)
	}
	switch {
	case x.force10:
	case x.upgrade != "":
		dst = append(dst, "Connection: Upgrade\r\n"...)
		dst = h.field(dst, "Upgrade", x.upgrade)
	case x.closing:
		dst = append(dst, "Connection: close\r\n"...)
	default:
		dst = append(dst, "Connection: Keep-Alive\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// field appends a field whose value came from outside: with a line's end in it, it would forge others.
func (h *headWriter) field(dst []byte, key, value string) []byte {
	if !http1.ValidValue(value) {
		h.bad = table.Field{Key: key, Value: value}
		return dst
	}
	return http1.AppendField(dst, key, value)
}

// hostField is the Host that the backend gets.
func (x *exchange) hostField() string {
	if !x.dir.PreserveHost.Or(false) {
		return x.authority
	}
	r := x.r
	if v, ok := r.HeadersIn.Lookup("Host"); ok {
		return v
	}
	r.Logf(proxy.Module, runtime.LogWarn, "AH01092", "no HTTP 0.9 request (with no host line) on incoming request and preserve host set "+
		"forcing hostname to be %s for uri %s", r.Server.ServerName, r.URI)
	return r.Server.ServerName
}

// client appends one of the client's fields, as it is to be sent.
func (h *headWriter) client(dst []byte, f *table.Field) []byte {
	x := h.x
	add := x.dir.AddHeaders.Or(true) && x.r.Proxy == runtime.ProxyReverse
	switch len(f.Key) {
	case len("TE"):
		if is(f, "TE") {
			return dst
		}
	case len("Via"):
		if is(f, "Via") && !h.isNamed(f.Key) {
			return h.addVia(dst, f)
		}
	case len("Host"):
		if is(f, "Host") {
			return dst
		}
	case len("Expect"):
		if is(f, "Expect") && !h.isNamed(f.Key) {
			return h.addExpect(dst, f)
		}
	case len("Trailer"): // and Upgrade
		if is(f, "Trailer") || is(f, "Upgrade") {
			return dst
		}
	case len("Connection"): // and Keep-Alive
		if is(f, "Connection") || is(f, "Keep-Alive") {
			return dst
		}
	case len("Content-Length"):
		if is(f, "Content-Length") {
			return dst
		}
	case len("X-Forwarded-For"):
		if add && !h.forFor && is(f, "X-Forwarded-For") && !h.isNamed(f.Key) {
			h.forFor = true
			return h.merged(dst, f, x.r.ClientIP)
		}
	case len("X-Forwarded-Host"): // and Proxy-Connection
		if is(f, "Proxy-Connection") {
			return dst
		}
		if add && !h.forHost && is(f, "X-Forwarded-Host") && !h.isNamed(f.Key) {
			if host, ok := x.r.HeadersIn.Lookup("Host"); ok {
				h.forHost = true
				return h.merged(dst, f, host)
			}
		}
	case len("Transfer-Encoding"):
		if is(f, "Transfer-Encoding") {
			return dst
		}
	case len("X-Forwarded-Server"):
		if add && !h.forServer && is(f, "X-Forwarded-Server") && !h.isNamed(f.Key) {
			h.forServer = true
			return h.merged(dst, f, x.r.Server.ServerName)
		}
	case len("Proxy-Authorization"):
		if is(f, "Proxy-Authorization") && x.r.User != "" && !x.r.Env.Has("Proxy-Chain-Auth") {
			return dst
		}
	}
	if h.named != "" && h.isNamed(f.Key) {
		return dst
	}
	return h.field(dst, f.Key, f.Value)
}

func is(f *table.Field, name string) bool { return table.EqualFold(f.Key, name) }

// isNamed tells whether the client's Connection names the field.
func (h *headWriter) isNamed(key string) bool {
	rest := h.named
	for rest != "" {
		var token string
		if token, rest = nextToken(rest); table.EqualFold(token, key) {
			return true
		}
	}
	return false
}

// nextToken cuts the first token off a Connection field, whose tokens are parted by commas, semicolons or blanks.
func nextToken(s string) (token, rest string) {
	const between = ",; \t"
	for s != "" && strings.IndexByte(between, s[0]) >= 0 {
		s = s[1:]
	}
	i := strings.IndexAny(s, between)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// merged appends the field with another value behind its own (apr_table_mergen).
func (h *headWriter) merged(dst []byte, f *table.Field, more string) []byte {
	if !http1.ValidValue(f.Value) || !http1.ValidValue(more) {
		h.bad = table.Field{Key: f.Key, Value: f.Value + ", " + more}
		return dst
	}
	dst = append(append(dst, f.Key...), ": "...)
	dst = append(append(dst, f.Value...), ", "...)
	return append(append(dst, more...), "\r\n"...)
}

// own appends the fields that the client did not send.
func (h *headWriter) own(dst []byte) []byte {
	x := h.x
	r := x.r
	if via := x.conf.Via.Or(proxy.ViaOff); !h.via && (via == proxy.ViaOn || via == proxy.ViaFull) {
		dst = h.field(dst, "Via", x.via())
	}
	if x.expect && !h.expect {
		dst = append(dst, "Expect: 100-Continue\r\n"...)
	}
	if !x.dir.AddHeaders.Or(true) || r.Proxy != runtime.ProxyReverse {
		return dst
	}
	if !h.forFor {
		dst = http1.AppendField(dst, "X-Forwarded-For", r.ClientIP)
	}
	if !h.forHost {
		if host, ok := r.HeadersIn.Lookup("Host"); ok {
			dst = h.field(dst, "X-Forwarded-Host", host)
		}
	}
	if !h.forServer {
		dst = http1.AppendField(dst, "X-Forwarded-Server", r.Server.ServerName)
	}
	return dst
}

// addVia takes the client's Via.
func (h *headWriter) addVia(dst []byte, f *table.Field) []byte {
	switch h.x.conf.Via.Or(proxy.ViaOff) {
	case proxy.ViaBlock:
		return dst
	case proxy.ViaOn, proxy.ViaFull:
		if !h.via {
			h.via = true
			return h.merged(dst, f, h.x.via())
		}
	}
	return h.field(dst, f.Key, f.Value)
}

// addExpect takes the client's Expect, which only an exchange that waits for 100 Continue passes on.
func (h *headWriter) addExpect(dst []byte, f *table.Field) []byte {
	if !h.x.expect {
		return dst
	}
	if h.expect || runtime.HasToken(f.Value, "100-continue") {
		h.expect = true
		return h.field(dst, f.Key, f.Value)
	}
	h.expect = true
	return h.merged(dst, f, "100-Continue")
}

// via is what this server adds to Via.
func (x *exchange) via() string {
	r := x.r
	name := r.Server.ServerName
	if r.Dir.Core.UseCanonicalName.Or("off") != "off" {
		name = r.ServerName()
	}
	port := ""
	if p := r.ServerPort(); p != r.DefaultPort() {
		port = ":" + strconv.Itoa(p)
	}
	s := strconv.Itoa(r.ProtoNum/1000) + "." + strconv.Itoa(r.ProtoNum%1000) + " " + name + port
	if x.conf.Via.V == proxy.ViaFull {
		s += " (" + baseVersion(r.Graph.Banner) + ")"
	}
	return s
}

// baseVersion is the product of the Server field, without what follows it.
func baseVersion(banner string) string {
	if i := strings.IndexByte(banner, ' '); i >= 0 {
		banner = banner[:i]
	}
	return banner
}
