package http1

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"unsafe"

	"pinion/runtime/table"
)

// Target forms of RFC 9112 section 3.2.
const (
	OriginForm    = iota // /path?query
	AbsoluteForm         // http://host/path
	AuthorityForm        // host:port, of CONNECT
	AsteriskForm         // *, of OPTIONS
)

// RequestHead is the head of a request. Its strings are parts of one copy of the head.
type RequestHead struct {
	RequestLine string // as received (%r); also set, as far as it was read, when the head is refused
	Method      string
	Target      string // as received
	ProtoNum    int    // major*1000 + minor, as httpd's proto_num: 1001 is HTTP/1.1, 9 is HTTP/0.9
	Form        int    // OriginForm, AbsoluteForm, AuthorityForm or AsteriskForm
	Scheme      string // of an absolute target, as written
	Path        string // the target without scheme and authority; "/" if that leaves nothing; "" for CONNECT

	Fields          table.Table // in order, with duplicates, values trimmed
	MaybeDuplicates bool        // a field name occurs twice, see MergeDuplicates; in a head of over 128 fields: may occur

	Host     string // the Host field as received
	HasHost  bool
	Hostname string // from an absolute target, else from Host: lower case, without port and last dot; "" if none
	Port     int    // that host's port, 0 if not given
	// TargetHost: Hostname is an absolute target's, and stands instead of Host (RFC 9112 3.2.2).
	TargetHost bool

	ContentLength  int64 // -1 without one
	Chunked        bool
	KeepAlive      bool   // the client's version and Connection let the connection stay open
	KeepAliveToken bool   // Connection has the token keep-alive (httpd answers it in kind)
	Expect100      bool   // Expect: 100-continue
	Upgrade        string // the Upgrade field, if Connection has the token upgrade
	Size           int    // bytes of the head, blank lines before it included

	expect       string
	upgradeToken bool
	closeToken   bool
	upgradeField string
	te           bool
	names        uint64 // a Bloom filter of the field names met
}

// Reset empties h and keeps the memory of its table.
func (h *RequestHead) Reset() {
	fields := h.Fields
	fields.Reset()
	*h = RequestHead{Fields: fields, ContentLength: -1}
}

// HasBody reports whether a body follows.
func (h *RequestHead) HasBody() bool { return h.Chunked || h.ContentLength > 0 }

// maxBlankLines is how many empty lines httpd skips before a request line.
const maxBlankLines = 10

var endOfHead = []byte("\r\n\r\n")

// ReadRequestHead reads a request's head into h, which it resets first. lim is not kept.
//
// Errors: io.EOF when the connection ends before or within the request line, a timeout (os.ErrDeadlineExceeded) when
// time runs out there, other errors of the connection: in these cases httpd closes without an answer. *ProtocolError for
// what it answers; h then holds what was read before.
//
// Beyond httpd's Strict it refuses with 400 what two parties may read differently: Content-Length beside
// Transfer-Encoding, any coding but a single "chunked", and folded lines.
func (c *Conn) ReadRequestHead(h *RequestHead, lim *Limits) error {
	h.Reset()
	if err := c.skipBlankLines(h, lim); err != nil {
		return err
	}
	b := c.rb[c.r:c.w]
	end := len(b)
	if end > 4096 || !bytes.HasSuffix(b, endOfHead) { // nearly always: one head without a body, in one piece
		var err error
		if end, err = c.awaitHead(h, lim); err != nil {
			return err
		}
	}
	head := string(c.rb[c.r : c.r+end])
	n, err := h.parse(head, lim)
	h.Size += n
	c.consume(n)
	if err != nil {
		return err
	}
	return h.finish(lim)
}

// skipBlankLines makes the first bytes of the request line the first of the buffer.
func (c *Conn) skipBlankLines(h *RequestHead, lim *Limits) error {
	for blank := 0; ; {
		b := c.rb[c.r:c.w]
		if len(b) > 0 && b[0] != '\r' && b[0] != '\n' {
			return nil
		}
		if len(b) > 1 || len(b) == 1 && b[0] == '\n' {
			if b[0] == '\n' || b[1] != '\n' {
				return bad("", "request line: expected a line that ends in CR LF, found a bare "+quote(string(b[:1])))
			}
			if blank++; blank > maxBlankLines {
				return bad("AH03446", "request line: expected one, found more than 10 empty lines")
			}
			h.Size += 2
			c.consume(2)
			continue
		}
		if err := c.fillHead(h.Size+len(b), lim); err != nil {
			return err
		}
	}
}

