package authz

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// headerEnv stands in for mod_setenvif: X-A and X-B set the variables A and B. It translates names, too.
var headerEnv = runtime.Define(runtime.Module{Name: "header_env_module", Hooks: []runtime.Hook{
	{Phase: runtime.TranslateName, Always: true, Run: func(*runtime.Request) runtime.Result { return runtime.OK }},
	{Phase: runtime.HeaderParser, Always: true, Run: func(r *runtime.Request) runtime.Result {
		for _, n := range []string{"A", "B"} {
			if r.HeadersIn.Get("X-"+n) == "yes" {
				r.Env.Set(n, "1")
			}
		}
		return runtime.OK
	}},
}})

func testModules() []*runtime.Module {
	return append(append(core.Modules(), Modules()...), headerEnv)
}

// compile makes a graph of a configuration's text, and returns what was said about it.
func compile(t *testing.T, text string) (*runtime.Graph, []*parser.Diagnostic) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table := parser.NewTable(append(parser.Own(), runtime.Shapes(testModules())...))
	tree, read := parser.Load(file, &parser.Options{ServerRoot: dir, Directives: table.Lookup})
	g, compiled := runtime.Compile(tree, testModules(), runtime.Options{})
	return g, append([]*parser.Diagnostic(read), compiled...)
}

// logged is an error log that tests read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.buf.String()
	l.buf.Reset()
	return s
}

// serve serves the graph on a loopback port until the test ends.
func serve(t *testing.T, g *runtime.Graph) (address string, log *logged) {
	t.Helper()
	log = &logged{}
	g.Main.Errors = &runtime.ErrorLog{Out: log}
	e := runtime.NewEngine(g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.Serve(c, nil)
		}
	})
	t.Cleanup(func() {
		l.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		e.Stop(ctx)
		open.Wait()
	})
	return l.Addr().String(), log
}

// question is one of the requests that every set of rules was asked.
type question struct {
	method  string
	headers []string
}

// questions are in the order of the columns of testdata/httpd.txt. The passwords are those of testdata/users.
var questions = []question{
	{"GET", nil}, {"POST", nil}, {"HEAD", nil}, {"GET", []string{"X-A: yes"}}, {"GET", []string{"X-B: yes"}}, {"GET", []string{"X-A: yes", "X-B: yes"}},
	{"GET", []string{"Authorization: Basic am9lOnBhc3N3b3Jk"}}, // joe:password, {SHA}
	{"GET", []string{"Authorization: Basic YW5uOnBhc3N3b3Jk"}}, // ann:password, $apr1$
	{"GET", []string{"Authorization: Basic am9lOndyb25n"}},     // joe:wrong
	{"GET", []string{"Authorization: Basic bm9ib2R5Ong="}},     // nobody:x
	{"GET", []string{"Authorization: Basic Ym9iOnNlY3JldA=="}}, // bob:secret, bcrypt
	{"GET", []string{"Authorization: Bearer x"}},
}

var logID = regexp.MustCompile(`AH\d{5}:`)

// ask returns the status, and the AH numbers of what was logged at warn and above: "403/AH01630".
func ask(t *testing.T, address, path string, q question, log *logged) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lines := append([]string{q.method + " " + path + " HTTP/1.1", "Host: x.example", "Connection: close"}, q.headers...)
	if q.method == "POST" {
		lines = append(lines, "Content-Length: 0")
	}
	if _, err := c.Write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: q.method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), `Basic realm="`) {
		t.Errorf("%s: a 401 that asks for no password: %v", path, resp.Header)
	}
	answer := strconv.Itoa(resp.StatusCode)
	for _, id := range logID.FindAllString(log.take(), -1) {
		answer += "/" + strings.TrimSuffix(id, ":")
	}
	return answer
}

// TestAsHTTPD asks pinion what httpd 2.4.71 was asked, and expects its answers and log lines. In testdata/httpd.txt a
// line "== path" begins the rules of a <Location>, "-- …" lists the answers to questions; what was let in is answered 404.
func TestAsHTTPD(t *testing.T) {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	conf, expected := recorded(t, strings.ReplaceAll(readText(t, "httpd.txt"), "DIR/", dir+"/"))
	g, diags := compile(t, "ServerName x.example\nListen 127.0.0.1:18461\n"+conf)
	if g == nil {
		t.Fatal(diags)
	}
	address, log := serve(t, g)
	for _, e := range expected {
		if skip := elsewhereDNS(e.rules); skip != "" {
			t.Logf("%s: not asked: %s", e.path, skip)
			continue
		}
		var got []string
		for _, q := range questions {
			got = append(got, ask(t, address, e.path, q, log))
		}
		if g := strings.Join(got, " "); g != e.answers {
			t.Errorf("%s\n%s\n got %s\nwant %s", e.path, e.rules, g, e.answers)
		}
	}
}

// elsewhereDNS tells what depends on the name servers of the machine: dns_test.go has names of its own.
func elsewhereDNS(rules string) string {
	if strings.Contains(rules, "Require host") || strings.Contains(rules, "forward-dns") {
		return "the answer depends on the machine's name servers"
	}
	return ""
}

type expectation struct{ path, rules, answers string }

func readText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func recorded(t *testing.T, text string) (conf string, all []expectation) {
	t.Helper()
	for _, part := range strings.Split("\n"+text, "\n== ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		rules, answers, ok := strings.Cut(body+"\n", "\n-- ")
		if !ok {
			t.Fatalf("%s has no answers", head)
		}
		if head != "sections" {
			conf += "<Location " + head + ">\n" + rules + "\n</Location>\n"
			all = append(all, expectation{head, rules, strings.TrimSpace(answers)})
			continue
		}
		conf += rules + "\n"
		for _, line := range strings.Split("-- "+strings.TrimSpace(answers), "\n") {
			path, a, _ := strings.Cut(strings.TrimPrefix(line, "-- "), " ")
			all = append(all, expectation{path, rules, a})
		}
	}
	return conf, all
}
