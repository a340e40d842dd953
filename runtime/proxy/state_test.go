package proxy

import (
	"sync"
	"testing"
	"time"

	"pinion/runtime"
)

// members compiles conf with the state and returns the members of its first balancer by host.
func members(t *testing.T, conf string, st *runtime.State) (*runtime.Graph, map[string]*Worker) {
	t.Helper()
	g, diags := compile(t, conf, st)
	if g == nil {
		t.Fatal(diags)
	}
	by := map[string]*Worker{}
	for _, s := range g.Servers {
		for _, b := range ConfOf(s).Balancers {
			for _, w := range b.Members {
				by[w.Hostname] = w
			}
		}
	}
	return g, by
}

func TestStateOutlivesGraph(t *testing.T) {
	st := runtime.NewState()
	one := "<VirtualHost *>\nServerName v\n<Proxy balancer://p>\nBalancerMember http://a\nBalancerMember http://b status=+H\nBalancerMember http://gone\n</Proxy>\n</VirtualHost>"
	g1, m1 := members(t, one, st)
	now := time.Now()
	m1["a"].State.Elected.Add(7)
	m1["a"].Fail(now)
	m1["b"].Operate(Drain, true)
	m1["b"].Operate(HotStandby, false)

	// The vhost stands elsewhere, members changed their order and parameters, one went, one came.
	two := "<VirtualHost *>\nServerName other\n</VirtualHost>\n<VirtualHost *>\nServerName v\n<Proxy balancer://p>\nBalancerMember http://b status=+H retry=5\nBalancerMember http://new\nBalancerMember http://a\n</Proxy>\n</VirtualHost>"
	g2, m2 := members(t, two, st)
	if m2["a"].State != m1["a"].State || m2["a"].State.Elected.Load() != 7 || !m2["a"].Status().Has(InError) {
		t.Errorf("a lost its state: %v", m2["a"].Status())
	}
	if s := m2["b"].Status(); s != Initialized|Drain {
		t.Errorf("b is %v, want what the operator set", s)
	}
	if m2["b"].State != m1["b"].State || m2["b"].Params.Retry != 5*time.Second {
		t.Error("b has no state of its own or the old parameters")
	}
	if s := m2["new"].Status(); s != Initialized {
		t.Errorf("new is %v", s)
	}

	// The file changes a bit that the operator had set: the file wins, for this bit alone.
	three := "<VirtualHost *>\nServerName v\n<Proxy balancer://p>\nBalancerMember http://b status=+D\n</Proxy>\n</VirtualHost>"
	_, m3 := members(t, three, st)
	if s := m3["b"].Status(); s != Initialized|Drain|Disabled {
		t.Errorf("b is %v, want Drain of the operator, Disabled of the file, HotStandby of neither", s)
	}
	if s := m2["b"].Status(); s != Initialized|Drain {
		t.Errorf("b of the older graph is %v: compiling must not change it", s)
	}
	g1.Retire()
	g2.Retire()
	if _, ok := st.Peek("proxy.worker " + m1["gone"].Key()); ok {
		t.Error("the state of a member that no graph has is still there")
	}
	if _, ok := st.Peek("proxy.worker " + m3["b"].Key()); !ok {
		t.Error("the state of b is gone")
	}
}

// TestStateOfVHosts checks that one name in two vhosts is two balancers, and that a vhost shares what it inherits.
func TestStateOfVHosts(t *testing.T) {
	const member = "<Proxy balancer://p>\nBalancerMember http://a\n</Proxy>\n"
	g := mustCompile(t, "<Proxy balancer://m>\nBalancerMember http://m\n</Proxy>\n<VirtualHost *>\nServerName x\n"+member+"</VirtualHost>\n<VirtualHost *>\nServerName x\n"+member+"</VirtualHost>\n"+
		"<VirtualHost *>\nServerName y\n<Proxy balancer://m>\nBalancerMember http://own\nProxySet timeout=3\n</Proxy>\n</VirtualHost>")
	find := func(i int, name string) *Balancer {
		return ConfOf(g.Servers[i]).FindBalancer("balancer://" + name + "/x")
	}
	if find(1, "p").State == find(2, "p").State || find(1, "p").Members[0].State == find(2, "p").Members[0].State {
		t.Error("two vhosts share the state of a balancer that each defines")
	}
	if find(1, "m") != find(0, "m") {
		t.Error("a vhost doesn't have the main server's balancer")
	}
	over := find(3, "m")
	if over == find(0, "m") || over.Timeout() != 3*time.Second || over.Members[0] != find(0, "m").Members[0] || over.State != find(0, "m").State {
		t.Error("a vhost's balancer of the main server's name must have its own parameters and the main server's members")
	}
	if find(0, "m").Timeout() != 0 {
		t.Error("the vhost changed the main server's balancer")
	}
}

