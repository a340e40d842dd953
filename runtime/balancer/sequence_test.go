package balancer

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/heartbeat"
	"pinion/runtime/proxy"
)

var record = flag.Bool("record", false, "record testdata/sequences.txt from Debian's apache2")

const sequences = "testdata/sequences.txt"

// sequence is one case of sequences.txt.
type sequence struct {
	name     string
	lines    []string
	hotSpare bool
	asks     string
	answers  string
}

func readSequences(t *testing.T) (head string, all []*sequence) {
	t.Helper()
	text, err := os.ReadFile(sequences)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "== ")
	for _, block := range strings.Split(rest, "\n== ") {
		name, body, _ := strings.Cut(block, "\n")
		s := &sequence{name: name}
		for _, line := range strings.Split(strings.TrimSpace(body), "\n") {
			if asks, answers, ok := strings.Cut(line, "=>"); ok {
				s.asks, s.answers = strings.TrimSpace(asks), strings.TrimSpace(answers)
			} else if line == "hot-spare" {
				s.hotSpare = true
			} else {
				s.lines = append(s.lines, line)
			}
		}
		all = append(all, s)
	}
	return head, all
}

// config is the case as the configuration of a whole server, with the ports of B1… and X1….
func (s *sequence) config(port func(name string) string) string {
	var b strings.Builder
	b.WriteString("<Proxy balancer://x>\n")
	for _, line := range s.lines {
		if i := strings.Index(line, "http://"); i >= 0 {
			name := line[i+7 : i+9]
			line = line[:i+7] + "127.0.0.1:" + port(name) + line[i+9:]
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("</Proxy>\nProxyPass / balancer://x/\n")
	return b.String()
}

// steps are the requests one by one.
func (s *sequence) steps() (all []string) {
	for _, word := range strings.Fields(s.asks) {
		word, times, many := strings.Cut(word, "*")
		n := 1
		if many && times != "" {
			n, _ = strconv.Atoi(times)
		}
		for range n {
			all = append(all, word)
		}
	}
	return all
}

// holder is what backends do with a request for /hold: tell that it came, then wait.
type holder struct{ arrived chan arrival }

type arrival struct {
	name    string
	release chan bool
}

func newHolder() *holder { return &holder{make(chan arrival)} }

// serve is a backend's answer to the path.
func (h *holder) serve(name, path string) (status int, body string) {
	switch path {
	case "/hold":
		a := arrival{name, make(chan bool)}
		h.arrived <- a
		<-a.release
	case "/500":
		return 500, name
	}
	return 200, name
}

// run sends the requests and says who answered.
func (s *sequence) run(t *testing.T, address string, h *holder) string {
	t.Helper()
	var got []string
	type request struct {
		arrival
		answer chan string
	}
	var held []request
	defer func() {
		for _, q := range held {
			close(q.release)
			<-q.answer
		}
	}()
	for _, step := range s.steps() {
		switch step[0] {
		case '(':
			answer := make(chan string, 1)
			go func() { answer <- ask(address, "/hold", "") }()
			select {
			case a := <-h.arrived:
				got = append(got, a.name)
				held = append(held, request{a, answer})
			case a := <-answer:
				t.Fatalf("a request to be held was answered: %s", a)
			}
		case ')':
			close(held[0].release)
			got = append(got, <-held[0].answer)
			held = held[1:]
		case '!':
			got = append(got, ask(address, "/500", ""))
		default:
			cookie := ""
			if len(step) > 1 {
				cookie = "Cookie: ROUTEID=x." + step[1:] + "\r\n"
			}
			got = append(got, ask(address, "/", cookie))
		}
	}
	return strings.Join(got, " ")
}

// ask sends a request on a connection of its own and returns the answering member's number, or the status.
func ask(address, path, fields string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n", path, fields)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err.Error()
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	// The connection's end tells that the request has ended and its member is no longer busy.
	io.Copy(io.Discard, c)
	if resp.StatusCode != 200 {
		return strconv.Itoa(resp.StatusCode)
	}
	return string(body)
}

// backends are what the scheme handler of this test has in place of sockets: port 1 to 5 work, all others refuse.
var backends struct {
	sync.Mutex
	*holder
}

func init() { proxy.HandleScheme("http", pretend) }

func pretend(r *runtime.Request, w *proxy.Worker, url string) runtime.Result {
	if w.Port > 5 {
		w.Fail(time.Now())
		return 503
	}
	backends.Lock()
	h := backends.holder
	backends.Unlock()
	path := url[strings.LastIndexByte(url, '/'):]
	status, body := h.serve(strconv.Itoa(w.Port), path)
	r.Status = status
	if r.SendText("text/plain", body) != nil {
		r.Conn.KeepAlive = runtime.KeepAliveClose
	}
	return runtime.OK
}

func testPort(name string) string {
	if name[0] == 'X' {
		return "9" + name[1:]
	}
	return name[1:]
}

func testModules() []*runtime.Module {
	return slices.Concat(core.Modules(), []*runtime.Module{proxy.Module, proxy.Pinion}, heartbeat.Modules(), Modules())
}

func compile(t testing.TB, text string, st *runtime.State) (*runtime.Graph, []*parser.Diagnostic) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table := parser.NewTable(runtime.Shapes(testModules()))
	tree, diags := parser.Load(file, &parser.Options{Directives: table.Lookup, Modules: func(name string) bool { return runtime.HasModule(testModules(), name) }})
	if diags.HasErrors() {
		return nil, diags
	}
	g, more := runtime.Compile(tree, testModules(), runtime.Options{State: st})
	return g, append(diags, more...)
}

func mustCompile(t testing.TB, text string, st *runtime.State) *runtime.Graph {
	t.Helper()
	g, diags := compile(t, text, st)
	if g == nil {
		t.Fatal(diags)
	}
	return g
}

func serve(t testing.TB, g *runtime.Graph) string {
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
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e.Stop(ctx)
	})
	return l.Addr().String()
}

