// Package file opens the regular files that are served. A File does without what an *os.File brings along for whatever may
// be behind it (a try to join the poller, a finalizer, locks), which with the system calls is a good part of what a
// small file costs to serve.
package file

import (
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// File is a file open for reading. It must be closed: no finalizer does. It is for one goroutine at a time.
type File struct {
	fd   int
	info Info
}

// Open opens what name leads to, symbolic links included, without waiting, as the other end of a pipe would make it. It may
// be no regular file: Info tells. Errors are *fs.PathError.
func Open(name string) (*File, error) {
	fd, err := retry(func() (int, error) {
		return syscall.Open(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := &File{fd: fd, info: Info{path: name}}
	if _, err := retry(func() (int, error) { return 0, syscall.Fstat(fd, &f.info.stat) }); err != nil {
		_ = f.Close()
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return f, nil
}

// retry makes a system call again that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}

// Info tells what the file was when it was opened. It stays valid after Close.
func (f *File) Info() *Info { return &f.info }

// Descriptor returns the file's descriptor, -1 once it is closed.
func (f *File) Descriptor() int { return f.fd }

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	return f.result("read", p, func() (int, error) { return syscall.Read(f.fd, p) })
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		rest := p[n:]
		more, err = f.result("read", rest, func() (int, error) { return syscall.Pread(f.fd, rest, at+int64(n)) })
		n += more
	}
	return n, err
}

func (f *File) result(op string, p []byte, call func() (int, error)) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := retry(call)
	if err != nil {
		return 0, &fs.PathError{Op: op, Path: f.info.path, Err: err}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	at, err := syscall.Seek(f.fd, offset, whence)
	if err != nil {
		return 0, &fs.PathError{Op: "seek", Path: f.info.path, Err: err}
	}
	return at, nil
}

// Close implements io.Closer.
func (f *File) Close() error {
	if f.fd < 0 {
		return fs.ErrClosed
	}
	fd := f.fd
	f.fd = -1
	return syscall.Close(fd) // after EINTR, too, it is closed
}

// Info is what a File was when it was opened; Sys returns a *syscall.Stat_t.
type Info struct {
	path string
	stat syscall.Stat_t
}

// Name implements fs.FileInfo.
func (i *Info) Name() string { return filepath.Base(i.path) }

// Size implements fs.FileInfo.
func (i *Info) Size() int64 { return i.stat.Size }

// ModTime implements fs.FileInfo.
func (i *Info) ModTime() time.Time { return time.Unix(i.stat.Mtim.Unix()) }

// IsDir implements fs.FileInfo.
func (i *Info) IsDir() bool { return i.stat.Mode&syscall.S_IFMT == syscall.S_IFDIR }

// Sys implements fs.FileInfo.
func (i *Info) Sys() any { return &i.stat }

// Mode implements fs.FileInfo. Sockets and devices are fs.ModeIrregular without further distinction.
func (i *Info) Mode() fs.FileMode {
	mode := fs.FileMode(i.stat.Mode & 0o777)
	switch i.stat.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
	case syscall.S_IFDIR:
		mode |= fs.ModeDir
	case syscall.S_IFIFO:
		mode |= fs.ModeNamedPipe
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}
