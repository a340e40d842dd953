package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Cases of workload g.
const (
	idleCase   = "g, 10000 idle keep-alive connections"
	tunnelCase = "g, 1000 WebSocket tunnels"
)

// Sizes of workload g.
const (
	idleCount   = 10000
	tunnelCount = 1000
	settleTime  = 3 * time.Second // for what was in use for the requests to be given back
)

func idleConnections() workload {
	return workload{id: "g", measure: (*run).idleLoads, tables: []table{{
		title: "g. Idle connections and tunnels",
		notes: fmt.Sprintf("Memory of the processes after %d connections have each had one request and answer and %v have passed, less the memory before, for each; "+
			"then each must answer once more. Tunnels: the same with %d WebSockets that are open and have echoed a frame; the rate is of messages of 38 bytes there and "+
			"back, one under way in each tunnel. What the kernel holds for sockets is not in it.", idleCount, settleTime, tunnelCount),
		cases: []string{idleCase, tunnelCase}, columns: []column{{perIdle, "KiB each", kibibytes}, {memory, "memory", mebibytes}, {rate, "messages/s", plainNumber},
			{cost, "µs/message", oneDecimal}, {p50, "p50", duration}, {p99, "p99", duration}},
	}}}
}

func (r *run) idleLoads() error {
	for _, c := range []struct {
		kase    string
		clients int // idle connections need no worker of httpd, tunnels do
		measure func(*server) (sample, error)
	}{{idleCase, 512, holdIdle}, {tunnelCase, tunnelCount, r.holdTunnels}} {
		r.row(c.kase, func() (sample, error) {
			srv, stop, err := r.servePlain(func(s *site) { s.clients, s.idle = c.clients, true })
			if err != nil {
				return nil, err
			}
			defer stop()
			return c.measure(srv)
		})
	}
	return nil
}

// held is a connection with its reader.
type held struct {
	net.Conn
	in *bufio.Reader
}

// holdIdle opens the connections and keeps them.
func holdIdle(srv *server) (sample, error) {
	request := get("/page", "bench.test", "Cookie: ROUTEID=.1")
	before, err := srv.memory()
	if err != nil {
		return nil, err
	}
	conns, err := hold(srv.address, idleCount, func(c held) error { return onePage(c, request) })
	defer closeAll(conns)
	if err != nil {
		return nil, err
	}
	time.Sleep(settleTime)
	after, err := srv.memory()
	if err != nil {
		return nil, err
	}
	for i, c := range conns {
		if err := onePage(c, request); err != nil {
			return nil, fmt.Errorf("connection %d of %d, after it was idle: %w", i+1, len(conns), err)
		}
	}
	return sample{perIdle: float64(after-before) / idleCount, memory: float64(after)}, nil
}

func onePage(c held, request []byte) error {
	a, err := roundTrip(c, c.in, request)
	if err == nil && (a.status != 200 || a.length != pageSize) {
		err = fmt.Errorf("expected 200 with %d bytes, got %d with %d", pageSize, a.status, a.length)
	}
	return err
}

// hold opens n connections, one after the other, and begins each.
func hold(address string, n int, begin func(held) error) (conns []held, err error) {
	for i := range n {
		c, err := plainDialer(address)()
		if err != nil {
			return conns, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		h := held{c, bufio.NewReaderSize(c, 512)}
		conns = append(conns, h)
		_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
		if err := begin(h); err != nil {
			return conns, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
	}
	return conns, nil
}

func closeAll(conns []held) {
	for _, c := range conns {
		c.Close()
	}
}

// frame is a masked text frame of 32 bytes (RFC 6455, section 5.2) with a mask of zeros; the backend sends it back as it is.
var frame = append([]byte{0x81, 0x80 | 32, 0, 0, 0, 0}, bytes.Repeat([]byte("m"), 32)...)

// upgrade opens a WebSocket through the proxy.
func upgrade(c held) error {
	var key [16]byte
	_, _ = rand.Read(key[:])
	text := base64.StdEncoding.EncodeToString(key[:])
	a, err := roundTrip(c, c.in, get("/ws/echo", "bench.test", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+text))
	if err != nil {
		return err
	}
	if a.status != 101 || a.field("Sec-WebSocket-Accept") != acceptKey(text) {
		return fmt.Errorf("expected 101 with the right Sec-WebSocket-Accept, got %d %q", a.status, a.field("Sec-WebSocket-Accept"))
	}
	return sendFrame(c, make([]byte, len(frame)))
}

// sendFrame sends a frame and waits for it to come back.
func sendFrame(c held, buf []byte) error {
	if _, err := c.Write(frame); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.in, buf); err != nil {
		return err
	}
	if !bytes.Equal(buf, frame) {
		return fmt.Errorf("expected the frame back, got %q", buf)
	}
	return nil
}

// holdTunnels opens the tunnels, measures their memory, then the cost of a message.
func (r *run) holdTunnels(srv *server) (sample, error) {
	before, err := srv.memory()
	if err != nil {
		return nil, err
	}
	conns, err := hold(srv.address, tunnelCount, upgrade)
	defer closeAll(conns)
	if err != nil {
		return nil, err
	}
	time.Sleep(settleTime)
	after, err := srv.memory()
	if err != nil {
		return nil, err
	}
	s, err := under(srv, func() (outcome, error) { return talk(conns, r.slot) })
	if s != nil {
		s[perIdle], s[memory] = float64(after-before)/tunnelCount, float64(after)
	}
	return s, err
}

// talk sends frames through all tunnels at once.
func talk(conns []held, d time.Duration) (outcome, error) {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		o    outcome
		all  []float64
		sent atomic.Int64
	)
	begin := time.Now()
	for _, c := range conns {
		wait.Go(func() {
			var times []float64
			buf := make([]byte, len(frame))
			for time.Since(begin) < d {
				at := time.Now()
				if err := sendFrame(c, buf); err != nil {
					mu.Lock()
					o.errors = append(o.errors, err.Error())
					mu.Unlock()
					return
				}
				sent.Add(1)
				times = append(times, float64(time.Since(at).Nanoseconds())/1e3)
			}
			mu.Lock()
			all = append(all, times...)
			mu.Unlock()
		})
	}
	wait.Wait()
	o.requests, o.seconds = float64(sent.Load()), time.Since(begin).Seconds()
	o.errors = o.errors[:min(len(o.errors), 3)]
	o.setTimes(all)
	return o, o.err()
}
