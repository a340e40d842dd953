package runtime

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pinion/parser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a module whose handler answers with the method, the decoded path and the length of the body.
var echo = Define(Module{Name: "echo_module", File: "mod_echo.c", Hooks: []Hook{
	{Phase: TranslateName, Always: true, Run: func(r *Request) Result { return OK }},
	{Phase: Handler, Always: true, Run: echoHandler},
}})

func echoHandler(r *Request) Result {
	switch r.URI {
	case "/missing":
		return 404
	case "/panic":
		panic("a module's mistake")
	case "/badfield":
		r.HeadersOut.Set("X-Bad", "a\r\nSet-Cookie: forged=1")
		r.SendText("text/plain", "never seen")
		return Done
	case "/stream":
		r.ContentType = "text/plain"
		r.Begin(-1)
		for i := range 3 {
			fmt.Fprintf(r, "part %d\n", i)
		}
		return OK
	}
	n, err := io.Copy(io.Discard, r.Body)
	if be, ok := err.(*BodyError); ok {
		return Result(be.Status)
	}
	r.SendText("text/plain", fmt.Sprintf("%s %s %d", r.Method, r.URI, n))
	return OK
}

// startEngine serves an empty configuration with the echo module on a loopback port until the test ends.
func startEngine(t *testing.T) (address string, e *Engine) {
	t.Helper()
	g, diags := Compile(&parser.Tree{Root: &parser.Node{}}, []*Module{echo}, Options{})
	if g == nil {
		t.Fatal(diags)
	}
	g.Banner = "Apache"
	e = NewEngine(g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.Serve(c, nil)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		e.Stop(ctx)
	})
	return l.Addr().String(), e
}

// talk sends raw and returns all that comes back until the server closes.
func talk(t *testing.T, address, raw string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(c)
	return string(b)
}

func TestAnswers(t *testing.T) {
	address, _ := startEngine(t)
	cases := []struct{ name, raw, want string }{
		{"closing", "GET /a%20b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 10\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nGET /a b 0"},
		{"pipelined", "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 8\r\nContent-Type: text/plain\r\n\r\nGET /1 0" +
				"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 8\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nGET /2 0"},
		{"http10 keep-alive", "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 8\r\nKeep-Alive: timeout=5, max=100\r\nConnection: Keep-Alive\r\nContent-Type: text/plain\r\n\r\nGET /1 0" +
				"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 8\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nGET /2 0"},
		{"chunked both ways", "POST /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n7\r\npart 0\n\r\n7\r\npart 1\n\r\n7\r\npart 2\n\r\n0\r\n\r\n"},
		{"head", "HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"},
		{"body", "POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
			"HTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 9\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nPOST /p 3"},
		{"expect", "POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: D\r\nServer: Apache\r\nContent-Length: 9\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nPOST /p 3"},
		{"not found", "GET /missing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"HTTP/1.1 404 Not Found\r\nDate: D\r\nServer: Apache\r\nContent-Length: 236\r\nConnection: close\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n" +
				"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n<p>The requested URL was not found on this server.</p>\n</body></html>\n"},
		{"no host", "GET / HTTP/1.1\r\n\r\n",
			"HTTP/1.1 400 Bad Request\r\nDate: D\r\nServer: Apache\r\nContent-Length: 266\r\nConnection: close\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n" +
				"<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<title>400 Bad Request</title>\n</head><body>\n<h1>Bad Request</h1>\n<p>Your browser sent a request that this server could not understand.<br />\n</p>\n</body></html>\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := maskDates(talk(t, address, c.raw))
			if got != c.want {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

func maskDates(s string) string {
	lines := strings.SplitAfter(s, "\r\n")
	for i, l := range lines {
		if at := strings.Index(l, "Date: "); at >= 0 {
			lines[i] = l[:at] + "Date: D\r\n"
		}
	}
	return strings.Join(lines, "")
}

func TestModuleMistakesEndInAnAnswer(t *testing.T) {
	StderrLog.Out = io.Discard
	address, _ := startEngine(t)
	for _, path := range []string{"/panic", "/badfield"} {
		got := talk(t, address, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 500 Internal Server Error\r\n") || strings.Contains(got, "forged=1\r\n") {
			t.Errorf("%s: got %q", path, got)
		}
	}
}

func TestSwapKeepsConnection(t *testing.T) {
	address, e := startEngine(t)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	for i := range 3 {
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line == "\r\n" {
				break
			}
		}
		body := make([]byte, 8)
		if _, err := io.ReadFull(br, body); err != nil || string(body) != fmt.Sprintf("GET /%d 0", i) {
			t.Fatalf("answer %d: %q, %v", i, body, err)
		}
		g, _ := Compile(&parser.Tree{Root: &parser.Node{}}, []*Module{echo}, Options{State: e.Graph().State})
		old := e.Graph()
		e.Swap(g)
		if !old.uses.retired.Load() {
			t.Fatal("the old graph was not retired")
		}
	}
}
