package casefile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test binary a small reverse proxy when it is started as
// the target of a case.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := serveTarget(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	listenLine = regexp.MustCompile(`(?m)^Listen (\S+)`)
	passLine   = regexp.MustCompile(`(?m)^ProxyPass / http://([^/]+)/`)
)

// serveTarget hands each request on to the backend that the configuration
// names, until SIGTERM.
func serveTarget(path string) error {
	conf, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	pass := passLine.FindStringSubmatch(string(conf))
	if pass == nil {
		return fmt.Errorf("expected a ProxyPass")
	}
	l, err := net.Listen("tcp", listenLine.FindStringSubmatch(string(conf))[1])
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go relay(conn, pass[1])
		}
	}()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	return nil
}

func relay(conn net.Conn, backend string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		return
	}
	up, err := net.Dial("tcp", backend)
	if err != nil {
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	defer up.Close()
	go func() {
		io.Copy(up, in)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(conn, up)
}

func testTarget(t *testing.T) Target {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Target{Command: []string{self, "serve", "{conf}"}}
}

const relayed = `A relay.

-- httpd.conf --
ProxyPass / http://${B1}/
-- backends --
B1 /chunked
  HTTP/1.1 200 OK
  Set-Cookie: a=1; Path=/
  chunked
  = one\n
  = two\n
B1 /echo
  HTTP/1.1 200 OK
  echo
B1 /hold
  HTTP/1.1 204 No Content
  hold
B1 /ws
  HTTP/1.1 101 Switching Protocols
  upgrade
B1 /cut
  HTTP/1.1 200 OK
  Content-Length: 9
  = short
  close
-- requests --
jar
GET /chunked

POST /echo
= text

HEAD /other

brief Content-Type
repeat 2
GET /other
full

conn held
later
GET /hold

arrived B1 6

release B1

answer

conn cut
GET /cut

conn ws
GET /ws

send
= hello

receive 5

shut

eof
`

const relayedAnswers = `1 GET /chunked HTTP/1.1
  B1 < GET /chunked HTTP/1.1
  B1 < Host: example.test
  > HTTP/1.1 200 OK
  > Set-Cookie: a=1; Path=/
  > Transfer-Encoding: chunked
  = one\n
  = two\n
2 POST /echo HTTP/1.1
  B1 < POST /echo HTTP/1.1
  B1 < Host: example.test
  B1 < Cookie: a=1
  B1 < Content-Length: 4
  B1 = text
  > HTTP/1.1 200 OK
  > Content-Length: 74
  = POST /echo HTTP/1.1\n
  = Host: example.test\n
  = Cookie: a=1\n
  = Content-Length: 4\n
  = \n
  = text
3 HEAD /other HTTP/1.1
  B1 < HEAD /other HTTP/1.1
  B1 < Host: example.test
  B1 < Cookie: a=1
  > HTTP/1.1 200 OK
  > Content-Type: text/plain
  > Content-Length: 24
4/1 GET /other HTTP/1.1 -> B1 200 [Content-Type: text/plain]
4/2 GET /other HTTP/1.1 -> B1 200 [Content-Type: text/plain]
5 GET /hold HTTP/1.1 (later)
6 arrived
  B1 < GET /hold HTTP/1.1
  B1 < Host: example.test
  B1 < Cookie: a=1
7 answer
  > HTTP/1.1 204 No Content
8 GET /cut HTTP/1.1
  B1 < GET /cut HTTP/1.1
  B1 < Host: example.test
  B1 < Cookie: a=1
  > HTTP/1.1 200 OK
  > Content-Length: 9
  = short
  ended early: closed
9 GET /ws HTTP/1.1
  B1 < GET /ws HTTP/1.1
  B1 < Host: example.test
  B1 < Cookie: a=1
  > HTTP/1.1 101 Switching Protocols
10 send 5 bytes
11 receive
  = hello
12 eof
  closed
`

func TestReplay(t *testing.T) {
	c, err := Parse("relayed.txtar", []byte(relayed+"-- answers --\n"+relayedAnswers))
	if err != nil {
		t.Fatal(err)
	}
	diff, err := c.Replay(t.Context(), testTarget(t))
	if err != nil || diff != "" {
		t.Errorf("error %v, difference\n%s", err, diff)
	}
}

func TestReplayFindsDifferences(t *testing.T) {
	changed := strings.Replace(relayedAnswers, "Set-Cookie: a=1", "set-cookie: a=1", 1)
	c, err := Parse("relayed.txtar", []byte(relayed+"-- answers --\n"+changed))
	if err != nil {
		t.Fatal(err)
	}
	diff, err := c.Replay(t.Context(), testTarget(t))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(diff, "-  > set-cookie: a=1") || !strings.Contains(diff, "+  > Set-Cookie: a=1") {
		t.Errorf("difference\n%s", diff)
	}
	var failures recorder
	Run(&failures, c, testTarget(t))
	if len(failures) != 1 {
		t.Errorf("Run reported %q", failures)
	}
}

// recorder takes what a test would report.
type recorder []string

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	*r = append(*r, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...) }

