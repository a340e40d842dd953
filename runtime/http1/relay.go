package http1

// Relay writes the rest of the body to dst, framed as chunks if chunked says so. Before it waits for more of the body
// it flushes dst: what a backend has sent so far must reach a client that waits for just that (mod_proxy_http's
// non-blocking read first). At the body's end the error is nil and dst is not flushed.
func (b *Body) Relay(dst *Conn, chunked bool) (int64, error) {
	start := b.read
	frame := NewChunkedWriter(dst)
	for {
		if !b.Buffered() && dst.Unflushed() > 0 {
			if err := dst.Flush(); err != nil {
				return b.read - start, &WriteError{err}
			}
		}
		if !chunked && b.canSplice(dst) {
			if err := b.splice(dst); err != nil {
				return b.read - start, err
			}
			continue
		}
		chunk, err := b.next()
		if b.done && len(chunk) == 0 {
			return b.read - start, nil
		}
		if err != nil {
			return b.read - start, err
		}
		if chunked {
			_, err = frame.Write(chunk)
		} else {
			_, err = dst.Write(chunk)
		}
		b.take(len(chunk))
		if err != nil {
			return b.read - start, &WriteError{err}
		}
	}
}

// WriteError is a failure of the side that is written to, so that a caller can tell which of the two peers is gone.
type WriteError struct{ Err error }

// Error implements error.
func (e *WriteError) Error() string { return "writing: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }
