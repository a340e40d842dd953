package balancer

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

var testConn = &runtime.Conn{}

// request makes a request for balancer://x that has been mapped.
func request(g *runtime.Graph, path, cookie string) (*runtime.Request, *proxy.Balancer) {
	r := runtime.NewRequest(g, g.Main, testConn, nil)
	r.Proxy = runtime.ProxyReverse
	r.Filename = "proxy:balancer://x" + path
	if cookie != "" {
		r.HeadersIn.Add("Cookie", cookie)
	}
	return r, proxy.ConfOf(g.Main).FindBalancer("balancer://x/")
}

// pick elects a member for a request and ends it.
func pick(t testing.TB, g *runtime.Graph, cookie string) string {
	t.Helper()
	r, b := request(g, "/", cookie)
	defer r.Free()
	url := "balancer://x/"
	w, res := preRequest(r, b, &url)
	if res != runtime.OK {
		return fmt.Sprint(int(res))
	}
	return w.Name
}

func conf(lines ...string) string {
	return "<Proxy balancer://x>\n" + strings.Join(lines, "\n") + "\n</Proxy>\nProxyPass / balancer://x/\n"
}

func TestEnvironment(t *testing.T) {
	g := mustCompile(t, conf("BalancerMember http://a/app route=one", "BalancerMember http://b:8080", "ProxySet stickysession=sid|SID"), nil)
	cases := []struct{ path, cookie, url, env, notes string }{
		{"/", "", "http://a/app/", "ROUTE_CHANGED=1 NAME=balancer://x WORKER_NAME=http://a/app WORKER_ROUTE=one", ""},
		{"/p", "", "http://b:8080/p", "ROUTE_CHANGED=1 NAME=balancer://x WORKER_NAME=http://b:8080 WORKER_ROUTE=", ""},
		{"/", "sid=1.one", "http://a/app/", "NAME=balancer://x WORKER_NAME=http://a/app WORKER_ROUTE=one SESSION_STICKY=sid SESSION_ROUTE=one", "session-sticky=sid session-route=one"},
		{"/;SID=1.one", "sid=1.two", "http://a/app/;SID=1.one", "NAME=balancer://x WORKER_NAME=http://a/app WORKER_ROUTE=one SESSION_STICKY=SID SESSION_ROUTE=one", "session-sticky=SID session-route=one"},
		{"/", "sid=1.nine", "http://b:8080/", "ROUTE_CHANGED=1 NAME=balancer://x WORKER_NAME=http://b:8080 WORKER_ROUTE= SESSION_STICKY=sid SESSION_ROUTE=nine", "session-sticky=sid session-route=nine"},
		{"/", "sid=1.", "http://b:8080/", "ROUTE_CHANGED=1 NAME=balancer://x WORKER_NAME=http://b:8080 WORKER_ROUTE= SESSION_STICKY=sid SESSION_ROUTE=", "session-sticky=sid session-route="},
		{"/", "sid=one", "http://a/app/", "ROUTE_CHANGED=1 NAME=balancer://x WORKER_NAME=http://a/app WORKER_ROUTE=one", ""},
	}
	for _, c := range cases {
		r, b := request(g, c.path, c.cookie)
		url := "balancer://x" + c.path
		if _, res := preRequest(r, b, &url); res != runtime.OK {
			t.Fatal(res)
		}
		var env, notes []string
		for _, f := range r.Env.Fields() {
			env = append(env, strings.TrimPrefix(f.Key, "BALANCER_")+"="+f.Value)
		}
		for _, f := range r.Notes.Fields() {
			notes = append(notes, f.Key+"="+f.Value)
		}
		if url != c.url || strings.Join(env, " ") != c.env || strings.Join(notes, " ") != c.notes || r.Filename != "proxy:"+c.url {
			t.Errorf("%s %s: got %s\n%s\n%s", c.path, c.cookie, url, env, notes)
		}
		r.Free()
	}
	b := proxy.ConfOf(g.Main).FindBalancer("balancer://x/")
	if h, m, ch := b.State.StickyHits.Load(), b.State.StickyMisses.Load(), b.State.RouteChanges.Load(); h != 2 || m != 4 || ch != 1 {
		t.Errorf("hits %d, misses %d, changes %d", h, m, ch)
	}
	for _, w := range b.Members {
		if n := w.State.Busy.Load(); n != 0 {
			t.Errorf("%s is busy with %d after all requests have ended", w.Name, n)
		}
	}
}

