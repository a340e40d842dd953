package hcheck_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
	"pinion/runtime/proxy"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// site is a configuration that is in force, with its log.
type site struct {
	t      *testing.T
	file   string
	state  *runtime.State
	engine *runtime.Engine
	log    sink
}

// sink is an error log that a test reads line by line.
type sink chan string

func (s sink) Write(p []byte) (int, error) {
	s <- string(p)
	return len(p), nil
}

func begin(t *testing.T, config string) *site {
	t.Helper()
	s := &site{t: t, file: filepath.Join(t.TempDir(), "httpd.conf"), state: runtime.NewState(), log: make(sink, 100000)}
	s.engine = runtime.NewEngine(s.load(config))
	t.Cleanup(func() { s.engine.Stop(context.Background()) })
	return s
}

func load(t *testing.T, file, config string, state *runtime.State) *reload.Loaded {
	t.Helper()
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: filepath.Dir(file)}}
	return source.Load(state)
}

func (s *site) load(config string) *runtime.Graph {
	s.t.Helper()
	l := load(s.t, s.file, "Listen 127.0.0.1:1\nLogLevel proxy_hcheck:trace8 proxy:crit\n"+config, s.state)
	if l.Graph == nil {
		s.t.Fatal(l.Diags)
	}
	for _, v := range l.Graph.Servers {
		v.Errors = &runtime.ErrorLog{Out: s.log}
	}
	return l.Graph
}

func (s *site) reload(config string) { s.t.Helper(); s.engine.Swap(s.load(config)) }

// wait reads the log up to a line with this text.
func (s *site) wait(text string) {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line := <-s.log:
			if strings.Contains(line, text) {
				return
			}
		case <-limit:
			s.t.Fatalf("%q was not logged", text)
		}
	}
}

func (s *site) worker(n int) *proxy.Worker {
	return proxy.ConfOf(s.engine.Graph().Main).Balancers[0].Members[n]
}

// backend answers each request with what answer says, and closes.
type backend struct {
	address string
	answer  atomic.Pointer[func(head string) string]
	asked   atomic.Int64
}

func listen(t *testing.T, answer string) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{address: l.Addr().String()}
	b.set(answer)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.serve(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return b
}

func (b *backend) set(answer string) {
	f := func(string) string { return answer }
	b.answer.Store(&f)
}

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	in, head := bufio.NewReader(c), ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		head += line
	}
	b.asked.Add(1)
	fmt.Fprint(c, (*b.answer.Load())(head))
}

func balancer(members ...string) string {
	return "<Proxy balancer://b>\nBalancerMember " + strings.Join(members, "\nBalancerMember ") + "\n</Proxy>\n"
}

const (
	fine   = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	broken = "HTTP/1.1 500 Broken\r\nContent-Length: 2\r\n\r\nno"
)

// TestCounts follows a worker out of use and back. As httpd's did when asked for 500 200 500 500 200 500 500 200 with hcfails=2 hcpasses=2:
// out with the third, back with the eighth.
func TestCounts(t *testing.T) {
	b := listen(t, "")
	script := []string{broken, fine, broken, broken, fine, broken, broken, fine}
	at := 0
	var outAt, backAt int
	var s *site
	next := func(string) string { // it runs in the backend's goroutine alone
		if at < len(script) {
			at++
			return script[at-1]
		}
		return fine
	}
	b.answer.Store(&next)
	s = begin(t, balancer("http://"+b.address+" hcmethod=HEAD hcinterval=100ms hcfails=2 hcpasses=2 hcuri=/x"))
	if st := s.worker(0).Status(); !st.Usable() {
		t.Errorf("at the start the status is %v, expected it to be usable", st)
	}
	n := 0
	limit := time.After(20 * time.Second)
	for backAt == 0 {
		select {
		case line := <-s.log:
			switch {
			case strings.Contains(line, "AH03254: "):
				n++
			case strings.Contains(line, "[proxy_hcheck:info]") && strings.Contains(line, "AH03303: Threaded Health check DISABLING http://"+b.address):
				outAt = n
			case strings.Contains(line, "[proxy_hcheck:info]") && strings.Contains(line, "AH03302: Threaded Health check ENABLING http://"+b.address):
				backAt = n
			}
		case <-limit:
			t.Fatal("the worker didn't come back")
		}
	}
	if outAt != 3 || backAt != 8 {
		t.Errorf("out of use with answer %d and back with %d, expected 3 and 8", outAt, backAt)
	}
	if h := &s.worker(0).State.Health; h.Passed.Load() < 3 || h.Failed.Load() != 5 {
		t.Errorf("%d passed and %d failed, expected at least 3, and 5", h.Passed.Load(), h.Failed.Load())
	}
}

