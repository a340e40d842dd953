package heartbeat

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"pinion/runtime"
)

// storeEvery is how often the file is written (HM_UPDATE_SEC).
const storeEvery = 5 * time.Second

// monitor hears heartbeats at one address. It begins when a graph that has it is served, outlives reloads and ends when no graph has it.
type monitor struct {
	address string
	heard   *servers
	order   atomic.Pointer[order]

	mu     sync.Mutex // guards what follows
	conn   *net.UDPConn
	closed bool
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// order is what the graph in force says.
type order struct {
	server *runtime.Server // to log in
	path   string          // of the file to write, "" for none
	limit  int             // of servers that are remembered
}

func newMonitor(address string, heard *servers) *monitor {
	m := &monitor{address: address, heard: heard}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// serve makes the monitor work by the order from now on. It listens if it doesn't yet; where that fails, the next graph tries again.
func (m *monitor) serve(o order) {
	m.order.Store(&o)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.conn != nil {
		return
	}
	conn, err := m.listen(&o)
	if err != nil {
		o.server.LogCausef(Monitor, runtime.LogCrit, err, "AH02090", "Unable to listen for connections!")
		return
	}
	m.conn = conn
	o.server.Logf(Monitor, runtime.LogDebug, "AH02091", "_heartmonitor_ listener started.")
	m.done.Go(func() { m.receive(conn) })
	m.done.Go(m.keep)
}

func (m *monitor) listen(o *order) (*net.UDPConn, error) {
	addr, err := net.ResolveUDPAddr("udp4", m.address)
	if err != nil {
		return nil, err
	}
	reuse := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }); e != nil {
			return e
		}
		return err
	}}
	pc, err := reuse.ListenPacket(m.ctx, "udp4", addr.String())
	if err != nil {
		o.server.LogCausef(Monitor, runtime.LogCrit, err, "AH02071", "Failed to bind on socket.")
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	if !addr.IP.IsMulticast() {
		return conn, nil
	}
	if err := join(conn, addr.IP); err != nil {
		conn.Close()
		o.server.LogCausef(Monitor, runtime.LogCrit, err, "AH02072", "Failed to join multicast group")
		return nil, err
	}
	return conn, nil
}

func join(conn *net.UDPConn, group net.IP) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	mreq := &unix.IPMreq{Multiaddr: [4]byte(group.To4())}
	if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptIPMreq(int(fd), unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, mreq) }); e != nil {
		return e
	}
	return err
}

// receive takes datagrams until the socket is closed.
func (m *monitor) receive(conn *net.UDPConn) {
	buf := make([]byte, maxMessage)
	var complained time.Time
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if m.ctx.Err() != nil {
			return
		}
		now := time.Now()
		// Anybody can send: the log gets a line a second of what is wrong, not one for each datagram.
		loud := now.Sub(complained) >= time.Second
		s := m.order.Load().server
		switch {
		case err != nil:
			if loud {
				s.LogCausef(Monitor, runtime.LogCrit, err, "AH02089", "recvfrom failed")
				complained = now
			}
			pause := time.NewTimer(100 * time.Millisecond)
			select {
			case <-pause.C:
			case <-m.ctx.Done():
				pause.Stop()
				return
			}
		case !m.process(s, from, string(buf[:n]), now) && loud:
			s.Logf(Monitor, runtime.LogCrit, "AH02087", "malformed message from %s", from)
			complained = now
		}
	}
}

// process is hm_processmsg. It answers false for what is no heartbeat.
func (m *monitor) process(s *runtime.Server, from netip.AddrPort, text string, now time.Time) bool {
	b, ok := message(text)
	if !ok {
		return false
	}
	limit := m.order.Load().limit
	kept := m.heard.hear(from.Addr().Unmap().String(), b, now, limit)
	if s.LogOn(Monitor, runtime.LogDebug) {
		s.Logf(Monitor, runtime.LogDebug, "AH02086", "%s busy=%d ready=%d", from, b.Busy, b.Ready)
		if !kept {
			s.Logf(Monitor, runtime.LogDebug, "", "%s is one server more than HeartbeatMaxServers allows (%d)", from, limit)
		}
	}
	return true
}

// keep writes the file, at once and then every five seconds, where the order says so.
func (m *monitor) keep() {
	t := time.NewTicker(storeEvery)
	defer t.Stop()
	for {
		m.store()
		select {
		case <-t.C:
		case <-m.ctx.Done():
			return
		}
	}
}

// store is hm_file_update_stats.
func (m *monitor) store() {
	o := m.order.Load()
	if o.path == "" {
		return
	}
	fail := func(err error, id, format string, args ...any) {
		if err != nil {
			o.server.LogCausef(Monitor, runtime.LogCrit, err, id, format, args...)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(o.path), filepath.Base(o.path)+".tmp.*")
	if err != nil {
		fail(err, "AH02081", "Unable to open tmp file: %s", o.path+".tmp.XXXXXX")
		return
	}
	tmp := f.Name()
	defer os.Remove(tmp) // fails where it has been renamed
	if _, err = f.Write(m.heard.file(time.Now())); err != nil {
		f.Close()
		fail(err, "AH02082", "Unable to flush file: %s", tmp)
		return
	}
	if err = f.Close(); err != nil {
		fail(err, "AH02083", "Unable to close file: %s", tmp)
		return
	}
	if err = os.Chmod(tmp, 0o444); err != nil {
		fail(err, "AH02084", "Unable to set file permissions on %s", tmp)
		return
	}
	fail(os.Rename(tmp, o.path), "AH02085", "Unable to move file: %s -> %s", tmp, o.path)
}

// Close ends the listener and returns when it has ended.
func (m *monitor) Close() error {
	m.cancel()
	m.mu.Lock()
	m.closed = true
	if m.conn != nil {
		o := m.order.Load()
		o.server.Logf(Monitor, runtime.LogDebug, "AH02092", "stopping _heartmonitor_ listener.")
		m.conn.Close()
	}
	m.mu.Unlock()
	m.done.Wait()
	return nil
}
