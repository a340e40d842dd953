package http1

import (
	"io"
	"os"
	"time"
)

// SendFile writes what src yields until its end, through the kernel where c is plain TCP and src a file or an
// *io.LimitedReader of one; what is buffered goes first. A failure of c is a *WriteError. Like a spliced body a file moves
// in slices, so that the write timeout is one for each slice and not for the whole.
func (c *Conn) SendFile(src io.Reader) (n int64, err error) {
	if err := c.Flush(); err != nil {
		return 0, &WriteError{err}
	}
	file, left := fileOf(src)
	if file == nil || c.plainTCP() == nil {
		return io.Copy(blaming{c}, src)
	}
	if lr, ok := src.(*io.LimitedReader); ok {
		defer func() { lr.N -= n }()
	}
	slice := int64(spliceSlice)
	for n < left {
		if err := c.armWrite(); err != nil {
			return n, &WriteError{err}
		}
		began := time.Since(epoch)
		want := min(slice, left-n)
		moved, err := c.tcp.ReadFrom(&io.LimitedReader{R: file, N: want})
		n += moved
		c.out.Add(moved)
		if err != nil {
			return n, &WriteError{err}
		}
		if moved < want {
			break // the file's end
		}
		slice = nextSlice(slice, time.Since(epoch)-began)
	}
	return n, nil
}

// fileOf returns the file behind src, or nil, and how much of it is to be read.
func fileOf(src io.Reader) (file *os.File, limit int64) {
	switch s := src.(type) {
	case *os.File:
		return s, 1<<63 - 1
	case *io.LimitedReader:
		file, _ = s.R.(*os.File)
		return file, s.N
	}
	return nil, 0
}

// blaming writes to a Conn and says so in its errors; it hides the Conn's other methods from io.Copy.
type blaming struct{ c *Conn }

func (w blaming) Write(p []byte) (int, error) {
	n, err := w.c.Write(p)
	if err != nil {
		err = &WriteError{err}
	}
	return n, err
}
