package casefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds on what a server under test may send.
const (
	maxHead = 1 << 20  // bytes of one head
	maxBody = 64 << 20 // bytes of one body
)

// A message is one HTTP/1 request or answer as it stood on the wire; only the
// framing of a chunked body is undone, since its cuts depend on timing.
type message struct {
	start    string
	fields   []string
	body     []byte
	trailers []string
	// note says what ended the message before its time, or is empty.
	note string
	// stale says that a connection which had answered before was closed
	// instead of this answer.
	stale bool
}

// field gives the value of the first field of that name.
func (m *message) field(name string) (string, bool) {
	for _, f := range m.fields {
		n, v, ok := strings.Cut(f, ":")
		if ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// readHead reads the start line and the field lines. Lines keep every byte
// except their CRLF; a line that ends in a bare LF shows it.
func readHead(r *bufio.Reader) (*message, error) {
	m := &message{}
	for size := 0; ; {
		line, err := r.ReadString('\n')
		if size += len(line); size > maxHead {
			return m, fmt.Errorf("head longer than %d bytes", maxHead)
		}
		if err != nil {
			if line != "" {
				m.fields = append(m.fields, line)
			}
			return m, err
		}
		if cut, ok := strings.CutSuffix(line, "\r\n"); ok {
			line = cut
		}
		switch {
		case line == "" || line == "\n":
			return m, nil
		case m.start == "":
			m.start = line
		default:
			m.fields = append(m.fields, line)
		}
	}
}

// readBody reads the body that the head announces. An answer without a length
// goes on to the end of the connection; a request has no body then.
func (m *message) readBody(r *bufio.Reader, answer bool) {
	if te, ok := m.field("Transfer-Encoding"); ok && strings.HasSuffix(strings.ToLower(te), "chunked") {
		m.readChunks(r)
		return
	}
	if cl, ok := m.field("Content-Length"); ok {
		n, err := strconv.ParseInt(cl, 10, 64)
		if err != nil || n < 0 || n > maxBody {
			m.note = "bad Content-Length"
			return
		}
		m.body = make([]byte, n)
		got, err := io.ReadFull(r, m.body)
		if m.body = m.body[:got]; err != nil {
			m.note = "ended early: " + reason(err)
		}
		return
	}
	if answer {
		var err error
		m.body, err = io.ReadAll(io.LimitReader(r, maxBody))
		if err != nil {
			m.note = "ended early: " + reason(err)
		}
	}
}

func (m *message) readChunks(r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			m.note = "ended early: " + reason(err)
			return
		}
		size, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil || n < 0 || int64(len(m.body))+n > maxBody {
			m.note = "bad chunk size " + escape(line)
			return
		}
		if n == 0 {
			break
		}
		chunk := make([]byte, n)
		got, err := io.ReadFull(r, chunk)
		m.body = append(m.body, chunk[:got]...)
		if err == nil {
			_, err = r.Discard(2)
		}
		if err != nil {
			m.note = "ended early: " + reason(err)
			return
		}
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			m.note = "ended early: " + reason(err)
			return
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return
		}
		m.trailers = append(m.trailers, line)
	}
}

// reason names an error of the network in one word that is the same everywhere.
func reason(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "reset"
	}
}

// status is the status code of an answer, or 0.
func (m *message) status() int {
	words := strings.SplitN(m.start, " ", 3)
	if len(words) < 2 || !strings.HasPrefix(words[0], "HTTP/") {
		return 0
	}
	n, err := strconv.Atoi(words[1])
	if err != nil {
		return 0
	}
	return n
}

// closes tells whether the connection ends with this answer to a request of
// the given version.
func (m *message) closes() bool {
	connection, _ := m.field("Connection")
	connection = strings.ToLower(connection)
	if strings.Contains(connection, "close") {
		return true
	}
	if strings.Contains(connection, "keep-alive") || m.status() == 101 {
		return false
	}
	if strings.HasPrefix(m.start, "HTTP/1.0") {
		return true
	}
	return false
}

// lines prints the message for a transcript: mark stands before each line of
// the head, "=" before each line of the body.
func (m *message) lines(mark string) []string {
	var out []string
	if m.start != "" {
		out = append(out, mark+" "+escape(m.start))
	}
	for _, f := range m.fields {
		out = append(out, mark+" "+escape(f))
	}
	bodyMark := strings.TrimRight(mark, "<>") + "="
	out = append(out, bodyLines(m.body, bodyMark)...)
	for _, t := range m.trailers {
		out = append(out, strings.TrimRight(mark, "<>")+"trailer "+escape(t))
	}
	if m.note != "" {
		out = append(out, strings.TrimRight(mark, "<>")+m.note)
	}
	return out
}

// maxShown is how many bytes of a body a transcript shows.
const maxShown = 8 << 10

func bodyLines(body []byte, mark string) []string {
	if len(body) > maxShown {
		return append(bodyLines(body[:64], mark), fmt.Sprintf("%s (%d bytes, fnv %s)", mark, len(body), sum(body)))
	}
	var out []string
	for line := range strings.Lines(string(body)) {
		for len(line) > 200 {
			out = append(out, mark+" "+escape(line[:200]))
			line = line[200:]
		}
		out = append(out, mark+" "+escape(line))
	}
	return out
}
