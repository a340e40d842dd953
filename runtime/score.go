package runtime

import (
	"sync"
	"time"
)

// Score is a connection's line of the scoreboard (worker_score): what its requests were. The zero Score is a connection without
// requests. Safe for concurrent use.
type Score struct {
	mu  sync.Mutex // guards rec; held for a copy only
	rec ScoreRecord
}

// ScoreRecord is what a Score holds.
type ScoreRecord struct {
	Active   int    // requests that are running: HTTP/2 has several
	Requests int64  // that have ended
	Bytes    int64  // sent for them, heads included
	Line     string // of the request that began last
	VHost    string
	Client   string
	Protocol string // of the connection, "http/1.1"
	Began    time.Time
	Took     time.Duration // the request that ended last
	Duration time.Duration // all of them
}

// Begin notes a request at its begin.
func (s *Score) Begin(line, vhost, client, protocol string, at time.Time) {
	s.mu.Lock()
	s.rec.Active++
	s.rec.Line, s.rec.VHost, s.rec.Client, s.rec.Protocol, s.rec.Began = line, vhost, client, protocol, at
	s.mu.Unlock()
}

// End notes that a request has ended.
func (s *Score) End(took time.Duration, bytes int64) {
	s.mu.Lock()
	s.rec.Active = max(s.rec.Active-1, 0) // it may have begun when nobody kept scores
	s.rec.Requests++
	s.rec.Bytes += bytes
	s.rec.Took = took
	s.rec.Duration += took
	s.mu.Unlock()
}

// Read returns what there is now.
func (s *Score) Read() ScoreRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec
}

// ConnState is what a client connection does.
type ConnState uint8

// The states. HTTP/2 connections are always busy here: their Score tells more.
const (
	ConnBusy   ConnState = iota
	ConnIdle             // waits for a request
	ConnTunnel           // switched to another protocol
)

// EachConnection calls f with every open client connection, in no order. f must be quick: others wait for it.
func (e *Engine) EachConnection(f func(c *Conn, state ConnState)) {
	e.eachConn(func(c *tracked) {
		switch {
		case c.tunnel != nil && c.tunnel.Load():
			f(c.meta, ConnTunnel)
		case c.idle != nil && c.idle.Load():
			f(c.meta, ConnIdle)
		default:
			f(c.meta, ConnBusy)
		}
	})
}
