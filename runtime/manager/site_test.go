package manager_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// site is a running engine with a manager at /balancer-manager, whose configuration can be replaced.
type site struct {
	t       testing.TB
	dir     string
	engine  *runtime.Engine
	address string
	mu      sync.Mutex
	log     strings.Builder
	stop    func()
}

const manager = "ServerName example.test\nPidFile httpd.pid\n<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>\n"

// serve runs the configuration behind that of the manager until the test ends.
func serve(t testing.TB, config string) *site {
	t.Helper()
	return serveIn(t, t.TempDir(), config)
}

// serveIn keeps the configuration and what BalancerPersist writes in dir.
func serveIn(t testing.TB, dir, config string) *site {
	t.Helper()
	s := &site{t: t, dir: dir}
	l, err := s.load(runtime.NewState(), config)
	if err != nil {
		t.Fatal(err)
	}
	s.engine = runtime.NewEngine(l)
	s.engine.OnReload(func(context.Context, string) error { return s.reload("") })
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = nl.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := nl.Accept()
			if err != nil {
				return
			}
			s.engine.Serve(c, nil)
		}
	}()
	s.stop = sync.OnceFunc(func() {
		nl.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.engine.Stop(ctx)
	})
	t.Cleanup(s.stop)
	return s
}

// Write takes the error log.
func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// logged returns what was logged since it was last called.
func (s *site) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.log.Reset()
	return s.log.String()
}

// load compiles the configuration; "" is the one that is in the file.
func (s *site) load(state *runtime.State, config string) (*runtime.Graph, error) {
	file := filepath.Join(s.dir, "httpd.conf")
	if config != "" {
		if err := os.WriteFile(file, []byte(manager+config), 0o600); err != nil {
			return nil, err
		}
	}
	source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: s.dir}}
	l := source.Load(state)
	for _, d := range l.Diags {
		if strings.HasPrefix(d.Code, "persist-") {
			fmt.Fprintln(s, d.Summary, d.Detail)
		}
	}
	if l.Graph == nil {
		return nil, errors.New(l.Diags.Error())
	}
	for _, v := range l.Graph.Servers {
		v.Errors = &runtime.ErrorLog{Out: s}
	}
	return l.Graph, nil
}

func (s *site) reload(config string) error {
	g, err := s.load(s.engine.Graph().State, config)
	if err == nil {
		s.engine.Swap(g)
	}
	return err
}

// send sends a request and returns status and body; fields are "Name: value".
func (s *site) send(method, target, body string, fields ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, "http://"+s.address+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	r.Close = true
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, string(b)
}

const here = "/balancer-manager"

// form posts httpd's form, as its page would, and returns the status.
func (s *site) form(pairs ...string) int {
	s.t.Helper()
	v := url.Values{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		v.Set(name, value)
	}
	r, _ := s.send("POST", here, v.Encode(), "Content-Type: application/x-www-form-urlencoded", "Referer: http://127.0.0.1/balancer-manager")
	return r.StatusCode
}

// api posts JSON and returns the answer.
func (s *site) api(body string, fields ...string) (*http.Response, string) {
	s.t.Helper()
	return s.send("POST", here, body, append(fields, "Content-Type: application/json")...)
}

// worker is a member as the API shows it.
type worker struct {
	Name, ETag, State, Status, Flags, Route, Redirect, Leaving string
	LoadFactor                                                 float64
	LBSet, Elected, LBStatus                                   int
	OwnRoute                                                   struct {
		Minute, FiveMinutes, Hour int
		Last                      *time.Time
	}
	ByHand []struct{ Param, File, Value, Who string }
	Added  *struct{ URL, Who string }
	Recent []int
}

type balancerJSON struct {
	Name, ETag, LBMethod, StickySession    string
	Timeout, MaxAttempts, MaxMembers       int
	NoFailover                             bool
	ByHand                                 []struct{ Param, File, Value, Who string }
	Workers                                []worker
	StickyHits, StickyMisses, RouteChanges int
}

// look asks the API for one balancer.
func (s *site) look(name string) (b balancerJSON) {
	s.t.Helper()
	r, body := s.send("GET", here+"?format=json&b="+name, "")
	if r.StatusCode != 200 {
		s.t.Fatal(r.Status, body)
	}
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// in is what is in force of the worker, in short.
func (w *worker) in() string {
	return fmt.Sprintf("%v %d %q %q %s", w.LoadFactor, w.LBSet, w.Route, w.Redirect, w.Flags)
}

// backend answers with its name until the test ends and returns its URL.
func backend(t testing.TB, name string) string {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
	t.Cleanup(b.Close)
	return b.URL
}
