package proxy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
)

var somebody = Hand{"somebody", time.Unix(1000, 0).UTC()}

// hand sets a parameter that must be taken.
func hand(t *testing.T, of interface {
	Set(name, value string, by Hand) (from, to string, err error)
}, name, value string) {
	t.Helper()
	if _, _, err := of.Set(name, value, somebody); err != nil {
		t.Fatal(err)
	}
}

func inForce(w *Worker) string {
	return fmt.Sprintf("%d %d %s %s %s", w.LBFactor(), w.LBSet(), w.Route(), w.Redirect(), w.Status().Letters())
}

// begin makes the graph one that serves, and returns what was logged.
func begin(g *runtime.Graph) string {
	var log strings.Builder
	for _, s := range g.Servers {
		s.Errors = &runtime.ErrorLog{Out: &log}
	}
	goLive(g)
	return log.String()
}

const member = "<Proxy balancer://p>\nBalancerMember http://a %s\nBalancerMember http://b\nProxySet %s\n</Proxy>"

// TestByHand checks that what was set by hand stands over reloads until the file changes that very parameter.
func TestByHand(t *testing.T) {
	st := runtime.NewState()
	file := func(worker string) string { return fmt.Sprintf(member, worker, "growth=2") }
	g1, m := members(t, file("route=r loadfactor=2"), st)
	begin(g1)
	for _, p := range [][2]string{{"loadfactor", "3.5"}, {"lbset", "4"}, {"route", "x"}, {"redirect", "y"}, {"status.N", "On"}, {"status.I", "on"}} {
		hand(t, m["a"], p[0], p[1])
	}
	if got := inForce(m["a"]); got != "350 4 x y OIN" {
		t.Fatalf("set by hand: %s", got)
	}
	g2, m := members(t, file("route=r loadfactor=2 retry=7"), st)
	if log := begin(g2); log != "" {
		t.Errorf("nothing was overruled, but logged: %s", log)
	}
	g1.Retire()
	if got := inForce(m["a"]); got != "350 4 x y OIN" {
		t.Errorf("after a reload: %s", got)
	}
	if all := m["a"].ByHand(); len(all) != 6 || all[1] != (Setting{"loadfactor", "2", "3.5", "somebody", somebody.When}) {
		t.Errorf("by hand: %+v", all)
	}

	// The file changes the route and the flag N: it wins for these, for good.
	g3, m := members(t, file("route=new loadfactor=2 status=+N"), st)
	if got := inForce(m["a"]); got != "350 4 new y OIN" {
		t.Errorf("the file has changed: %s", got)
	}
	log := begin(g3)
	g2.Retire()
	for _, want := range []string{`route "x", which somebody set by hand when the file said "r"`, `status.N "On"`} {
		if !strings.Contains(log, want) {
			t.Errorf("expected the log to have %s, found %s", want, log)
		}
	}
	g4, m := members(t, file("route=r loadfactor=2"), st)
	begin(g4)
	g3.Retire()
	if got := inForce(m["a"]); got != "350 4 r y OI" {
		t.Errorf("the file is as it was at first: %s", got)
	}

	// To set what the file says is to give it back.
	if from, to, err := m["a"].Set("loadfactor", "2.00", somebody); from != "3.5" || to != "2" || err != nil {
		t.Error(from, to, err)
	}
	if all := m["a"].ByHand(); len(all) != 3 {
		t.Errorf("by hand: %+v", all)
	}
	g4.Retire()
}

func TestByHandOfBalancer(t *testing.T) {
	st := runtime.NewState()
	file := func(params string) string { return fmt.Sprintf(member, "", params) }
	compiled := func(params string) (*runtime.Graph, *Balancer) {
		g, _ := members(t, file(params), st)
		begin(g)
		return g, ConfOf(g.Main).FindBalancer("balancer://p/")
	}
	show := func(b *Balancer) string {
		cookie, path := b.Sticky()
		return fmt.Sprint(b.LBMethod(), " ", cookie, " ", path, " ", b.Timeout(), " ", b.Attempts(), " ", b.StickyForce())
	}
	g1, b := compiled("stickysession=A|b timeout=2")
	for _, p := range [][2]string{{"lbmethod", "bybusyness"}, {"stickysession", "C|d"}, {"timeout", "9"}, {"maxattempts", "7"}, {"nofailover", "1"}} {
		hand(t, b, p[0], p[1])
	}
	if got := show(b); got != "bybusyness C d 9s 7 true" {
		t.Error(got)
	}
	g2, b := compiled("stickysession=A|x timeout=2")
	g1.Retire()
	if got := show(b); got != "bybusyness A x 9s 7 true" {
		t.Error(got)
	}
	g3, b := compiled("stickysession=A|b timeout=2 maxattempts=0 nofailover=on lbmethod=bytraffic")
	g2.Retire()
	if got := show(b); got != "bytraffic A b 9s 0 true" {
		t.Error(got)
	}
	if all := b.ByHand(); len(all) != 1 || all[0].Param != "timeout" {
		t.Errorf("by hand: %+v", all)
	}
	g3.Retire()
}

// TestByHandOfVHost checks that a vhost's parameters of the main server's balancer are its own.
func TestByHandOfVHost(t *testing.T) {
	g := mustCompile(t, "<Proxy balancer://m>\nBalancerMember http://m\n</Proxy>\n<VirtualHost *>\n<Proxy balancer://m>\nProxySet timeout=3\n</Proxy>\n</VirtualHost>")
	main, vhost := ConfOf(g.Servers[0]).FindBalancer("balancer://m/"), ConfOf(g.Servers[1]).FindBalancer("balancer://m/")
	hand(t, vhost, "timeout", "8")
	if main.Timeout() != 0 || vhost.Timeout() != 8*time.Second {
		t.Errorf("main %v, vhost %v", main.Timeout(), vhost.Timeout())
	}
}

