package http1

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pinion/runtime/table"
)

// BadHeaderPolicy is ProxyBadHeader: what to do with a header line that has no colon.
type BadHeaderPolicy int

// ProxyBadHeader's values.
const (
	IsError BadHeaderPolicy = iota
	Ignore
	StartBody
)

// ResponseLimits bound and tune the reading of a backend's head.
type ResponseLimits struct {
	FieldSize int // ResponseFieldSize: the longest line in bytes, its end included; 0: 8192
	BadHeader BadHeaderPolicy
}

// ResponseHead is the head of a backend's response. Its strings are parts of one copy of the head.
type ResponseHead struct {
	StatusLine string // status code and reason as received ("200 OK"), as httpd's status_line; "404 " if no reason came; "" for httpd's own, when control characters or a fourth digit came
	Status     int    // three digits, any
	ProtoNum   int    // 1000 or 1001 (or 1000 + another minor version)

	Fields   table.Table // in order, with duplicates, values trimmed
	BadField int         // index of the first field whose name or value must not be sent on, or -1
	BadLines int         // lines without a colon that were skipped
	NoBlank  bool        // with StartBody: the body starts behind a line that is no field, which is dropped

	Framing       Framing // how the body ends
	ContentLength int64   // -1 without one, or when Transfer-Encoding overrides it
	Chunked       bool
	BothLengths   bool   // Content-Length came beside Transfer-Encoding: drop it, and the connection after use
	KeepAlive     bool   // the connection can take another request once the body is complete
	Upgrade       string // the Upgrade field
	Size          int    // bytes of the head

	te         string
	closeToken bool
	badLength  string
}

// Reset empties h and keeps the memory of its table.
func (h *ResponseHead) Reset() {
	fields := h.Fields
	fields.Reset()
	*h = ResponseHead{Fields: fields, ContentLength: -1, BadField: -1}
}

// ReadResponseHead reads the head of the response to a request of the given method into h, which it resets first. An
// interim response (Status 1xx) is returned like any other; the caller reads on, and limits how many it takes.
//
// Lines may end in a bare LF and be folded, one empty line may come before the status line, which may lack a reason; names
// and values are not checked beyond BadField. Errors: *ResponseError, ErrNoStatusLine, or the connection's own, io.EOF for one that
// ended before the first line did (without a byte: a kept connection that the backend had closed).
func (c *Conn) ReadResponseHead(h *ResponseHead, method string, lim *ResponseLimits) error {
	h.Reset()
	fieldSize := lim.FieldSize
	if fieldSize == 0 {
		fieldSize = 8192
	}
	if err := c.skipStrayLine(); err != nil {
		return err
	}
	end, err := c.awaitResponseHead(fieldSize)
	if err != nil {
		return err
	}
	head := string(c.rb[c.r : c.r+end])
	n, err := h.parse(head, lim.BadHeader, fieldSize)
	if err != nil {
		return err
	}
	h.Size = n
	c.consume(n)
	return h.frame(method)
}

// skipStrayLine drops one empty line, which some servers send after a body.
func (c *Conn) skipStrayLine() error {
	if err := c.WaitReadable(); err != nil {
		return err
	}
	b := c.rb[c.r:c.w]
	if b[0] == '\r' && len(b) == 1 {
		if err := c.fill(); err != nil {
			return err
		}
		b = c.rb[c.r:c.w]
	}
	switch {
	case b[0] == '\n':
		c.consume(1)
	case b[0] == '\r' && b[1] == '\n':
		c.consume(2)
	}
	return c.WaitReadable()
}

func earlyEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return &ResponseError{Kind: EarlyEnd, Reason: "response head: expected more, found the end of the connection", Err: io.ErrUnexpectedEOF}
	}
	return err
}

