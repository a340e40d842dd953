package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/pcre"
)

func TestMain(m *testing.M) {
	// regexp2 keeps one goroutine for its time limits; it ends by itself.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// stage is the rest of a server, as far as these tests need it: some directives of core and mod_setenvif, and an end for
// requests that are not proxied.
var stage = runtime.Define(runtime.Module{Name: "stage_module", File: "mod_stage.c"})

type stageConf struct {
	envs []stageEnv
}

type stageEnv struct {
	header, name, value string
	re                  *pcre.Regexp
}

func init() {
	const all = everywhere
	stage.Directives = []runtime.Directive{
		{Name: "ServerName", Args: parser.Take1, In: parser.ServerWide, Set: func(c *runtime.Cmd) error { c.Server.ServerName = c.Arg(0); return nil }},
		{Name: "AllowEncodedSlashes", Args: parser.Take1, In: all, Set: func(c *runtime.Cmd) error {
			c.Dir.Core.AllowEncodedSlashes = runtime.Some(strings.ToLower(c.Arg(0)))
			return nil
		}},
		{Name: "MergeSlashes", Args: parser.Flag, In: parser.ServerWide, Set: func(c *runtime.Cmd) error {
			c.Server.Settings.MergeSlashes = runtime.Some(c.Flag())
			return nil
		}},
		{Name: "TraceEnable", Args: parser.Take1, In: parser.ServerWide, Set: func(c *runtime.Cmd) error {
			c.Server.Settings.TraceEnable = runtime.Some(c.Arg(0))
			return nil
		}},
		{Name: "SetHandler", Args: parser.Take1, In: all, Set: func(c *runtime.Cmd) error {
			h := c.Arg(0)
			c.Dir.Core.SetHandler = runtime.Some(func(*runtime.Request) string { return h })
			return nil
		}},
		{Name: "SetEnvIf", Args: parser.Take3, In: parser.ServerWide, Set: func(c *runtime.Cmd) error {
			re, err := c.Regexp(1, pcre.Default)
			name, value, _ := strings.Cut(c.Arg(2), "=")
			conf := runtime.OwnServerConf[stageConf](c.Server, stage)
			conf.envs = append(conf.envs, stageEnv{c.Arg(0), name, value, re})
			return err
		}},
	}
	stage.Hooks = []runtime.Hook{
		{Phase: runtime.PostReadRequest, Run: func(r *runtime.Request) runtime.Result {
			for _, e := range runtime.ServerConf[stageConf](r.Server, stage).envs {
				subject := r.HeadersIn.Get(e.header)
				if loc, _ := e.re.Find(subject, nil); loc != nil {
					r.Env.Set(e.name, substitute(e.value, subject, loc))
				}
			}
			return runtime.OK
		}},
		{Phase: runtime.TranslateName, Order: runtime.ReallyLast, Always: true, Run: func(r *runtime.Request) runtime.Result {
			r.Filename = "/srv" + r.URI
			return runtime.OK
		}},
	}
	HandleScheme("http", func(r *runtime.Request, w *Worker, url string) runtime.Result { return backendOf(r, w, url) })
	SetSelector(Selector{PreRequest: firstUsable, PostRequest: func(r *runtime.Request, b *Balancer, w *Worker) { postSeen(r, b, w) }})
}

// backend stands for mod_proxy_http; a test may replace it. It answers with the URL.
var backendOf = echoURL

var postSeen = func(*runtime.Request, *Balancer, *Worker) {}

func echoURL(r *runtime.Request, w *Worker, url string) runtime.Result {
	r.SendText("text/plain", url)
	return runtime.OK
}

// firstUsable is a selector without a method.
func firstUsable(r *runtime.Request, b *Balancer, url *string) (*Worker, runtime.Result) {
	for _, w := range b.Members {
		if w.Usable() {
			to, res := MemberURL(r, w, *url)
			*url = to
			return w, res
		}
	}
	return nil, 503
}

// compile compiles the text of a configuration.
func compile(t testing.TB, text string, st *runtime.State) (*runtime.Graph, []*parser.Diagnostic) {
	t.Helper()
	modules := []*runtime.Module{stage, Module, Pinion}
	table := parser.NewTable(runtime.Shapes(modules))
	file := t.TempDir() + "/httpd.conf"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, diags := parser.Load(file, &parser.Options{Directives: table.Lookup, Modules: func(n string) bool { return runtime.HasModule(modules, n) }})
	if diags.HasErrors() {
		return nil, diags
	}
	g, more := runtime.Compile(tree, modules, runtime.Options{State: st})
	return g, append(diags, more...)
}

// mustCompile compiles a configuration that has no errors.
func mustCompile(t testing.TB, text string) *runtime.Graph {
	t.Helper()
	g, diags := compile(t, text, nil)
	if g == nil {
		t.Fatal(diags)
	}
	return g
}

// serve serves g on a loopback port until the test ends.
func serve(t testing.TB, g *runtime.Graph) (address string) {
	t.Helper()
	g.Banner = "Apache"
	e := runtime.NewEngine(g)
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
				return
			}
			e.Serve(c, nil)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		e.Stop(ctx)
	})
	return l.Addr().String()
}

// ask sends one request and returns status and body.
func ask(t testing.TB, address, method, target, host, fields string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", method, target, host, fields)
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
