package reload

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"pinion/runtime"
)

// The members. What brings those back that failed differs.
const (
	byHand      = 0 // and 1: the manager; their retry time is longer than any test
	byCheck     = 2 // its health check
	byRetry     = 3 // its retry time
	guest       = 4 // stands in no file: the manager adds and removes it
	fileMembers = 4
	allMembers  = 5
)

const (
	chaosClients  = 6
	chaosRequests = 8 // of each client in each step
)

// world is what TestChaos knows of the members; what it says holds for a whole step.
type world struct {
	*site
	t       *testing.T
	rng     *rand.Rand
	sv      *Supervisor
	end     func() // of the supervisor
	secure  int    // the port with TLS
	api     *http.Client
	h2      *http.Transport
	clients []*chaosClient
	tunnels []*chaosTunnel
	members []*member
	op      []string // what the operator's last action on the member was; "" for a guest that isn't there
	opOld   []bool   // op is that of the whole step
	sure    []bool   // usable, as the operator left it, since the step began
	died    []bool   // in this step
	coming  []bool   // alive again, and in error until its time comes
	anchor  int      // a member that is sure and enabled; -1 while all are dead
	dying   int      // how many requests may have been in flight on members that died in this step
	elected []int64
	seen    []int
	total   struct{ asked, failed, moved, retried, tunnels, restarts int }
	n       int // generation of the file
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestChaos lets members die, stall, reset, answer 503, fail their health checks and come back, while files are loaded again, the
// manager is used, and pinion is stopped and started. PINION_CHAOS_SEED repeats a run's decisions; PINION_CHAOS_STEPS makes it
// longer.
func TestChaos(t *testing.T) {
	seed := number(t, "PINION_CHAOS_SEED", uint64(time.Now().UnixNano()))
	steps := int(number(t, "PINION_CHAOS_STEPS", 30))
	t.Logf("PINION_CHAOS_SEED=%d PINION_CHAOS_STEPS=%d", seed, steps)
	w := newWorld(t, seed)
	var old []weak.Pointer[runtime.Graph]
	for n := range steps {
		old = append(old, weak.Make(w.sv.Engine().Graph()))
		what := w.step(n)
		w.atRest()
		if n%10 == 4 {
			w.restart()
		}
		w.recover(n == steps-1)
		w.tunnel()
		if t.Failed() {
			t.Fatalf("in step %d: %s", n, what)
		}
	}
	t.Logf("%+v; %d loads, %d refused", w.total, w.sv.Status().Successes, w.sv.Status().Failures)
	now := w.sv.Engine().Graph()
	until(t, "replaced graphs to be let go", func() bool {
		goruntime.GC()
		left := 0
		for _, g := range old {
			if p := g.Value(); p != nil && p != now {
				left++
			}
		}
		return left <= 2
	})
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{site: &site{t: t, dir: t.TempDir(), port: reserve(t)}, t: t, secure: reserve(t), rng: rand.New(rand.NewPCG(seed, 0)),
		api: &http.Client{Transport: &http.Transport{}}, h2: newHTTP2(),
		op: make([]string, allMembers), opOld: make([]bool, allMembers), sure: make([]bool, allMembers), died: make([]bool, allMembers),
		coming: make([]bool, allMembers), elected: make([]int64, allMembers), seen: make([]int, allMembers)}
	for i := range allMembers {
		w.members = append(w.members, newMember(t, fmt.Sprintf("m%d", i)))
		if i < fileMembers {
			w.op[i], w.sure[i] = "enable", true
		}
	}
	t.Cleanup(func() { // after the stop
		for _, m := range w.members {
			until(t, "connections to members to be closed", func() bool { _, _, open := m.count(); return open == 0 })
		}
	})
	w.certificate(1)
	w.site.write("httpd.conf", w.conf(0))
	w.sv, w.end = w.run()
	t.Cleanup(func() { w.end() })
	t.Cleanup(w.hangUp)
	for i := range chaosClients {
		w.clients = append(w.clients, &chaosClient{w: w, id: i, rng: rand.New(rand.NewPCG(seed, uint64(i)+1))})
	}
	return w
}

// conf is the file of generation n: members in another order, with other load factors.
func (w *world) conf(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `Listen 127.0.0.1:%d
Listen 127.0.0.1:%d
ServerName main.test
MaxKeepAliveRequests 0
KeepAliveTimeout 600
Timeout 600
ErrorLog %s/error.log
BalancerPersist On
Header set X-Main %d
Header add Set-Cookie "ROUTEID=.%%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
<Location /manager>
  SetHandler balancer-manager
</Location>
<Location /metrics>
  SetHandler prometheus
</Location>
<Proxy balancer://app>
`, w.port, w.secure, w.dir, n)
	for k := range fileMembers {
		i := (k + n) % fileMembers
		fmt.Fprintf(&b, "  BalancerMember http://%s route=%s upgrade=websocket loadfactor=%d", w.members[i].addr, w.members[i].route, (k+n)%3+1)
		switch i {
		case byCheck:
			b.WriteString(" retry=600 hcmethod=GET hcuri=/health hcinterval=100ms\n")
		case byRetry:
			b.WriteString(" retry=1\n")
		default:
			b.WriteString(" retry=600\n")
		}
	}
	fmt.Fprintf(&b, `  ProxySet stickysession=ROUTEID failonstatus=503 growth=2
</Proxy>
ProxyPass /manager !
ProxyPass /metrics !
ProxyPass / balancer://app/
<VirtualHost *:%d>
  ServerName main.test
  Protocols h2 http/1.1
  SSLEngine on
  SSLCertificateFile %[2]s/cert.pem
  SSLCertificateKeyFile %[2]s/key.pem
</VirtualHost>
`, w.secure, w.dir)
	return b.String()
}

