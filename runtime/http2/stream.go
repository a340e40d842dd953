package http2

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/table"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// stream is the Wire and the Body of one request.
type stream struct {
	w     http.ResponseWriter
	hr    *http.Request
	conn  *runtime.Conn
	req   *runtime.Request
	limit *runtime.Request
	in    int64
	out   int64
	done  bool
	cut   bool
}

var errTooLarge = errors.New("the request's body is larger than LimitRequestBody allows")

// Read is the request's body; net/http answers "100 Continue" at the first call.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.hr.Body.Read(p)
	s.in += int64(n)
	if limit := s.limit.Last().Dir.Core.LimitRequestBody.Or(1 << 30); limit > 0 && (s.in > limit || s.hr.ContentLength > limit) {
		return 0, &runtime.BodyError{Status: 413, Err: errTooLarge}
	}
	if err == io.EOF {
		s.done = true
		s.req.TrailersIn.Reset()
		for k, vs := range s.hr.Trailer {
			for _, v := range vs {
				s.req.TrailersIn.Add(k, v)
			}
		}
	} else if err != nil {
		err = &runtime.BodyError{Status: 400, Err: err}
	}
	return n, err
}

// Length implements runtime.Body.
func (s *stream) Length() int64 { return s.hr.ContentLength }

// Complete implements runtime.Body.
func (s *stream) Complete() bool { return s.done }

// WriteInterim implements runtime.Wire.
func (s *stream) WriteInterim(status int, h *table.Table) error {
	if status == http.StatusContinue || status == http.StatusSwitchingProtocols {
		return nil // the library sends the one; HTTP/2 has no other
	}
	header := s.w.Header()
	if h != nil {
		for _, f := range h.Fields() {
			header.Add(f.Key, f.Value)
		}
	}
	s.w.WriteHeader(status)
	clear(header)
	return nil
}

// connectionFields have no place in HTTP/2 (RFC 9113 8.2.2).
var connectionFields = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"}

// WriteHead implements runtime.Wire.
func (s *stream) WriteHead(r *runtime.Request) error {
	for _, f := range r.HeadersOut.Fields() {
		if !http1.ValidName(f.Key) || !http1.ValidValue(f.Value) {
			return &http1.FieldError{Key: f.Key, Value: f.Value}
		}
	}
	header := s.w.Header()
	for _, f := range r.HeadersOut.Fields() {
		header.Add(f.Key, f.Value)
	}
	for _, name := range connectionFields {
		header.Del(name)
	}
	if r.Proxy == runtime.ProxyNone || header.Get("Date") == "" {
		header.Set("Date", runtime.HTTPDate(r.Time))
	}
	if r.Proxy == runtime.ProxyNone || header.Get("Server") == "" {
		if r.Graph.Banner != "" {
			header.Set("Server", r.Graph.Banner)
		}
	}
	if header.Get("Content-Type") == "" {
		// An absent type stays absent: the library would guess one.
		header["Content-Type"] = nil
	}
	for _, f := range r.HeadersOut.Fields() {
		s.out += int64(len(f.Key) + len(f.Value) + 4)
	}
	s.w.WriteHeader(r.Status)
	return nil
}

// Write implements runtime.Wire.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.out += int64(n)
	return n, err
}

// copySize is what net/http makes DATA frames of at most, by default.
const copySize = 16 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// ReadFrom implements runtime.Wire: what a backend sends slowly is passed on as it comes.
func (s *stream) ReadFrom(src io.Reader) (int64, error) {
	b := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(b)
	buf := b[:]
	waits, _ := src.(interface{ Buffered() bool })
	var total int64
	for {
		if waits != nil && total > 0 && !waits.Buffered() {
			if err := s.Flush(); err != nil {
				return total, &http1.WriteError{Err: err}
			}
		}
		n, err := src.Read(buf)
		if n > 0 {
			m, werr := s.Write(buf[:n])
			total += int64(m)
			if werr != nil {
				return total, &http1.WriteError{Err: werr}
			}
		}
		switch err {
		case nil:
		case io.EOF:
			return total, nil
		default:
			return total, err
		}
	}
}

// Flush implements runtime.Wire.
func (s *stream) Flush() error { return http.NewResponseController(s.w).Flush() }

// Finish implements runtime.Wire.
func (s *stream) Finish(trailers *table.Table) error {
	if trailers == nil {
		return nil
	}
	for _, f := range trailers.Fields() {
		if http1.ValidName(f.Key) && http1.ValidValue(f.Value) && !strings.HasPrefix(f.Key, ":") {
			s.w.Header().Add(http.TrailerPrefix+f.Key, f.Value)
		}
	}
	return nil
}

// Abort implements runtime.Wire: the stream is reset.
func (s *stream) Abort() { s.cut = true }

// Counters implements runtime.Wire; the frames around the bytes are not counted.
func (s *stream) Counters() (in, out int64) { return s.in, s.out }
