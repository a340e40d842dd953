package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
	"pinion/runtime/metrics"
	"pinion/runtime/runtimetest"
)

// site is a running engine whose configuration can be replaced.
type site struct {
	t       *testing.T
	file    string
	state   *runtime.State
	engine  *runtime.Engine
	address string
}

// serve runs the configuration, which need not listen anywhere, until the test ends.
func serve(t *testing.T, config string) *site {
	t.Helper()
	s := &site{t: t, file: filepath.Join(t.TempDir(), "httpd.conf"), state: runtime.NewState()}
	s.engine = runtime.NewEngine(s.load(config))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.engine.Serve(c, nil)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.engine.Stop(ctx)
	})
	return s
}

func (s *site) load(config string) *runtime.Graph {
	s.t.Helper()
	l := load(s.t, s.file, config, s.state)
	if l.Graph == nil {
		s.t.Fatal(l.Diags)
	}
	return l.Graph
}

func load(t *testing.T, file, config string, state *runtime.State) *reload.Loaded {
	t.Helper()
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: filepath.Dir(file)}}
	return source.Load(state)
}

func (s *site) reload(config string) { s.t.Helper(); s.engine.Swap(s.load(config)) }

// send sends one request on a connection of its own and returns the status line. When it returns, the request has been counted: the
// connection has been closed by the server, which counts it no more.
func (s *site) send(method, host, path string, fields ...string) string {
	s.t.Helper()
	defer s.settle()()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: " + host, "Connection: close"}, fields...)
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(answer), "\r\n")
	return line
}

// settle returns a function that waits until no more connections are open than now: the server counts a connection as open for some
// moments after the client has seen its end.
func (s *site) settle() func() {
	before, _ := s.engine.Connections()
	return func() {
		s.t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			open, _ := s.engine.Connections()
			if open <= before {
				return
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("%d connections are open, expected %d", open, before)
			}
		}
	}
}

// figures are the values of series, by name and labels as in the text format, labels in order.
type figures map[string]float64

func parse(t *testing.T, text string) figures {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("the output is not Prometheus' text format: %v", err)
	}
	out := figures{}
	for name, f := range families {
		for _, m := range f.Metric {
			out[name+labelsOf(m)] = value(m)
		}
	}
	return out
}

func labelsOf(m *dto.Metric) string {
	var all []string
	for _, l := range m.Label {
		all = append(all, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

// value is a counter's or gauge's; a histogram's is how much it has observed.
func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	}
	return m.Gauge.GetValue()
}

// scrape reads the metrics through the virtual host that has them.
func (s *site) scrape() figures {
	s.t.Helper()
	defer s.settle()()
	answer := runtimetest.Get(s.t, s.address, "/metrics", "X-Test: 1")
	head, body, _ := strings.Cut(answer, "\n\n")
	if !strings.HasPrefix(head, "HTTP/1.1 200 ") || runtimetest.Field(answer, "Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		s.t.Fatalf("scrape: %s", head)
	}
	return parse(s.t, body)
}

func (f figures) expect(t *testing.T, want figures) {
	t.Helper()
	for series, v := range want {
		if got, ok := f[series]; !ok {
			t.Errorf("%s is missing", series)
		} else if got != v {
			t.Errorf("%s is %v, expected %v", series, got, v)
		}
	}
}

func (f figures) absent(t *testing.T, part string) {
	t.Helper()
	for series := range f {
		if strings.Contains(series, part) {
			t.Errorf("%s is still exported", series)
		}
	}
}

// startBackend answers /teapot with 418, /odd with 799, all else with 200.
func startBackend(t *testing.T) (url string) {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/teapot":
			w.WriteHeader(418)
		case "/odd":
			w.WriteHeader(799)
		}
		io.WriteString(w, "hello")
	}))
	t.Cleanup(b.Close)
	return b.URL
}

const page = `ServerName main.test
<VirtualHost *:*>
  ServerName default.test:80
  <Location /metrics>
    SetHandler prometheus
    Require local
  </Location>
</VirtualHost>
`

