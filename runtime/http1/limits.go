package http1

import "time"

// MaxHeadBytes bounds a head of either kind, whatever the limits allow: a head at httpd's default limits fits.
const MaxHeadBytes = 1 << 20

// Limits bound what a client may send as a head, and as the trailers of a chunked body.
type Limits struct {
	RequestLine      int  // LimitRequestLine, bytes
	RequestFieldSize int  // LimitRequestFieldSize, bytes; also of a chunk's size line, extensions included
	RequestFields    int  // LimitRequestFields; 0: as many as fit into MaxHeadBytes
	Require10        bool // HttpProtocolOptions Require1.0: refuse HTTP/0.9
	// Scheme is the server's own, "" for any: an absolute target of another one doesn't name the host.
	Scheme string
	// HeadDeadline, if not nil, is asked before each wait for more of a head whose first got bytes are there (got is 0
	// when nothing has come); it returns the time at which that wait ends, or the zero time for the connection's read
	// timeout. ReqTimeout.Deadline is one. A head that comes at once never asks.
	HeadDeadline func(got int) time.Time
}

// DefaultLimits are httpd's.
var DefaultLimits = Limits{RequestLine: 8190, RequestFieldSize: 8190, RequestFields: 100}

// ReqTimeout is a stage of mod_reqtimeout's RequestReadTimeout, as in header=20-40,MinRate=500.
type ReqTimeout struct {
	Initial time.Duration // 0: no limit
	Max     time.Duration // 0: the rate may prolong it without end
	MinRate int           // bytes that prolong the time by a second; 0: it is fixed
}

// Deadline returns when a stage that began at start and has read got bytes times out; zero for never.
func (t *ReqTimeout) Deadline(start time.Time, got int64) time.Time {
	if t.Initial == 0 {
		return time.Time{}
	}
	d := t.Initial
	if t.MinRate > 0 {
		seconds := got / int64(t.MinRate)
		if seconds > 1<<30 {
			seconds = 1 << 30
		}
		d += time.Duration(seconds) * time.Second
		if t.Max > 0 && d > t.Max {
			d = t.Max
		}
	}
	return start.Add(d)
}
