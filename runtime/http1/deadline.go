package http1

import "time"

// epoch is what deadlines are counted from: a difference to it needs only the monotonic clock.
var epoch = time.Now()

// deadline is a timeout that each read or write starts anew, held cheaply: the connection's deadline is set an eighth
// too late and moved only when less than the timeout is left of it. So an operation times out after the timeout or at
// most an eighth later, never earlier, and a busy connection sets a deadline every timeout/8 instead of at each operation.
type deadline struct {
	timeout time.Duration // 0: none
	armed   time.Duration // since epoch; 0: none is set
	fixed   bool          // an exact deadline is set and stays
}

// due returns the deadline to set now, and whether one has to be set. The zero time clears it.
func (d *deadline) due() (time.Time, bool) {
	if d.fixed || d.timeout == 0 && d.armed == 0 {
		return time.Time{}, false
	}
	if d.timeout == 0 {
		d.armed = 0
		return time.Time{}, true
	}
	now := time.Since(epoch)
	slack := d.timeout >> 3
	if left := d.armed - now; d.armed != 0 && left >= d.timeout && left <= d.timeout+slack {
		return time.Time{}, false
	}
	d.armed = now + d.timeout + slack
	return epoch.Add(d.armed), true
}

// fix keeps the deadline that the caller sets until the next set.
func (d *deadline) fix() {
	d.fixed, d.armed = true, 1
}

func (d *deadline) set(timeout time.Duration) {
	if d.fixed {
		d.fixed, d.armed = false, 1 // long past: the next operation sets it anew
	}
	d.timeout = timeout
}

// SetReadTimeout makes each wait for bytes end with os.ErrDeadlineExceeded after d (at most d/8 later); 0 is no
// timeout. It costs nothing until a read needs it.
func (c *Conn) SetReadTimeout(d time.Duration) { c.rd.set(d) }

// SetWriteTimeout does the same for each wait to write.
func (c *Conn) SetWriteTimeout(d time.Duration) { c.wd.set(d) }

// SetReadDeadline sets an exact time at which reading fails, until the next call of it or of SetReadTimeout.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.rd.fix()
	err := c.nc.SetReadDeadline(t)
	if c.aborted.Load() {
		c.Abort()
	}
	return err
}

func (c *Conn) armRead() error {
	t, set := c.rd.due()
	if !set {
		return nil
	}
	err := c.nc.SetReadDeadline(t)
	if c.aborted.Load() {
		c.Abort() // it came in between
	}
	return err
}

func (c *Conn) armWrite() error {
	t, set := c.wd.due()
	if !set {
		return nil
	}
	err := c.nc.SetWriteDeadline(t)
	if c.aborted.Load() {
		c.Abort()
	}
	return err
}
