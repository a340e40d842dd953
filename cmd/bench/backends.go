package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// backendText is nginx with two servers that answer 256 bytes, 1 MiB and 1 GiB.
const backendText = `daemon off; worker_processes 1; worker_rlimit_nofile {FILES}; pid {DIR}/pid; error_log {DIR}/error.log;
user www-data;
events { worker_connections 16384; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; sendfile on; client_max_body_size 0;
  client_body_temp_path {DIR}/tmp-body; proxy_temp_path {DIR}/tmp-proxy; fastcgi_temp_path {DIR}/tmp-fastcgi;
  uwsgi_temp_path {DIR}/tmp-uwsgi; scgi_temp_path {DIR}/tmp-scgi; default_type text/plain;
  server {
    listen {ONE} backlog=4096; listen {TWO} backlog=4096; root {DIR}/files;
    location / { return 200 "{PAGE}"; }
    location = /mebi { }
    location = /gibi { }
    location = /check { include {DIR}/check; }
    location = /new/check { include {DIR}/check; }
    location = /app-a/check { include {DIR}/check; }
  }
}
`

// checkText answers with what arrived: the fields that a proxy adds, the path, and which member it is.
const checkText = `add_header X-Saw "$http_x_forwarded_for|$http_x_forwarded_host|$http_x_forwarded_server";
add_header X-Uri $request_uri; add_header X-Member $server_port; return 200 "{PAGE}";
`

// pageSize is the length of the usual answer.
const pageSize = 256

// startBackends runs nginx as the backend of all proxies.
func startBackends(s site) (*server, error) {
	files := filepath.Join(s.dir, "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return nil, err
	}
	for name, size := range map[string]int64{"mebi": 1 << 20, "gibi": 1 << 30} {
		f, err := os.Create(filepath.Join(files, name))
		if err != nil {
			return nil, err
		}
		// Sparse: no disk is read, and the page cache holds zeros.
		if err := f.Truncate(size); err != nil {
			return nil, err
		}
		f.Close()
	}
	page := strings.Repeat("x", pageSize)
	if err := s.write(filepath.Join(s.dir, "check"), expandOnce(checkText, "{PAGE}", page)); err != nil {
		return nil, err
	}
	conf := filepath.Join(s.dir, "backends.conf")
	if err := s.write(conf, expandOnce(backendText, "{PAGE}", page)); err != nil {
		return nil, err
	}
	return start([]string{"nginx", "-c", conf}, s.backends[0])
}

// echoServer accepts WebSocket handshakes (RFC 6455) and sends back whatever comes after one.
func echoServer() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	return l, nil
}

func echo(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 512)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		fmt.Fprintf(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	_, _ = io.Copy(c, in)
}

// acceptKey is the answer to a Sec-WebSocket-Key.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
