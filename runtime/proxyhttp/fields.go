package proxyhttp

import (
	"pinion/runtime"
	"pinion/runtime/proxy"
	"pinion/runtime/table"
)

// take makes the fields of the backend's head the answer's, without those of the backend's connection, and with URLs and
// cookies mapped. Set-Cookie comes last, as in httpd. closes says that the backend closes its connection.
func (x *exchange) take() (closes bool) {
	r, h := x.r, &x.head
	out := &r.HeadersOut
	var cookies []table.Field // set before: they stay, and come first
	if out.Len() > 0 {
		cookies = setCookies(out)
		out.Reset()
	}
	connection, cookie := "", false
	fields := h.Fields.Fields()
	for i := range fields {
		f := &fields[i]
		value := f.Value
		switch len(f.Key) {
		case len("TE"):
			if is(f, "TE") {
				continue
			}
		case len("URI"):
			if is(f, "URI") {
				value = proxy.LocationReverseMap(r, value)
			}
		case len("Date"):
			if is(f, "Date") {
				value = canonDate(value)
			}
		case len("Expires"): // Trailer and Upgrade too
			if is(f, "Trailer") || is(f, "Upgrade") {
				continue
			}
			if is(f, "Expires") {
				value = canonDate(value)
			}
		case len("Location"):
			if is(f, "Location") {
				value = proxy.LocationReverseMap(r, value)
			}
		case len("Connection"): // Keep-Alive and Set-Cookie too
			if is(f, "Set-Cookie") {
				cookie = true
				continue
			}
			if is(f, "Connection") {
				if connection != "" {
					connection += ","
				}
				connection += value
				continue
			}
			if is(f, "Keep-Alive") {
				continue
			}
		case len("Destination"):
			if is(f, "Destination") {
				value = proxy.LocationReverseMap(r, value)
			}
		case len("Last-Modified"):
			if is(f, "Last-Modified") {
				value = canonDate(value)
			}
		case len("Content-Length"):
			if is(f, "Content-Length") && (h.Chunked || h.BothLengths || out.Has("Content-Length")) {
				continue
			}
		case len("Content-Location"): // Proxy-Connection too
			if is(f, "Proxy-Connection") {
				continue
			}
			if is(f, "Content-Location") {
				value = proxy.LocationReverseMap(r, value)
			}
		case len("Transfer-Encoding"):
			if is(f, "Transfer-Encoding") && !r.HeaderOnly {
				continue
			}
		case len("Proxy-Authenticate"):
			if is(f, "Proxy-Authenticate") {
				continue
			}
		}
		out.Add(f.Key, value)
	}
	for i := range cookies {
		out.Add(cookies[i].Key, cookies[i].Value)
	}
	if cookie {
		for i := range fields {
			if f := &fields[i]; is(f, "Set-Cookie") {
				out.Add(f.Key, proxy.CookieReverseMap(r, f.Value))
			}
		}
	}
	for connection != "" {
		var token string
		token, connection = nextToken(connection)
		closes = closes || table.EqualFold(token, "close")
		out.Del(token)
	}
	if ct, ok := out.Lookup("Content-Type"); ok {
		r.ContentType = ct
	}
	if via := x.conf.Via.Or(proxy.ViaOff); via == proxy.ViaOn || via == proxy.ViaFull {
		out.Add("Via", x.via())
	}
	return closes
}

func setCookies(t *table.Table) (cookies []table.Field) {
	for _, f := range t.Fields() {
		if table.EqualFold(f.Key, "Set-Cookie") {
			cookies = append(cookies, f)
		}
	}
	return cookies
}

// mayUpgrade tells whether the worker lets connections be upgraded to the protocol (ap_proxy_worker_can_upgrade).
func (x *exchange) mayUpgrade(protocol string) bool { return mayUpgrade(x.w, x.scheme, protocol) }

func mayUpgrade(w *proxy.Worker, scheme, protocol string) bool {
	switch w.Upgrade {
	case "":
		return scheme[0] == 'w' && table.EqualFold(protocol, "WebSocket")
	case "*":
		return true
	}
	return table.EqualFold(w.Upgrade, protocol) || runtime.HasToken(w.Upgrade, protocol)
}
