package proxyhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzAnswer lets a backend answer with any bytes at all: the client gets an answer or a closed connection, and the
// server neither panics nor keeps the backend's connection. Answers are read with another implementation.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		ok, switched, "", "garbage", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 304 Not Modified\r\nConnection: Set-Cookie\r\nSet-Cookie: a=b; path=/\r\n\r\n", "\r\nHTTP/1.1 200\r\nX:\r\n y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-A: a\r\n\tb\x00\r\n\r\n", "HTTP/1.1 401 No\r\nContent-Type: a/b\r\nLocation: http://a\r\n\r\n",
	} {
		f.Add([]byte(s), false)
	}
	answers := make(chan []byte, 1)
	addr := backend(f, func(_ int, p *peer) {
		p.head()
		p.Write(<-answers)
	})
	s := serveConfig(f, "ProxyVia On\nProxyPassReverse / http://a/\nProxyPass / http://"+addr+"/ upgrade=ANY\n")
	f.Fuzz(func(t *testing.T, answer []byte, head bool) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		method := "GET"
		if head {
			method = "HEAD"
		}
		// A backend that closes just as the request before went out has never seen it, and left its answer here.
		select {
		case <-answers:
		default:
		}
		answers <- answer
		io.WriteString(c, method+" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n")
		r := bufio.NewReader(c)
		for {
			res, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil {
				break // cut, or a head that net/http doesn't like
			}
			_, err = io.Copy(io.Discard, res.Body)
			if res.StatusCode >= 200 || res.StatusCode == 101 || err != nil {
				break
			}
		}
		if _, err := io.Copy(io.Discard, r); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("the connection was not closed")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if strings.Contains(s.lines.String(), "panic") {
			t.Fatal(s.lines.String())
		}
		s.lines.Reset()
	})
}