// fillHead reads more of a head of which got bytes are there, into a buffer that it makes longer if need be.
func (c *Conn) fillHead(got int, lim *Limits) error {
	if lim.HeadDeadline != nil {
		if t := lim.HeadDeadline(got); !t.IsZero() {
			if err := c.SetReadDeadline(t); err != nil {
				return err
			}
			defer c.SetReadTimeout(c.rd.timeout)
		}
	}
	c.growFull()
	return c.fill()
}

// awaitHead reads until the head is complete and returns its length. It looks at each line as it comes, so that a
// client that is wrong in its first line isn't waited for, and no line is looked at twice.
func (c *Conn) awaitHead(h *RequestHead, lim *Limits) (int, error) {
	if i := bytes.Index(c.rb[c.r:c.w], endOfHead); i >= 0 {
		return i + len(endOfHead), nil
	}
	pos, seen, lines := 0, 0, 0 // of the line that is not complete yet: its start, and how far it was searched
	for {
		b := c.rb[c.r:c.w]
		for {
			i := bytes.IndexByte(b[seen:], '\n')
			if i < 0 {
				seen = len(b)
				break
			}
			line := unsafe.String(&b[pos], seen+i+1-pos) // only looked at: the buffer stays as it is meanwhile
			pos = seen + i + 1
			seen = pos
			last, err := checkLine(h, line, lines, lim)
			if err != nil || last {
				return pos, err
			}
			lines++
		}
		if err := lineTooLong(len(b)-pos-1, lines, lim); err != nil {
			if lines == 0 {
				h.RequestLine = string(b[:min(len(b), lim.RequestLine)])
			}
			return 0, err
		}
		if len(b) >= MaxHeadBytes {
			return 0, &ProtocolError{Status: 400, Note: noteFieldSize, Close: true,
				Reason: "request head: expected at most 1048576 bytes, found more"}
		}
		if err := c.fillHead(h.Size+len(b), lim); err != nil {
			return 0, headEnded(err, lines)
		}
	}
}

// checkLine refuses a line of a head that is still coming for what parse would refuse it for, and tells the last line.
func checkLine(h *RequestHead, line string, lines int, lim *Limits) (last bool, err error) {
	if lines == 0 {
		var probe RequestHead
		_, err = probe.parseRequestLine(line, lim)
		if err != nil {
			h.RequestLine = strings.Clone(probe.RequestLine)
			return false, err
		}
		return probe.ProtoNum == 9, nil
	}
	_, _, _, last, err = parseField(line, lim)
	if err == nil && !last && lim.RequestFields > 0 && lines > lim.RequestFields {
		err = tooManyFields()
	}
	return last, err
}

// headEnded says what the end of the connection, or of the time, means after so many complete lines.
func headEnded(err error, lines int) error {
	switch {
	case lines == 0 || err == nil:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ProtocolError{Status: 408, Close: true, Reason: "request head: timed out after " + plural(lines, "line")}
	case errors.Is(err, io.EOF):
		return bad("AH00567", "request head: expected an empty line, found the end of the connection after "+plural(lines, "line"))
	}
	return err
}

// parse reads a whole head and returns how many bytes of it are the head's: all, but for HTTP/0.9.
func (h *RequestHead) parse(head string, lim *Limits) (int, error) {
	n, err := h.parseRequestLine(head, lim)
	if err != nil || h.ProtoNum == 9 {
		return n, err
	}
	for fields := 0; n < len(head); {
		key, value, used, ok := cutField(head[n:], lim)
		if !ok {
			var last bool
			if key, value, used, last, err = parseField(head[n:], lim); err != nil || last {
				return n + used, err
			}
		}
		n += used
		if fields++; lim.RequestFields > 0 && fields > lim.RequestFields {
			return n, tooManyFields()
		}
		h.noteName(key, fields)
		h.Fields.Add(key, value)
		if err := h.note(key, value); err != nil {
			return n, err
		}
	}
	return n, nil
}

