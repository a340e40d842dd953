package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchConf is cmd/bench's: what a sticky load balancer usually says.
const benchConf = `Listen %[1]s
ServerName bench.test
PidFile %[2]s/pid
ErrorLog %[2]s/error.log
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b \"%%{Referer}i\" \"%%{User-Agent}i\"" combined
CustomLog %[2]s/access.log combined
Header add Set-Cookie "ROUTEID=.%%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
MaxKeepAliveRequests 0
<Proxy balancer://app>
  BalancerMember http://%[3]s route=1
  BalancerMember http://%[4]s route=2
</Proxy>
ProxyPass / balancer://app/ stickysession=ROUTEID
ProxyPassReverse / balancer://app/
`

// BenchmarkSticky serves a sticky balancer's small answers, over kept connections and with one for each request. The
// compiler's profile is taken from it: see make pgo.
func BenchmarkSticky(b *testing.B) {
	port, err := freePort(0)
	if err != nil {
		b.Fatal(err)
	}
	address, dir := fmt.Sprintf("127.0.0.1:%d", port), b.TempDir()
	conf := filepath.Join(dir, "httpd.conf")
	text := fmt.Sprintf(benchConf, address, dir, benchMember(b), benchMember(b))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	ended := make(chan int)
	go func() { ended <- run([]string{"-X", "--no-watch", "-f", conf}) }()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		select {
		case status := <-ended:
			b.Fatalf("pinion ended with %d", status)
		case <-time.After(time.Millisecond):
		}
	}
	b.Run("kept", func(b *testing.B) { benchClients(b, address, "keep-alive") })
	b.Run("anew", func(b *testing.B) { benchClients(b, address, "close") })
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if status := <-ended; status != 0 {
		b.Fatalf("expected pinion to end with 0, found %d", status)
	}
}

// benchMember answers each request with 256 bytes.
func benchMember(b *testing.B) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nServer: member\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 256\r\nConnection: keep-alive\r\n\r\n" + strings.Repeat("x", 256))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil { // pinion sends a head in one piece
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// benchClients sends requests over 32 connections a processor; an answer without its last byte is a failure.
func benchClients(b *testing.B, address, connection string) {
	request := []byte("GET /page HTTP/1.1\r\nHost: bench.test\r\nCookie: ROUTEID=.1\r\nConnection: " + connection + "\r\n\r\n")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		var c net.Conn
		defer func() {
			if c != nil {
				c.Close()
			}
		}()
		buf, size := make([]byte, 4096), 0
		for pb.Next() {
			var err error
			if c == nil {
				if c, err = net.Dial("tcp", address); err != nil {
					b.Error(err)
					return
				}
			}
			if _, err = c.Write(request); err == nil && size == 0 {
				size, err = c.Read(buf) // the first answer comes in one piece, and tells the size of all
			} else if err == nil {
				_, err = io.ReadFull(c, buf[:size])
			}
			if err != nil || buf[size-1] != 'x' {
				b.Errorf("expected a whole answer, found %q and %v", buf[:size], err)
				return
			}
			if connection == "close" {
				c.Close()
				c = nil
			}
		}
	})
}