func shop(backend string) string {
	return `<VirtualHost *:*>
  ServerName shop.test:80
  ProxyPass /lone ` + backend + `/lone
  ProxyPass / balancer://shop/ stickysession=ROUTEID
  <Proxy balancer://shop>
    BalancerMember ` + backend + ` route=a
    BalancerMember http://127.0.0.1:1 route=b status=+D hcmethod=TCP hcinterval=3600
  </Proxy>
</VirtualHost>
`
}

func TestExport(t *testing.T) {
	backend := startBackend(t)
	s := serve(t, page+shop(backend))
	for _, q := range []struct{ method, path, field, status string }{
		{"GET", "/", "X-None: 1", "HTTP/1.1 200 OK"},
		{"GET", "/", "Cookie: ROUTEID=x.a", "HTTP/1.1 200 OK"},
		{"GET", "/", "Cookie: ROUTEID=x.b", "HTTP/1.1 200 OK"},
		{"HEAD", "/", "X-None: 1", "HTTP/1.1 200 OK"},
		{"BREW", "/teapot", "X-None: 1", "HTTP/1.1 418 I'm a teapot"},
		{"GET", "/odd", "X-None: 1", ""},
		{"GET", "/lone", "X-None: 1", "HTTP/1.1 200 OK"},
		{"GET", "/%zz", "X-None: 1", "HTTP/1.1 400 Bad Request"},
	} {
		if line := s.send(q.method, "shop.test", q.path, q.field); q.status != "" && line != q.status {
			t.Fatalf("%s %s: %s, expected %s", q.method, q.path, line, q.status)
		}
	}
	f := s.scrape()
	f.expect(t, figures{
		`pinion_requests_total{code="200",method="GET",vhost="shop.test:80"}`:                               4,
		`pinion_requests_total{code="200",method="HEAD",vhost="shop.test:80"}`:                              1,
		`pinion_requests_total{code="418",method="OTHER",vhost="shop.test:80"}`:                             1,
		`pinion_requests_total{code="7xx",method="GET",vhost="shop.test:80"}`:                               1,
		`pinion_requests_total{code="400",method="GET",vhost="shop.test:80"}`:                               1,
		`pinion_request_duration_seconds{balancer="shop",vhost="shop.test:80"}`:                             6,
		`pinion_request_duration_seconds{balancer="",vhost="shop.test:80"}`:                                 2,
		`pinion_balancer_sticky_hits_total{balancer="shop",vhost="shop.test:80"}`:                           1,
		`pinion_balancer_sticky_misses_total{balancer="shop",vhost="shop.test:80"}`:                         4,
		`pinion_balancer_route_changes_total{balancer="shop",vhost="shop.test:80"}`:                         1,
		`pinion_balancer_members{balancer="shop",vhost="shop.test:80"}`:                                     2,
		`pinion_balancer_usable_members{balancer="shop",vhost="shop.test:80"}`:                              1,
		worker("pinion_worker_info", `balancer="shop",route="a"`, backend):                                  1,
		worker("pinion_worker_elected_total", `balancer="shop"`, backend):                                   6,
		worker("pinion_worker_busy_requests", `balancer="shop"`, backend):                                   0,
		worker("pinion_worker_errors_total", `balancer="shop"`, backend):                                    0,
		worker("pinion_worker_status", `balancer="shop",flag="usable"`, backend):                            1,
		worker("pinion_worker_status", `balancer="shop",flag="disabled"`, backend):                          0,
		worker("pinion_worker_status", `balancer="shop",flag="usable"`, "http://127.0.0.1:1"):               0,
		worker("pinion_worker_status", `balancer="shop",flag="disabled"`, "http://127.0.0.1:1"):             1,
		worker("pinion_worker_pool_connections", `balancer="shop",state="busy"`, backend):                   0,
		worker("pinion_worker_pool_connections", `balancer="shop",state="idle"`, backend):                   1,
		worker("pinion_worker_healthchecks_total", `balancer="shop",result="passed"`, "http://127.0.0.1:1"): 0,
		worker("pinion_worker_healthchecks_total", `balancer="shop",result="failed"`, "http://127.0.0.1:1"): 0,
		worker("pinion_worker_elected_total", `balancer=""`, backend+"/lone"):                               0,
		`pinion_client_connections{state="idle"}`:                                                           0,
		`pinion_client_connections{state="active"}`:                                                         1,
		`pinion_client_connections{state="tunnel"}`:                                                         0,
		`pinion_client_connections_accepted_total`:                                                          9,
	})
	for _, name := range []string{"pinion_worker_read_bytes_total", "pinion_worker_transferred_bytes_total"} {
		if v := f[worker(name, `balancer="shop"`, backend)]; v < 100 {
			t.Errorf("%s is %v after six requests", name, v)
		}
	}
	if f["go_goroutines"] < 1 || f["process_start_time_seconds"] < 1 {
		t.Error("the Go runtime's or the process's metrics are missing")
	}
	if line := s.send("POST", "default.test", "/metrics", "Content-Length: 0"); line != "HTTP/1.1 405 Method Not Allowed" {
		t.Errorf("POST: %s", line)
	}
	if line := s.send("HEAD", "default.test", "/metrics"); line != "HTTP/1.1 200 OK" {
		t.Errorf("HEAD: %s", line)
	}
}

