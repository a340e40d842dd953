package metrics

import (
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pinion/runtime"
	"pinion/runtime/balancer"
	"pinion/runtime/proxy"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func TestMethodClass(t *testing.T) {
	for i, name := range methodNames[:otherMethod] {
		if got := methodClass(name); got != i {
			t.Errorf("methodClass(%q) = %d, expected %d", name, got, i)
		}
	}
	for _, hostile := range []string{"", "get", "GETT", "BREW", "PROPFIND", "OTHER", "\xff", strings.Repeat("A", 9000)} {
		if got := methodClass(hostile); got != otherMethod {
			t.Errorf("methodClass(%q) = %d, expected that of any other method", hostile, got)
		}
	}
}

func TestCodes(t *testing.T) {
	for status, want := range map[int]string{100: "100", 101: "101", 200: "200", 404: "404", 599: "599", 600: "6xx", 699: "6xx", 700: "7xx", 999: "9xx",
		1000: "other", 99: "other", 0: "other", -1: "other", 1 << 40: "other"} {
		if got := codeOf(rowOf(status)); got != want {
			t.Errorf("status %d is exported as %q, expected %q", status, got, want)
		}
	}
	seen := map[string]bool{}
	for row := range rowCount {
		code := codeOf(row)
		if seen[code] {
			t.Errorf("two rows are exported as %s", code)
		}
		seen[code] = true
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i, d := range []time.Duration{-time.Second, 0, 500 * time.Microsecond, 500*time.Microsecond + 1, 20 * time.Millisecond, time.Minute, time.Hour} {
		h.observe(uint64(i%shards), d)
	}
	count, sum, cumulative := h.read()
	if want := 3659.021; count != 7 || sum < want-1e-4 || sum > want+1e-4 {
		t.Errorf("read 7 observations as %d with the sum %v, expected %v", count, sum, want)
	}
	for bound, want := range map[float64]uint64{0.0005: 3, 0.001: 4, 0.01: 4, 0.025: 5, 30: 5, 60: 6} {
		if got := cumulative[bound]; got != want {
			t.Errorf("%d observations are not above %v, expected %d", got, bound, want)
		}
	}
	if len(cumulative) != len(bounds) {
		t.Errorf("read %d buckets, expected %d", len(cumulative), len(bounds))
	}
}

// TestConcurrent counts from many goroutines while others read: nothing is lost, and what is read never goes back.
func TestConcurrent(t *testing.T) {
	const writers, each = 8, 2000
	var v vhost
	var writing sync.WaitGroup
	for w := range uint64(writers) {
		writing.Go(func() {
			for i := range each {
				c := v.get()
				c.requests.row(200 + i%3)[w%shards].by[i%len(methodNames)].Add(1)
				c.latency.observe(w%shards, time.Duration(i)*time.Microsecond)
			}
		})
	}
	total := func() (requests, observed uint64) {
		c := v.get()
		c.requests.each(func(_, _ string, n uint64) { requests += n })
		observed, _, _ = c.latency.read()
		return
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	for last, running := uint64(0), true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		n, _ := total()
		if n < last {
			t.Fatalf("a counter went from %d back to %d", last, n)
		}
		last = n
	}
	if n, observed := total(); n != writers*each || observed != writers*each {
		t.Errorf("counted %d requests and %d durations, expected %d of each", n, observed, writers*each)
	}
}

// newRequest is a request that a balancer has answered.
func newRequest(t testing.TB, id uint64) *runtime.Request {
	g, diags := runtimetest.Compile(t, `<VirtualHost *:80>
ProxyPass / balancer://b/ stickysession=S
<Proxy balancer://b>
BalancerMember http://127.0.0.1:1 route=1 hcmethod=TCP
</Proxy>
</VirtualHost>
`, proxy.Module, balancer.Module, Module)
	if g == nil {
		t.Fatal(diags)
	}
	t.Cleanup(g.Retire)
	s := g.Servers[1]
	r := runtime.NewRequest(g, s, &runtime.Conn{ID: id}, nil)
	r.Method = "GET"
	proxy.Of(r).Balancer = proxy.ConfOf(s).Balancers[0]
	return r
}

func TestHookAllocatesNothing(t *testing.T) {
	r := newRequest(t, 7)
	logTransaction(r)
	if n := testing.AllocsPerRun(1000, func() { logTransaction(r) }); n != 0 {
		t.Errorf("the hook allocates %v times a request", n)
	}
	c := runtime.ServerConf[conf](r.Server, Module)
	if h := c.balancers[proxy.Of(r).Balancer].p.Load(); h == nil {
		t.Error("the balancer's histogram was not written to")
	} else if n, _, _ := h.read(); n != 1002 {
		t.Errorf("the balancer's histogram has %d observations, expected 1002", n)
	}
}

// BenchmarkHook is what the metrics add to each request.
func BenchmarkHook(b *testing.B) {
	r := newRequest(b, 1)
	b.Run("balancer", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuTime(b)()
		for b.Loop() {
			logTransaction(r)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			mine := newRequest(b, uint64(time.Now().UnixNano()))
			for pb.Next() {
				logTransaction(mine)
			}
		})
	})
	// What reading the clock alone takes.
	b.Run("clock", func(b *testing.B) {
		defer cpuTime(b)()
		for b.Loop() {
			_ = time.Since(r.Time)
		}
	})
	plain := newRequest(b, 1)
	proxy.Of(plain).Balancer = nil
	b.Run("plain", func(b *testing.B) {
		defer cpuTime(b)()
		for b.Loop() {
			logTransaction(plain)
		}
	})
}

// cpuTime reports the processor time of each operation, which says more than the time of a clock on a machine that others use, too.
func cpuTime(b *testing.B) (done func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// TestPedantic has every metric checked against its description, and twice the same labels refused.
func TestPedantic(t *testing.T) {
	r := newRequest(t, 1)
	logTransaction(r)
	proxy.ConfOf(r.Server).Balancers[0].Members[0].State.Health.Passed.Add(1)
	e := runtime.NewEngine(r.Graph)
	Report(Reload{Success: true, Time: time.Now(), Took: time.Millisecond, Hash: "abc\xff", Successes: 1})
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(&collector{e}); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range families {
		got[f.GetName()] = true
	}
	for _, m := range table {
		// Without a transport there is no pool.
		if !got[m.name] && m != workerPool {
			t.Errorf("%s is not exported", m.name)
		}
	}
}

// The marks between which docs/metrics.md holds what WriteTable writes.
const (
	docFile  = "../../docs/metrics.md"
	docBegin = "<!-- generated from runtime/metrics: begin -->\n"
	docEnd   = "<!-- generated from runtime/metrics: end -->\n"
)

// TestDocumentation holds docs/metrics.md to the table. PINION_WRITE_DOCS=1 writes the file anew.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), docBegin)
	have, after, ok2 := strings.Cut(rest, docEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the generated part", docFile)
	}
	var want strings.Builder
	if err := WriteTable(&want); err != nil {
		t.Fatal(err)
	}
	if have == want.String() {
		return
	}
	if os.Getenv("PINION_WRITE_DOCS") == "" {
		t.Fatalf("%s is not what the table says: run PINION_WRITE_DOCS=1 go test ./runtime/metrics", docFile)
	}
	if err := os.WriteFile(docFile, []byte(before+docBegin+want.String()+docEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWriteTable(t *testing.T) {
	if err := WriteTable(failing{}); err == nil {
		t.Error("an error of the writer is not told")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
