package proxyhttp

import (
	"io"
	"net"
	"strings"
	"testing"
)

const (
	benchRequest = "GET /some/path/page.html?query=1 HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nCookie: JSESSIONID=0123456789ABCDEF.one; theme=dark\r\n\r\n"
)

var benchAnswer = "HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 256\r\n" +
	"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"abcdef\"\r\nAccept-Ranges: bytes\r\n\r\n" + strings.Repeat("x", 256)

// roundTrips returns a function that makes one round trip over a kept connection, without allocating on its own side.
func roundTrips(t testing.TB, request, answer string) func() {
	addr := backendBytes(t, len(request)+160, answer)
	s := serveConfig(t, "ProxyPass / http://"+addr+"/\nMaxKeep 0\n")
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	out, in := []byte(request), make([]byte, 64<<10)
	size := 0
	return func() {
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			n, err := c.Read(in)
			if err != nil {
				t.Fatal(err)
			}
			size = n
			return
		}
		if _, err := io.ReadFull(c, in[:size]); err != nil {
			t.Fatal(err)
		}
	}
}

// backendBytes answers each request, found by its end, with the same bytes. It allocates nothing once it runs.
func backendBytes(t testing.TB, _ int, answer string) string {
	return backend(t, func(_ int, p *peer) {
		b := []byte(answer)
		in := make([]byte, 64<<10)
		n := 0
		for {
			k, err := p.Conn.Read(in[n:])
			if err != nil {
				return
			}
			if n += k; n >= 4 && string(in[n-4:n]) == "\r\n\r\n" {
				n = 0
				if _, err := p.Conn.Write(b); err != nil {
					return
				}
			}
		}
	})
}

// TestAllocations bounds what a plain proxied request allocates on its whole way, from the client's bytes to its answer.
func TestAllocations(t *testing.T) {
	trip := roundTrips(t, benchRequest, benchAnswer)
	for range 100 {
		trip() // fills the pools
	}
	got := testing.AllocsPerRun(1000, trip)
	t.Logf("%v allocations", got)
	if got > maxAllocations {
		t.Errorf("expected at most %v allocations, found %v", maxAllocations, got)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	trip := roundTrips(b, benchRequest, benchAnswer)
	trip()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		trip()
	}
}
