package casefile

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

const sample = `What it shows.

-- httpd.conf --
ProxyPass / http://${B1}/
ProxyPass /two http://127.0.0.1:${B2_PORT}/
-- htdocs/a.txt --
hello
-- backends --
B1 GET /x* first 2
  HTTP/1.1 103 Early Hints
  Link: </a>
  HTTP/1.1 200 OK
  X-Case: kept
  chunked
  = one\n
  =
  trailer X-Sum: 1
B1
  close
  = plain
B3 refuse
-- requests --
# a comment
jar
repeat 3 new
GET /x
Cookie: a=b
= body\x00

until 200
GET / HTTP/1.0

send
= bytes\r\n

answer HEAD
-- answers --
1 GET /x HTTP/1.1
  > HTTP/1.1 200 OK
2 GET / HTTP/1.0
  > HTTP/1.1 200 OK
-- differs --
# because
# of that
2 GET / HTTP/1.0
  > HTTP/1.1 400 Bad Request
`

func parseSample(t *testing.T) *Case {
	t.Helper()
	c, err := Parse("dir/sample.txtar", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parseSample(t)
	if c.Name != "sample" || strings.TrimSpace(c.Comment) != "What it shows." {
		t.Errorf("name %q, comment %q", c.Name, c.Comment)
	}
	if want := []string{"B1", "B2", "B3"}; !slices.Equal(c.backends, want) {
		t.Errorf("backends %v, want %v", c.backends, want)
	}
	if files := c.files(); len(files) != 1 || files[0] != (Section{"htdocs/a.txt", "hello\n"}) {
		t.Errorf("files %q", files)
	}
	if c.Differs() != "because of that" {
		t.Errorf("reason %q", c.Differs())
	}
	if got := string(formatArchive(c.Comment, c.sections)); got != sample {
		t.Errorf("written again:\n%s", Diff(sample, got))
	}
}

func TestParseBackends(t *testing.T) {
	c := parseSample(t)
	if len(c.rules) != 3 {
		t.Fatalf("found %d rules", len(c.rules))
	}
	r := c.rules[0]
	if r.method != "GET" || r.path != "/x*" || r.first != 2 || !r.flags["chunked"] {
		t.Errorf("rule %+v", r)
	}
	if len(r.heads) != 2 || r.heads[1].status != "HTTP/1.1 200 OK" || r.heads[1].fields[0] != "X-Case: kept" {
		t.Errorf("heads %+v", r.heads)
	}
	if !slices.Equal(r.pieces, []string{"one\n", ""}) || !slices.Equal(r.trailers, []string{"X-Sum: 1"}) {
		t.Errorf("pieces %q, trailers %q", r.pieces, r.trailers)
	}
	for _, m := range []struct {
		method, target string
		seen           int
		want           bool
	}{
		{"GET", "/x/y", 0, true},
		{"GET", "/x/y", 2, false},
		{"POST", "/x", 0, false},
		{"GET", "/y", 0, false},
	} {
		if got := r.matches(m.method, m.target, m.seen); got != m.want {
			t.Errorf("%s %s after %d: matches %v, want %v", m.method, m.target, m.seen, got, m.want)
		}
	}
	if !c.rules[2].refuse || c.rules[2].matches("GET", "/", 0) {
		t.Errorf("rule %+v", c.rules[2])
	}
}

func TestParseRequests(t *testing.T) {
	c := parseSample(t)
	kinds := make([]string, 0, len(c.steps))
	for _, s := range c.steps {
		kinds = append(kinds, s.kind)
	}
	if want := []string{"jar", "request", "request", "send", "answer"}; !slices.Equal(kinds, want) {
		t.Fatalf("steps %v, want %v", kinds, want)
	}
	first := c.steps[1]
	if first.request != "GET /x HTTP/1.1" || first.repeat != 3 || !first.fresh || first.pieces[0] != "body\x00" {
		t.Errorf("first request %+v", first)
	}
	if second := c.steps[2]; second.request != "GET / HTTP/1.0" || second.repeat != 1 || second.until != "200" {
		t.Errorf("second request %+v", second)
	}
}

func TestParseErrors(t *testing.T) {
	const requests = "-- requests --\nGET /\n"
	for _, test := range []struct{ name, text, want string }{
		{"no comment", "-- httpd.conf --\n" + requests, "comment at the top"},
		{"no configuration", "x\n" + requests, `section "httpd.conf"`},
		{"no requests", "x\n-- httpd.conf --\n", `section "requests"`},
		{"empty requests", "x\n-- httpd.conf --\n-- requests --\n", "at least one request"},
		{"section twice", "x\n-- httpd.conf --\n-- a --\n-- a --\n" + requests, `section "a" stands twice`},
		{"path outside", "x\n-- httpd.conf --\n-- ../a --\n" + requests, "below the case's folder"},
		{"unknown step", "x\n-- httpd.conf --\n-- requests --\nwait\n", `line 1: expected a step or a request line, found "wait"`},
		{"bad repeat", "x\n-- httpd.conf --\n-- requests --\nrepeat x\nGET /\n", "number after repeat"},
		{"words of a step", "x\n-- httpd.conf --\n-- requests --\narrived B1\n", "arrived takes 2 to 2 words, found 1"},
		{"stray body", "x\n-- httpd.conf --\n-- requests --\n= x\n", "needs a request or send"},
		{"bad escape", "x\n-- httpd.conf --\n-- requests --\nGET /\n= \\q\n", "bad escape"},
		{"bad heading", "x\n-- httpd.conf --\n-- backends --\nbackend\n" + requests, "backend's name B1 to B9"},
		{"rule without heading", "x\n-- httpd.conf --\n-- backends --\n  close\n" + requests, "backend's name (B1) first"},
		{"unknown word", "x\n-- httpd.conf --\n-- backends --\nB1\n  explode\n" + requests, `found "explode"`},
		{"difference without reason", "x\n-- httpd.conf --\n" + requests + "-- differs --\n1 GET /\n", "lines that start with #"},
		{"difference without answers", "x\n-- httpd.conf --\n" + requests + "-- differs --\n# so\n", "answers that pinion gives"},
	} {
		_, err := Parse("x.txtar", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

func TestExpected(t *testing.T) {
	c := parseSample(t)
	if got := c.expected(true); got != c.section(sectionAnswers) {
		t.Errorf("of httpd:\n%s", got)
	}
	want := "1 GET /x HTTP/1.1\n  > HTTP/1.1 200 OK\n2 GET / HTTP/1.0\n  > HTTP/1.1 400 Bad Request\n"
	if got := c.expected(false); got != want {
		t.Errorf("of pinion:\n%s", Diff(want, got))
	}
}

func TestEscapes(t *testing.T) {
	for _, s := range []string{"", "plain", "a\r\n\tb", `back\slash`, "\x00\x7f\xff", `quote"`} {
		back, err := unescape(escape(s))
		if err != nil || back != s {
			t.Errorf("%q became %q and then %q, %v", s, escape(s), back, err)
		}
	}
	if got, err := unescape(`ab\*3`); err != nil || got != "ababab" {
		t.Errorf("repeated: %q, %v", got, err)
	}
	if _, err := unescape(`a\*x`); err == nil {
		t.Error("a repetition without a number was taken")
	}
}

func TestDiff(t *testing.T) {
	if d := Diff("a\n b\n", "a\n b\n"); d != "" {
		t.Errorf("same texts differ: %q", d)
	}
	got := Diff("1 a\n  x\n2 b\n  y\n3 c\n  z\n", "1 a\n  x\n2 b\n  Y\n3 c\n  z\n")
	if want := " 2 b\n-  y\n+  Y\n"; got != want {
		t.Errorf("found\n%swant\n%s", got, want)
	}
}

func TestNormalise(t *testing.T) {
	n := newNormaliser(&places{dir: "/tmp/case", front: map[string]int{"PORT": 10001}, backends: map[string]int{"B1": 40001}})
	now := n.now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	for _, test := range []struct{ in, want string }{
		{"  > Date: " + now, "  > Date: ${DATE}"},
		{"  > Date: Thu, 01 Jan 2015 00:00:00 GMT", "  > Date: Thu, 01 Jan 2015 00:00:00 GMT"},
		{"  > Server: Apache/2.4.71 (Debian) OpenSSL/3.0.1", "  > Server: ${SERVER}"},
		{"  > Server: pinion", "  > Server: ${SERVER}"},
		{"  > Server: Backend/1.0", "  > Server: Backend/1.0"},
		{"  > Via: 1.1 a (pinion/1.0)", "  > Via: 1.1 a (${SERVER})"},
		{"  B1 < Host: 127.0.0.1:40001", "  B1 < Host: ${B1}"},
		{"  > Location: http://a:10001/x10001", "  > Location: http://a:${PORT}/x10001"},
		{"  = /tmp/case/htdocs", "  = ${DIR}/htdocs"},
		{"  > Allow: POST,GET", "  > Allow: GET,POST"},
	} {
		if got := n.transcript(test.in + "\n"); got != test.want+"\n" {
			t.Errorf("%q became %q, want %q", test.in, got, test.want)
		}
	}
	in := "[Thu Nov 20 10:00:00.123456 2026] [proxy:error] [pid 12:tid 34] (111)Connection refused: AH00957: http: attempt to connect to 127.0.0.1:40001\n"
	if got, want := n.errorLog(in), "[proxy:error] AH00957: http: attempt to connect to ${B1}\n"; got != want {
		t.Errorf("log line became %q, want %q", got, want)
	}
	if got, want := n.log("a [20/Nov/2026:10:00:00 +0000] b\n"), "a [${TIME}] b\n"; got != want {
		t.Errorf("log line became %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("x.txtar", text)
		if err != nil {
			return
		}
		once := formatArchive(c.Comment, c.sections)
		comment, sections := parseArchive(once)
		if twice := formatArchive(comment, sections); string(twice) != string(once) {
			t.Errorf("written %q, then %q", once, twice)
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n")
	f.Add("garbage")
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReader(strings.NewReader(text))
		m, err := readHead(r)
		if err == nil {
			m.readBody(r, true)
		}
		if len(m.body) > len(text) {
			t.Errorf("a body of %d bytes from %d", len(m.body), len(text))
		}
		m.lines("  >")
	})
}
