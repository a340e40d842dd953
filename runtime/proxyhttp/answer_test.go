package proxyhttp

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
)

const get = "GET / HTTP/1.1\r\nHost: www.test\r\nConnection: close\r\n\r\n"

// cut is what follows the head of an answer from this server in TestAnswer: Date comes first.
const top = "Date: D\r\nServer: Apache/2.4.71 (Debian)\r\n"

func TestAnswer(t *testing.T) {
	for _, tt := range []struct{ name, config, request, backend, want string }{
		{"plain", "", get, ok, "HTTP/1.1 200 OK\r\n" + top + "Content-Length: 3\r\nConnection: close\r\n\r\nok\n"},
		{"order", "", get, "HTTP/1.1 200 Quite right\r\nSet-Cookie: z=1\r\nContent-Length: 0\r\nX-A: 1\r\ndate: Thu, 01 Jan 2015 00:00:00 GMT\r\nSERVER: B\r\nset-cookie: a=2\r\nx-a:  2 \r\nContent-Type: text/x\r\n\r\n",
			"HTTP/1.1 200 Quite right\r\nDate: D\r\nServer: B\r\nContent-Length: 0\r\nX-A: 1\r\nx-a: 2\r\nContent-Type: text/x\r\nSet-Cookie: z=1\r\nset-cookie: a=2\r\nConnection: close\r\n\r\n"},
		{"hop by hop", "", get, "HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=7\r\nX-Open: 2\r\nProxy-Authenticate: Basic\r\nProxy-Connection: x\r\nUpgrade: x\r\nTE: x\r\nTrailer: x\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "X-Open: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"mapped", "ProxyPassReverse / http://internal.test/\nProxyPassReverseCookiePath /app /\nProxyPassReverseCookieDomain internal.test www.test", get,
			"HTTP/1.1 302 Found\r\nLocation: http://internal.test/a\r\nContent-Location: http://internal.test/b\r\nURI: http://internal.test/c\r\nDestination: http://internal.test/d\r\nX-Location: http://internal.test/e\r\nSet-Cookie: a=b; Path=/app; Domain=internal.test\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 302 Found\r\n" + top + "Location: http://www.test/a\r\nContent-Location: http://www.test/b\r\nURI: http://www.test/c\r\nDestination: http://www.test/d\r\nX-Location: http://internal.test/e\r\nContent-Length: 0\r\nSet-Cookie: a=b; Path=/; Domain=www.test\r\nConnection: close\r\n\r\n"},
		{"two types", "", get, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 0\r\ncontent-type: c/d\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Content-Type: a/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"type named by Connection", "", get, "HTTP/1.1 200 OK\r\nConnection: Content-Type\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Content-Length: 0\r\nConnection: close\r\n\r\n"},
		{"range", "", "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-1\r\n\r\n", ok, "HTTP/1.1 206 Partial Content\r\n" + top + "Content-Length: 1\r\nContent-Range: bytes 1-1/3\r\n\r\nk"},
		{"range of something else", "", "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-1\r\nIf-Range: \"x\"\r\n\r\n", ok, "HTTP/1.1 200 OK\r\n" + top + "Content-Length: 3\r\n\r\nok\n"},
		{"range by the backend", "", "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-1\r\n\r\n", "HTTP/1.1 206 Some\r\nContent-Range: bytes 1-1/3\r\nContent-Length: 1\r\n\r\nk",
			"HTTP/1.1 206 Some\r\n" + top + "Content-Range: bytes 1-1/3\r\nContent-Length: 1\r\n\r\nk"},
		{"old dates", "", get, "HTTP/1.1 200 OK\r\nExpires: Sunday, 06-Nov-94 08:49:37 GMT\r\nLast-Modified: Sun Nov  6 08:49:37 1994\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"via", "ProxyVia On", get, "HTTP/1.1 200 OK\r\nVia: 1.0 inner\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Via: 1.0 inner\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nVia: 1.1 example.test\r\nConnection: close\r\n\r\n"},
		{"chunked", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: u\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"chunked to 1.0", "", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Connection: close\r\n\r\nabc"},
		{"until close", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nto the end",
			"HTTP/1.1 200 OK\r\n" + top + "Transfer-Encoding: chunked\r\n\r\na\r\nto the end\r\n0\r\n\r\n"},
		{"both lengths", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"head", "", "HEAD / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Content-Length: 5\r\n\r\n"},
		{"head of chunks", "", "HEAD / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + top + "Transfer-Encoding: chunked\r\n\r\n"},
		{"204", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", "HTTP/1.1 204 No Content\r\n" + top + "X-A: b\r\n\r\n"},
		{"304", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n" + top + "ETag: \"a\"\r\n\r\n"},
		{"103 and 100", "", get, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok,
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n" + top + "Content-Length: 3\r\nConnection: close\r\n\r\nok\n"},
		{"1xx by RFC", "SetEnv proxy-interim-response RFC", get, "HTTP/1.1 100 Go On\r\n\r\n" + ok,
			"HTTP/1.1 100 Go On\r\n\r\nHTTP/1.1 200 OK\r\n" + top + "Content-Length: 3\r\nConnection: close\r\n\r\nok\n"},
		{"1xx suppressed", "SetEnv proxy-interim-response Suppress", get, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok,
			"HTTP/1.1 200 OK\r\n" + top + "Content-Length: 3\r\nConnection: close\r\n\r\nok\n"},
		{"1xx to 1.0", "", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n" + ok, "HTTP/1.1 200 OK\r\n" + top + "Content-Length: 3\r\nConnection: close\r\n\r\nok\n"},
		{"0.9", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n", "garbage\r\nmore\r\n", "HTTP/1.1 200 OK\r\n" + top + "Transfer-Encoding: chunked\r\n\r\n7\r\ngarbage\r\n6\r\nmore\r\n\r\n0\r\n\r\n"},
		{"bad lines ignored", "ProxyBadHeader Ignore", get, "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 OK\r\n" + top + "Content-Length: 2\r\nConnection: close\r\n\r\nhi"},
		{"bad line is the body", "ProxyBadHeader StartBody", get, "HTTP/1.0 200 OK\r\nX-A: b\r\nno colon\r\nrest\r\n\r\n", "HTTP/1.1 200 OK\r\n" + top + "X-A: b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nrest\r\n\r\n\r\n0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := backend(t, func(_ int, p *peer) {
				p.head()
				p.send(tt.backend)
			})
			s := serveConfig(t, "ProxyPass / http://"+addr+"/\n"+tt.config)
			if got := ask(t, s, tt.request); got != tt.want {
				t.Errorf("found\n%q, expected\n%q\n%q", got, tt.want, s.logged())
			}
		})
	}
}

func TestErrorOverride(t *testing.T) {
	n := make(chan int, 3)
	addr := backend(t, func(i int, p *peer) {
		n <- i
		for h := p.head(); h != ""; h = p.head() {
			if strings.HasPrefix(h, "HEAD") {
				p.send("HTTP/1.1 404 Nope\r\nX-A: b\r\nContent-Length: 5\r\n\r\n")
				continue
			}
			p.send("HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nX-A: b\r\nContent-Length: 5\r\n\r\nerror")
		}
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\nProxyErrorOverride On\n")
	got := ask(t, s, get)
	if !strings.HasPrefix(got, "HTTP/1.1 401 Who\r\n"+top+"WWW-Authenticate: Basic\r\n") || strings.Contains(got, "X-A") || !strings.Contains(got, "<h1>Who</h1>") {
		t.Errorf("%q", got)
	}
	got = ask(t, s, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 404 Nope\r\n") || strings.Contains(got, "X-A") || !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("%q", got)
	}
	if len(n) != 1 {
		t.Errorf("expected one connection for both: a dropped body is read to its end; found %d", len(n))
	}
}

// TestHugeAnswer relays bodies of each framing that are larger than any buffer.
func TestHugeAnswer(t *testing.T) {
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // 256 KiB
	const pieces = 64
	for _, tt := range []struct{ name, head string }{
		{"length", "Content-Length: " + strconv.Itoa(pieces*(256<<10))},
		{"chunked", "Transfer-Encoding: chunked"},
		{"until close", "X-A: b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := backend(t, func(_ int, p *peer) {
				p.head()
				p.send("HTTP/1.1 200 OK\r\n" + tt.head + "\r\n\r\n")
				for range pieces {
					if tt.name == "chunked" {
						p.send(strconv.FormatInt(int64(len(piece)), 16) + "\r\n")
					}
					p.Write(piece)
					if tt.name == "chunked" {
						p.send("\r\n")
					}
				}
				if tt.name == "chunked" {
					p.send("0\r\n\r\n")
				}
			})
			s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
			p := dial(t, s.addr)
			p.send("GET / HTTP/1.0\r\n\r\n")
			p.head()
			for i := range pieces {
				got := make([]byte, len(piece))
				if _, err := io.ReadFull(p.r, got); err != nil || !bytes.Equal(got, piece) {
					t.Fatalf("piece %d differs: %v", i, err)
				}
			}
			if rest := p.rest(); rest != "" {
				t.Errorf("expected the end, found %d bytes more", len(rest))
			}
		})
	}
}

// TestSlowAnswer: what a backend has sent reaches the client before the backend sends more.
func TestSlowAnswer(t *testing.T) {
	more := make(chan bool)
	addr := backend(t, func(_ int, p *peer) {
		p.head()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
		<-more
		p.send("first")
		<-more
		p.send("after")
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send(get)
	p.head()
	more <- true
	if got := p.bytes(5); got != "first" {
		t.Errorf("%q", got)
	}
	more <- true
	if got := p.rest(); got != "after" {
		t.Errorf("%q", got)
	}
}

// TestPipelined: answers to pipelined requests come in order, and answers that no one asked for reach no one.
func TestPipelined(t *testing.T) {
	conns := make(chan int, 10)
	addr := backend(t, func(n int, p *peer) {
		conns <- n
		for h := p.head(); h != ""; h = p.head() {
			path := strings.Fields(h)[1]
			answer := "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(path)) + "\r\n\r\n" + path
			if path == "/twice" {
				answer += "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
			}
			p.send(answer)
		}
	})
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	p := dial(t, s.addr)
	p.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /twice HTTP/1.1\r\nHost: a\r\n\r\nGET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for _, want := range []string{"/one", "/twice", "/three"} {
		p.head()
		if got := p.bytes(len(want)); got != want {
			t.Errorf("expected %q, found %q", want, got)
		}
	}
	if rest := p.rest(); rest != "" {
		t.Errorf("expected no more, found %q", rest)
	}
	if len(conns) != 2 {
		t.Errorf("expected a second connection after the one with too much on it, found %d", len(conns))
	}
}