// worker is a series of a worker of shop.test; labels stand before those of vhost and worker.
func worker(name, labels, url string) string {
	return name + "{" + labels + `,vhost="shop.test:80",worker="` + url + `"}`
}

func TestReload(t *testing.T) {
	backend := startBackend(t)
	s := serve(t, page+shop(backend))
	const ok = `pinion_requests_total{code="200",method="GET",vhost="shop.test:80"}`
	const latency = `pinion_request_duration_seconds{balancer="shop",vhost="shop.test:80"}`
	elected := worker("pinion_worker_elected_total", `balancer="shop"`, backend)
	s.send("GET", "shop.test", "/")
	s.scrape().expect(t, figures{ok: 1, latency: 1, elected: 1})

	s.reload(page + "# another text\n" + shop(backend))
	s.send("GET", "shop.test", "/")
	s.scrape().expect(t, figures{ok: 2, latency: 2, elected: 2})

	s.reload(page)
	s.scrape().absent(t, "shop")

	s.reload(page + shop(backend))
	s.scrape().absent(t, ok)
	s.send("GET", "shop.test", "/")
	s.scrape().expect(t, figures{ok: 1, latency: 1, elected: 1})
}

// TestNames has vhosts that can't be told apart by their names: nothing may be exported twice, as Prometheus would take nothing at all.
func TestNames(t *testing.T) {
	s := serve(t, page+`Listen 127.0.0.1:8081
<VirtualHost *:8080>
ServerName twin.test
</VirtualHost>
<VirtualHost *:8081>
ServerName twin.test
</VirtualHost>
<VirtualHost *:*>
ServerName same.test
ProxyPass /a http://127.0.0.1:1/
</VirtualHost>
<VirtualHost *:*>
ServerName same.test
ServerAlias second.test
ProxyPass /a http://127.0.0.1:1/
</VirtualHost>
`)
	for _, host := range []string{"same.test", "second.test", "second.test"} {
		s.send("GET", host, "/missing")
	}
	f := s.scrape()
	n := map[string]float64{}
	for series, v := range f {
		for _, name := range []string{"same.test", "same.test#2"} {
			if strings.HasPrefix(series, "pinion_requests_total") && strings.Contains(series, `vhost="`+name+`"`) {
				n[name] += v
			}
		}
	}
	if n["same.test"] != 1 || n["same.test#2"] != 2 {
		t.Errorf("counted %v, expected 1 and 2", n)
	}
	f.expect(t, figures{
		`pinion_worker_info{balancer="",route="",vhost="same.test",worker="http://127.0.0.1:1/"}`:   1,
		`pinion_worker_info{balancer="",route="",vhost="same.test#2",worker="http://127.0.0.1:1/"}`: 1,
	})
}

