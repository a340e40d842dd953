//go:build linux

package runtime

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pinion/parser"
)

// parkingLot serves the echo module with an engine that parks idle connections at once. Each that it accepts is marked
// with gone.
type parkingLot struct {
	*Engine
	t    *testing.T
	l    net.Listener
	gone atomic.Bool
	wrap func(net.Conn) net.Conn
}

func newParkingLot(t *testing.T, keepAlive time.Duration, wrap func(net.Conn) net.Conn) *parkingLot {
	t.Helper()
	lot := &parkingLot{t: t, Engine: NewEngine(parkingGraph(t, nil, keepAlive)), wrap: wrap}
	lot.parking.after = time.Millisecond
	var err error
	if lot.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := lot.l.Accept()
			if err != nil {
				return
			}
			if wrap != nil {
				c = wrap(c)
			}
			lot.Serve(c, &lot.gone)
		}
	}()
	t.Cleanup(func() {
		lot.l.Close()
		<-done
		lot.stop()
	})
	return lot
}

func (lot *parkingLot) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	lot.Stop(ctx)
	if ctx.Err() != nil {
		lot.t.Error("connections had to be cut")
	}
}

func parkingGraph(t *testing.T, state *State, keepAlive time.Duration) *Graph {
	t.Helper()
	g, diags := Compile(&parser.Tree{Root: &parser.Node{}}, []*Module{echo}, Options{State: state})
	if g == nil {
		t.Fatal(diags)
	}
	g.Main.Settings.KeepAliveTimeout = Some(keepAlive)
	return g
}

// waitParked waits until so many connections are parked.
func (lot *parkingLot) waitParked(want int) {
	lot.t.Helper()
	have := func() int {
		lot.parking.mu.Lock()
		defer lot.parking.mu.Unlock()
		if n := len(lot.parking.order); n != len(lot.parking.byFD) {
			lot.t.Fatalf("%d connections in order, %d by descriptor", n, len(lot.parking.byFD))
		}
		return len(lot.parking.order)
	}
	for end := time.Now().Add(20 * time.Second); have() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			lot.t.Fatalf("%d connections are parked, expected %d", have(), want)
		}
	}
}

// guest is a client of a parkingLot.
type guest struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
}

func (lot *parkingLot) guest() *guest {
	lot.t.Helper()
	c, err := net.Dial("tcp", lot.l.Addr().String())
	if err != nil {
		lot.t.Fatal(err)
	}
	lot.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &guest{c, lot.t, bufio.NewReaderSize(c, 512)}
}

