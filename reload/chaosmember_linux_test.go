package reload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mood is what a scripted member does with a request.
type mood int

const (
	answers mood = iota
	resets       // reads the request and resets the connection
	cuts         // sends the head and a part of the body
	says503      // answers 503
	stalls       // answers when it is let go
	sick         // answers, but for health checks
)

// member is a scripted backend. Its port stays reserved while it is dead, so that nobody else answers there.
type member struct {
	t           *testing.T
	addr, route string

	mu     sync.Mutex
	l      net.Listener // nil while it is dead
	conns  map[net.Conn]bool
	mood   mood
	let    chan struct{} // closed to let those that stall go
	seen   int
	probes int             // health checks, which don't count as seen
	held   int             // requests that are stalled now
	did    map[string]mood // by the request's id, what the client is to see
	wg     sync.WaitGroup
}

// reserve finds a port that nobody else is given while the test runs, by a socket that is bound and doesn't listen.
func reserve(t *testing.T) int { return bound(t, unix.SO_REUSEADDR) }

func bound(t *testing.T, option int) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return sa.(*unix.SockaddrInet4).Port
}

func newMember(t *testing.T, route string) *member {
	m := &member{t: t, addr: fmt.Sprintf("127.0.0.1:%d", bound(t, unix.SO_REUSEPORT)), route: route,
		conns: map[net.Conn]bool{}, let: make(chan struct{}), did: map[string]mood{}}
	m.live()
	t.Cleanup(func() { m.die() })
	return m
}

// live makes the member listen and answer, whatever it did.
func (m *member) live() {
	m.turn(answers)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.l != nil {
		return
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}}
	l, err := lc.Listen(context.Background(), "tcp", m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	m.l = l
	m.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			if m.l != l {
				c.Close()
			} else {
				m.conns[c] = true
				m.wg.Go(func() { m.serve(c) })
			}
			m.mu.Unlock()
		}
	})
}

// die closes all; when it returns no request is being read or answered. It returns how many connections it had.
func (m *member) die() (open int) {
	m.mu.Lock()
	open = len(m.conns)
	if m.l != nil {
		m.l.Close()
		m.l = nil
	}
	for c := range m.conns {
		c.Close()
	}
	m.mu.Unlock()
	m.turn(answers)
	m.wg.Wait()
	return open
}

// turn changes the mood and lets go of the requests that are stalled.
func (m *member) turn(to mood) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mood = to
	close(m.let)
	m.let = make(chan struct{})
}

func (m *member) count() (seen, held, open int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen, m.held, len(m.conns)
}

// probed is how many health checks the member has got.
func (m *member) probed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.probes
}

func (m *member) serve(c net.Conn) {
	defer func() {
		m.mu.Lock()
		delete(m.conns, c)
		m.mu.Unlock()
		c.Close()
	}()
	br := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		switch {
		case req.URL.Path == "/health":
			m.check(c)
			return
		case req.Header.Get("Upgrade") != "":
			m.switchTo(c, br)
			return
		case !m.answer(c, req.Method, req.Header.Get("X-Id")):
			return
		}
	}
}

// check answers a health check.
func (m *member) check(c net.Conn) {
	m.mu.Lock()
	m.probes++
	status := "200 OK"
	if m.mood == sick {
		status = "503 Sick"
	}
	m.mu.Unlock()
	fmt.Fprintf(c, "HTTP/1.0 %s\r\nContent-Length: 0\r\n\r\n", status)
}

// switchTo is a WebSocket's other end, whatever the mood: it sends back what it gets.
func (m *member) switchTo(c net.Conn, br *bufio.Reader) {
	m.mu.Lock()
	m.seen++
	m.mu.Unlock()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Member: %s\r\n\r\n", m.route)
	io.Copy(c, br)
}

// answer does what the mood is. It tells whether the connection is kept.
func (m *member) answer(c net.Conn, method, id string) bool {
	m.mu.Lock()
	m.seen++
	if was, twice := m.did[id]; twice && method == "POST" {
		m.t.Errorf("%s got %s %s twice, and did %d first", m.route, method, id, was)
	}
	does, let := m.mood, m.let
	if does == sick {
		does = answers
	}
	m.did[id] = does
	if does == stalls {
		m.held++
	}
	m.mu.Unlock()
	status, length := "200 OK", 10
	switch does {
	case resets:
		c.(*net.TCPConn).SetLinger(0)
		return false
	case cuts:
		length = 100000
	case says503:
		status = "503 Service Unavailable"
	case stalls:
		<-let
		m.mu.Lock()
		m.held--
		m.mu.Unlock()
	}
	_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\nX-Member: %s\r\nContent-Length: %d\r\n\r\n%s", status, m.route, length, strings.Repeat("x", 10))
	return err == nil && does != cuts
}
