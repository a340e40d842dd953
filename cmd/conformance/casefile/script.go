package casefile

import (
	"fmt"
	"strconv"
	"strings"
)

// A rule is what one scripted backend does with the requests that it matches.
type rule struct {
	line    int
	backend string
	method  string // "" is any
	path    string // "" is any; a final * makes it a prefix
	first   int    // matches only the first so many; 0 is no limit
	refuse  bool   // the port is closed

	heads    []head   // 1xx heads and the final one
	pieces   []string // the body, or all bytes if raw
	trailers []string
	flags    map[string]bool
}

// A head is a status line with its header lines, as written.
type head struct {
	status string
	fields []string
}

// ruleFlags are the words that may stand alone in a rule.
var ruleFlags = map[string]bool{
	"chunked":  true, // each piece is a chunk
	"close":    true, // close after the answer; adds no Content-Length
	"reset":    true, // end with a TCP reset
	"stall":    true, // wait until the other side closes
	"hold":     true, // wait for the step "release"
	"continue": true, // send 100 Continue before the body is read
	"early":    true, // answer before the body is read
	"echo":     true, // the body is the request as it arrived
	"upgrade":  true, // echo bytes after the head until the other side closes
	"raw":      true, // the pieces are all that is sent
	"unseen":   true, // the request isn't shown: a health check comes when it likes
}

