package http1

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

// ProtocolError is a message from a client that can't be served: the caller answers with Status and, as every one of
// these leaves the position in the stream unsure, closes the connection.
type ProtocolError struct {
	Status int    // the status httpd answers: 400, 408, 413, 414 or 417
	Reason string // for the error log: what was expected and what was found
	Note   string // httpd's error-notes, shown on its error page; often empty
	Code   string // the number of httpd's own log line, such as "AH02426"; empty if it has none
	Close  bool   // the connection can't be used further
}

// Error implements error.
func (e *ProtocolError) Error() string {
	return "http1: " + e.Reason + " (" + strconv.Itoa(e.Status) + ")"
}

// ResponseErrorKind tells the ways in which a backend's response is not one.
type ResponseErrorKind int

const (
	// BadStatusLine is a status line of an HTTP version other than 1.x, or an overlong one.
	BadStatusLine ResponseErrorKind = iota
	// NotHTTP is a first line that is no status line at all (an HTTP/0.9 answer, or garbage). The line has not been
	// consumed: a Body with UntilClose would deliver it.
	NotHTTP
	// BadHeaderLine is a header line without a colon, where ProxyBadHeader is IsError.
	BadHeaderLine
	// HeadTooLong is a line over ResponseFieldSize, or a head over MaxHeadBytes.
	HeadTooLong
	// BadFraming is an invalid Content-Length or two that differ.
	BadFraming
	// EarlyEnd is a connection that ended within the head.
	EarlyEnd
)

// ResponseError is a backend's response that can't be passed on; httpd answers 502.
type ResponseError struct {
	Kind   ResponseErrorKind
	Reason string // for the error log
	Line   string // with HeadTooLong: the line, as far as ResponseFieldSize lets it be read
	Err    error  // the cause, if there is one
}

// Error implements error.
func (e *ResponseError) Error() string {
	if e.Err != nil {
		return "http1: " + e.Reason + ": " + e.Err.Error()
	}
	return "http1: " + e.Reason
}

// Unwrap returns the cause.
func (e *ResponseError) Unwrap() error { return e.Err }

// WriteError is an error of the side that is written to, where a call reads from one connection and writes to another;
// any other error of such a call is of the side that is read.
type WriteError struct{ Err error }

// Error implements error.
func (e *WriteError) Error() string { return "http1: writing: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// FieldError is a header field that must not be written: it would break the head's framing.
type FieldError struct{ Key, Value string }

// Error implements error.
func (e *FieldError) Error() string {
	return "http1: header field " + strconv.Quote(clip(e.Key)) + " can't be sent: expected a token and a value without " +
		"control characters, found " + strconv.Quote(clip(e.Value))
}

var (
	// ErrPoolTimeout is Pool.Get's error when no connection became free within the acquire timeout.
	ErrPoolTimeout = fmt.Errorf("http1: no backend connection became free within the acquire timeout: %w", os.ErrDeadlineExceeded)
	// ErrNoStatusLine is ReadResponseHead's error for empty lines instead of a head.
	ErrNoStatusLine = errors.New("http1: response head: expected a status line, found an empty line")
	// ErrStale is FlushAwait's error for a kept connection that its peer has ended, or on which bytes came unasked.
	ErrStale = errors.New("http1: the kept connection is of no use any more")
	// ErrPoolClosed is Pool.Get's error after Pool.Close.
	ErrPoolClosed = errors.New("http1: pool is closed")
	// ErrBodyTooLong is Body.Discard's error when more than its limit is left.
	ErrBodyTooLong = errors.New("http1: more of the body is left than may be discarded")
)

// clip shortens s to what httpd logs of a name or a value.
func clip(s string) string {
	const logNameMaxLen = 80
	if len(s) > logNameMaxLen {
		return s[:logNameMaxLen]
	}
	return s
}

func quote(s string) string { return strconv.Quote(clip(s)) }
