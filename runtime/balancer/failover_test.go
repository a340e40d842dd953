package balancer

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// TestPassOver fails the first members of one request, which retry=0 takes out of error at once: where httpd would choose one of
// them again, another is tried, as long as there is one.
func TestPassOver(t *testing.T) {
	defer func(old func(int) int) { randomPick = old }(randomPick)
	randomPick = func(int) int { return 0 }
	beats := filepath.Join(t.TempDir(), "hb.dat")
	store(t, beats, "127.0.0.1 &ready=9&busy=0&lastseen=9&port=80", "127.0.0.2 &ready=9&busy=0&lastseen=9&port=80")
	cases := []struct {
		name, cookie string
		lines        []string
		want         string // of the attempts, one by one
	}{
		{"byrequests", "", []string{"BalancerMember http://a retry=0 loadfactor=9", "BalancerMember http://b retry=0"}, "a b a"},
		{"bytraffic", "", []string{"BalancerMember http://a retry=0", "BalancerMember http://b retry=0", "ProxySet lbmethod=bytraffic"}, "a b a"},
		{"bybusyness", "", []string{"BalancerMember http://a retry=0", "BalancerMember http://b retry=0", "ProxySet lbmethod=bybusyness"}, "a b a"},
		{"heartbeat", "", []string{"BalancerMember http://127.0.0.1 retry=0", "BalancerMember http://127.0.0.2 retry=0", "ProxySet lbmethod=heartbeat"},
			"127.0.0.1 127.0.0.2 127.0.0.1"},
		{"alone", "", []string{"BalancerMember http://a retry=0", "BalancerMember http://b status=+D"}, "a a a"},
		{"another set", "", []string{"BalancerMember http://a retry=0", "BalancerMember http://b lbset=1"}, "a b a"},
		{"a standby", "", []string{"BalancerMember http://a retry=0", "BalancerMember http://b status=+H"}, "a b a"},
		{"sticky", "sid=1.a", []string{"BalancerMember http://a retry=0 route=a", "BalancerMember http://b retry=0 route=b",
			"BalancerMember http://c route=a status=+H retry=0", "ProxySet stickysession=sid"}, "a c b a"},
		{"nofailover", "sid=1.a", []string{"BalancerMember http://a retry=0 route=a", "BalancerMember http://b route=b",
			"ProxySet stickysession=sid nofailover=On"}, "a a a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := mustCompile(t, "HeartbeatMaxServers 0\nHeartbeatStorage "+beats+"\n"+conf(c.lines...), nil)
			defer g.Retire()
			r, b := request(g, "/", c.cookie)
			defer r.Free()
			var got []string
			for range strings.Fields(c.want) {
				url := "balancer://x/"
				w, res := preRequest(r, b, &url)
				if res != runtime.OK {
					t.Fatalf("after %v: %d", got, res)
				}
				got = append(got, w.Hostname)
				w.Fail(time.Unix(0, 0))
				proxy.Of(r).Attempts++
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("tried %v, want %s", got, c.want)
			}
			for _, w := range b.Members {
				if w.Hostname == "a" && w.State.Elected.Load() != int64(strings.Count(c.want, "a")) {
					t.Errorf("a counts %d elections of %v", w.State.Elected.Load(), got)
				}
			}
		})
	}
}

// TestRetryLog looks at the debug lines of elections with members in error: each is named at each election, due or not.
func TestRetryLog(t *testing.T) {
	defer func() { clock = time.Now }()
	now := time.Unix(1000, 0)
	clock = func() time.Time { return now }
	g := mustCompile(t, "LogLevel proxy:debug\n"+conf("BalancerMember http://a retry=9", "BalancerMember http://b retry=20", "BalancerMember http://c status=+S",
		"BalancerMember http://d"), nil)
	var log bytes.Buffer
	g.Main.Errors = &runtime.ErrorLog{Out: &log}
	b := proxy.ConfOf(g.Main).FindBalancer("balancer://x/")
	for _, w := range b.Members[:3] {
		w.ForceError(now)
	}
	for i, want := range []string{"a- b- c! a- b- c!", "a- b- c! a- b- c!", "a+ b- c!"} {
		if i == 2 {
			now = now.Add(10 * time.Second)
		}
		log.Reset()
		pick(t, g, "")
		var got []string
		for _, line := range strings.Split(log.String(), "\n") {
			for id, sign := range map[string]string{"AH00932": "+", "AH00933": "-", "AH03305": "!"} {
				if _, rest, ok := strings.Cut(line, id); ok {
					_, host, _ := strings.Cut(rest, "(")
					got = append(got, host[:1]+sign)
				}
			}
		}
		// The first members are retried twice: for forcerecovery, and by the method.
		if strings.Join(got, " ") != want {
			t.Errorf("election %d: %v, want %s\n%s", i, got, want, log.String())
		}
	}
}
