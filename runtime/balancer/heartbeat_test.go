package balancer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pinion/runtime/proxy"
)

// TestHeartbeat elects by what a storage file says: chance chooses among the open slots of those that were heard of lately.
func TestHeartbeat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hb.dat")
	g := mustCompile(t, "HeartbeatMaxServers 0\nHeartbeatStorage "+file+"\n"+conf("BalancerMember http://127.0.0.1:81", "BalancerMember http://127.0.0.2:82",
		"BalancerMember http://127.0.0.3:83", "BalancerMember http://127.0.0.4:84", "BalancerMember http://127.0.0.5:85 status=+D", "ProxySet lbmethod=heartbeat"), nil)
	defer g.Retire()
	old := randomPick
	defer func() { randomPick = old }()
	var chosen, slots int
	randomPick = func(n int) int { slots = n; return chosen }
	if got := pick(t, g, ""); got != "503" {
		t.Errorf("without a file: %s", got)
	}
	// 1 has 10 slots; 2 is new, so 8 of it count 2; 3 is silent; 4 was never heard of; 5 is disabled.
	store(t, file, "127.0.0.1 &ready=10&busy=1&lastseen=9&port=80", "127.0.0.2 &ready=8&busy=0&lastseen=0&port=80",
		"127.0.0.3 &ready=50&busy=1&lastseen=10&port=80", "127.0.0.5 &ready=50&busy=1&lastseen=0&port=80")
	for at, want := range map[int]string{0: "127.0.0.1:81", 9: "127.0.0.1:81", 10: "127.0.0.2:82", 12: "127.0.0.2:82"} {
		chosen = at
		if got := pick(t, g, ""); got != "http://"+want || slots != 12 {
			t.Errorf("%d of %d: %s, want %s", at, slots, got, want)
		}
	}
	chosen = 0
	store(t, file, "127.0.0.1 &ready=0&busy=7&lastseen=0&port=80")
	if got := pick(t, g, ""); got != "503" {
		t.Errorf("no slot is open: %s", got)
	}
	store(t, file, "127.0.0.4 &ready=1&busy=7&lastseen=0&port=80")
	if got := pick(t, g, ""); got != "http://127.0.0.4:84" {
		t.Error(got)
	}
	if b := proxy.ConfOf(g.Main).FindBalancer("balancer://x/"); b.Members[3].State.Busy.Load() != 0 {
		t.Error("the member is still busy")
	}
}

// TestHeartbeatShares checks that a member with three times the open slots gets about three times the requests.
func TestHeartbeatShares(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hb.dat")
	g := mustCompile(t, "HeartbeatMaxServers 0\nHeartbeatStorage "+file+"\n"+
		conf("BalancerMember http://127.0.0.1", "BalancerMember http://127.0.0.2", "ProxySet lbmethod=heartbeat"), nil)
	defer g.Retire()
	old := randomPick
	defer func() { randomPick = old }()
	seeded := rand.New(rand.NewPCG(1, 2))
	randomPick = func(n int) int { return seeded.IntN(n + 1) }
	store(t, file, "127.0.0.1 &ready=300&busy=1&lastseen=0", "127.0.0.2 &ready=100&busy=1&lastseen=0")
	count := map[string]int{}
	for range 4000 {
		count[pick(t, g, "")]++
	}
	if n := count["http://127.0.0.1"]; n < 2850 || n > 3150 || n+count["http://127.0.0.2"] != 4000 {
		t.Error(fmt.Sprint(count))
	}
}

// store replaces the file, as a monitor does.
func store(t *testing.T, file string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(file+".tmp", []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		t.Fatal(err)
	}
}

// byTurns are the methods that the model knows: all but heartbeat.
var byTurns = slices.DeleteFunc(slices.Clone(methods), func(name string) bool { return name == heartbeatMethod })
