package metrics_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pinion/runtime/metrics"
)

// client asks a metrics.Server, of a unix socket, too.
func client(t *testing.T, s *metrics.Server) func(method, path string, fields ...string) (status int, head http.Header, body string) {
	tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, s.Addr().Network(), s.Addr().String())
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return func(method, path string, fields ...string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://metrics.test"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fields {
			k, v, _ := strings.Cut(f, ": ")
			req.Header.Set(k, v)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(b)
	}
}

func TestServer(t *testing.T) {
	srv, err := metrics.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	get := client(t, srv)
	ask := func(method, path string, want int, part string) {
		t.Helper()
		if status, _, body := get(method, path); status != want || !strings.Contains(body, part) {
			t.Errorf("%s %s: %d %q, expected %d with %q", method, path, status, body, want, part)
		}
	}
	if want := "http://" + srv.Addr().String() + "/metrics"; srv.URL() != want {
		t.Errorf("URL is %q, expected %q", srv.URL(), want)
	}
	ask("GET", "/healthz", 200, "up")
	ask("GET", "/readyz", 503, "starting")
	ask("GET", "/metrics", 200, "pinion_build_info{")

	s := serve(t, page)
	srv.SetEngine(s.engine)
	s.send("GET", "default.test", "/missing")
	ask("GET", "/readyz", 200, "serving")
	ask("GET", "/", 200, `href="/metrics"`)
	ask("GET", "/metrics/x", 404, "")
	ask("POST", "/metrics", 405, "")
	ask("HEAD", "/metrics", 200, "")
	_, _, body := get("GET", "/metrics")
	parse(t, body).expect(t, figures{`pinion_client_connections_accepted_total`: 1, `pinion_client_connections{state="active"}`: 0})

	_, head, zipped := get("GET", "/metrics", "Accept-Encoding: gzip")
	if head.Get("Content-Encoding") != "gzip" {
		t.Fatalf("a scraper that takes gzip got %q", head.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(strings.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	parse(t, string(plain)).expect(t, figures{`pinion_client_connections_accepted_total`: 1})

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.engine.Stop(ctx)
	ask("GET", "/readyz", 503, "stopping")
	ask("GET", "/healthz", 200, "up")
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", srv.Addr().String()); err == nil {
		c.Close()
		t.Error("the address is listened on after Close")
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.sock")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.Listen("unix:" + path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket that another process listens on: %v, expected that the address is in use", err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	srv, err := metrics.Listen("unix:" + path)
	if err != nil {
		t.Fatalf("a socket that a killed process left behind: %v", err)
	}
	defer srv.Close()
	if status, _, body := client(t, srv)("GET", "/healthz"); status != 200 || body != "up\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
	if !strings.HasPrefix(srv.URL(), "unix:"+path) {
		t.Errorf("URL is %q", srv.URL())
	}
}

func TestListenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct{ address, part string }{
		{"9180", "expected ADDRESS:PORT"}, {"localhost", "expected ADDRESS:PORT"}, {"unix:", "expected unix:/path"}, {"", "expected ADDRESS:PORT"},
		{"127.0.0.1:99999", "invalid port"}, {"unix:" + file, "in use"}, {"unix:/nonexistent/m.sock", "no such file"},
		{taken.Addr().String(), "in use"},
	} {
		s, err := metrics.Listen(c.address)
		if err == nil {
			s.Close()
			t.Errorf("Listen(%q) succeeded", c.address)
		} else if !strings.Contains(err.Error(), c.part) {
			t.Errorf("Listen(%q): %v, expected %q in it", c.address, err, c.part)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file in place of the socket: %q, %v", b, err)
	}
}
