package proxyhttp

import (
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pinion/runtime"
)

// TestRequestHead compares what a backend gets with what httpd 2.4.71 was seen to send it.
func TestRequestHead(t *testing.T) {
	const added = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: www.test\r\nX-Forwarded-Server: example.test\r\n"
	const keep = "Connection: Keep-Alive\r\n\r\n"
	for _, tt := range []struct{ name, config, params, in, want string }{
		{"plain", "", "", "GET /a?b=c HTTP/1.1\r\nHost: www.test\r\naccept: */*\r\n\r\n",
			"GET /a?b=c HTTP/1.1\r\nHost: B\r\naccept: */*\r\n" + added + keep},
		{"hop by hop", "", "", "GET / HTTP/1.1\r\nX-A: 1\r\nConnection: X-Hop; Keep-Alive,foo\r\nHost: www.test\r\nX-Hop: 1\r\nFOO: 2\r\n" +
			"Keep-Alive: 3\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: x\r\nProxy-Connection: x\r\nProxy-Authorization: Basic eA==\r\nX-B: 2\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\nX-A: 1\r\nProxy-Authorization: Basic eA==\r\nX-B: 2\r\n" + added + keep},
		{"named by Connection", "", "", "GET / HTTP/1.1\r\nHost: www.test\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: x-forwarded-for\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\n" + added + keep},
		{"forwarded before", "", "", "GET / HTTP/1.1\r\nX-Forwarded-Server: s\r\nx-forwarded-for: 1.1.1.1\r\nHost: www.test\r\nX-Z: z\r\nX-Forwarded-Host: h\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\nX-Forwarded-Server: s, example.test\r\nx-forwarded-for: 1.1.1.1, 127.0.0.1\r\nX-Z: z\r\nX-Forwarded-Host: h, www.test\r\n" + keep},
		{"nothing added", "ProxyAddHeaders Off", "", "GET / HTTP/1.1\r\nHost: www.test\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\nX-Forwarded-For: 1.1.1.1\r\n" + keep},
		{"preserved host", "ProxyPreserveHost On", "", "GET / HTTP/1.1\r\nX-A: b\r\nHost: www.test\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: www.test\r\nX-A: b\r\n" + added + keep},
		{"no host", "ProxyPreserveHost On", "", "GET / HTTP/1.0\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Server: example.test\r\n" + keep},
		{"via", "ProxyVia On", "", "GET / HTTP/1.1\r\nHost: www.test\r\nVIA: 1.0 a\r\nX-A: b\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\nVIA: 1.0 a, 1.1 example.test\r\nX-A: b\r\n" + added + keep},
		{"via full", "ProxyVia Full", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\nVia: 1.1 example.test (Apache/2.4.71)\r\n" + added + keep},
		{"via blocked", "ProxyVia Block", "", "GET / HTTP/1.1\r\nHost: www.test\r\nVia: 1.0 a\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\n" + added + keep},
		{"close", "", "disablereuse=On", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\n" + added + "Connection: close\r\n\r\n"},
		{"no keep-alive", "SetEnv proxy-nokeepalive 1", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\n" + added + "Connection: close\r\n\r\n"},
		{"initial not pooled", "SetEnv proxy-initial-not-pooled 1", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\n" + added + "Connection: close\r\n\r\n"},
		{"1.0", "SetEnv force-proxy-request-1.0 1", "", "GET / HTTP/1.1\r\nHost: www.test\r\n\r\n",
			"GET / HTTP/1.0\r\nHost: B\r\n" + added + "\r\n"},
		{"empty body", "", "", "POST / HTTP/1.1\r\nHost: www.test\r\nContent-Length: 0\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: B\r\n" + added + "Content-Length: 0\r\n" + keep},
		{"upgrade not wanted", "", "upgrade=websocket", "GET / HTTP/1.1\r\nHost: www.test\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\n" + added + keep},
		{"upgrade", "", "upgrade=websocket", "GET / HTTP/1.1\r\nHost: www.test\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nX-A: b\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: B\r\nX-A: b\r\n" + added + "Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"},
		{"upgrade with 1.0", "SetEnv force-proxy-request-1.0 1", "upgrade=ANY", "GET / HTTP/1.1\r\nHost: www.test\r\nUpgrade: x\r\n\r\n",
			"GET / HTTP/1.0\r\nHost: B\r\n" + added + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			addr := backend(t, func(_ int, p *peer) {
				got <- p.head()
				p.send(ok)
			})
			s := serveConfig(t, "ProxyPass / http://"+addr+"/ "+tt.params+"\n"+tt.config)
			answer := ask(t, s, tt.in)
			if !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") {
				t.Fatalf("answer: %q", answer)
			}
			if want := strings.Replace(tt.want, "Host: B\r\n", "Host: "+addr+"\r\n", 1); <-got != want {
				t.Errorf("expected\n%q", want)
			}
		})
	}
}

// received plays a backend that reads a request by its framing and answers how it came.
func received(t *testing.T) (addr string, head chan string, body chan string) {
	head, body = make(chan string, 10), make(chan string, 10)
	addr = backend(t, func(_ int, p *peer) {
		for {
			h := p.head()
			if h == "" {
				return
			}
			head <- h
			body <- p.body(h)
			p.send(ok)
		}
	})
	return addr, head, body
}

// body reads the body that the head announces.
func (p *peer) body(head string) string {
	if strings.Contains(head, "Transfer-Encoding: chunked\r\n") {
		var b strings.Builder
		for {
			line, err := p.r.ReadString('\n')
			size, bad := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 64)
			if err != nil || bad != nil {
				p.t.Errorf("expected a chunk's size, found %q: %v", line, err)
				return b.String()
			}
			b.WriteString(p.bytes(int(size)))
			if end := p.bytes(2); end != "\r\n" {
				p.t.Errorf("expected CR LF after a chunk, found %q", end)
			}
			if size == 0 {
				return b.String()
			}
		}
	}
	_, rest, ok := strings.Cut(head, "Content-Length: ")
	if !ok {
		return ""
	}
	n, _, _ := strings.Cut(rest, "\r\n")
	size, _ := strconv.Atoi(n)
	return p.bytes(size)
}

func chunkedBody(pieces ...string) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(strconv.FormatInt(int64(len(p)), 16) + "\r\n" + p + "\r\n")
	}
	return b.String() + "0\r\nX-Trailer: dropped\r\n\r\n"
}