func (g *guest) ask(path string) {
	g.t.Helper()
	fmt.Fprintf(g, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	g.answered(path)
}

func (g *guest) answered(path string) {
	g.t.Helper()
	r, err := http.ReadResponse(g.br, nil)
	if err != nil {
		g.t.Fatalf("%s: %v", path, err)
	}
	if b, err := io.ReadAll(r.Body); string(b) != "GET "+path+" 0" {
		g.t.Fatalf("%s: got %q, %v", path, b, err)
	}
}

// ends checks that the server closes the connection and says nothing.
func (g *guest) ends() {
	g.t.Helper()
	if b, err := io.ReadAll(g.br); len(b) > 0 || err != nil {
		g.t.Errorf("got %q and %v, expected the end of the connection", b, err)
	}
}

func TestParkedConnectionServesOn(t *testing.T) {
	lot := newParkingLot(t, time.Hour, nil)
	g := lot.guest()
	lot.waitParked(1) // before its first request, too
	for i := range 3 {
		g.ask(fmt.Sprintf("/%d", i))
		lot.waitParked(1)
		if open, idle := lot.Connections(); open != 1 || idle != 1 {
			t.Errorf("%d connections are open and %d idle, expected 1 and 1", open, idle)
		}
	}
	// A head in two pieces and a request behind it, as one that was never parked.
	io.WriteString(g, "GET /a HTT")
	lot.waitParked(0)
	io.WriteString(g, "P/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	g.answered("/a")
	g.answered("/b")
	lot.waitParked(1)
	if n := lot.Accepted(); n != 1 {
		t.Errorf("%d connections were accepted, expected 1", n)
	}
}

func TestParkedConnectionTimesOut(t *testing.T) {
	lot := newParkingLot(t, 200*time.Millisecond, nil)
	late := lot.guest() // has Timeout: it has not asked for anything
	lot.waitParked(1)
	g := lot.guest()
	g.ask("/")
	g.ends()
	lot.waitParked(1)
	late.ask("/late")
	late.ends()
	lot.waitParked(0)
}

func TestParkedConnectionsEndAtStop(t *testing.T) {
	lot := newParkingLot(t, time.Hour, nil)
	n := many(t)
	guests := make([]*guest, n)
	for i := range guests {
		guests[i] = lot.guest()
		if i%2 == 0 {
			guests[i].ask("/")
		}
	}
	lot.waitParked(n)
	lot.stop()
	for _, g := range guests {
		g.ends()
	}
	if open, _ := lot.Connections(); open != 0 {
		t.Errorf("%d connections are still known", open)
	}
}

func TestParkedConnectionEndsWithItsListener(t *testing.T) {
	lot := newParkingLot(t, time.Hour, nil)
	g := lot.guest()
	g.ask("/")
	lot.waitParked(1)
	var other atomic.Bool
	lot.Drain(&other)
	g.ask("/again")
	lot.waitParked(1)
	lot.gone.Store(true)
	lot.Drain(&lot.gone)
	g.ends()
	lot.waitParked(0)
}

// The server notices that a client has gone, by a FIN or a reset, and forgets the connection.
func TestParkedConnectionsOfClientsThatLeave(t *testing.T) {
	lot := newParkingLot(t, time.Hour, nil)
	const n = 20
	for i := range n {
		g := lot.guest()
		g.ask("/")
		lot.waitParked(1)
		if i%2 == 0 {
			g.Conn.(*net.TCPConn).SetLinger(0)
		}
		g.Close()
		lot.waitParked(0)
	}
	for end := time.Now().Add(20 * time.Second); ; goruntime.Gosched() {
		if open, _ := lot.Connections(); open == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a connection is still known")
		}
	}
}

func TestParkedConnectionHoldsNoGraph(t *testing.T) {
	lot := newParkingLot(t, time.Hour, nil)
	g := lot.guest()
	g.ask("/")
	lot.waitParked(1)
	collected := make(chan struct{})
	func() {
		old := lot.Graph()
		goruntime.AddCleanup(old, func(struct{}) { close(collected) }, struct{}{})
		lot.Swap(parkingGraph(t, old.State, time.Hour))
	}()
	for end := time.Now().Add(20 * time.Second); ; {
		goruntime.GC()
		select {
		case <-collected:
			g.ask("/new")
			return
		default:
			if time.Now().After(end) {
				t.Fatal("the old graph is still in memory")
			}
		}
	}
}

// Under TLS there is a record that is not whole yet, or not for the application.
func TestParkedTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	lot := newParkingLot(t, time.Hour, func(c net.Conn) net.Conn {
		tc := tls.Server(c, s.TLS)
		if err := tc.Handshake(); err != nil {
			t.Error(err)
		}
		return tc
	})
	g := lot.guest()
	pieces := &inPieces{Conn: g.Conn}
	c := tls.Client(pieces, &tls.Config{InsecureSkipVerify: true})
	g.Conn, g.br = c, bufio.NewReader(c)
	g.ask("/1")
	lot.waitParked(1)
	pieces.hold = true
	fmt.Fprintf(g, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
	rest := pieces.held
	pieces.hold = false
	for _, piece := range [][]byte{rest[:3], rest[3:20], rest[20:]} {
		if _, err := pieces.Write(piece); err != nil {
			t.Fatal(err)
		}
		if len(piece) < 20 {
			lot.waitParked(1)
		}
	}
	g.answered("/2")
	lot.waitParked(1)
	c.Close()
	lot.waitParked(0)
}

// inPieces keeps back what is written while hold is set.
type inPieces struct {
	net.Conn
	hold bool
	held []byte
}

func (c *inPieces) Write(p []byte) (int, error) {
	if !c.hold {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// Connections that ask while others park, end and are cut.
func TestParkingUnderLoad(t *testing.T) {
	lot := newParkingLot(t, time.Hour, nil)
	done := make(chan struct{})
	const clients = 16
	for range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 5 {
				c, err := net.Dial("tcp", lot.l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(20 * time.Second))
				br := bufio.NewReader(c)
				for k := range 20 {
					fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", k)
					r, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Error(err)
						break
					}
					io.Copy(io.Discard, r.Body)
				}
				c.Close()
			}
		}()
	}
	for range clients {
		<-done
	}
	lot.waitParked(0)
}

