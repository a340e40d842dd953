// Package http1 is HTTP/1.1's wire (RFC 9112), both sides: connections with pooled buffers, the heads of requests and
// responses, bodies and their framing, a pool of backend connections and a tunnel. It knows no request_rec, no
// configuration and no module; the server loop and the proxy are built on top of it.
//
// A Conn may be read by one goroutine while another writes to it; FlushAwait is both. Abort, BytesIn and BytesOut and
// the methods of Pool are safe for concurrent use.
//
// Nothing here reads without a bound: heads, size lines of chunks and trailers have limits, bodies are the caller's to
// bound, and how long a read may wait is set on the Conn.
//
// What a client sends is held to what httpd 2.4.71 accepts with "HttpProtocolOptions Strict" (its answers are
// recorded in request_test.go), and to a little less where two readings of one message would be possible: see
// ReadRequestHead. What a backend sends is read as leniently as mod_proxy_http reads it.
package http1
