// Package runtimetest serves a configuration on a loopback port for the tests of modules.
package runtimetest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pinion/parser"
	"pinion/runtime"
)

// File is a module whose handler answers as httpd does with a small file: three bytes of text/html for every path
// but those that begin with /missing, which get 404. A path that begins with /show gets the rest of it, without the slash,
// as a header's name, whose value in the request is the body.
var File = runtime.Define(runtime.Module{Name: "file_module", File: "mod_file.c", Hooks: []runtime.Hook{
	{Phase: runtime.TranslateName, Order: runtime.ReallyLast, Always: true, Run: func(r *runtime.Request) runtime.Result {
		r.Filename = "/srv/www" + r.URI
		return runtime.OK
	}},
	{Phase: runtime.TypeChecker, Order: runtime.ReallyLast, Always: true, Run: func(r *runtime.Request) runtime.Result {
		r.ContentType = "text/html"
		return runtime.OK
	}},
	{Phase: runtime.Handler, Order: runtime.ReallyLast, Always: true, Run: handle},
}})

func handle(r *runtime.Request) runtime.Result {
	if strings.HasPrefix(r.URI, "/missing") {
		return 404
	}
	body := "hi\n"
	if name, ok := strings.CutPrefix(r.URI, "/show/"); ok {
		body = strings.Join(r.HeadersIn.Values(name), "|")
	}
	r.HeadersOut.Set("Last-Modified", "Fri, 20 Nov 2026 10:12:58 GMT")
	r.HeadersOut.Set("ETag", `"3-660b27d100d41"`)
	r.HeadersOut.Set("Accept-Ranges", "bytes")
	r.HeadersOut.Set("Content-Length", strconv.Itoa(len(body)))
	if err := r.SendText("", body); err != nil {
		return runtime.Done
	}
	return runtime.OK
}

// Compile compiles a configuration with these modules and File. The graph is nil with errors among the diagnostics.
func Compile(t testing.TB, config string, modules ...*runtime.Module) (*runtime.Graph, []*parser.Diagnostic) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "test.conf")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	modules = append(modules[:len(modules):len(modules)], File)
	table := parser.NewTable(runtime.Shapes(modules))
	tree, diags := parser.Load(name, &parser.Options{
		Directives: table.Lookup, Nearest: table.Nearest,
		Modules: func(name string) bool { return runtime.HasModule(modules, name) },
	})
	for _, d := range diags {
		if d.Severity == parser.Error {
			return nil, diags
		}
	}
	g, more := runtime.Compile(tree, modules, runtime.Options{})
	return g, append(diags, more...)
}

// Serve compiles and serves a configuration until the test ends, and returns the address. It fails the test when the
// configuration doesn't compile.
func Serve(t testing.TB, config string, modules ...*runtime.Module) string {
	t.Helper()
	g, diags := Compile(t, config, modules...)
	if g == nil {
		for _, d := range diags {
			t.Errorf("line %d: %s", d.Place.Range.Start.Line, d.Summary)
		}
		t.FailNow()
	}
	g.Banner = "Apache/2.4.71 (Debian)"
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
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("accept: %v", err)
				}
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

var date = regexp.MustCompile(`(?m)^Date: .*$`)

// Get sends one GET with these header lines on a connection of its own and returns the answer, with plain line feeds
// and without the values of Date and Connection's field.
func Get(t testing.TB, address, path string, headers ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := append([]string{"GET " + path + " HTTP/1.1", "Host: 127.0.0.1:18361", "Connection: close"}, headers...)
	if _, err := io.WriteString(c, strings.Join(head, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.ReplaceAll(string(b), "\r\n", "\n")
	answer = strings.Replace(answer, "Connection: close\n", "", 1)
	return date.ReplaceAllString(answer, "Date: D")
}

// Field returns the values of a header in an answer that Get returned, joined by "|".
func Field(answer, name string) string {
	var values []string
	head, _, _ := strings.Cut(answer, "\n\n")
	for _, line := range strings.Split(head, "\n")[1:] {
		if k, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(k, name) {
			values = append(values, v)
		}
	}
	return strings.Join(values, "|")
}

// Main runs the tests of a package and fails when they leave goroutines behind.
func Main(m *testing.M) {
	// The clock of regexp2's time limit goes on for a while after the last match.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}
