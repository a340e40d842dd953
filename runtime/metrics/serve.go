package metrics

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"pinion/runtime"
)

// Server serves the metrics at an address of its own, apart from what the configuration listens on, so that a scraper gets
// them however busy or broken that is.
type Server struct {
	http     *http.Server
	listener net.Listener
	engine   atomic.Pointer[runtime.Engine]
	done     chan struct{}
}

// unixPrefix begins the address of a unix socket.
const unixPrefix = "unix:"

// Listen serves at the address: "127.0.0.1:9180", ":9180" or "unix:/path". Until SetEngine, /readyz says 503.
func Listen(address string) (*Server, error) {
	l, err := listen(address)
	if err != nil {
		return nil, fmt.Errorf("no metrics at %q: %w", address, err)
	}
	s := &Server{listener: l, done: make(chan struct{})}
	s.http = &http.Server{Handler: s.mux(), ErrorLog: log.New(serverLog{s}, "", 0), MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.logf("the listener of the metrics ended: %v", err)
		}
	}()
	return s, nil
}

func listen(address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, unixPrefix)
	if !isUnix {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("expected ADDRESS:PORT, :PORT or unix:/path, found %q", address)
		}
		return net.Listen("tcp", address)
	}
	if path == "" {
		return nil, errors.New("expected unix:/path, found no path")
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && stale(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		return net.Listen("unix", path)
	}
	return l, err
}

// stale tells whether path is a socket that nobody listens on any more: a process that was killed leaves it behind.
func stale(path string) bool {
	if st, err := os.Lstat(path); err != nil || st.Mode().Type() != os.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// URL is where the metrics are, for a message to the operator.
func (s *Server) URL() string {
	if s.listener.Addr().Network() == "unix" {
		return unixPrefix + s.listener.Addr().String() + " (/metrics)"
	}
	host, port, _ := net.SplitHostPort(s.listener.Addr().String()) // it comes from a listener: it has both
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/metrics"
}

// Addr is the address listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// SetEngine says what to report on: it serves from now on. Safe for concurrent use.
func (s *Server) SetEngine(e *runtime.Engine) { s.engine.Store(e) }

// Close ends the service; a scrape that is under way gets its answer, if it is quick.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}

// mux are the pages.
func (s *Server) mux() *http.ServeMux {
	// Scrapes that come at once share one reading of the counters: many of them cost no more than one.
	metrics := promhttp.HandlerFor(
		prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return Gatherer(s.engine.Load()).Gather() }),
		promhttp.HandlerOpts{ErrorLog: serverLog{s}, ErrorHandling: promhttp.ContinueOnError, CoalesceGather: true, MaxRequestsInFlight: 16})
	m := http.NewServeMux()
	m.Handle("GET /metrics", metrics)
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, 200, "up") })
	m.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch e := s.engine.Load(); {
		case e == nil:
			plain(w, 503, "starting")
		case e.Stopping():
			plain(w, 503, "stopping")
		default:
			plain(w, 200, "serving")
		}
	})
	m.HandleFunc("GET /{$}", index)
	return m
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

func index(w http.ResponseWriter, _ *http.Request) {
	v := ""
	if p := version.Load(); p != nil {
		v = " " + *p
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>pinion%[1]s</title></head><body>
<h1>pinion%[1]s</h1>
<ul>
<li><a href="/metrics">/metrics</a>: metrics for Prometheus</li>
<li><a href="/healthz">/healthz</a>: 200 while the process is up</li>
<li><a href="/readyz">/readyz</a>: 200 while it serves, else 503</li>
</ul>
</body></html>
`, html.EscapeString(v))
}

// serverLog writes what net/http and promhttp complain of to the error log.
type serverLog struct{ s *Server }

// Write implements io.Writer for log.Logger.
func (l serverLog) Write(p []byte) (int, error) {
	l.s.logf("metrics: %s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// Println implements promhttp.Logger.
func (l serverLog) Println(v ...any) { l.s.logf("metrics: %s", strings.TrimSpace(fmt.Sprintln(v...))) }

func (s *Server) logf(format string, args ...any) {
	e := s.engine.Load()
	if e == nil {
		fmt.Fprintf(os.Stderr, "pinion: "+format+"\n", args...)
		return
	}
	e.Graph().Main.Logf(Module, runtime.LogErr, "", format, args...)
}