func TestRefusedBackend(t *testing.T) {
	text := "x\n-- httpd.conf --\nProxyPass / http://${B1}/\n-- backends --\nB1 refuse\n-- requests --\nbrief\nGET /\n" +
		"-- answers --\n1 GET / HTTP/1.1 -> 503\n"
	c, err := Parse("x.txtar", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff, err := c.Replay(t.Context(), testTarget(t)); err != nil || diff != "" {
		t.Errorf("error %v, difference\n%s", err, diff)
	}
}

func TestTargetThatFails(t *testing.T) {
	c, err := Parse("x.txtar", []byte("x\n-- httpd.conf --\n-- requests --\nGET /\n-- answers --\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Replay(t.Context(), testTarget(t))
	if err == nil || !strings.Contains(err.Error(), "expected a ProxyPass") {
		t.Errorf("error %v, want what the server said", err)
	}
}

func TestRefusal(t *testing.T) {
	const text = "x\n-- httpd.conf --\n-- requests --\nGET /\n-- answers --\n-- differs --\n# so\nrefuses %s\n"
	for says, want := range map[string]string{
		"expected a ProxyPass": "",
		"something else":       "-refuses something else\n+",
	} {
		c, err := Parse("x.txtar", []byte(fmt.Sprintf(text, says)))
		if err != nil {
			t.Fatal(err)
		}
		diff, err := c.Replay(t.Context(), testTarget(t))
		if err != nil || !strings.HasPrefix(diff, want) || want == "" && diff != "" {
			t.Errorf("%s: error %v, difference %q", says, err, diff)
		}
	}
	c, err := Parse("x.txtar", []byte(relayed+"-- answers --\n-- differs --\n# so\nrefuses it\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff, err := c.Replay(t.Context(), testTarget(t)); err != nil || diff != "-refuses it\n+serves\n" {
		t.Errorf("error %v, difference %q", err, diff)
	}
}

func TestParseTarget(t *testing.T) {
	if target, err := ParseTarget("./pinion -f {conf}"); err != nil || len(target.Command) != 3 || target.Reference {
		t.Errorf("%+v, %v", target, err)
	}
	if target, err := ParseTarget("httpd"); err != nil || !target.Reference {
		t.Errorf("%+v, %v", target, err)
	}
	if _, err := ParseTarget("./pinion"); err == nil {
		t.Error("a command line without {conf} was taken")
	}
}

// TestCases reads every case of the repository.
func TestCases(t *testing.T) {
	cases, err := LoadDir("../../../testdata/conformance")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if !c.has(sectionAnswers) {
			t.Errorf("%s: not recorded", c.Name)
		}
		if c.differs == nil {
			continue
		}
		recorded := splitBlocks(strings.Split(c.section(sectionAnswers), "\n"))
		for _, b := range c.differs.blocks {
			i := slices.IndexFunc(recorded, func(r block) bool { return stepName(r.title) == stepName(b.title) })
			if i < 0 {
				t.Errorf("%s: differs in %q, which was not recorded", c.Name, b.title)
			} else if slices.Equal(recorded[i].lines, b.lines) && recorded[i].title == b.title {
				t.Errorf("%s: differs in %q, but expects the same", c.Name, b.title)
			}
		}
	}
}
