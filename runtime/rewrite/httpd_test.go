package rewrite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRecorded holds the module against what httpd answered and logged: status, Location, Vary, Set-Cookie, and each
// line of the rewriting log. With PINION_HTTPD set to the path of an httpd it asks that one again and writes the
// answers anew (as root, or with an httpd that needs no User).
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases in testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := newCase(t, a)
			if httpd := os.Getenv("PINION_HTTPD"); httpd != "" {
				c.record(t, httpd, file, a)
			}
			want := section(a, "answers")
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(c.replay(t, runtime.LogTrace8), "\n")); diff != "" {
				t.Errorf("differs from httpd (-httpd +pinion):\n%s", diff)
			}
			// With less of a log, an index skips rules: the answers must be the same.
			if diff := cmp.Diff(withoutLog(want), withoutLog(c.replay(t, runtime.LogTrace1))); diff != "" {
				t.Errorf("differs with less of a log (-httpd +pinion):\n%s", diff)
			}
		})
	}
}

func withoutLog(answers string) string {
	var out []string
	for _, l := range strings.Split(answers, "\n") {
		if !strings.HasPrefix(l, "  ") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// testCase is one file of testdata, its files laid out in a folder.
type testCase struct {
	dir, conf string
	requests  []string
}

func newCase(t *testing.T, a *txtar.Archive) *testCase {
	c := &testCase{dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(c.dir, "htdocs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for p := c.dir; len(p) > len(os.TempDir()); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range a.Files {
		switch f.Name {
		case "answers":
		case "conf":
			c.conf = strings.ReplaceAll(string(f.Data), "${DIR}", c.dir)
		case "requests":
			for _, r := range strings.Split(string(f.Data), "\n\n") {
				if r = strings.Trim(r, "\n"); r != "" {
					c.requests = append(c.requests, r)
				}
			}
		default:
			path := filepath.Join(c.dir, f.Name)
			mode := os.FileMode(0o644)
			if strings.HasSuffix(f.Name, ".sh") {
				mode = 0o755
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f.Data, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

const commonConf = `ServerName example.test
DocumentRoot %[1]s/htdocs
Timeout 20
`

// ask sends each request and appends what the log said of it.
func (c *testCase) ask(t *testing.T, address string, log *logBuffer) string {
	var out strings.Builder
	for _, r := range c.requests {
		log.take()
		lines := strings.Split(r, "\n")
		if !strings.Contains(lines[0], " HTTP/") {
			lines[0] += " HTTP/1.1"
		}
		text := strings.Join(lines, "\r\n") + "\r\n"
		if !strings.Contains(strings.ToLower(r), "\nhost:") {
			text += "Host: example.test\r\n"
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, text+"Connection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		conn.Close()
		logged := log.take()
		status := fmt.Sprint(answer.StatusCode)
		if strings.Contains(logged, "go-ahead with proxy request") {
			status = "proxied"
		}
		fmt.Fprintf(&out, "%s\n= %s\n", strings.Split(r, "\n")[0], status)
		for _, h := range []string{"Location", "Vary", "Set-Cookie"} {
			for _, v := range answer.Header[h] {
				fmt.Fprintf(&out, "%s: %s\n", h, expires.ReplaceAllLiteralString(v, "expires=${TIME}"))
			}
		}
		for _, l := range strings.Split(logged, "\n") {
			if l = c.logLine(l); l != "" {
				out.WriteString("  " + l + "\n")
			}
		}
	}
	return c.maskDir(out.String())
}

// maskDir replaces the case's folder, which also shows without its first slash.
func (c *testCase) maskDir(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, c.dir, "${DIR}"), c.dir[1:], "${DIR}")
}

var (
	expires   = regexp.MustCompile(`expires=[^;]*`)
	timeOfDay = regexp.MustCompile(`input='20\d{13}'`)
	intKey    = regexp.MustCompile(`(map=(lower|upper|unesc)) key=.*? -> `)
	rid       = regexp.MustCompile(`^(\S+ )?[^\s]+ \S+ \S+ \[[^\]]*\]\[rid#[^/]*/`)
)

// logLine takes out of a line what differs from run to run, and httpd's cache of text maps.
func (c *testCase) logLine(l string) string {
	l, ok := strings.CutPrefix(l, "rewrite:")
	level, text, _ := strings.Cut(l, " ")
	switch {
	case !ok || strings.Contains(text, "cache lookup FAILED") || strings.HasPrefix(text, "Evaluation of expression from"):
		return ""
	case strings.HasPrefix(level, "trace"):
		text = rid.ReplaceAllString(text, "[")
	case level != "error":
		return ""
	}
	text, _, _ = strings.Cut(text, ", referer: ")
	text = expires.ReplaceAllLiteralString(text, "expires=${TIME}")
	text = timeOfDay.ReplaceAllLiteralString(text, "${TIME}")
	if cached, ok := strings.CutPrefix(text, "[initial] cache lookup OK: "); ok {
		text = "[initial] map lookup OK: " + cached
		if key, ok := strings.CutSuffix(cached, " -> val="); ok {
			text = "[initial] map lookup FAILED: " + key
		}
	}
	// httpd shows the key after the function has changed it in its place.
	text = intKey.ReplaceAllString(text, "$1")
	if text = c.maskDir(text); len(text) > 400 {
		text = text[:400]
	}
	return level + " " + text
}

// logBuffer is an error log in memory, or the end of a file.
type logBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	file *os.File
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_, _ = l.b.ReadFrom(l.file)
	}
	s := l.b.String()
	l.b.Reset()
	return s
}

// record asks a real httpd.
func (c *testCase) record(t *testing.T, httpd, file string, a *txtar.Archive) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	conf := fmt.Sprintf(commonConf, c.dir) + "ServerRoot " + c.dir + "\nListen " + address + "\nPidFile " + c.dir + "/pid\nErrorLog " + c.dir + "/log\n" +
		"ErrorLogFormat \"%-m:%-l %M\"\nUser www-data\nGroup www-data\nStartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nMutex pthread\n"
	for _, m := range []string{"mpm_event", "authz_core", "rewrite", "proxy", "proxy_http"} {
		conf += "LoadModule " + m + "_module /usr/lib/apache2/modules/mod_" + m + ".so\n"
	}
	conf += "LogLevel warn rewrite:trace8\n" + c.conf
	path := filepath.Join(c.dir, "httpd.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(httpd, "-f", path, "-D", "FOREGROUND")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	for end := time.Now().Add(10 * time.Second); ; {
		// The PidFile is written when the sockets listen. (To dial until it works could end in a dial to oneself.)
		if _, err = os.Stat(filepath.Join(c.dir, "pid")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("httpd doesn't answer: ", err)
		}
	}
	log := &logBuffer{}
	if log.file, err = os.Open(filepath.Join(c.dir, "log")); err != nil {
		t.Fatal(err)
	}
	defer log.file.Close()
	answers := c.ask(t, address, log)
	done := false
	for i := range a.Files {
		if a.Files[i].Name == "answers" {
			a.Files[i].Data = []byte(answers)
			done = true
		}
	}
	if !done {
		a.Files = append(a.Files, txtar.File{Name: "answers", Data: []byte(answers)})
	}
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replay asks pinion: this module, core, and below as much of the others as the answers need.
func (c *testCase) replay(t *testing.T, level runtime.Level) string {
	g := compileText(t, fmt.Sprintf(commonConf, c.dir)+c.conf)
	log := &logBuffer{}
	for _, s := range g.Servers {
		s.Errors = &runtime.ErrorLog{Out: log, Format: func(dst []byte, e *runtime.LogEntry) []byte {
			dst = append(dst, e.ModuleName()+":"+e.Level.String()+" "...)
			if e.ID != "" {
				dst = append(dst, e.ID+": "...)
			}
			return runtime.AppendLogEscaped(dst, e.Message)
		}}
		s.Dir.Core.LogLevel = &runtime.LogLevels{Modules: map[*runtime.Module]runtime.Level{Module: level}}
	}
	return c.ask(t, serve(t, g), log)
}

// testModules are the modules of a graph in tests.
func testModules() []*runtime.Module {
	return append(core.Modules(), Module, fakeProxy, files)
}

func load(t testing.TB, conf string) *parser.Tree {
	t.Helper()
	table := parser.NewTable(runtime.Shapes(testModules()))
	path := filepath.Join(t.TempDir(), "test.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	tree, diags := parser.Load(path, &parser.Options{Directives: table.Lookup})
	for _, d := range diags {
		if d.Severity == parser.Error {
			t.Fatalf("%v\n%s", d, conf)
		}
	}
	return tree
}

func compileText(t testing.TB, conf string) *runtime.Graph {
	t.Helper()
	g, diags := runtime.Compile(load(t, conf), testModules(), runtime.Options{})
	if g == nil {
		t.Fatal(diags)
	}
	return g
}

// serve serves a graph on a loopback port until the test ends.
func serve(t *testing.T, g *runtime.Graph) (address string) {
	t.Helper()
	e := runtime.NewEngine(g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			e.Serve(conn, nil)
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

// fakeProxy answers as mod_proxy does where nobody listens.
var fakeProxy = runtime.Define(runtime.Module{Name: "proxy_module", File: "mod_proxy.c", Hooks: []runtime.Hook{
	{Phase: runtime.MapToStorage, Order: runtime.First, Always: true, Run: func(r *runtime.Request) runtime.Result {
		if r.Proxy == runtime.ProxyNone {
			return runtime.Declined
		}
		r.WalkProxySections(strings.TrimPrefix(r.Filename, "proxy:"))
		return runtime.OK
	}},
	{Phase: runtime.Handler, Order: runtime.First, Always: true, Run: func(r *runtime.Request) runtime.Result {
		if r.Proxy == runtime.ProxyNone {
			return runtime.Declined
		}
		return 503
	}},
}})

// files is as much of core's map_to_storage and default handler as the cases need.
var files = runtime.Define(runtime.Module{Name: "files_module", File: "mod_files.c", Hooks: []runtime.Hook{
	{Phase: runtime.TranslateName, Order: runtime.ReallyLast, Always: true, Run: func(r *runtime.Request) runtime.Result {
		return r.CoreTranslate(r.URI)
	}},
	{Phase: runtime.MapToStorage, Order: runtime.ReallyLast, Always: true, Run: walkFolders},
	{Phase: runtime.Handler, Order: runtime.ReallyLast, Always: true, Run: func(r *runtime.Request) runtime.Result {
		if r.Method != "OPTIONS" && (r.FileInfo == nil || r.PathInfo != "" || r.FileInfo.IsDir()) {
			return 404
		}
		r.SendText("text/plain", "file")
		return runtime.OK
	}},
}})

func walkFolders(r *runtime.Request) runtime.Result {
	name := r.Filename
	for len(name) > 1 {
		if fi, err := os.Stat(name); err == nil {
			r.FileInfo = fi
			if fi.IsDir() && name != r.Filename {
				// httpd leaves one name that isn't there to the file name.
				rest := r.Filename[len(name):]
				if i := strings.IndexByte(rest[1:], '/'); i >= 0 {
					r.FileInfo, r.Filename, r.PathInfo = nil, r.Filename[:len(name)+1+i], rest[1+i:]
				} else {
					r.FileInfo = nil
				}
			} else if name != r.Filename {
				r.Filename, r.PathInfo = name, r.Filename[len(name):]
			}
			break
		}
		name = name[:strings.LastIndexByte(name, '/')]
	}
	for _, s := range r.Server.Directories {
		if strings.HasPrefix(r.Filename+"/", s.Path) {
			r.Dir = r.Dir.With(s)
		}
	}
	for _, s := range r.Dir.Core.Files {
		if s.Path == filepath.Base(r.Filename) {
			r.Dir = r.Dir.With(s)
		}
	}
	return runtime.OK
}
