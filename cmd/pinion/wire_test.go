package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// server is the running program.
type server struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
	dir     string
}

// serve runs the program with what is added to a configuration with a Listen, under the shell's limit of open files
// where that is not 0, and ends it with the test.
func serve(t *testing.T, files int, text string) *server {
	t.Helper()
	port, err := freePort(0)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", port)}
	conf := filepath.Join(s.dir, "httpd.conf")
	text = fmt.Sprintf("Listen %s\nServerName main.test\nPidFile %s/pid\nErrorLog %s/error.log\n", s.address, s.dir, s.dir) + text
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command("pinion", "-X", "-e", "info", "-f", conf)
	if files > 0 {
		s.cmd = exec.Command("sh", "-c", fmt.Sprintf(`ulimit -Sn %d && exec pinion -X -f "$0"`, files), conf)
	}
	said, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	ready := false
	var all bytes.Buffer
	for !ready && lines.Scan() {
		fmt.Fprintln(&all, lines.Text())
		ready = strings.HasPrefix(lines.Text(), "pinion: serving ")
	}
	if !ready {
		t.Fatalf("%v: %s", s.cmd.Wait(), all.String())
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		for lines.Scan() {
			t.Log(lines.Text())
		}
		if err := s.cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// memory is a field of the process's status, in bytes: VmRSS now, VmHWM the most ever.
func (s *server) memory(field string) int {
	s.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Skip("memory is read from /proc, which is not there")
	}
	m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		s.t.Fatalf("no %s in %s", field, b)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n << 10
}

// TestMalformedReachesNoBackend sends what RFC 9112 forbids: it is answered with 400, the connection ends, and no
// backend hears of it.
func TestMalformedReachesNoBackend(t *testing.T) {
	var heard atomic.Int64
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	go func() {
		for {
			c, err := backend.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			c.Close()
		}
	}()
	s := serve(t, 0, fmt.Sprintf("ProxyPass / http://%s/\n", backend.Addr()))
	const get = "GET / HTTP/1.1\r\nHost: x\r\n"
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	var all sync.WaitGroup
	for name, request := range map[string]string{
		"both lengths":         post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":          post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"lengths in a list":    post + "Content-Length: 3, 4\r\n\r\nabcd",
		"negative length":      post + "Content-Length: -1\r\n\r\n",
		"signed length":        post + "Content-Length: +3\r\n\r\nabc",
		"hex length":           post + "Content-Length: 0x3\r\n\r\nabc",
		"huge length":          post + "Content-Length: 99999999999999999999\r\n\r\n",
		"unknown coding":       post + "Transfer-Encoding: x-thing\r\n\r\n",
		"chunked not last":     post + "Transfer-Encoding: chunked, identity\r\n\r\n",
		"coding with a tab":    post + "Transfer-Encoding:\vchunked\r\n\r\n",
		"bare CR":              get + "X: a\rb\r\n\r\n",
		"bare CR ends a line":  "GET / HTTP/1.1\rHost: x\r\n\r\n",
		"NUL":                  get + "X: a\x00b\r\n\r\n",
		"space before colon":   get + "X : a\r\n\r\n",
		"tab before colon":     get + "X\t: a\r\n\r\n",
		"folded":               get + "X: a\r\n b\r\n\r\n",
		"folded first":         "GET / HTTP/1.1\r\n X: a\r\nHost: x\r\n\r\n",
		"no colon":             get + "nothing\r\n\r\n",
		"empty name":           get + ": a\r\n\r\n",
		"bad name":             get + "X(y): a\r\n\r\n",
		"bad method":           "G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
		"two Hosts":            get + "Host: y\r\n\r\n",
		"no Host":              "GET / HTTP/1.1\r\n\r\n",
		"bad Host":             "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"two spaces":           "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
		"more after protocol":  "GET / HTTP/1.1 x\r\nHost: x\r\n\r\n",
		"bad protocol":         "GET / HTTP/1.x\r\nHost: x\r\n\r\n",
		"space in the target":  "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
		"control in target":    "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
		"bad escape":           "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS":                  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"a hundred and one":    get + strings.Repeat("X: a\r\n", 101) + "\r\n",
		"a field of 9 KiB":     get + "X: " + strings.Repeat("a", 9<<10) + "\r\n\r\n",
		"a name of 9 KiB":      get + strings.Repeat("a", 9<<10) + ": a\r\n\r\n",
		"length in a 1.0 body": "POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		c := s.dial()
		all.Go(func() {
			defer c.Close()
			_, _ = io.WriteString(c, request)
			b, err := io.ReadAll(c)
			if !bytes.HasPrefix(b, []byte("HTTP/1.1 400 ")) || err != nil && !bytes.Contains(b, []byte("</html>")) {
				t.Errorf("%s: expected 400 and the end of the connection, found %.60q, %v", name, b, err)
			}
		})
	}
	all.Wait()
	if n := heard.Load(); n != 0 {
		t.Errorf("the backend was asked %d times", n)
	}
	// -e info is the LogLevel of a file that sets none: what was wrong with a request is logged at info.
	log, err := os.ReadFile(filepath.Join(s.dir, "error.log"))
	if err != nil || !bytes.Contains(log, []byte("[core:info]")) {
		t.Errorf("expected lines of level info by -e info, found %q, %v", log, err)
	}
}

// TestSlowHeadEnds: a head that never comes to its end is ended by RequestReadTimeout.
func TestSlowHeadEnds(t *testing.T) {
	s := serve(t, 0, "RequestReadTimeout header=1\n")
	c := s.dial()
	defer c.Close()
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		text := "GET / HTTP/1.1\r\nHost: x\r\nX: "
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				text = "a"
			}
		}
	}()
	b, err := io.ReadAll(c)
	close(stop)
	<-ended
	if os.IsTimeout(err) {
		t.Error("the connection did not end")
	}
	if len(b) > 0 && !bytes.HasPrefix(b, []byte("HTTP/1.1 408 ")) {
		t.Errorf("expected 408 or nothing, found %q", b)
	}
}

