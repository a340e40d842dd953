package hcheck

import (
	"fmt"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
	"pinion/runtime/runtimetest"
)

// TestRequest compares the requests with those that httpd sent, but for the two without a path: httpd's have none.
func TestRequest(t *testing.T) {
	for _, c := range []struct{ path, method, uri, want string }{
		{"/app", "GET", "/h", "GET /app//h HTTP/1.0"},
		{"/app2/", "GET", "", "GET /app2/ HTTP/1.0"},
		{"", "GET", "", "GET / HTTP/1.0"},
		{"", "HEAD11", "", "HEAD / HTTP/1.1"},
		{"/o", "OPTIONS11", "/opt", "OPTIONS * HTTP/1.1"},
		{"", "OPTIONS", "", "OPTIONS * HTTP/1.0"},
		{"/", "GET", "x", "GET //x HTTP/1.0"},
		{"/a%20b", "GET11", "/x?y=1", "GET /a%20b//x?y=1 HTTP/1.1"},
		{"", "HEAD", "/x", "HEAD /x HTTP/1.0"},
	} {
		g := &target{health: proxy.Health{Method: c.method, URI: c.uri}, w: &proxy.Worker{Hostname: "127.0.0.1", Port: 27181, Path: c.path}}
		g.compose()
		if want := c.want + "\r\nHost: 127.0.0.1:27181\r\n\r\n"; g.request != want {
			t.Errorf("%q %s %q: %q, expected %q", c.path, c.method, c.uri, g.request, want)
		}
	}
}

func targets(from, to int, interval time.Duration) (all []*target) {
	for i := from; i < to; i++ {
		all = append(all, &target{key: fmt.Sprint(i), w: &proxy.Worker{State: &proxy.WorkerState{}}, health: proxy.Health{Method: "TCP", Interval: interval}})
	}
	return all
}

// TestSpread checks that a thousand checks become due one after the other, and that a reload moves none of them.
func TestSpread(t *testing.T) {
	const interval = time.Hour
	s := newSchedule()
	defer s.Close()
	began := time.Now()
	s.mu.Lock()
	s.begin(targets(0, 1000, interval))
	was := map[string]time.Time{}
	for key, c := range s.checks {
		was[key] = c.due
		if c.due.Before(began) || c.due.After(time.Now().Add(interval)) {
			t.Errorf("check %s is due in %v, expected within the interval", key, c.due.Sub(began))
		}
	}
	for i := 1; i < 1000; i++ {
		if gap := was[fmt.Sprint(i)].Sub(was[fmt.Sprint(i-1)]); gap != interval/1000 {
			t.Fatalf("between checks %d and %d are %v, expected %v", i-1, i, gap, interval/1000)
		}
	}

	s.begin(targets(500, 1500, interval))
	if len(s.checks) != 1000 || len(s.due) != 1000 {
		t.Errorf("%d checks, %d of them due, expected 1000", len(s.checks), len(s.due))
	}
	for i := 500; i < 1000; i++ {
		if key := fmt.Sprint(i); !s.checks[key].due.Equal(was[key]) {
			t.Errorf("check %s has been moved", key)
		}
	}

	s.begin(targets(500, 1500, time.Minute))
	for key, c := range s.checks {
		if c.due.After(time.Now().Add(time.Minute)) {
			t.Errorf("check %s is due in %v, expected within the new interval", key, time.Until(c.due))
		}
	}
	for n, before := len(s.due), (time.Time{}); n > 0; n-- {
		c := s.due[0]
		if c.due.Before(before) {
			t.Fatal("the heap is out of order")
		}
		before = c.due
		s.drop(c)
	}
	s.mu.Unlock()
}

// TestInherited checks that a balancer that virtual hosts inherit is checked once, and one of each virtual host once for each.
func TestInherited(t *testing.T) {
	const b = "<Proxy balancer://%s>\nBalancerMember http://127.0.0.1:1 hcmethod=GET\nBalancerMember http://127.0.0.1:2\n</Proxy>\n"
	text := fmt.Sprintf(b, "all")
	for range 10 {
		text += "<VirtualHost *>\n" + fmt.Sprintf(b, "own") + "</VirtualHost>\n"
	}
	g, diags := runtimetest.Compile(t, text, proxy.Module, Module)
	if g == nil {
		t.Fatal(diags)
	}
	defer g.Retire()
	if n := len(runtime.GraphConf[graphConf](g, Module).members); n != 22 {
		t.Errorf("%d members, expected 22", n)
	}
}

// TestExpressions checks that requests know the names, too, as in httpd, and that they are empty there.
func TestExpressions(t *testing.T) {
	r := runtime.NewRequest(nil, &runtime.Server{}, &runtime.Conn{}, nil)
	defer r.Free()
	for _, name := range []string{"HC_BODY", "hc_body", "HC_ANY"} {
		if get, ok := lookupVar(name); !ok || get(r) != "" {
			t.Errorf("%s: %v", name, ok)
		}
	}
	if _, ok := lookupVar("HCBODY"); ok {
		t.Error("HCBODY is known")
	}
	f, ok := lookupFunc("Hc")
	runtime.SetRequestConf(r, Module, &kept{"text"})
	if !ok || f(r, "Body") != "text" || f(r, "head") != "" {
		t.Errorf("hc(): %v", ok)
	}
}
