package casefile

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// A client plays the steps of a case and writes the transcript.
type client struct {
	cluster *cluster
	address func(port string) string // of the front: PORT or PORT2
	expand  func(string) string

	conns   map[string]*clientConn
	current string
	brief   []string // fields to show of each answer; nil shows all of it
	cookies []string // the jar: name=value
	jar     bool
	answers int // how many were read
	// reopens says that a kept connection which the server closed before it
	// took the request is opened anew. httpd's event MPM closes kept
	// connections when it has no free thread, as may be right after its start.
	reopens bool
	out     strings.Builder
}

type clientConn struct {
	net.Conn
	in      *bufio.Reader
	pending []string // methods of requests that are not answered yet
	used    bool     // an answer came over it
	port    string
	sni     string
}

// errNoAnswer says that the server closed the connection without a byte.
var errNoAnswer = errors.New("closed without an answer")

// play runs all steps in order. It fails if a step can't be done; what the
// server answers is never an error.
func (p *client) play(steps []*step) error {
	defer func() {
		for _, conn := range p.conns {
			conn.close()
		}
	}()
	number := 0
	for _, s := range steps {
		switch s.kind {
		case "request", "send", "answer", "receive", "eof", "arrived":
			number++
		}
		if err := p.step(s, number); err != nil {
			return fmt.Errorf("line %d of %s: %w", s.line, sectionRequests, err)
		}
	}
	return nil
}

func (p *client) step(s *step, number int) error {
	name := strconv.Itoa(number)
	switch s.kind {
	case "request":
		for i := 1; i <= s.repeat; i++ {
			if s.repeat > 1 {
				name = fmt.Sprintf("%d/%d", number, i)
			}
			if s.fresh {
				p.drop()
			}
			if err := p.request(s, name); err != nil {
				return err
			}
		}
		return nil
	case "send":
		return p.send(s, name)
	case "answer":
		method := ""
		if len(s.args) > 0 {
			method = s.args[0]
		}
		return p.answer(name+" answer", method)
	case "arrived":
		n, err := strconv.Atoi(s.args[1])
		if err != nil {
			return err
		}
		if err := p.cluster.waitFor(s.args[0], n); err != nil {
			return err
		}
		return p.title(name+" arrived", nil)
	case "release":
		release, ok := p.cluster.releases[s.args[0]]
		if !ok {
			return fmt.Errorf("expected a backend, found %q", s.args[0])
		}
		release <- struct{}{}
	case "new", "drop":
		p.drop()
	case "conn":
		return p.choose(s.args)
	case "jar":
		p.jar = len(s.args) == 0 || s.args[0] == "on"
		if len(s.args) > 0 && s.args[0] == "clear" {
			p.cookies = nil
		}
	case "brief":
		p.brief = append([]string{}, s.args...)
	case "full":
		p.brief = nil
	case "receive":
		return p.receive(s, name)
	case "eof":
		return p.eof(name)
	case "shut":
		conn, err := p.connection()
		if err != nil {
			return err
		}
		return conn.Conn.(interface{ CloseWrite() error }).CloseWrite()
	default:
		return fmt.Errorf("unknown step %q", s.kind)
	}
	return nil
}

// choose makes another connection the current one: "conn NAME [PORT2]".
func (p *client) choose(args []string) error {
	p.current = args[0]
	if conn := p.conns[p.current]; conn == nil && len(args) > 1 {
		p.conns[p.current] = &clientConn{port: args[1]}
		if name, ok := strings.CutPrefix(args[1], "tls:"); ok {
			p.conns[p.current] = &clientConn{port: "PORT2", sni: name}
		}
	}
	return nil
}

// connection gives the current connection, open.
func (p *client) connection() (*clientConn, error) {
	conn := p.conns[p.current]
	if conn == nil {
		conn = &clientConn{port: "PORT"}
		p.conns[p.current] = conn
	}
	if conn.Conn != nil {
		return conn, nil
	}
	raw, err := net.DialTimeout("tcp", p.address(conn.port), patience)
	if err != nil {
		return nil, err
	}
	if conn.sni != "" {
		raw = tls.Client(raw, &tls.Config{ServerName: conn.sni, InsecureSkipVerify: true})
	}
	raw.SetDeadline(time.Now().Add(2 * patience))
	conn.Conn, conn.in, conn.pending, conn.used = raw, bufio.NewReader(raw), nil, false
	return conn, nil
}

func (c *clientConn) close() {
	if c.Conn != nil {
		c.Conn.Close()
		c.Conn = nil
	}
}

func (p *client) drop() {
	if conn := p.conns[p.current]; conn != nil {
		conn.close()
	}
}