// awaitResponseHead reads until the head is whole, or until its first lines show that it will be none, and returns how
// many bytes parse shall look at.
func (c *Conn) awaitResponseHead(fieldSize int) (int, error) {
	pos, seen, lines := 0, 0, 0
	for {
		b := c.rb[c.r:c.w]
		if lines == 0 && pos == 0 {
			if i := bytes.Index(b, endOfHead); i >= 0 {
				return i + len(endOfHead), nil // a bare LF pair before it is found by parse
			}
			if len(b) >= 5 && string(b[:5]) != "HTTP/" && (bytes.IndexByte(b, '\n') >= 0 || len(b) >= fieldSize) {
				return 0, notHTTP(b)
			}
		}
		for {
			i := bytes.IndexByte(b[seen:], '\n')
			if i < 0 {
				seen = len(b)
				break
			}
			line := b[pos : seen+i]
			pos = seen + i + 1
			seen = pos
			lines++
			if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
				return pos, nil
			}
		}
		if len(b)-pos >= fieldSize+1 {
			return 0, tooLong(fieldSize, string(b[pos:]))
		}
		if len(b) >= MaxHeadBytes {
			return 0, &ResponseError{Kind: HeadTooLong, Reason: "response head: expected at most 1048576 bytes, found more"}
		}
		if err := c.fillHead(len(b), &Limits{}); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return 0, err
			}
			if lines == 0 {
				return 0, err // as without a byte
			}
			return 0, earlyEnd(err)
		}
	}
}

func notHTTP(b []byte) error {
	return &ResponseError{Kind: NotHTTP, Reason: `status line: expected "HTTP/1.", found ` + quote(string(b[:min(len(b), 80)]))}
}

func tooLong(fieldSize int, line string) error {
	return &ResponseError{Kind: HeadTooLong, Line: line[:min(len(line), fieldSize-1)], Reason: "response head: expected lines of at most " + plural(fieldSize, "byte") +
		" (ResponseFieldSize), found a longer one"}
}

// cutLine returns the first line of s without its end, and its length with it.
func cutLine(s string) (line string, n int) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		return s, len(s)
	}
	if i > 0 && s[i-1] == '\r' {
		return s[:i-1], i + 1
	}
	return s[:i], i + 1
}

// parse reads a whole head and returns its length.
func (h *ResponseHead) parse(head string, policy BadHeaderPolicy, fieldSize int) (int, error) {
	line, n := cutLine(head)
	if err := h.parseStatusLine(line, fieldSize); err != nil {
		return 0, err
	}
	lim := Limits{RequestFieldSize: fieldSize - 2}
	for n < len(head) {
		key, value, used, ok := cutField(head[n:], &lim)
		if ok && n+used < len(head) && head[n+used] != ' ' && head[n+used] != '\t' {
			h.add(key, value, true) // nearly always: nothing to be lenient about
			n += used
			continue
		}
		line, used := cutLine(head[n:])
		if line == "" {
			return n + used, nil
		}
		for n+used < len(head) && (head[n+used] == ' ' || head[n+used] == '\t') { // folded
			more, u := cutLine(head[n+used:])
			line += more
			used += u
			if len(line) >= fieldSize {
				break
			}
		}
		if len(line) >= fieldSize {
			return 0, tooLong(fieldSize, line)
		}
		n += used
		if strings.IndexByte(line, 0) >= 0 {
			return 0, &ResponseError{Kind: BadHeaderLine, Reason: "response head: expected no NUL, found one in " + quote(line), Err: unix.EINVAL}
		}
		if colon := strings.IndexByte(line, ':'); colon >= 0 {
			key, value := line[:colon], trimSpace(line[colon+1:])
			h.add(key, value, ValidName(key) && ValidValue(value))
			continue
		}
		if _, ok := statusLine(line); !ok {
			switch {
			case policy == IsError:
				return 0, &ResponseError{Kind: BadHeaderLine, Reason: "response head: expected a colon in each line, found " + quote(line)}
			case policy == StartBody:
				h.NoBlank = true
				return n, nil
			}
		}
		h.BadLines++ // a second status line among the fields is skipped under any policy
	}
	return n, nil
}