func TestRequestBody(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for _, tt := range []struct{ name, config, head, raw, body, framing string }{
		{"length", "", "Content-Length: 4", "body", "body", "Content-Length: 4"},
		{"long", "", "Content-Length: " + strconv.Itoa(len(big)), big, big, "Content-Length: " + strconv.Itoa(len(big))},
		{"small chunks get a length", "", "Transfer-Encoding: chunked", chunkedBody("first", "second"), "firstsecond", "Content-Length: 11"},
		{"large chunks stay", "", "Transfer-Encoding: chunked", chunkedBody(big[:100000], big), big[:100000] + big, "Transfer-Encoding: chunked"},
		{"empty chunks", "", "Transfer-Encoding: chunked", chunkedBody(), "", "Content-Length: 0"},
		{"sendcl", "SetEnv proxy-sendcl 1", "Transfer-Encoding: chunked", chunkedBody(big), big, "Content-Length: " + strconv.Itoa(len(big))},
		{"sendcl and sendchunked", "SetEnv proxy-sendcl 1\nSetEnv proxy-sendchunked 1", "Transfer-Encoding: chunked", chunkedBody(big), big, "Transfer-Encoding: chunked"},
		{"spooled for 1.0", "SetEnv force-proxy-request-1.0 1", "Transfer-Encoding: chunked", chunkedBody(big), big, "Content-Length: " + strconv.Itoa(len(big))},
		{"not prefetched", "SetEnv proxy-prefetch-nonblocking 1", "Transfer-Encoding: chunked", chunkedBody("a", "b"), "ab", "Transfer-Encoding: chunked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, head, body := received(t)
			s := serveConfig(t, "ProxyPass / http://"+addr+"/\n"+tt.config)
			answer := ask(t, s, "POST / HTTP/1.1\r\nHost: www.test\r\n"+tt.head+"\r\nConnection: close\r\n\r\n"+tt.raw)
			if !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") {
				t.Fatalf("answer: %q", answer)
			}
			h := <-head
			if want := "X-Forwarded-Server: example.test\r\n" + tt.framing + "\r\n"; !strings.Contains(h, want) {
				t.Errorf("expected %q in %q", want, h)
			}
			if got := <-body; got != tt.body {
				t.Errorf("expected a body of %d bytes, found another of %d", len(tt.body), len(got))
			}
			if got, want := s.worker(0).State.Transferred.Load(), int64(len(h)+len(tt.body)); got < want || got > want+4096 {
				t.Errorf("transferred: expected about %d, found %d", want, got)
			}
		})
	}
}