func (p *client) request(s *step, name string) error {
	deadline := time.Now().Add(patience)
	for {
		lines, answer, err := p.exchange(s)
		if err != nil {
			return err
		}
		if p.reopens && answer != nil && answer.stale && !p.cluster.pending() {
			continue
		}
		if s.later {
			// Whether a backend has got it by now is chance: what it got is shown by the step that waits for it.
			p.out.WriteString(name + " " + s.request + " (later)\n")
			return nil
		}
		if s.until == "" || answer != nil && strconv.Itoa(answer.status()) == s.until {
			return p.show(name, s.request, lines, answer)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("expected status %s in the end, found %q", s.until, lines)
		}
		if _, err := p.cluster.take(); err != nil {
			return err
		}
	}
}

// exchange sends a request and, unless its answer is read later, reads it.
func (p *client) exchange(s *step) ([]string, *message, error) {
	conn, err := p.connection()
	if err != nil {
		return nil, nil, err
	}
	method, _, _ := strings.Cut(s.request, " ")
	head, body := p.compose(s)
	var lines []string
	if s.wait {
		if err := writeAll(conn, head); err != nil {
			return nil, nil, err
		}
		interim, err := readHead(conn.in)
		if err != nil {
			return []string{"  " + reason(err)}, nil, nil
		}
		if interim.status() != 100 {
			answer := interim
			if bodyFollows(answer, method) {
				answer.readBody(conn.in, true)
			}
			p.answers++
			return p.after(conn, answer.lines("  >"), answer), answer, nil
		}
		lines = interim.lines("  >")
		head = ""
	}
	writeErr := writeAll(conn, head+body)
	conn.pending = append(conn.pending, method)
	if s.later {
		return nil, nil, writeErr
	}
	// A server may answer and close before it has read all: so a failed
	// write is no reason not to read.
	more, answer, err := p.read(conn)
	return append(lines, more...), answer, err
}

