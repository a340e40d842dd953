package http1

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// tunnel moves bytes both ways between two connections.
type tunnel struct {
	idle time.Duration
	last atomic.Int64 // when a byte moved, in nanoseconds since epoch
}

// Tunnel moves bytes between a and b, those that are buffered first, until both sides have ended their stream, one
// fails, nothing has moved either way for idle (0: no limit; err is os.ErrDeadlineExceeded), or ctx is done (err is its
// cause). The end of one side's stream is passed on (half-close). It returns how many bytes went which way; after an
// error the connections can only be closed, which is the caller's to do in any case.
func Tunnel(ctx context.Context, a, b *Conn, idle time.Duration) (aToB, bToA int64, err error) {
	t := &tunnel{idle: idle}
	t.last.Store(int64(time.Since(epoch)))
	stop := context.AfterFunc(ctx, func() { a.Abort(); b.Abort() })
	defer stop()

	back := make(chan error, 1)
	go func() {
		var err error
		defer func() { back <- err }() // also on the way of a panic, which must not leave the other side waiting
		bToA, err = t.pump(a, b)
	}()
	aToB, err = t.pump(b, a)
	if backErr := <-back; err == nil || errors.Is(err, os.ErrDeadlineExceeded) && backErr != nil {
		err = backErr
	}
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	return aToB, bToA, err
}

// pump moves src's bytes to dst until src ends. When it fails it stops the other direction too.
func (t *tunnel) pump(dst, src *Conn) (n int64, err error) {
	src.SetReadTimeout(t.idle)
	dst.SetWriteTimeout(t.idle)
	defer func() {
		if err != nil {
			src.Abort()
			dst.Abort()
		}
	}()
	if err := dst.Flush(); err != nil {
		return 0, err
	}
	for {
		if src.Buffered() == 0 {
			if err := t.await(src); err != nil {
				if errors.Is(err, io.EOF) {
					return n, dst.finishWrite()
				}
				return n, err
			}
		}
		chunk := src.rb[src.r:src.w]
		if err := dst.writeThrough(chunk); err != nil {
			return n, err
		}
		n += int64(len(chunk))
		src.consume(len(chunk))
		t.last.Store(int64(time.Since(epoch)))
	}
}

// await waits for src to be readable; a timeout counts only if the other direction has been silent as long.
func (t *tunnel) await(src *Conn) error {
	for {
		err := src.fill()
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || src.aborted.Load() || t.idle == 0 {
			return err
		}
		if time.Since(epoch)-time.Duration(t.last.Load()) >= t.idle {
			return err
		}
	}
}

// writeThrough writes p at once, after what is buffered.
func (c *Conn) writeThrough(p []byte) error {
	if err := c.Flush(); err != nil {
		return err
	}
	if err := c.armWrite(); err != nil {
		return err
	}
	n, err := c.nc.Write(p)
	c.out.Add(int64(n))
	return err
}

// finishWrite flushes and ends the stream that the peer reads.
func (c *Conn) finishWrite() error {
	if err := c.Flush(); err != nil {
		return err
	}
	return c.CloseWrite()
}
