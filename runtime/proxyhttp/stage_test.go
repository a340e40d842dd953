package proxyhttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/proxy"
	"pinion/runtime/runtimetest"
	"pinion/runtime/tls"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// stage gives the tests what other modules do: the environment, a ServerName, log lines.
var stage = runtime.Define(runtime.Module{Name: "stage_module", File: "mod_stage.c"})

type stageConf struct{ env [][2]string }

func init() {
	stage.Directives = []runtime.Directive{
		{Name: "ServerName", Args: parser.Take1, In: parser.ServerWide, Set: func(c *runtime.Cmd) error { c.Server.ServerName = c.Arg(0); return nil }},
		{Name: "LogLevel", Args: parser.Take1, In: parser.ServerWide, Set: func(c *runtime.Cmd) error {
			l, _ := runtime.ParseLevel(c.Arg(0))
			c.Dir.Core.LogLevel = &runtime.LogLevels{Default: runtime.Some(l)}
			return nil
		}},
		{Name: "SetEnv", Args: parser.Take2, In: parser.ServerWide, Set: func(c *runtime.Cmd) error {
			conf := runtime.OwnServerConf[stageConf](c.Server, stage)
			conf.env = append(conf.env, [2]string{c.Arg(0), c.Arg(1)})
			return nil
		}},
		{Name: "MaxKeep", Args: parser.Take1, In: parser.ServerWide, Set: func(c *runtime.Cmd) error {
			c.Server.Settings.MaxKeepAliveRequests = runtime.Some(0)
			return nil
		}},
	}
	stage.Hooks = []runtime.Hook{
		{Phase: runtime.TranslateName, Order: runtime.ReallyLast, Always: true, Run: func(*runtime.Request) runtime.Result { return runtime.OK }},
		{Phase: runtime.PostReadRequest, Run: func(r *runtime.Request) runtime.Result {
			for _, e := range runtime.ServerConf[stageConf](r.Server, stage).env {
				r.Env.Set(e[0], e[1])
			}
			return runtime.OK
		}},
	}
}

// compile compiles with a State that lives on.
func compile(t testing.TB, st *runtime.State, config string) *runtime.Graph {
	t.Helper()
	name := filepath.Join(t.TempDir(), "t.conf")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	modules := []*runtime.Module{proxy.Module, proxy.Pinion, Module, WSTunnel, tls.Module, stage}
	table := parser.NewTable(runtime.Shapes(modules))
	tree, diags := parser.Load(name, &parser.Options{
		Modules: func(string) bool { return false }, Directives: table.Lookup, Nearest: table.Nearest})
	if tree == nil {
		t.Fatal(diags)
	}
	g, more := runtime.Compile(tree, modules, runtime.Options{State: st})
	if g == nil {
		t.Fatal(diags, more)
	}
	return g
}

// server is a server with the modules under test.
type server struct {
	addr   string
	graph  *runtime.Graph
	engine *runtime.Engine
	mu     sync.Mutex
	lines  strings.Builder
}

func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Write(p)
}

// logged are the lines of the error log from the message's number on.
func (s *server) logged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return regexp.MustCompile(`AH\d{5}.*`).FindAllString(s.lines.String(), -1)
}

func (s *server) hasLogged(id string) bool {
	for _, l := range s.logged() {
		if strings.HasPrefix(l, id) {
			return true
		}
	}
	return false
}

func (s *server) worker(i int) *proxy.Worker { return proxy.ConfOf(s.graph.Main).Workers[i] }

func (s *server) pool(i int) *transport { return s.worker(i).Transport.(*transport) }

// serveConfig serves a configuration until the test ends. tune changes what was compiled, for values that the language doesn't have.
func serveConfig(t testing.TB, config string, tune ...func(*server)) *server {
	t.Helper()
	g := compile(t, nil, "ServerName example.test\n"+config)
	s := &server{graph: g}
	g.Banner = "Apache/2.4.71 (Debian)"
	for _, v := range g.Servers {
		v.Errors = &runtime.ErrorLog{Out: s}
	}
	for _, f := range tune {
		f(s)
	}
	s.engine = runtime.NewEngine(g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("accept: %v", err)
				}
				return
			}
			s.engine.Serve(c, nil)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.engine.Stop(ctx)
	})
	s.addr = l.Addr().String()
	return s
}

// peer is one side of a connection as a test plays it. Every wait ends after some time, which fails the test.
type peer struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func newPeer(t testing.TB, c net.Conn) *peer {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t, c, bufio.NewReaderSize(c, 64<<10)}
}

func (p *peer) send(s string) {
	if _, err := io.WriteString(p.Conn, s); err != nil {
		p.t.Errorf("sending %.60q: %v", s, err)
	}
}

// head reads a head; "" at the connection's end.
func (p *peer) head() string {
	var b strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			if b.Len() > 0 || line != "" {
				p.t.Errorf("a head ended early: %q %q: %v", b.String(), line, err)
			}
			return ""
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

func (p *peer) bytes(n int) string {
	b := make([]byte, n)
	if n, err := io.ReadFull(p.r, b); err != nil {
		p.t.Errorf("expected %d bytes, found %d: %v", len(b), n, err)
	}
	return string(b)
}

func (p *peer) rest() string {
	b, err := io.ReadAll(p.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		p.t.Errorf("reading to the end: %v", err)
	}
	return string(b)
}

// reset closes with a RST.
func (p *peer) reset() {
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Conn.Close()
}

// backend serves each connection with script, n being its number from 0 on, until the test ends.
func backend(t testing.TB, script func(n int, p *peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveBackend(t, l, script)
}

func serveBackend(t testing.TB, l net.Listener, script func(n int, p *peer)) string {
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Add(1)
	go func() {
		defer all.Done()
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Add(1)
			go func() {
				defer all.Done()
				defer c.Close()
				script(n, newPeer(t, c))
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// always answers every request without a body in the same way.
func always(answer string) func(int, *peer) {
	return func(_ int, p *peer) {
		for p.head() != "" {
			p.send(answer)
		}
	}
}

func dial(t testing.TB, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newPeer(t, c)
}

var dates = regexp.MustCompile(`(?m)^Date: .*\r$`)

// ask sends one request on a connection of its own and returns all that comes until it closes.
func ask(t testing.TB, s *server, request string) string {
	t.Helper()
	p := dial(t, s.addr)
	p.send(request)
	p.Conn.(*net.TCPConn).CloseWrite()
	return dates.ReplaceAllString(p.rest(), "Date: D\r")
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