// compose makes the bytes of a request's head and body.
func (p *client) compose(s *step) (head, body string) {
	var b strings.Builder
	m := &message{fields: s.fields}
	b.WriteString(p.expand(s.request) + "\r\n")
	if _, ok := m.field("Host"); !ok && strings.HasSuffix(s.request, "HTTP/1.1") {
		b.WriteString("Host: example.test\r\n")
	}
	for _, f := range s.fields {
		b.WriteString(p.expand(f) + "\r\n")
	}
	if p.jar && len(p.cookies) > 0 {
		b.WriteString("Cookie: " + strings.Join(p.cookies, "; ") + "\r\n")
	}
	body = p.expand(strings.Join(s.pieces, ""))
	_, sized := m.field("Content-Length")
	_, coded := m.field("Transfer-Encoding")
	switch {
	case s.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		body = ""
		for _, piece := range s.pieces {
			piece = p.expand(piece)
			body += fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
		}
		body += "0\r\n" + strings.Join(append(s.trailers, ""), "\r\n") + "\r\n"
	case len(s.pieces) > 0 && !sized && !coded:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	return b.String(), body
}

// send writes bytes as they stand; steps "answer" read what comes back.
func (p *client) send(s *step, name string) error {
	conn, err := p.connection()
	if err != nil {
		return err
	}
	data := p.expand(strings.Join(s.pieces, ""))
	if err := writeAll(conn, data); err != nil {
		return err
	}
	fmt.Fprintf(&p.out, "%s send %d bytes\n", name, len(data))
	return nil
}

// answer reads one answer to what was sent before.
func (p *client) answer(title, method string) error {
	conn, err := p.connection()
	if err != nil {
		return err
	}
	if method != "" {
		conn.pending = append([]string{method}, conn.pending...)
	}
	lines, answer, err := p.read(conn)
	if err != nil {
		return err
	}
	name, rest, _ := strings.Cut(title, " ")
	return p.show(name, rest, lines, answer)
}

func bodyFollows(m *message, method string) bool {
	code := m.status()
	return method != "HEAD" && code >= 200 && code != 204 && code != 304
}

// read reads the next answer with the 1xx heads before it.
func (p *client) read(conn *clientConn) ([]string, *message, error) {
	method := ""
	if len(conn.pending) > 0 {
		method, conn.pending = conn.pending[0], conn.pending[1:]
	}
	var lines []string
	for {
		peek, err := conn.in.Peek(5)
		if err != nil || string(peek) != "HTTP/" {
			return p.readOther(conn, lines)
		}
		m, err := readHead(conn.in)
		if err != nil {
			m.note = "head ended early: " + reason(err)
			conn.close()
			return append(lines, m.lines("  >")...), m, nil
		}
		if code := m.status(); code >= 100 && code < 200 && code != 101 {
			lines = append(lines, m.lines("  >")...)
			continue
		}
		if bodyFollows(m, method) {
			m.readBody(conn.in, true)
		}
		p.answers++
		conn.used = true
		p.keep(m)
		return p.after(conn, append(lines, m.lines("  >")...), m), m, nil
	}
}

// readOther reads what is no HTTP/1 answer: nothing at all, or bytes up to the end.
func (p *client) readOther(conn *clientConn, lines []string) ([]string, *message, error) {
	data, err := io.ReadAll(io.LimitReader(conn.in, maxBody))
	conn.close()
	if err != nil && reason(err) == "timeout" {
		return nil, nil, fmt.Errorf("no answer in time")
	}
	m := &message{body: data}
	if len(data) == 0 {
		m.stale = conn.used
		m.note = errNoAnswer.Error()
		if err != nil {
			m.note = reason(err)
		}
	} else {
		p.answers++
		m.note = "closed"
	}
	return append(lines, m.lines("  >")...), m, nil
}

// after waits for the end of the connection where the answer announces it.
func (p *client) after(conn *clientConn, lines []string, m *message) []string {
	_, sized := m.field("Content-Length")
	_, coded := m.field("Transfer-Encoding")
	toEnd := !sized && !coded && m.body != nil
	if m.note == "" && !m.closes() && !toEnd {
		return lines
	}
	if m.note == "" {
		rest, err := io.ReadAll(io.LimitReader(conn.in, maxBody))
		lines = append(lines, bodyLines(rest, "  rest")...)
		if err != nil {
			lines = append(lines, "  "+reason(err))
		} else {
			lines = append(lines, "  closed")
		}
	}
	conn.close()
	return lines
}

// keep puts the answer's cookies in the jar.
func (p *client) keep(m *message) {
	if !p.jar {
		return
	}
	for _, f := range m.fields {
		name, value, _ := strings.Cut(f, ":")
		if !strings.EqualFold(name, "Set-Cookie") {
			continue
		}
		cookie, _, _ := strings.Cut(strings.TrimSpace(value), ";")
		key, _, _ := strings.Cut(cookie, "=")
		kept := p.cookies[:0]
		for _, old := range p.cookies {
			if !strings.HasPrefix(old, key+"=") {
				kept = append(kept, old)
			}
		}
		p.cookies = append(kept, cookie)
	}
}

// receive reads a number of bytes, for what follows an upgrade.
func (p *client) receive(s *step, name string) error {
	conn, err := p.connection()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(s.args[0])
	if err != nil || n < 1 {
		return fmt.Errorf("expected a number of bytes, found %q", s.args[0])
	}
	data := make([]byte, n)
	got, err := io.ReadFull(conn.in, data)
	lines := bodyLines(data[:got], "  =")
	if err != nil {
		lines = append(lines, "  "+reason(err))
	}
	return p.title(name+" receive", lines)
}

// eof waits until the server closes.
func (p *client) eof(name string) error {
	conn, err := p.connection()
	if err != nil {
		return err
	}
	rest, err := io.ReadAll(io.LimitReader(conn.in, maxBody))
	lines := bodyLines(rest, "  rest")
	if err != nil {
		if reason(err) == "timeout" {
			return fmt.Errorf("the server didn't close the connection")
		}
		lines = append(lines, "  "+reason(err))
	} else {
		lines = append(lines, "  closed")
	}
	conn.close()
	return p.title(name+" eof", lines)
}

// title writes a step's block: what the backends received, then the lines.
func (p *client) title(title string, lines []string) error {
	arrivals, err := p.cluster.take()
	if err != nil {
		return err
	}
	p.out.WriteString(title + "\n")
	for _, a := range arrivals {
		for _, line := range a.message.lines("  " + a.backend + " <") {
			p.out.WriteString(line + "\n")
		}
	}
	for _, line := range lines {
		p.out.WriteString(line + "\n")
	}
	return nil
}

// show writes the block of a request, in full or on one line.
func (p *client) show(name, request string, lines []string, answer *message) error {
	if p.brief == nil {
		return p.title(name+" "+request, lines)
	}
	arrivals, err := p.cluster.take()
	if err != nil {
		return err
	}
	fmt.Fprintf(&p.out, "%s %s ->", name, request)
	for _, a := range arrivals {
		p.out.WriteString(" " + a.backend)
	}
	if answer == nil || answer.status() == 0 {
		p.out.WriteString(" no answer\n")
		return nil
	}
	fmt.Fprintf(&p.out, " %d", answer.status())
	for _, name := range p.brief {
		for _, f := range answer.fields {
			if n, _, _ := strings.Cut(f, ":"); strings.EqualFold(n, name) {
				p.out.WriteString(" [" + escape(f) + "]")
			}
		}
	}
	p.out.WriteString("\n")
	return nil
}