func TestBadSettings(t *testing.T) {
	_, m := members(t, fmt.Sprintf(member, "", ""), nil)
	a := m["a"]
	for name, bad := range map[string][]string{
		"loadfactor": {"", "0.9", "101", "NaN", "1e9", "x"}, "lbset": {"-1", "100", "x", ""}, "route": {strings.Repeat("x", 64), "a\nb"},
		"status.N": {"", "maybe"}, "hcmethod": {"POST"}, "hcinterval": {"99"}, "redirect": {"\x00"},
	} {
		for _, v := range bad {
			if _, _, err := a.Set(name, v, somebody); err == nil {
				t.Errorf("%s took %q", name, v)
			}
		}
	}
	for _, name := range []string{"", "status.E", "status.O", "retry"} {
		if _, _, err := a.Set(name, "On", somebody); !errors.Is(err, ErrNoParam) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, bad := range map[string][]string{"lbmethod": {"", "nope"}, "timeout": {"-1", "7201"}, "maxattempts": {"100", "x"}, "nofailover": {""},
		"stickysession": {strings.Repeat("x", 63)}} {
		for _, v := range bad {
			if _, _, err := a.Balancer.Set(name, v, somebody); err == nil {
				t.Errorf("%s took %q", name, v)
			}
		}
	}
	if len(a.ByHand())+len(a.Balancer.ByHand()) > 0 {
		t.Error("something was set")
	}
}

func TestHealthByHand(t *testing.T) {
	_, m := members(t, fmt.Sprintf(member, "", ""), nil)
	a := m["a"]
	for _, p := range [][2]string{{"hcmethod", "get"}, {"hcuri", "/up"}, {"hcinterval", "1500"}, {"hcpasses", "3"}, {"hcfails", "2"}} {
		hand(t, a, p[0], p[1])
	}
	if h := a.HealthNow(); h.Method != "GET" || h.URI != "/up" || h.Interval != 1500*time.Millisecond || h.Passes != 3 || h.Fails != 2 {
		t.Errorf("%+v", h)
	}
}

// TestAdd adds members while running and lets the file take one over.
func TestAdd(t *testing.T) {
	st := runtime.NewState()
	compiled := func(more string) (*runtime.Graph, *Balancer) {
		g, _ := members(t, fmt.Sprintf(member, "", "growth=2")+more, st)
		return g, ConfOf(g.Main).FindBalancer("balancer://p/")
	}
	g1, b := compiled("")
	for url, want := range map[string]string{"http://a": "found one that serves", "nonsense": "absolute URL", "ftp\x00://x": "control characters"} {
		if err := b.Add(url, somebody); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, url := range []string{"http://c", "unix:/run/d|http://d"} {
		if err := b.Add(url, somebody); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add("http://e", somebody); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a third one: %v", err)
	}
	if len(b.Members) != 2 || b.MaxMembers() != 4 {
		t.Errorf("the graph that serves has changed: %d members of %d", len(b.Members), b.MaxMembers())
	}
	g2, b := compiled("")
	begin(g2)
	g1.Retire()
	if len(b.Members) != 4 || b.MaxMembers() != 4 || b.Members[2].Name != "http://c" || b.Members[3].UDS != "/run/d" || b.Members[2].Usable() {
		t.Fatalf("%d members", len(b.Members))
	}
	if b.Remove(b.Members[0]) || !b.Remove(b.Members[3]) {
		t.Error("only what was added can be removed")
	}
	g3, b := compiled("\nBalancerMember balancer://p http://c route=c")
	log := begin(g3)
	g2.Retire()
	if len(b.Members) != 3 || b.Members[2].Added != nil || !b.Members[2].Usable() || len(b.State.AddedMembers()) != 0 || !strings.Contains(log, "is in the file now") {
		t.Errorf("%d members, added %v, log %s", len(b.Members), b.State.AddedMembers(), log)
	}
	g3.Retire()
}

func TestRecent(t *testing.T) {
	var s WorkerState
	at := func(sec int64) time.Time { return time.Unix(1_000_000+sec, 0) }
	for range 3 {
		s.Routed(at(0))
	}
	s.Routed(at(61))
	s.Routed(at(400))
	for _, c := range []struct{ now, minute, five, hour int64 }{{400, 1, 1, 5}, {460, 1, 1, 5}, {470, 0, 1, 5}, {3600, 0, 0, 5}, {3610, 0, 0, 2}, {4010, 0, 0, 0}, {1e6, 0, 0, 0}} {
		var fresh WorkerState
		fresh.routed = s.routed
		fresh.routed.slices = append([]uint32(nil), s.routed.slices...)
		o := fresh.OwnRoute(at(c.now))
		if o.Minute != c.minute || o.FiveMinutes != c.five || o.Hour != c.hour || !o.Last.Equal(at(400)) {
			t.Errorf("at %d: %+v, want %+v", c.now, o, c)
		}
	}
	s.CountElected(at(400))
	s.CountElected(at(396)) // a clock that goes backwards
	h := s.Elections(at(403))
	if len(h) != 60 || h[59] != 2 || h[58] != 0 || s.Elected.Load() != 2 {
		t.Errorf("%v", h)
	}
	if h := s.Elections(at(10000)); h[59] != 0 {
		t.Errorf("%v", h)
	}
}