// TestFailover tries a second member for one request: both are busy with it until it ends.
func TestFailover(t *testing.T) {
	g := mustCompile(t, conf("BalancerMember http://a route=a", "BalancerMember http://b route=b", "ProxySet stickysession=sid"), nil)
	r, b := request(g, "/", "sid=1.a")
	for _, want := range []string{"http://a", "http://b"} {
		url := "balancer://x/"
		w, _ := preRequest(r, b, &url)
		if w.Name != want {
			t.Fatalf("got %s, want %s", w.Name, want)
		}
		w.Fail(time.Now())
		proxy.Of(r).Attempts++
	}
	if !r.Env.Has("BALANCER_ROUTE_CHANGED") {
		t.Error("the route has changed, BALANCER_ROUTE_CHANGED is not set")
	}
	if a, b := b.Members[0].State.Busy.Load(), b.Members[1].State.Busy.Load(); a != 1 || b != 1 {
		t.Errorf("busy %d and %d, want 1 and 1", a, b)
	}
	end := proxy.Of(r).Detach()
	r.Free()
	if a := b.Members[0].State.Busy.Load(); a != 1 {
		t.Errorf("detached: busy %d, want 1", a)
	}
	end()
	if a, b := b.Members[0].State.Busy.Load(), b.Members[1].State.Busy.Load(); a != 0 || b != 0 {
		t.Errorf("ended: busy %d and %d, want 0 and 0", a, b)
	}
}

// TestWait is the balancer's timeout=: a member that comes back meanwhile gets the request.
func TestWait(t *testing.T) {
	g := mustCompile(t, conf("BalancerMember http://a status=+D", "ProxySet timeout=5"), nil)
	b := proxy.ConfOf(g.Main).FindBalancer("balancer://x/")
	var waited time.Duration
	defer func() { sleep = time.Sleep }()
	sleep = func(d time.Duration) { waited += d }
	if got := pick(t, g, ""); got != "503" || waited != 5*time.Second {
		t.Errorf("got %s after %v, want 503 after 5s", got, waited)
	}
	waited = 0
	sleep = func(d time.Duration) {
		if waited += d; waited == time.Second {
			b.Members[0].Operate(proxy.Disabled, false)
		}
	}
	if got := pick(t, g, ""); got != "http://a" || waited != time.Second {
		t.Errorf("got %s after %v, want http://a after 1s", got, waited)
	}
}

// TestReload goes on where the last graph stopped, also with requests of the old one still being elected.
func TestReload(t *testing.T) {
	st := runtime.NewState()
	old := mustCompile(t, conf("BalancerMember http://a", "BalancerMember http://b", "BalancerMember http://c"), st)
	var got []string
	for range 4 {
		got = append(got, pick(t, old, ""))
	}
	now := mustCompile(t, conf("BalancerMember http://b", "BalancerMember http://a", "BalancerMember http://c", "BalancerMember http://d loadfactor=2"), st)
	got = append(got, pick(t, old, ""))
	for range 5 {
		got = append(got, pick(t, now, ""))
	}
	got = append(got, pick(t, old, ""), pick(t, now, ""))
	want := modelTurns()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	b := proxy.ConfOf(now.Main).FindBalancer("balancer://x/")
	if n := b.Members[1].State.Elected.Load(); n < 2 {
		t.Errorf("elected %d times: the count did not survive", n)
	}
}

// modelTurns plays TestReload with the model.
func modelTurns() (names []string) {
	a, b, c := &modelMember{factor: 100, usable: true}, &modelMember{factor: 100, usable: true}, &modelMember{factor: 100, usable: true}
	d := &modelMember{factor: 200, usable: true}
	name := map[*modelMember]string{a: "http://a", b: "http://b", c: "http://c", d: "http://d"}
	old, now := &model{members: []*modelMember{a, b, c}}, &model{members: []*modelMember{b, a, c, d}}
	for _, x := range []*model{old, old, old, old, old, now, now, now, now, now, old, now} {
		m, _ := x.elect("", nil)
		names = append(names, name[m])
	}
	return names
}

