package http1

import "io"

// SendFile writes what src yields until its end, through the kernel where c is plain TCP and src a file or an
// *io.LimitedReader of one; what is buffered goes first. The write timeout is per call of the system.
func (c *Conn) SendFile(src io.Reader) (int64, error) {
	if err := c.Flush(); err != nil {
		return 0, &WriteError{err}
	}
	if c.tcp == nil {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	if err := c.armWrite(); err != nil {
		return 0, &WriteError{err}
	}
	n, err := c.tcp.ReadFrom(src)
	c.out.Add(n)
	if err != nil {
		return n, &WriteError{err}
	}
	return n, nil
}
