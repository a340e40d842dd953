package heartbeat

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime"
)

// sender tells one address each second how busy the server is. It begins when a graph that has it is served, outlives reloads and
// ends when no graph has it.
type sender struct {
	address string
	load    atomic.Pointer[load]

	mu     sync.Mutex // guards begun and closed
	begun  bool
	closed bool
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	dialer net.Dialer
}

// load is what is told: the engine's connections, of limit.
type load struct {
	server *runtime.Server // to log in
	engine *runtime.Engine
	limit  int
}

func newSender(address string) *sender {
	s := &sender{address: address}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *sender) serve(l load) {
	s.load.Store(&l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun && !s.closed {
		s.begun = true
		s.done.Go(s.run)
	}
}

func (s *sender) run() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		s.tell()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// tell is hb_monitor: one datagram from a socket of its own, so that an address that comes or goes is no matter.
func (s *sender) tell() {
	l := s.load.Load()
	open, idle := l.engine.Connections()
	conn, err := s.dialer.DialContext(s.ctx, "udp4", s.address)
	if err != nil {
		if s.ctx.Err() == nil {
			l.server.LogCausef(Sender, runtime.LogWarn, err, "AH02097", "Heartbeat: apr_socket_create failed")
		}
		return
	}
	defer conn.Close()
	if _, err = conn.Write([]byte(text(open-idle, l.limit))); err != nil {
		l.server.LogCausef(Sender, runtime.LogWarn, err, "AH02099", "Heartbeat: apr_socket_sendto failed")
	}
}

// text is the message of a server that works on so many requests of limit.
func text(busy, limit int) string {
	return fmt.Sprintf("v=1&ready=%d&busy=%d", max(limit-busy, 0), max(busy, 0))
}

// Close ends the sender and returns when it has ended.
func (s *sender) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.done.Wait()
	return nil
}