// TestError checks that passing brings back a worker that requests have put in error.
func TestError(t *testing.T) {
	b := listen(t, fine)
	s := begin(t, balancer("http://"+b.address+" hcmethod=TCP hcinterval=100ms hcpasses=3 status=+E retry=3600"))
	if !s.worker(0).Status().Has(proxy.InError) {
		t.Error("expected the worker to be in error at the start")
	}
	s.wait("AH03302: Threaded Health check ENABLING")
	if !s.worker(0).Usable() {
		t.Errorf("status %v, expected it to be usable", s.worker(0).Status())
	}
}

// TestAnswers checks which answers pass. The expectations are what httpd made of the same answers.
func TestAnswers(t *testing.T) {
	exprs := `ProxyHCExpr in_body {hc('body') =~ /fine/}
ProxyHCExpr "all" "hc('BODY') == 'ok' && %{HC_BODY} == 'ok' && resp('transfer-encoding') == 'chunked' && %{REQUEST_STATUS} == '200' && %{REQUEST_METHOD} == 'GET' && %{SERVER_PROTOCOL} == 'HTTP/1.1'"
ProxyHCExpr never {%{HC_NOPE} == 'a'}
ProxyHCExpr nested {%{REQUEST_STATUS} =~ /^[23]{1}/}
ProxyHCTemplate Two hcmethod=GET hcuri=/tmpl hcinterval=200ms hcexpr=NESTED
`
	cases := []struct {
		params, answer string
		passes         bool
	}{
		{"hcmethod=GET", fine, true},
		{"hcmethod=GET", broken, false},
		{"hcmethod=HEAD", "HTTP/1.1 302 Found\r\nContent-Length: 2000\r\n\r\n", true},
		{"hcmethod=OPTIONS", "HTTP/1.0 204 None\r\n\r\n", true},
		{"hcmethod=GET", "HTTP/1.1 404 Not Found\r\n\r\n", false},
		{"hcmethod=GET hcexpr=in_body", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nfine", true},
		{"hcmethod=GET hcexpr=IN_BODY", "HTTP/1.1 200 OK\r\n\r\nfin", false},
		{"hcmethod=GET hcexpr=in_body", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat(" ", 1<<20) + "fine", false}, // beyond what is kept
		{"hcmethod=HEAD hcexpr=in_body", "HTTP/1.1 200 OK\r\n\r\nfine", false},
		{"hcmethod=GET11 hcexpr=all", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true},
		{"hcmethod=GET hcexpr=never", fine, false},
		{"hctemplate=TWO", "HTTP/1.1 200 OK\r\n\r\n", true},
		{"hctemplate=Two", "HTTP/1.1 404 OK\r\n\r\n", false},
		{"hcmethod=GET", "HTTP/1.1 100 Continue\r\n\r\n" + fine, false},
		{"hcmethod=GET", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", false},
		{"hcmethod=HEAD", "HTTP/1.1 200 OK\r\nbadline\r\n\r\n", false},
		{"hcmethod=HEAD", "HTTP/2.0 200 OK\r\nA: b\r\n\r\n", false},
		{"hcmethod=HEAD", "220 mail\r\n", false},
		{"hcmethod=HEAD", "", false},
		{"hcmethod=TCP", "", true},
	}
	var members []string
	for i, c := range cases {
		if !strings.Contains(c.params, "template") {
			c.params += " hcinterval=100ms"
		}
		// Every worker begins out of use or in use, whichever the check has to change.
		if c.passes {
			c.params += " status=+C"
		}
		members = append(members, fmt.Sprintf("http://%s route=r%d %s", listen(t, c.answer).address, i, c.params))
	}
	s := begin(t, exprs+balancer(members...))
	changed := 0
	limit := time.After(20 * time.Second)
	for changed < len(cases) {
		select {
		case line := <-s.log:
			if strings.Contains(line, "ABLING") {
				changed++
			}
		case <-limit:
			for i, c := range cases {
				if s.worker(i).Usable() != c.passes {
					t.Errorf("%s %q: expected passing to be %v", c.params, c.answer, c.passes)
				}
			}
			t.FailNow()
		}
	}
	for i, c := range cases {
		if s.worker(i).Usable() != c.passes {
			t.Errorf("%s %q: expected passing to be %v", c.params, c.answer, c.passes)
		}
	}
}

// TestReload checks that results go on over a reload, and what ends them.
func TestReload(t *testing.T) {
	b := listen(t, broken)
	member := "http://" + b.address + " hcmethod=GET hcinterval=100ms"
	s := begin(t, balancer(member))
	s.wait("AH03303: ")
	failed := func(want bool, what string) {
		t.Helper()
		if got := s.worker(0).Status().Has(proxy.HCFail); got != want {
			t.Errorf("%s: the status is %v", what, s.worker(0).Status())
		}
	}
	// Longer than the test takes: a result that is lost would not be found again.
	const rare = " hcinterval=3600"
	s.reload(balancer(member + rare))
	failed(true, "the interval is changed")
	s.reload("# changed\n" + balancer(member+rare, "http://127.0.0.1:1"))
	failed(true, "another member is added")
	if l := load(t, s.file, "Listen 1\n"+balancer("http://"+b.address)+"Nonsense on\n", s.state); l.Graph != nil {
		t.Fatal("nonsense was taken")
	}
	failed(true, "a broken file changes nothing")
	s.load(balancer("http://" + b.address)).Retire()
	failed(true, "what never served changes nothing")
	s.reload(balancer(member + rare + " hcuri=/other"))
	failed(false, "another URI is another check, which begins anew")
	s.reload(balancer(member))
	s.wait("AH03303: ")
	s.reload(balancer("http://" + b.address))
	failed(false, "nobody checks any more")
	s.reload(balancer(member))
	s.wait("AH03303: ")
	s.reload("# nothing\n")
	asked := b.asked.Load()
	s.reload(balancer("http://" + listen(t, fine).address + " hcmethod=GET hcinterval=100ms"))
	for range 5 {
		s.wait("AH03251: Health check GET Status (0)")
	}
	if n := b.asked.Load(); n > asked+1 { // one may have been under way
		t.Errorf("a removed worker was asked %d times more", n-asked)
	}
}

// TestStop checks that nothing waits for a backend that doesn't answer: TestMain finds what is left behind.
func TestStop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := begin(t, balancer("http://"+l.Addr().String()+" hcmethod=GET hcinterval=100ms timeout=3600"))
	c, err := l.Accept() // the check is under way
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.engine.Stop(context.Background())
	if !s.worker(0).Usable() {
		t.Error("a check that was broken off counted")
	}
}

// TestTimeout checks that an answer that doesn't end fails.
func TestTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := begin(t, balancer("http://"+l.Addr().String()+" hcmethod=GET hcinterval=100ms timeout=1"))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\nand so on")
	s.wait("AH03303: ")
}