// TestBadRequestBody has the client's faults answered as such, before a backend is asked or while it is.
func TestBadRequestBody(t *testing.T) {
	addr := backend(t, func(_ int, p *peer) { io.Copy(io.Discard, p.r) })
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\n")
	const post = "POST / HTTP/1.1\r\nHost: a\r\n"
	long := strings.Repeat("x", 100000)
	for name, request := range map[string]string{
		"bad chunk":        post + "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
		"late bad chunk":   post + "Transfer-Encoding: chunked\r\n\r\n186a0\r\n" + long + "\r\nnonsense\r\n",
		"short body":       post + "Content-Length: 10\r\n\r\nshort",
		"short large body": post + "Content-Length: 200000\r\n\r\n" + long,
	} {
		if got := ask(t, s, request); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%s: %.80q %q", name, got, s.logged())
		}
	}
	if st := s.pool(0).pool.Stats(); st.Idle != 0 || st.Busy != 0 {
		t.Errorf("a connection was kept with half a request on it: %+v", st)
	}
}

// limited is a body that its wire bounds, as another protocol's may be.
type limited struct{ runtime.Body }

func (limited) Length() int64  { return -1 }
func (limited) Complete() bool { return false }
func (limited) Read([]byte) (int, error) {
	return 0, &runtime.BodyError{Status: 413, Err: io.ErrShortBuffer}
}

func TestBodyError(t *testing.T) {
	if got := bodyStatus((&input{}).read(limited{})); got != 413 {
		t.Errorf("expected 413, found %d", got)
	}
	if got := bodyStatus(io.ErrUnexpectedEOF); got != 400 {
		t.Errorf("expected 400, found %d", got)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	serveBackend(t, l, func(_ int, p *peer) {
		got <- p.head()
		p.send(ok)
	})
	s := serveConfig(t, "ProxyPass / unix:"+path+"|http://app.test/base/\n")
	if a := ask(t, s, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(a, "ok\n") {
		t.Fatalf("%q", a)
	}
	if h := <-got; !strings.HasPrefix(h, "GET /base/x HTTP/1.1\r\nHost: app.test\r\n") {
		t.Errorf("%q", h)
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		url, scheme, authority, host, target string
		port                                 int
		secure                               bool
	}{
		{"http://h/", "http", "h", "h", "/", 80, false},
		{"http://h:8080/a?b", "http", "h:8080", "h", "/a?b", 8080, false},
		{"https://h/a", "https", "h", "h", "/a", 443, true},
		{"https://h:80/a", "https", "h", "h", "/a", 80, true},
		{"ws://[::1]:81/a", "ws", "[::1]:81", "::1", "/a", 81, false},
		{"wss://[::1]/a", "wss", "[::1]", "::1", "/a", 443, true},
		{"http://h", "http", "h", "h", "/", 80, false},
	} {
		var x exchange
		if !x.split(tt.url) || x.scheme != tt.scheme || x.authority != tt.authority || x.host != tt.host || x.target != tt.target || x.port != tt.port || x.secure != tt.secure {
			t.Errorf("%s: %+v", tt.url, x.use)
		}
	}
	for _, url := range []string{"ftp://h/", "http:/h", "http:///a", "http://h:x/", "http://h:70000/", ""} {
		var x exchange
		if x.split(url) {
			t.Errorf("%q was taken", url)
		}
	}
}

// FuzzNextToken: whatever a Connection field holds, its tokens come to an end and hold none of what parts them.
func FuzzNextToken(f *testing.F) {
	f.Add("close, X-A;b\tc")
	f.Fuzz(func(t *testing.T, s string) {
		for n := 0; s != ""; n++ {
			var token string
			before := len(s)
			token, s = nextToken(s)
			if len(s) >= before || strings.ContainsAny(token, ",; \t") {
				t.Fatalf("%q %q", token, s)
			}
		}
	})
}