// TestManyIdleConnections: ten thousand connections that have been used and wait, though the shell allows 256 files.
func TestManyIdleConnections(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < 10500 {
		t.Skipf("the hard limit of open files is %d, the test needs 10500", limit.Max)
	}
	if testing.Short() {
		t.Skip("-short")
	}
	s := serve(t, 256, "KeepAliveTimeout 300\nRedirect 204 /\n")
	before := s.memory("VmRSS")
	const many = 10000
	conns := make([]net.Conn, 0, many)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	ask := func(c net.Conn) {
		t.Helper()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
		if err != nil {
			t.Fatalf("after %d connections: %v", len(conns), err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	for range many {
		c := s.dial()
		conns = append(conns, c)
		ask(c)
	}
	after := s.memory("VmRSS")
	t.Logf("%d idle connections: %d KiB in all, %d bytes each", many, (after-before)>>10, (after-before)/many)
	if each := (after - before) / many; each > 32<<10 && !raced {
		t.Errorf("an idle connection takes %d bytes, expected at most 32 KiB", each)
	}
	ask(conns[0])
	ask(conns[many-1])
}

// TestLargeBodyStreams: a body of a GiB goes through, both ways, in bounded memory.
func TestLargeBodyStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	const size = 1 << 30
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%d", n)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go backend.Serve(l)
	defer backend.Close()
	s := serve(t, 0, fmt.Sprintf("ProxyPass / http://%s/\n", l.Addr()))
	before := s.memory("VmHWM")
	for name, length := range map[string]int64{"with a length": size, "in chunks": -1} {
		req, err := http.NewRequest("POST", "http://"+s.address+"/", io.NopCloser(io.LimitReader(endless{}, size)))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != strconv.Itoa(size) {
			t.Errorf("%s: the backend got %.80q, %v", name, b, err)
		}
	}
	grown := s.memory("VmHWM") - before
	t.Logf("the process grew by %d KiB", grown>>10)
	if grown > 64<<20 && !raced {
		t.Errorf("two bodies of a GiB made the process grow by %d bytes", grown)
	}
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