// TestConcurrent elects from many goroutines, while members fail and come back, by two graphs at once: all is
// accounted for at the end. Run it with -race.
func TestConcurrent(t *testing.T) {
	for _, method := range byTurns {
		t.Run(method, func(t *testing.T) {
			st := runtime.NewState()
			lines := []string{"BalancerMember http://a route=a", "BalancerMember http://b route=b loadfactor=3", "BalancerMember http://c route=c",
				"BalancerMember http://d route=d status=+H", "ProxySet stickysession=sid lbmethod=" + method}
			graphs := []*runtime.Graph{mustCompile(t, conf(lines...), st), mustCompile(t, conf(lines...), st)}
			const workers, each = 8, 400
			var wg sync.WaitGroup
			for n := range workers {
				wg.Go(func() {
					for i := range each {
						g := graphs[(n+i/50)%2]
						cookie := ""
						if i%3 == 0 {
							cookie = "sid=1." + string("abcd"[i%4])
						}
						r, b := request(g, "/", cookie)
						url := "balancer://x/"
						w, res := preRequest(r, b, &url)
						if res != runtime.OK {
							t.Errorf("status %d", res)
						} else if i%40 == 0 {
							w.ForceError(time.Time{})
						} else {
							w.State.Transferred.Add(int64(i))
						}
						r.Free()
					}
				})
			}
			wg.Wait()
			var elected, busy, sum int64
			b := proxy.ConfOf(graphs[0].Main).FindBalancer("balancer://x/")
			b.State.Elections.Settle()
			for _, w := range b.Members {
				elected += w.State.Elected.Load()
				busy += w.State.Busy.Load()
				sum += w.State.LBStatus.Load()
			}
			if elected != workers*each || busy != 0 || sum != 0 {
				t.Errorf("elected %d of %d, busy %d, sum of lbstatus %d", elected, workers*each, busy, sum)
			}
		})
	}
}

// TestAllocs keeps the cost of an election at nothing: what a whole pick allocates is mod_proxy's state of the request and its URL.
func TestAllocs(t *testing.T) {
	g := mustCompile(t, conf("BalancerMember http://a route=a", "BalancerMember http://b route=b", "ProxySet stickysession=sid"), nil)
	for _, cookie := range []string{"", "a=b; sid=1.b"} {
		r, b := request(g, "/", cookie)
		m := b.Method.(*lbmethod)
		n := testing.AllocsPerRun(1000, func() {
			s := sessionOf(r, b, "balancer://x/")
			m.elect(r, &s)
		})
		if n != 0 {
			t.Errorf("cookie %q: %v allocations", cookie, n)
		}
		r.Free()
	}
}

func benchmarkElect(b *testing.B, n int, method, cookie string, change func(*proxy.Balancer)) {
	lines := []string{"ProxySet stickysession=sid lbmethod=" + method}
	for i := range n {
		lines = append(lines, fmt.Sprintf("BalancerMember http://b%d route=r%d loadfactor=%d", i, i, 1+i%3))
	}
	g := mustCompile(b, conf(lines...), nil)
	bal := proxy.ConfOf(g.Main).FindBalancer("balancer://x/")
	if change != nil {
		change(bal)
	}
	m := bal.Method.(*lbmethod)
	r, _ := request(g, "/", cookie)
	s := sessionOf(r, bal, "balancer://x/")
	b.ReportAllocs()
	for b.Loop() {
		w, _ := m.elect(r, &s)
		w.State.Transferred.Add(500)
		w.State.Busy.Add(-1)
		if method == "bybusyness" {
			m.lock().BusyChanged(w.State)
			m.unlock()
		}
	}
}

func BenchmarkElect(b *testing.B) {
	for _, method := range byTurns {
		for _, n := range []int{2, 20, 2000} {
			b.Run(fmt.Sprintf("%s/%d", method, n), func(b *testing.B) { benchmarkElect(b, n, method, "", nil) })
		}
	}
	for _, n := range []int{2, 2000} {
		b.Run(fmt.Sprintf("sticky/%d", n), func(b *testing.B) { benchmarkElect(b, n, "byrequests", "sid=1.r1", nil) })
		b.Run(fmt.Sprintf("oneInError/%d", n), func(b *testing.B) {
			benchmarkElect(b, n, "byrequests", "", func(x *proxy.Balancer) { x.Members[1].Fail(time.Now()) })
		})
		b.Run(fmt.Sprintf("oneAlive/%d", n), func(b *testing.B) {
			benchmarkElect(b, n, "byrequests", "", func(x *proxy.Balancer) {
				for _, w := range x.Members[:n-1] {
					w.Fail(time.Now())
				}
			})
		})
	}
}

func BenchmarkPick(b *testing.B) {
	g := mustCompile(b, conf("BalancerMember http://a route=a", "BalancerMember http://b route=b", "ProxySet stickysession=sid"), nil)
	b.ReportAllocs()
	for b.Loop() {
		pick(b, g, "sid=1.b")
	}
}

func BenchmarkParallel(b *testing.B) {
	g := mustCompile(b, conf("BalancerMember http://a route=a", "BalancerMember http://b route=b", "ProxySet stickysession=sid"), nil)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			pick(b, g, "sid=1.b")
		}
	})
}