// statusLine reports whether line looks as "HTTP/1.1 200" does, and how it goes on.
func statusLine(line string) (rest string, ok bool) {
	if len(line) < 12 || line[:5] != "HTTP/" || !isDigit(line[5]) || line[6] != '.' || !isDigit(line[7]) || line[8] != ' ' ||
		!isDigit(line[9]) || !isDigit(line[10]) || !isDigit(line[11]) {
		return "", false
	}
	return line[9:], true
}

func (h *ResponseHead) parseStatusLine(line string, fieldSize int) error {
	rest, ok := statusLine(line)
	if !ok {
		if line == "" {
			return ErrNoStatusLine
		}
		return notHTTP([]byte(line))
	}
	if line[5] != '1' || len(line) >= fieldSize-1 {
		return &ResponseError{Kind: BadStatusLine, Reason: "status line: expected HTTP/1.x, found " + quote(line)}
	}
	h.ProtoNum = 1000 + int(line[7]-'0')
	h.Status, _ = strconv.Atoi(rest[:3]) // three digits
	if h.StatusLine = rest; len(rest) == 3 {
		h.StatusLine = rest + " "
	}
	if !ValidValue(rest) || len(rest) > 3 && rest[3] != ' ' && rest[3] != '\t' {
		h.StatusLine = ""
	}
	return nil
}

// trimSpace removes what C's isspace matches from both ends.
func trimSpace(s string) string {
	space := func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
	for s != "" && space(s[0]) {
		s = s[1:]
	}
	for s != "" && space(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// add takes a field and what it says about the message itself.
func (h *ResponseHead) add(key, value string, valid bool) {
	if !valid && h.BadField < 0 {
		h.BadField = h.Fields.Len()
	}
	h.Fields.Add(key, value)
	switch len(key) {
	case len("Upgrade"):
		if h.Upgrade == "" && table.EqualFold(key, "Upgrade") {
			h.Upgrade = value
		}
	case len("Connection"):
		if table.EqualFold(key, "Connection") {
			for value != "" {
				var token string
				if token, value = nextToken(value); table.EqualFold(token, "close") {
					h.closeToken = true
				}
			}
		}
	case len("Content-Length"):
		if table.EqualFold(key, "Content-Length") {
			n := parseLength(value)
			if n < 0 || h.ContentLength >= 0 && n != h.ContentLength {
				h.badLength = key + ": " + value
				return
			}
			h.ContentLength = n
		}
	case len("Transfer-Encoding"):
		if table.EqualFold(key, "Transfer-Encoding") && value != "" {
			h.te = value
		}
	}
}

// frame decides how the body ends (RFC 9112 section 6.3) and whether the connection can be kept.
func (h *ResponseHead) frame(method string) error {
	if h.te != "" {
		last := h.te
		if i := strings.LastIndexByte(last, ','); i >= 0 {
			last = last[i+1:]
		}
		h.Chunked = table.EqualFold(trim(last), "chunked")
		h.BothLengths = h.ContentLength >= 0 || h.badLength != ""
		h.ContentLength, h.badLength = -1, ""
	}
	switch {
	case !BodyAllowed(method, h.Status):
		h.Framing, h.badLength = NoBody, ""
	case h.badLength != "":
		return &ResponseError{Kind: BadFraming, Reason: "response: expected one valid Content-Length, found " + quote(h.badLength)}
	case h.Chunked:
		h.Framing = Chunked
	case h.te == "" && h.ContentLength >= 0:
		h.Framing = Length
	default:
		h.Framing = UntilClose
	}
	h.KeepAlive = h.ProtoNum >= 1001 && !h.closeToken && !h.BothLengths && h.Framing != UntilClose
	return nil
}

// BodyAllowed reports whether the response with status to a request of method has a body (RFC 9112 section 6.3). As in httpd
// CONNECT makes no difference: a reverse proxy passes it on as any other method.
func BodyAllowed(method string, status int) bool {
	return method != "HEAD" && status/100 != 1 && status != 204 && status != 304
}