// parseBackends reads the backends section: headings in the first column, what
// the backend does indented below.
func parseBackends(text string) ([]*rule, error) {
	var rules []*rule
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		word := strings.TrimSpace(line)
		if word == "" || strings.HasPrefix(word, "#") {
			continue
		}
		var err error
		if line[0] != ' ' && line[0] != '\t' {
			var r *rule
			if r, err = parseHeading(word); err == nil {
				r.line = number
				rules = append(rules, r)
			}
		} else if len(rules) == 0 {
			err = fmt.Errorf("expected a backend's name (B1) first, found %q", word)
		} else {
			err = rules[len(rules)-1].add(strings.TrimLeft(line, " \t"))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return rules, nil
}

func parseHeading(text string) (*rule, error) {
	words := strings.Fields(text)
	r := &rule{backend: words[0], flags: map[string]bool{}}
	if len(r.backend) != 2 || r.backend[0] != 'B' || r.backend[1] < '1' || r.backend[1] > '9' {
		return nil, fmt.Errorf("expected a backend's name B1 to B9, found %q", r.backend)
	}
	for words = words[1:]; len(words) > 0; words = words[1:] {
		switch w := words[0]; {
		case w == "refuse":
			r.refuse = true
		case w == "first":
			if len(words) < 2 {
				return nil, fmt.Errorf("expected a number after first")
			}
			n, err := strconv.Atoi(words[1])
			if err != nil || n < 1 {
				return nil, fmt.Errorf("expected a number after first, found %q", words[1])
			}
			r.first = n
			words = words[1:]
		case isMethod(w):
			r.method = w
		case strings.HasPrefix(w, "/") || strings.HasPrefix(w, "*"):
			r.path = w
		default:
			return nil, fmt.Errorf("expected a method, a path, first N or refuse, found %q", w)
		}
	}
	return r, nil
}

// add takes one indented line of a rule.
func (r *rule) add(line string) error {
	word := strings.TrimSpace(line)
	if piece, ok := cutPiece(line); ok {
		data, err := unescape(piece)
		if err != nil {
			return err
		}
		r.pieces = append(r.pieces, data)
		return nil
	}
	if trailer, ok := strings.CutPrefix(line, "trailer "); ok {
		r.trailers = append(r.trailers, trailer)
		return nil
	}
	if ruleFlags[word] {
		r.flags[word] = true
		return nil
	}
	if strings.HasPrefix(line, "HTTP/") {
		r.heads = append(r.heads, head{status: line})
		return nil
	}
	if !strings.Contains(line, ":") {
		return fmt.Errorf("expected a status line, a header line, a piece of body (= text) or a word such as close, found %q", word)
	}
	if len(r.heads) == 0 {
		r.heads = append(r.heads, head{status: "HTTP/1.1 200 OK"})
	}
	last := &r.heads[len(r.heads)-1]
	last.fields = append(last.fields, line)
	return nil
}

// matches tells whether the rule is for this request line; seen is how many
// requests it has matched already.
func (r *rule) matches(method, target string, seen int) bool {
	if r.refuse || r.method != "" && r.method != method || r.first > 0 && seen >= r.first {
		return false
	}
	if prefix, ok := strings.CutSuffix(r.path, "*"); ok && r.path != "*" {
		return strings.HasPrefix(target, prefix)
	}
	return r.path == "" || r.path == target
}

// A step is one thing that the client does.
type step struct {
	line   int
	kind   string // request, send, answer, receive, eof, shut, drop, new, conn, jar, brief, full, arrived, release
	args   []string
	repeat int
	fresh  bool // each repetition on a new connection
	later  bool // the answer is read by a later step
	until  string

	request  string // the request line, with its version
	fields   []string
	pieces   []string
	trailers []string
	chunked  bool
	wait     bool // wait for 100 Continue before the body
}

func isMethod(w string) bool {
	for i := range len(w) {
		if (w[i] < 'A' || w[i] > 'Z') && w[i] != '-' && w[i] != '_' {
			return false
		}
	}
	return len(w) > 1
}

// bareSteps are the steps of one line, with how many words they take at least and at most.
var bareSteps = map[string][2]int{
	"send":    {0, 0},
	"answer":  {0, 1},
	"receive": {1, 1},
	"eof":     {0, 0},
	"shut":    {0, 0},
	"drop":    {0, 0},
	"new":     {0, 0},
	"conn":    {1, 2},
	"jar":     {0, 1},
	"brief":   {0, 9},
	"full":    {0, 0},
	"arrived": {2, 2},
	"release": {1, 1},
}

// parseRequests reads the requests section.
func parseRequests(text string) ([]*step, error) {
	p := requestParser{next: step{repeat: 1}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if err := p.add(line, number); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if len(p.steps) == 0 {
		return nil, fmt.Errorf("expected at least one request")
	}
	return p.steps, nil
}

type requestParser struct {
	steps []*step
	open  *step // takes the lines that follow
	next  step  // what repeat, later and until say of the next request
}

func (p *requestParser) add(line string, number int) error {
	word := strings.TrimSpace(line)
	if word == "" {
		p.open = nil
		return nil
	}
	if strings.HasPrefix(word, "#") {
		return nil
	}
	if piece, ok := cutPiece(line); ok {
		if p.open == nil {
			return fmt.Errorf("a piece of body needs a request or send above it")
		}
		data, err := unescape(piece)
		p.open.pieces = append(p.open.pieces, data)
		return err
	}
	if p.open != nil && p.open.kind == "request" && p.open.field(line) {
		return nil
	}
	words := strings.Fields(line)
	switch words[0] {
	case "repeat", "later", "until":
		return p.modifier(words)
	}
	if limits, ok := bareSteps[words[0]]; ok {
		if n := len(words) - 1; n < limits[0] || n > limits[1] {
			return fmt.Errorf("%s takes %d to %d words, found %d", words[0], limits[0], limits[1], n)
		}
		p.push(&step{line: number, kind: words[0], args: words[1:], repeat: 1})
		return nil
	}
	if !isMethod(words[0]) || len(words) < 2 {
		return fmt.Errorf("expected a step or a request line, found %q", word)
	}
	s := p.next
	s.line, s.kind, s.request = number, "request", line
	if !strings.HasPrefix(words[len(words)-1], "HTTP/") {
		s.request += " HTTP/1.1"
	}
	p.next = step{repeat: 1}
	p.push(&s)
	return nil
}

func (p *requestParser) push(s *step) {
	p.steps = append(p.steps, s)
	p.open = s
}

func (p *requestParser) modifier(words []string) error {
	switch {
	case words[0] == "later" && len(words) == 1:
		p.next.later = true
	case words[0] == "until" && len(words) == 2:
		p.next.until = words[1]
	case words[0] == "repeat" && (len(words) == 2 || len(words) == 3 && words[2] == "new"):
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 1 {
			return fmt.Errorf("expected a number after repeat, found %q", words[1])
		}
		p.next.repeat, p.next.fresh = n, len(words) == 3
	default:
		return fmt.Errorf("expected repeat N [new], later or until STATUS, found %q", strings.Join(words, " "))
	}
	return nil
}

// field takes a line that belongs to a request's head and tells whether it does.
func (s *step) field(line string) bool {
	if trailer, ok := strings.CutPrefix(line, "trailer "); ok {
		s.trailers = append(s.trailers, trailer)
		return true
	}
	switch strings.TrimSpace(line) {
	case "chunked":
		s.chunked = true
		return true
	case "continue":
		s.wait = true
		return true
	}
	name, _, ok := strings.Cut(line, ":")
	if !ok || strings.ContainsAny(name, " /") {
		return false
	}
	s.fields = append(s.fields, line)
	return true
}

// cutPiece recognises "= text"; a lone "=" is an empty piece.
func cutPiece(line string) (string, bool) {
	if line == "=" {
		return "", true
	}
	return strings.CutPrefix(line, "= ")
}

// unescape reads the escapes of Go strings, and `\*N` at the end of a piece,
// which repeats what stands before it N times.
func unescape(s string) (string, error) {
	if i := strings.LastIndex(s, `\*`); i >= 0 {
		n, err := strconv.Atoi(s[i+2:])
		if err != nil || n < 1 || n > 1<<20 {
			return "", fmt.Errorf(`expected a number after \*, found %q`, s[i+2:])
		}
		part, err := unescape(s[:i])
		return strings.Repeat(part, n), err
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] != '\\' {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		r, multibyte, tail, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return "", fmt.Errorf("bad escape in %q", s)
		}
		if multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		s = tail
	}
	return b.String(), nil
}

// escape is the reverse of unescape for one line of a transcript. Printable
// ASCII stays; only the backslash and all other bytes are escaped.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			b.WriteString(`\\`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