func TestLint(t *testing.T) {
	backend := startBackend(t)
	s := serve(t, page+shop(backend))
	s.send("GET", "shop.test", "/")
	answer := runtimetest.Get(t, s.address, "/metrics")
	_, body, _ := strings.Cut(answer, "\n\n")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "pinion_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestWarnings(t *testing.T) {
	const handler = "SetHandler prometheus\n"
	for _, c := range []struct {
		name, config string
		warns        bool
	}{
		{"open", "<Location /m>\n" + handler + "</Location>\n", true},
		{"guarded", "<Location /m>\n" + handler + "Require local\n</Location>\n", false},
		{"container", "<Location /m>\n" + handler + "<RequireAny>\nRequire local\n</RequireAny>\n</Location>\n", false},
		{"elsewhere", "<Location /m>\n" + handler + "</Location>\n<Location /x>\nRequire local\n</Location>\n", true},
		{"above", "<Location />\nRequire local\n</Location>\n<Location /m>\n" + handler + "</Location>\n", false},
		{"longer name", "<Location /mm>\nRequire local\n</Location>\n<Location /m>\n" + handler + "</Location>\n", true},
		{"main server's", "<Location /m>\nRequire local\n</Location>\n<VirtualHost *:80>\n<Location /m>\n" + handler + "</Location>\n</VirtualHost>\n", false},
		{"other vhost's", "<VirtualHost *:80>\n<Location /m>\nRequire local\n</Location>\n</VirtualHost>\n<VirtualHost *:80>\n<Location /m>\n" + handler + "</Location>\n</VirtualHost>\n", true},
		{"inner", "<Location /m>\nRequire local\n<If \"true\">\n" + handler + "</If>\n</Location>\n", false},
		{"other handler", "<Location /m>\nSetHandler server-status\n</Location>\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := load(t, filepath.Join(t.TempDir(), "httpd.conf"), "ServerName main.test\n"+c.config, runtime.NewState())
			if l.Graph == nil {
				t.Fatal(l.Diags)
			}
			defer l.Graph.Retire()
			warns := false
			for _, d := range l.Diags {
				if d.Code == "open-metrics" {
					warns = true
					if d.Severity != parser.Warning {
						t.Errorf("%v is no warning", d)
					}
				}
			}
			if warns != c.warns {
				t.Errorf("warns: %v, expected %v", warns, c.warns)
			}
		})
	}
}

func TestReports(t *testing.T) {
	s := serve(t, page)
	good, bad := time.Unix(1700000000, 0), time.Unix(1700000100, 500e6)
	metrics.Report(metrics.Reload{Success: true, Time: good, Took: 40 * time.Millisecond, Hash: "aaa", Successes: 3})
	metrics.Report(metrics.Reload{Success: false, Time: bad, Took: 250 * time.Millisecond, Hash: "aaa", Successes: 3, Failures: 1})
	metrics.SetVersion("9.9-test")
	f := s.scrape()
	f.expect(t, figures{
		`pinion_config_reloads_total{result="success"}`:       3,
		`pinion_config_reloads_total{result="failure"}`:       1,
		`pinion_config_last_reload_successful`:                0,
		`pinion_config_last_reload_timestamp_seconds`:         1700000100.5,
		`pinion_config_last_reload_success_timestamp_seconds`: 1700000000,
		`pinion_config_last_reload_duration_seconds`:          0.25,
		`pinion_config_info{hash="aaa"}`:                      1,
	})
	found := false
	for series := range f {
		found = found || strings.HasPrefix(series, "pinion_build_info{") && strings.Contains(series, `version="9.9-test"`)
	}
	if !found {
		t.Error("pinion_build_info lacks the version")
	}
}

// TestTunnel switches a connection to another protocol: it counts as a request, and as a tunnel for as long as it lasts.
func TestTunnel(t *testing.T) {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, c)
	}))
	t.Cleanup(b.Close)
	s := serve(t, page+"<VirtualHost *:*>\nServerName ws.test\nProxyPass / "+b.URL+"/ upgrade=websocket\n</VirtualHost>\n")
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	// What comes back has been through the tunnel: it is there.
	io.WriteString(c, "echo\n")
	if line, err := in.ReadString('\n'); line != "echo\n" {
		t.Fatalf("the tunnel gave %q, %v", line, err)
	}
	s.scrape().expect(t, figures{
		`pinion_requests_total{code="101",method="GET",vhost="ws.test"}`: 1,
		`pinion_client_connections{state="tunnel"}`:                      1,
		`pinion_client_connections{state="active"}`:                      1,
		`pinion_client_connections{state="idle"}`:                        0,
	})
}
