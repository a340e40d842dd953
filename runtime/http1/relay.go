package http1

// Relay writes the rest of the body to dst, framed as chunks if chunked says so. It is WriteTo: when it would have to wait
// for more of the body it flushes dst before, as what a backend has sent so far must reach a client that waits for just
// that (mod_proxy_http's non-blocking read first). At the body's end the error is nil and dst is not flushed.
func (b *Body) Relay(dst *Conn, chunked bool) (int64, error) {
	if chunked {
		return b.WriteTo(NewChunkedWriter(dst))
	}
	return b.WriteTo(dst)
}
