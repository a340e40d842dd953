// Package http1 is HTTP/1.1's wire (RFC 9112), both sides: connections with pooled buffers, the heads of requests and
// responses, bodies and their framing, a pool of backend connections and a tunnel. It knows no request_rec, no
// configuration and no module; the server loop and the proxy are built on top of it.
//
// A Conn, and what reads or writes through it, is for one goroutine at a time; only Close, SetReadDeadline's effect
// through Abort, and the methods of Pool may be called from others.
//
// What a client sends is held to what httpd 2.4.71 accepts with "HttpProtocolOptions Strict" (its answers are
// recorded in request_test.go), and to a little less where two readings of one message would be possible: see
// ReadRequestHead. What a backend sends is read as leniently as mod_proxy_http reads it.
package http1