// TestByHand checks that what an operator sets takes effect at once, and stands over a reload.
func TestByHand(t *testing.T) {
	b := listen(t, fine)
	conf := "ProxyHCExpr no {false}\n" + balancer("http://"+b.address)
	s := begin(t, conf)
	set := func(name, value string) {
		t.Helper()
		if _, _, err := s.worker(0).Set(name, value, proxy.Hand{Who: "test", When: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	set("hcinterval", "100")
	set("hcmethod", "GET")
	s.wait("AH03251: Health check GET Status (0)")
	set("hcexpr", "no")
	s.wait("AH03303: ")
	s.reload("# changed\n" + conf)
	if !s.worker(0).Status().Has(proxy.HCFail) {
		t.Error("the reload has lost the result")
	}
	s.wait("AH03251: Health check GET Status (1)")
	set("hcmethod", "NONE")
	if !s.worker(0).Usable() {
		t.Error("out of use, though nobody checks any more")
	}
	for name, value := range map[string]string{"hcexpr": "unknown", "hcuri": "/ HTTP/1.0\r\nX: y", "hcmethod": "CPING"} {
		if _, _, err := s.worker(0).Set(name, value, proxy.Hand{}); err == nil {
			t.Errorf("%s %q was taken", name, value)
		}
	}
}

// TestStopped checks that a stopped worker isn't asked, and is again when it goes on.
func TestStopped(t *testing.T) {
	idle, b := listen(t, fine), listen(t, fine)
	s := begin(t, balancer("http://"+idle.address+" hcmethod=GET hcinterval=100ms status=+S", "http://"+b.address+" hcmethod=GET hcinterval=100ms"))
	for range 5 {
		s.wait("AH03251: ")
	}
	if n := idle.asked.Load(); n != 0 {
		t.Errorf("a stopped worker was asked %d times", n)
	}
	s.worker(0).Operate(proxy.Stopped, false)
	s.wait("AH03251: Health check GET Status (0) for http://" + idle.address)
}

// TestDiagnostics checks what is refused. httpd refuses all of these.
func TestDiagnostics(t *testing.T) {
	for _, c := range []struct{ conf, want string }{
		{"ProxyHCExpr", "wrong-arguments"},
		{"ProxyHCExpr a", "wrong-arguments"},
		{"ProxyHCExpr a {x", "bad-expression"},
		{"ProxyHCExpr a {true} b", "wrong-arguments"},
		{"ProxyHCExpr a }{", "bad-expression"},
		{"ProxyHCExpr abcdefghijklmnop {true}", "bad-value"},
		{"ProxyHCExpr a {%{NOPE} == '1'}", "unknown-variable"},
		{"ProxyHCTemplate", "wrong-arguments"},
		{"ProxyHCTemplate a hcmethod", "bad-parameter"},
		{"ProxyHCTemplate a hcx=1", "bad-parameter"},
		{"ProxyHCTemplate a timeout=1", "bad-parameter"},
		{"ProxyHCTemplate a hcexpr=q", "unknown-name"},
		{"ProxyHCTemplate a hcinterval=50ms", "bad-value"},
		{"ProxyHCTemplate a hcmethod=CPING", "unsupported-value"},
		{"ProxyHCTemplate v hcmethod=GET\n<VirtualHost *>\n" + balancer("http://a hctemplate=v") + "</VirtualHost>", "unknown-name"},
		{"ProxyHCExpr v {true}\n<VirtualHost *>\n" + balancer("http://a hcexpr=v") + "</VirtualHost>", "unknown-name"},
		{"<VirtualHost *>\nProxyHCTPsize 3\n</VirtualHost>", "wrong-context"},
		{balancer("http://a \"hcuri=/a b\""), "bad-value"},
		// Warnings, and what is right.
		{"ProxyPass / http://a/ hcmethod=GET", "unchecked-worker"},
		{"ProxyHCTemplate a hcmethod=GET\nProxyHCTemplate A hcmethod=TCP", "repeated-template"},
		{"<Location /x>\nProxyHCExpr lo true\nProxyHCTemplate x hcexpr=LO\n</Location>\nProxyHCTPsize 3", ""},
		{"ProxyHCTemplate \"a b\" hcmethod=GET hcmethod=HEAD\n" + balancer("http://a \"hctemplate=A B\""), ""},
	} {
		l := load(t, filepath.Join(t.TempDir(), "httpd.conf"), "Listen 127.0.0.1:1\n"+c.conf, runtime.NewState())
		var codes []string
		for _, d := range l.Diags {
			if d.Severity != parser.Note {
				codes = append(codes, d.Code)
			}
		}
		if got := strings.Join(codes, " "); got != c.want {
			t.Errorf("%q: %s, expected %s: %v", c.conf, got, c.want, l.Diags)
		}
		if l.Graph != nil {
			l.Graph.Retire()
		}
	}
}

// TestLast: what the last check found is kept for the manager.
func TestLast(t *testing.T) {
	b := listen(t, fine)
	s := begin(t, "ProxyHCExpr good {%{REQUEST_STATUS} =~ /^2/}\n"+balancer("http://"+b.address+" hcmethod=GET hcinterval=100ms hcpasses=2 hcfails=3 hcexpr=good",
		"http://"+refused(t)+" hcmethod=TCP hcinterval=100ms hcfails=50", "http://"+refused(t)+" hcmethod=NONE"))
	last := func(n int) *proxy.HealthResult { return s.worker(n).State.Health.Last.Load() }
	s.wait("Status (0) for http://" + b.address)
	s.wait("Status (0) for http://" + b.address) // the first result is stored by now
	if l := last(0); l == nil || !l.Passed || l.Why != "answered 200 OK, which meets good" || l.Took <= 0 || l.Ended.IsZero() {
		t.Errorf("%+v", l)
	}
	b.set(broken)
	s.wait("AH03303: Threaded Health check DISABLING http://" + b.address)
	if l := last(0); l.Passed || l.Why != "answered 500 Broken, which does not meet good" {
		t.Errorf("%+v", l)
	}
	b.set(fine)
	s.wait("AH03302: Threaded Health check ENABLING http://" + b.address)
	if l := last(1); l == nil || l.Passed || l.Fails < 1 || !strings.Contains(l.Why, "refused") {
		t.Errorf("%+v", l)
	}
	if l := last(2); l != nil {
		t.Errorf("what isn't checked has a result: %+v", l)
	}
}

// refused is an address at which nobody listens.
func refused(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestSectionTLS: the <Proxy> section of the balancer decides whether its checks speak TLS.
func TestSectionTLS(t *testing.T) {
	for _, c := range []struct {
		server, section string
		speaks          bool
	}{{"On", "", true}, {"On", "SSLProxyEngine Off\n", false}, {"Off", "", false}, {"Off", "SSLProxyEngine On\n", true}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first, done := make(chan byte, 1000), make(chan struct{})
		go func() {
			defer close(done)
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 1)
				if n, _ := nc.Read(b); n == 1 {
					first <- b[0]
				}
				nc.Close()
			}
		}()
		s := begin(t, "SSLProxyEngine "+c.server+"\n<Proxy balancer://b>\n"+c.section+"BalancerMember https://"+l.Addr().String()+" hcmethod=GET hcinterval=100ms\n</Proxy>\n")
		s.wait("AH03251")
		s.wait("AH03251") // the first result is stored by now
		switch r := s.worker(0).State.Health.Last.Load(); {
		case r == nil || r.Passed || strings.Contains(r.Why, "SSLProxyEngine is off") == c.speaks:
			t.Errorf("server %s, section %q: %+v", c.server, c.section, r)
		case c.speaks:
			if b := <-first; b != 22 {
				t.Errorf("server %s, section %q: the first byte is %d, no handshake's", c.server, c.section, b)
			}
		case len(first) > 0:
			t.Errorf("server %s, section %q: something was sent", c.server, c.section)
		}
		l.Close()
		<-done
	}
}