// step sends the clients' requests and meanwhile does one thing to a member and one to pinion.
func (w *world) step(n int) (what string) {
	w.dying = 0
	clear(w.died)
	var firm, others []int
	for i := range w.members {
		if w.opOld[i] = true; w.sure[i] && w.op[i] == "enable" && i != guest {
			firm = append(firm, i)
		}
	}
	w.anchor = firm[w.rng.IntN(len(firm))]
	for i := range w.members {
		if i != w.anchor && w.op[i] != "" {
			others = append(others, i)
		}
	}
	victim := others[w.rng.IntN(len(others))]
	harm, admin := w.rng.IntN(9), w.rng.IntN(7)
	switch {
	case n%10 == 9:
		harm, w.anchor = allDie, -1
	case harm == failsChecks && w.anchor != byCheck && w.sure[byCheck]:
		victim = byCheck
	case harm == failsChecks:
		harm = 0
	}
	what = fmt.Sprintf("member m%d, harm %d, admin %d", victim, harm, admin)
	before := fmt.Sprint(w.sure, w.op, w.coming)
	// What the step does makes members unsure before the first request: the checks hold for a whole step.
	switch harm {
	case dies, resetsAll, cutsAll, says503All, diesBusy, failsChecks:
		w.sure[victim], w.coming[victim] = false, false
	case allDie:
		clear(w.sure)
		clear(w.coming)
	}
	var act string
	switch admin {
	case acts:
		act = []string{"enable", "drain", "route-only", "standby", "disable"}[w.rng.IntN(5)]
		w.opOld[victim] = false
		if act == "disable" || w.op[victim] == "disable" {
			w.sure[victim] = false
		}
	case addsOrRemoves:
		w.opOld[guest], w.sure[guest] = false, false
	}
	var answered atomic.Int64
	var wg sync.WaitGroup
	results := make([][]outcome, len(w.clients))
	for i, c := range w.clients {
		wg.Go(func() {
			for k := range chaosRequests {
				results[i] = append(results[i], c.ask(fmt.Sprintf("%d-%d-%d", n, i, k)))
				answered.Add(1)
			}
		})
	}
	until(w.t, "requests to be answered", func() bool { return answered.Load() >= chaosClients*chaosRequests/4 })
	w.harm(victim, harm, func() bool { return answered.Load() == chaosClients*chaosRequests }, func() { w.admin(victim, admin, act) })
	wg.Wait()
	for _, rs := range results {
		w.judge(rs)
	}
	return fmt.Sprintf("%s %s; before: %s", what, act, before)
}
