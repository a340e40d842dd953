package reload

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/all"
)

// TestStopDoesNotWaitForABackend stops while a backend keeps a request waiting for ever: Run has to end all the same.
func TestStopDoesNotWaitForABackend(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	defer backend.Close()
	defer close(release)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := free.Addr().String()
	free.Close()
	conf := filepath.Join(t.TempDir(), "httpd.conf")
	text := fmt.Sprintf("Listen %s\nServerName main.test\nTimeout 600\nGracefulShutdownTimeout 1\nProxyPass / %s/\n", front, backend.URL)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sv := New(Source{Path: conf, Modules: all.Modules(), Parse: parser.Options{ServerRoot: filepath.Dir(conf)}})
	ready := make(chan struct{})
	sv.Ready = func([]net.Addr) { close(ready) }
	stop, ended := make(chan Stop), make(chan error, 1)
	go func() { ended <- sv.Run(context.Background(), stop) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
	<-arrived
	stop <- Stop{GraceOf: func(g *runtime.Graph) time.Duration {
		if v := g.Process["gracefulshutdowntimeout"]; len(v) != 1 || v[0] != "1" {
			t.Errorf("the graph in force has GracefulShutdownTimeout %q", v)
		}
		return time.Millisecond
	}}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("Run waits for the backend")
	}
}