// TestSequences sends the requests of each case through a whole server and compares with whom httpd sent them to.
func TestSequences(t *testing.T) {
	head, all := readSequences(t)
	if *record {
		recordSequences(t, head, all)
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			h := newHolder()
			backends.Lock()
			backends.holder = h
			backends.Unlock()
			conf := s.config(testPort)
			if s.hotSpare {
				conf = "BalancerFlagR hot-spare\n" + conf
			}
			address := serve(t, mustCompile(t, conf, nil))
			if got := s.run(t, address, h); got != s.answers {
				t.Errorf("%s\ngot   %s\nhttpd %s", s.asks, got, s.answers)
			}
		})
	}
}

// recordSequences asks a real httpd and writes the answers into the file.
func recordSequences(t *testing.T, head string, all []*sequence) {
	var b strings.Builder
	b.WriteString(head)
	for _, s := range all {
		h := newHolder()
		ports := map[string]string{}
		for i := 1; i <= 5; i++ {
			name := "B" + strconv.Itoa(i)
			ports[name] = realBackend(t, name[1:], h)
		}
		dead, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, free, _ := net.SplitHostPort(dead.Addr().String())
		dead.Close()
		n, _ := strconv.Atoi(free)
		address := startHTTPD(t, s.config(func(name string) string {
			if p := ports[name]; p != "" {
				return p
			}
			// Low ports that nobody listens on: a free high one could be taken meanwhile.
			return strconv.Itoa(n%50 + 10*int(name[1]-'0') + 200)
		}))
		s.answers = s.run(t, address, h)
		b.WriteString("== " + s.name + "\n" + strings.Join(s.lines, "\n") + "\n")
		if s.hotSpare {
			b.WriteString("hot-spare\n")
		}
		b.WriteString(s.asks + " => " + s.answers + "\n\n")
	}
	if err := os.WriteFile(sequences, []byte(strings.TrimSpace(b.String())+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func realBackend(t *testing.T, name string, h *holder) (port string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := h.serve(name, r.URL.Path)
		w.WriteHeader(status)
		io.WriteString(w, body)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// startHTTPD runs Debian's apache2 with one process until the test ends.
func startHTTPD(t *testing.T, conf string) (address string) {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "ServerRoot %s\nServerName x\nPidFile %[1]s/pid\nErrorLog %[1]s/error.log\nDefaultRuntimeDir %[1]s\nListen %s\n", dir, address)
	for _, m := range strings.Fields("mpm_event authz_core proxy proxy_http proxy_balancer slotmem_shm lbmethod_byrequests lbmethod_bytraffic lbmethod_bybusyness") {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	b.WriteString("StartServers 1\nServerLimit 1\n" + conf)
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("apache2", "-f", file, "-X")
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Skip("recording needs Debian's apache2: ", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("httpd doesn't listen: %v\n%s", err, out)
		}
	}
}
