package runtime

import (
	"sync"
	"time"
)

// Score is a connection's line of the scoreboard (worker_score): what its requests were. The zero Score is a connection without
// requests. Safe for concurrent use.
type Score struct {
	mu  sync.Mutex   // guards rec; held for a copy only
	rec *ScoreRecord // nil until there is something to note: most servers keep no scores
}

// record must be called with s.mu held.
func (s *Score) record() *ScoreRecord {
	if s.rec == nil {
		s.rec = &ScoreRecord{}
	}
	return s.rec
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
	rec := s.record()
	rec.Active++
	rec.Line, rec.VHost, rec.Client, rec.Protocol, rec.Began = line, vhost, client, protocol, at
	s.mu.Unlock()
}

// End notes that a request has ended.
func (s *Score) End(took time.Duration, bytes int64) {
	s.mu.Lock()
	rec := s.record()
	rec.Active = max(rec.Active-1, 0) // it may have begun when nobody kept scores
	rec.Requests++
	rec.Bytes += bytes
	rec.Took = took
	rec.Duration += took
	s.mu.Unlock()
}

// Read returns what there is now.
func (s *Score) Read() ScoreRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == nil {
		return ScoreRecord{}
	}
	return *s.rec
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
	e.eachConn(func(c tracked) { f(c.about(), c.state()) })
}