// Each connection ends, whatever it is about to do when the engine stops.
func TestStopWhileParking(t *testing.T) {
	for range 10 {
		lot := newParkingLot(t, time.Hour, nil)
		done := make(chan struct{})
		const clients = 8
		for range clients {
			g := lot.guest()
			g.ask("/")
			go func() {
				defer func() { done <- struct{}{} }()
				for {
					fmt.Fprintf(g, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					r, err := http.ReadResponse(g.br, nil)
					if err != nil {
						return
					}
					io.Copy(io.Discard, r.Body)
				}
			}()
		}
		lot.stop()
		for range clients {
			<-done
		}
		if open, _ := lot.Connections(); open != 0 {
			t.Fatalf("%d connections are still known", open)
		}
	}
}

// A parked connection takes some 1.4 KiB of heap and no stack, one that waits in a goroutine over 6 of both.
func TestMemoryOfParkedConnections(t *testing.T) {
	const bound = 2560
	n := many(t)
	lot := newParkingLot(t, time.Hour, nil)
	ask := func() {
		fd, err := rawClient(lot.l.Addr().(*net.TCPAddr).Port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	ask()
	lot.waitParked(1)
	before := inUse()
	for range n {
		ask()
	}
	lot.waitParked(n + 1)
	if each := (inUse() - before) / int64(n); each > bound {
		t.Errorf("a parked connection takes %d bytes, expected at most %d", each, bound)
	} else {
		t.Logf("%d bytes", each)
	}
}

// rawClient makes a connection and one request on it. It leaves nothing in memory but what t.Cleanup keeps.
func rawClient(port int) (fd int, err error) {
	const request = "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nAccept: */*\r\nCookie: a=b\r\n\r\n"
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	// Each call may be interrupted by a signal of Go's scheduler. (A connect goes on then, and says so when asked again.)
	again := func(f func() error) {
		for err == nil {
			if err = f(); err != unix.EINTR {
				return
			}
			err = nil
		}
	}
	again(func() error {
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20})
	})
	again(func() error {
		err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
		switch err {
		case unix.EISCONN:
			return nil
		case unix.EALREADY:
			return unix.EINTR
		}
		return err
	})
	again(func() error { _, err := unix.Write(fd, []byte(request)); return err })
	var buf [512]byte
	for got := 0; err == nil && !bytes.HasSuffix(buf[:got], []byte("\r\n\r\nGET / 0")); {
		again(func() error {
			n, err := unix.Read(fd, buf[got:])
			if n == 0 && err == nil {
				return io.ErrUnexpectedEOF
			}
			got += max(n, 0)
			return err
		})
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// many is 2000, or as many connections as the process may have both ends of.
func many(t *testing.T) int {
	t.Helper()
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	return int(min(2000, files.Cur/2-100))
}

func inUse() int64 {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