// noteName looks whether key occurs before. The filter says "no" for most names, so that few look-ups are made; in a head
// with very many fields none are, lest they cost more than all the rest.
func (h *RequestHead) noteName(key string, fields int) {
	bit := uint64(1) << ((uint(key[0]|0x20) + 7*uint(len(key)) + 3*uint(key[len(key)-1]|0x20)) & 63)
	if h.names&bit != 0 && !h.MaybeDuplicates {
		h.MaybeDuplicates = fields > 128 || h.Fields.Has(key)
	}
	h.names |= bit
}

// note takes what the fields say about the message itself.
func (h *RequestHead) note(key, value string) error {
	switch len(key) {
	case len("Host"):
		if table.EqualFold(key, "Host") {
			if h.HasHost {
				return bad("AH00550", "Host: expected one, found two: "+quote(h.Host)+" and "+quote(value))
			}
			h.Host, h.HasHost = value, true
		}
	case len("Expect"):
		if table.EqualFold(key, "Expect") && value != "" {
			if h.expect != "" {
				value = h.expect + ", " + value
			}
			h.expect = value
		}
	case len("Upgrade"):
		if table.EqualFold(key, "Upgrade") && h.upgradeField == "" {
			h.upgradeField = value
		}
	case len("Connection"):
		if table.EqualFold(key, "Connection") {
			h.noteConnection(value)
		}
	case len("Content-Length"):
		if table.EqualFold(key, "Content-Length") {
			n := parseLength(value)
			if n < 0 {
				return bad("AH10242", "Content-Length: expected digits, found "+quote(value))
			}
			if h.ContentLength >= 0 {
				return bad("AH10242", "Content-Length: expected one, found two")
			}
			h.ContentLength = n
		}
	case len("Transfer-Encoding"):
		if table.EqualFold(key, "Transfer-Encoding") {
			if h.te || !table.EqualFold(value, "chunked") {
				return bad("AH02539", `Transfer-Encoding: expected "chunked" once, found `+quote(value))
			}
			h.te, h.Chunked = true, true
		}
	}
	return nil
}

func (h *RequestHead) noteConnection(value string) {
	for value != "" {
		var token string
		token, value = nextToken(value)
		switch {
		case table.EqualFold(token, "close"):
			h.closeToken = true
		case table.EqualFold(token, "keep-alive"):
			h.KeepAliveToken = true
		case table.EqualFold(token, "upgrade"):
			h.upgradeToken = true
		}
	}
}

// finish checks what can be seen only when all fields are there.
func (h *RequestHead) finish(lim *Limits) error {
	if h.Chunked && h.ContentLength >= 0 {
		return bad("", "framing: expected Content-Length or Transfer-Encoding, found both")
	}
	if h.MaybeDuplicates && h.Size > lim.RequestFieldSize {
		if key, over := mergedTooLong(&h.Fields, lim.RequestFieldSize); over {
			return &ProtocolError{Status: 400, Note: noteFieldSize, Code: "AH00560", Close: true,
				Reason: "field " + quote(key) + ": expected values of at most " + plural(lim.RequestFieldSize, "byte") + " in all, found more"}
		}
	}
	if h.upgradeToken {
		h.Upgrade = h.upgradeField
	}
	h.KeepAlive = !h.closeToken && (h.ProtoNum >= 1001 || h.ProtoNum >= 1000 && h.KeepAliveToken && !h.Chunked)
	if err := h.finishHost(); err != nil {
		return err
	}
	if h.expect != "" {
		if !table.EqualFold(h.expect, "100-continue") {
			return &ProtocolError{Status: 417, Code: "AH00570",
				Reason: `Expect: expected "100-continue", found ` + quote(h.expect)}
		}
		h.Expect100 = true
	}
	return nil
}

func bad(code, reason string) *ProtocolError {
	return &ProtocolError{Status: 400, Reason: reason, Code: code, Close: true}
}