func TestRetry(t *testing.T) {
	_, m := members(t, "<Proxy balancer://p>\nBalancerMember http://a retry=10\nBalancerMember http://stopped status=+S\nBalancerMember http://ign status=+I\nBalancerMember http://e status=+E\n</Proxy>", nil)
	now := time.Now()
	a := m["a"]
	if !a.Fail(now) || a.Usable() || a.Retry(now.Add(10*time.Second)) || !a.Retry(now.Add(11*time.Second)) || !a.Usable() || a.State.Retries.Load() != 1 {
		t.Errorf("a is %v after %d retries", a.Status(), a.State.Retries.Load())
	}
	m["stopped"].ForceError(now)
	if m["stopped"].Retry(now.Add(time.Hour)) {
		t.Error("a stopped member was retried")
	}
	if m["ign"].Fail(now) || !m["ign"].Usable() {
		t.Error("a member that ignores errors was put in error")
	}
	if e := m["e"]; !e.Status().Has(InError) || !e.Retry(now) || e.Status().Has(InError) {
		t.Error("status=+E holds until the first retry, which is due at once")
	}
}

func TestParams(t *testing.T) {
	g := mustCompile(t, `ProxyTimeout 7
ProxyPass /a http://a:80/x?y loadfactor=2.5 max=5 smax=3 ttl=2 acquire=1s connectiontimeout=200ms ping=1 keepalive=on disablereuse=on flushpackets=auto flushwait=20 route=r redirect=q status=+D-D+N upgrade=ANY secret=s
ProxyPassMatch ^/b/(.*) http://b/$1
ProxyPassMatch ^/c/(.*) http://$1.test/
ProxyPassMatch ^/d/(.*) http://d/ enablereuse=on
ProxyPass /e http://[::1]:8080/ timeout=3
<Proxy balancer://B lbmethod=bytraffic>
  BalancerMember http://M1
  BalancerMember http://m2
  ProxySet stickysession=A|b stickysessionsep=! scolonpathdelim=On nofailover=On timeout=2 failonstatus=500,503 failontimeout=on nonce=none
</Proxy>`)
	conf := ConfOf(g.Main)
	a := conf.Workers[0]
	if a.Name != "http://a/x?y" || a.Port != 80 || a.LBFactor() != 250 || a.Max != 5 || a.SMax != 3 || a.TTL != 2*time.Second || a.Acquire.V != time.Second ||
		a.ConnTimeout.V != 200*time.Millisecond || a.Ping.V != time.Second || !a.KeepAlive.V || a.Reuse() || a.Flush != FlushAuto || a.FlushWait != 20*time.Millisecond ||
		a.Route() != "r" || a.Redirect() != "q" || a.Status() != Initialized|IgnoreErrors|Drain || a.Upgrade != "*" || a.Secret != "s" || a.Params.Timeout.V != 7*time.Second {
		t.Errorf("%+v", a)
	}
	for i, want := range []bool{false, false, false, true, true} {
		if w := conf.Workers[i]; w.Reuse() != want {
			t.Errorf("%s: reuse is %v, want %v", w.Name, w.Reuse(), want)
		}
	}
	if e := conf.Workers[4]; e.Name != "http://[::1]:8080/" || e.Hostname != "::1" || e.Port != 8080 || e.Params.Timeout.V != 3*time.Second {
		t.Errorf("%+v", e)
	}
	b := conf.FindBalancer("BALANCER://b")
	if b == nil || b.Name != "balancer://b" || len(b.Members) != 2 || b.Members[0].Name != "http://m1" || b.LBMethod() != "bytraffic" || b.StickyText() != "A|b" ||
		b.StickySep.V != '!' || !b.ScolonPathDel.V || !b.StickyForce() || b.Timeout() != 2*time.Second || !b.FailsOn(503) || b.FailsOn(502) || !b.FailOnTimeout.V ||
		!b.Nonce.Set || b.Nonce.V != "" || b.Attempts() != 1 {
		t.Errorf("%+v", b)
	}
}

// TestStatusConcurrently checks that no change of a status is lost among many.
func TestStatusConcurrently(t *testing.T) {
	_, m := members(t, "<Proxy balancer://p>\nBalancerMember http://a\n</Proxy>", nil)
	w := m["a"]
	var wg sync.WaitGroup
	for _, bit := range []Status{Drain, Disabled, Stopped, HotStandby, HotSpare} {
		wg.Go(func() {
			for range 1000 {
				w.Operate(bit, true)
				if !w.Status().Has(bit) {
					t.Errorf("%v was lost", bit)
					return
				}
				w.Operate(bit, false)
			}
			w.Operate(bit, true)
		})
	}
	wg.Go(func() {
		for range 1000 {
			w.ForceError(time.Now())
			w.Recover()
		}
	})
	wg.Wait()
	if got := w.Status(); got != Initialized|Drain|Disabled|Stopped|HotStandby|HotSpare {
		t.Errorf("at the end the status is %v", got)
	}
}
