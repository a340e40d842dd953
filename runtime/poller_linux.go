package runtime

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for many descriptors at once, with an epoll set that Go's own poller waits for: so it takes no thread.
type poller struct {
	file   *os.File // the epoll set
	raw    syscall.RawConn
	fd     int
	events [128]unix.EpollEvent
	ready  []int32
	waitFn func(fd uintptr) bool
	err    error // waitFn's
}

// newPoller returns nil where there can't be one.
func newPoller() *poller {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what os.NewFile goes by
		unix.Close(fd)
		return nil
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.file.SyscallConn(); err != nil || p.file.SetReadDeadline(time.Time{}) != nil {
		p.close()
		return nil
	}
	p.waitFn = p.poll
	return p
}

// add makes wait return fd when it is readable or its peer is gone, until it is removed.
func (p *poller) add(fd int32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: fd})
}

func (p *poller) remove(fd int32) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil) // fails only on a descriptor that is not in the set
}

// wakeAt makes wait return at t with os.ErrDeadlineExceeded. Safe for concurrent use.
func (p *poller) wakeAt(t time.Time) { _ = p.file.SetReadDeadline(t) }

// wait returns the descriptors of which there is something to tell. The slice is valid until the next call.
func (p *poller) wait() ([]int32, error) {
	p.ready = p.ready[:0]
	if err := p.raw.Read(p.waitFn); err != nil {
		return nil, err
	}
	return p.ready, p.err
}

func (p *poller) poll(fd uintptr) bool {
	n, err := unix.EpollWait(int(fd), p.events[:], 0)
	if err == unix.EINTR {
		n, err = unix.EpollWait(int(fd), p.events[:], 0)
	}
	p.err = err
	for i := range max(n, 0) {
		p.ready = append(p.ready, p.events[i].Fd)
	}
	return n > 0 || err != nil
}

func (p *poller) close() { _ = p.file.Close() }
