package status

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/balancer"
	"pinion/runtime/core"
	"pinion/runtime/proxy"
	"pinion/runtime/proxyhttp"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// recorded is what httpd 2.4.71 answered to ?auto, its scoreboard cut short.
func recorded(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/auto.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fields are the names of the lines, in order.
func fields(auto string) (names []string) {
	for i, line := range strings.Split(strings.TrimSuffix(auto, "\n"), "\n") {
		if i == 0 {
			continue // the server's name
		}
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names
}

// TestAuto compares names, order and arithmetic with httpd's: from its counts the same figures must come.
func TestAuto(t *testing.T) {
	want := recorded(t)
	value := func(name string) (v float64) {
		_, rest, _ := strings.Cut(want, "\n"+name+": ")
		if _, err := fmt.Sscan(rest, &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	rep := &report{name: "127.0.0.1", uptime: int64(value("Uptime")), requests: int64(value("Total Accesses")), bytes: int64(value("Total kBytes")) << 10,
		duration: time.Duration(value("Total Duration")) * time.Millisecond, user: value("CPUUser"), system: value("CPUSystem"),
		cuser: value("CPUChildrenUser"), csystem: value("CPUChildrenSystem"), generation: 1, load: [3]string{"0.00", "0.00", "0.00"}}
	var b bytes.Buffer
	rep.auto(&b)
	got := b.String()
	own, _, _ := strings.Cut(want, "ProxyBalancer")
	if g, w := strings.Join(fields(got), "\n"), strings.Join(fields(own), "\n"); g != w {
		t.Errorf("fields:\n%s\nhttpd has\n%s", g, w)
	}
	same := []string{"127.0.0.1", "ParentServer", "ServerUptime", "Total", "CPU", "Uptime", "ReqPerSec", "Bytes", "Duration"}
	for _, line := range strings.Split(own, "\n") {
		for _, p := range same {
			if strings.HasPrefix(line, p) && !strings.Contains("\n"+got, "\n"+line+"\n") {
				t.Errorf("httpd has the line %q, pinion:\n%s", line, got)
			}
		}
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{{0, "0"}, {.5, ".5"}, {170.0 + 2.0/3, "170.667"}, {3, "3"}, {.428571428, ".428571"}, {1234567, "1.23457e+06"}} {
		if got := figure(c.v); got != c.want {
			t.Errorf("%v: %s, expected %s", c.v, got, c.want)
		}
	}
	for _, c := range []struct {
		n    int64
		want string
	}{{0, ""}, {1, " 1 second"}, {60, " 1 minute"}, {2*86400 + 3600 + 2, " 2 days 1 hour 2 seconds"}} {
		if got := span(c.n); got != c.want {
			t.Errorf("%d: %q, expected %q", c.n, got, c.want)
		}
	}
	for _, c := range []struct {
		n    int64
		want string
	}{{5119, "5119 B"}, {5120, "5.0 kB"}, {1 << 19, "0.5 MB"}, {1 << 29, "0.5 GB"}} {
		if got := size(c.n); got != c.want {
			t.Errorf("%d: %q, expected %q", c.n, got, c.want)
		}
	}
	if a, b, c := traffic(1023), traffic(1024), traffic(1<<20); a != "1023 kB" || b != "1.0 MB" || c != "1.0 GB" {
		t.Error(a, b, c)
	}
	for in, want := range map[string]int{"": 10, "=5": 5, "=0": 10, "=abc": 10, "=7&auto": 7, "5": 10, "=99999999999999999999": 10} {
		if got := refresh(in); got != want {
			t.Errorf("refresh%s: %d, expected %d", in, got, want)
		}
	}
}

// FuzzRefresh feeds queries as clients may send them.
func FuzzRefresh(f *testing.F) {
	for _, s := range []string{"", "=5", "=-1", "=99999999999999999999", "=5x&auto"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n := refresh(s); n < 1 {
			t.Errorf("%q: %d", s, n)
		}
	})
}

func TestMode(t *testing.T) {
	for _, c := range []struct {
		state                 runtime.ConnState
		active, http2, ending bool
		want                  byte
	}{
		{runtime.ConnIdle, false, false, false, '_'}, {runtime.ConnIdle, true, false, true, '_'}, {runtime.ConnBusy, false, false, false, 'R'},
		{runtime.ConnBusy, true, false, false, 'W'}, {runtime.ConnBusy, true, false, true, 'G'}, {runtime.ConnTunnel, false, false, false, 'W'},
		{runtime.ConnBusy, false, true, false, '_'}, {runtime.ConnBusy, true, true, false, 'W'},
	} {
		if got := mode(c.state, c.active, c.http2, c.ending); got != c.want {
			t.Errorf("%+v: %c", c, got)
		}
	}
}

const config = `ServerName main.test
ProxyStatus On
<Proxy balancer://App>
BalancerMember http://127.0.0.1:1 route=r1 lbset=1
BalancerMember http://127.0.0.1:2 loadfactor=2.5 redirect=<zz> status=+H
ProxySet stickysession=JS|js
</Proxy>
<Location /status>
SetHandler server-status
</Location>
`

func serve(t *testing.T, conf string) string {
	modules := append(core.Modules(), proxy.Module, proxyhttp.Module, balancer.Module, balancer.ByRequests, Module)
	return runtimetest.Serve(t, conf, modules...)
}

// TestPages asks for the status in all its forms.
func TestPages(t *testing.T) {
	address := serve(t, config)
	// Two other connections: one idle, one in the midst of a head.
	idle := open(t, address, "GET /<script>alert(1)</script> HTTP/1.1\r\nHost: main.test\r\n\r\n")
	readAnswer(t, idle)
	open(t, address, "GET /never HTTP/1.1\r\n")

	var auto string
	// The two are noticed when their goroutines have come that far.
	for limit := time.Now().Add(20 * time.Second); ; {
		auto = runtimetest.Get(t, address, "/status?auto")
		board := line(auto, "Scoreboard")
		if strings.Count(board, "_") == 1 && strings.Count(board, "W") == 1 && strings.Contains(board, "R") {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("expected one idle, one reading and one writing connection, found %s", board)
		}
	}
	if runtimetest.Field(auto, "Content-Type") != "text/plain; charset=ISO-8859-1" || runtimetest.Field(auto, "Refresh") != "" {
		t.Error(auto)
	}
	if line(auto, "IdleWorkers") != "1" || line(auto, "GracefulWorkers") != "0" || line(auto, "Processes") != "1" || line(auto, "ConnsAsyncKeepAlive") != "1" {
		t.Error(auto)
	}
	_, body, _ := strings.Cut(auto, "\n\n")
	if name, _, _ := strings.Cut(body, "\n"); name != "127.0.0.1" {
		t.Errorf("name %q", name)
	}
	_, balancers, _ := strings.Cut(auto, "\nProxyBalancer")
	if want := `[0]Name: balancer://app
ProxyBalancer[0]Worker[0]Name: http://127.0.0.1:1
ProxyBalancer[0]Worker[0]Status: Init Ok ` + `
ProxyBalancer[0]Worker[0]Elected: 0
ProxyBalancer[0]Worker[0]Busy: 0
ProxyBalancer[0]Worker[0]Sent: 0K
ProxyBalancer[0]Worker[0]Rcvd: 0K
ProxyBalancer[0]Worker[1]Name: http://127.0.0.1:2
ProxyBalancer[0]Worker[1]Status: Init Stby Ok ` + `
ProxyBalancer[0]Worker[1]Elected: 0
ProxyBalancer[0]Worker[1]Busy: 0
ProxyBalancer[0]Worker[1]Sent: 0K
ProxyBalancer[0]Worker[1]Rcvd: 0K
`; balancers != want {
		t.Errorf("balancers: %s", balancers)
	}

	for _, query := range []string{"", "?notable"} {
		page := runtimetest.Get(t, address, "/status"+query)
		for _, want := range []string{"<h1>Apache Server Status for 127.0.0.1 (via 127.0.0.1)</h1>", "Total accesses: ", "GET /&lt;script&gt;alert(1)&lt;/script&gt; HTTP/1.1",
			"[main.test:", "<h1>Proxy LoadBalancer Status for balancer://app</h1>", "<td>JS | js</td>", "&lt;zz&gt;", "<td>2.50</td>", "<td>0</td><td>  0 </td><td>  0 </td>", "</body></html>\n"} {
			if !strings.Contains(page, want) && !(want == "[main.test:" && query == "" && strings.Contains(page, "<td>main.test:")) {
				t.Errorf("%q is not in\n%s", want, page)
			}
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "<zz>") {
			t.Error("the page is not escaped")
		}
		if strings.Contains(page, "<th>Acc</th><th>M</th>") != (query == "") {
			t.Errorf("%s: a table, or none", query)
		}
	}
	if got := runtimetest.Field(runtimetest.Get(t, address, "/status?auto&refresh=7"), "Refresh"); got != "7" {
		t.Errorf("Refresh: %s", got)
	}
}

// TestCounts checks that every request is counted once, with its bytes.
func TestCounts(t *testing.T) {
	address := serve(t, config)
	for range 5 {
		runtimetest.Get(t, address, "/x")
	}
	runtimetest.Get(t, address, "/missing")
	auto := runtimetest.Get(t, address, "/status?auto")
	if n := line(auto, "Total Accesses"); n != "6" {
		t.Errorf("%s accesses, expected 6", n)
	}
	if n := line(auto, "Total kBytes"); n != "1" {
		t.Errorf("%s kB, expected 1", n)
	}
	if strings.Contains(runtimetest.Get(t, serve(t, strings.Replace(config, "ProxyStatus On", "", 1)), "/status?auto"), "ProxyBalancer") {
		t.Error("balancers are shown without ProxyStatus")
	}
}

// TestUncounted checks that a configuration without the page costs nothing.
func TestUncounted(t *testing.T) {
	g, diags := runtimetest.Compile(t, "ServerName x\n", append(core.Modules(), Module)...)
	if g == nil {
		t.Fatal(diags)
	}
	defer g.Retire()
	if runtime.ServerConf[conf](g.Main, Module) != nil {
		t.Error("requests are counted for nobody")
	}
}

func line(auto, name string) string {
	_, rest, _ := strings.Cut(auto, "\n"+name+": ")
	v, _, _ := strings.Cut(rest, "\n")
	return v
}

func open(t *testing.T, address, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c
}

// readAnswer reads one answer with a Content-Length.
func readAnswer(t *testing.T, c net.Conn) {
	t.Helper()
	in, length := bufio.NewReader(c), 0
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			fmt.Sscan(n, &length)
		}
		if text == "\r\n" {
			break
		}
	}
	if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
		t.Fatal(err)
	}
}
