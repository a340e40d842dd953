package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const tenFields = "GET /app/index.html?user=1 HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Referer: https://www.example.com/app/\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: JSESSIONID=0123456789ABCDEF.node1\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Cache-Control: max-age=0\r\n\r\n"

const response = "HTTP/1.1 200 OK\r\n" +
	"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n" +
	"Server: backend\r\n" +
	"Content-Type: text/plain\r\n" +
	"Set-Cookie: JSESSIONID=0123456789ABCDEF.node1; Path=/; HttpOnly\r\n" +
	"Content-Length: 256\r\n\r\n"

// loop is a net.Conn that reads in again and again, and drops what is written.
type loop struct {
	script
	in  string
	pos int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.in[l.pos:])
	l.pos = (l.pos + n) % len(l.in)
	return n, nil
}
func (l *loop) Write(p []byte) (int, error) { return len(p), nil }

func TestAllocs(t *testing.T) {
	var req RequestHead
	c := NewConn(&loop{in: tenFields})
	if n := testing.AllocsPerRun(100, func() {
		if err := c.ReadRequestHead(&req, &DefaultLimits); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("request head: %v allocations, want 1", n)
	}
	var resp ResponseHead
	b := NewConn(&loop{in: response})
	if n := testing.AllocsPerRun(100, func() {
		if err := b.ReadResponseHead(&resp, "HEAD", &ResponseLimits{}); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("response head: %v allocations, want 1", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := c.WriteRequestHead(req.Method, req.Target, &req.Fields); err != nil {
			t.Fatal(err)
		}
		if err := c.WriteResponseHead(resp.StatusLine, &resp.Fields); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("writing heads: %v allocations, want 0", n)
	}
	p := NewPool(PoolConfig{Dial: new(dialer).dial, Smax: -1, Max: 1})
	if n := testing.AllocsPerRun(100, func() {
		c, _, err := p.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Put(c, true)
	}); n > 0 {
		t.Errorf("pool: %v allocations, want 0", n)
	}
	body := NewConn(&loop{in: "5\r\nhello\r\n0\r\n\r\n"})
	var bd Body
	if n := testing.AllocsPerRun(100, func() {
		bd.Reset(body, Chunked, 0, &DefaultLimits)
		if _, err := bd.WriteTo(c); err != nil {
			t.Fatal(err)
		}
		w := NewChunkedWriter(c)
		if _, err := w.Write(large); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(nil); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("chunked body: %v allocations, want 0", n)
	}
}

var large = make([]byte, 64<<10)

func BenchmarkReadRequestHead(b *testing.B) {
	c := NewConn(&loop{in: tenFields})
	var h RequestHead
	b.SetBytes(int64(len(tenFields)))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.ReadRequestHead(&h, &DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadResponseHead(b *testing.B) {
	c := NewConn(&loop{in: response})
	var h ResponseHead
	b.SetBytes(int64(len(response)))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.ReadResponseHead(&h, "HEAD", &ResponseLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequestHead(b *testing.B) {
	c := NewConn(&loop{in: tenFields})
	var h RequestHead
	if err := c.ReadRequestHead(&h, &DefaultLimits); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendRequestHead(dst[:0], h.Method, h.Target, &h.Fields); err != nil {
			b.Fatal(err)
		}
	}
}

// serve accepts connections of ln and runs f on each until ln is closed.
func serve(ln net.Listener, f func(c *Conn)) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				c := NewConn(nc)
				defer c.Close()
				f(c)
			})
		}
	})
	return &wg
}

// bareBackend answers every request with 256 bytes.
func bareBackend(c *Conn) {
	answer := []byte(response + strings.Repeat("x", 256))
	var h RequestHead
	for c.ReadRequestHead(&h, &DefaultLimits) == nil {
		if _, err := c.Write(answer); err != nil || c.Flush() != nil {
			return
		}
	}
}

// bareProxy is the least that a proxy does, made of this package's parts.
func bareProxy(pool *Pool) func(c *Conn) {
	return func(c *Conn) {
		c.SetReadTimeout(60 * time.Second)
		c.SetWriteTimeout(60 * time.Second)
		var req RequestHead
		var resp ResponseHead
		var body Body
		for c.ReadRequestHead(&req, &DefaultLimits) == nil {
			if err := proxyOne(c, pool, &req, &resp, &body); err != nil || !req.KeepAlive {
				return
			}
		}
	}
}

func proxyOne(c *Conn, pool *Pool, req *RequestHead, resp *ResponseHead, body *Body) (err error) {
	b, _, err := pool.Get(context.Background())
	if err != nil {
		return err
	}
	defer func() { pool.Put(b, err == nil && resp.KeepAlive && body.Complete()) }()
	b.SetReadTimeout(60 * time.Second)
	b.SetWriteTimeout(60 * time.Second)
	req.Fields.Del("Connection")
	req.Fields.Add("X-Forwarded-For", "127.0.0.1")
	if err := b.WriteRequestHead(req.Method, req.Target, &req.Fields); err != nil {
		return err
	}
	if err := b.FlushAwait(false); err != nil {
		return err
	}
	if err := b.ReadResponseHead(resp, req.Method, &ResponseLimits{}); err != nil {
		return err
	}
	body.ResetResponse(b, resp)
	if err := c.WriteResponseHead(resp.StatusLine, &resp.Fields); err != nil {
		return err
	}
	if _, err := body.WriteTo(c); err != nil {
		return err
	}
	return c.Flush()
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkProxy measures a request through the bare proxy over loopback; cpu-ns/op is the processor time of all three
// parties, client and backend included, which run in this process.
func BenchmarkProxy(b *testing.B) { benchLoop(b, true) }

// BenchmarkDirect is the same without the proxy: the difference to BenchmarkProxy is the proxy's own cost.
func BenchmarkDirect(b *testing.B) { benchLoop(b, false) }

func benchLoop(b *testing.B, proxied bool) {
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return ln
	}
	backend := listen()
	backends := serve(backend, bareBackend)
	front := backend
	var proxies *sync.WaitGroup
	pool := NewPool(PoolConfig{Smax: -1, Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", backend.Addr().String())
	}})
	if proxied {
		front = listen()
		proxies = serve(front, bareProxy(pool))
	}
	const conns = 16
	var wg sync.WaitGroup
	start := cpu()
	b.ResetTimer()
	for i := range conns {
		n := b.N / conns
		if i < b.N%conns {
			n++
		}
		wg.Go(func() {
			if err := client(front.Addr().String(), n); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
	front.Close()
	if proxied {
		proxies.Wait()
	}
	pool.Close()
	backend.Close()
	backends.Wait()
}

// client sends n requests, one after the other.
func client(addr string, n int) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	c := NewConn(nc)
	defer c.Close()
	var h ResponseHead
	var body Body
	for range n {
		if _, err := c.WriteString(tenFields); err != nil {
			return err
		}
		if err := c.FlushAwait(false); err != nil {
			return err
		}
		if err := c.ReadResponseHead(&h, "GET", &ResponseLimits{}); err != nil {
			return err
		}
		body.ResetResponse(c, &h)
		if n, err := body.WriteTo(io.Discard); err != nil || n != 256 {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
	return nil
}
