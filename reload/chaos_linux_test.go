package reload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"pinion/runtime"
)

const (
	chaosMembers  = 4
	chaosClients  = 6
	chaosRequests = 8 // of each client in each step
)

// world is what TestChaos knows of the members; what it says holds for a whole step.
type world struct {
	*site
	t       *testing.T
	rng     *rand.Rand
	sv      *Supervisor
	api     *http.Client
	members []*member
	op      []string // what the operator's last action on the member was
	sure    []bool   // usable, as the operator left it, since the step began
	opOld   []bool   // op is that of the whole step
	anchor  int      // a member that is sure and enabled; -1 while all are dead
	dying   int      // how many requests may have been in flight on members that died in this step
	elected []int64
	seen    []int
	total   struct{ asked, failed, moved, retried int }
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

// TestChaos lets members die, stall, reset, answer 503 and come back, while files are loaded again and the manager is
// used. PINION_CHAOS_SEED repeats a run's decisions; PINION_CHAOS_STEPS makes it longer.
func TestChaos(t *testing.T) {
	seed := number(t, "PINION_CHAOS_SEED", uint64(time.Now().UnixNano()))
	steps := int(number(t, "PINION_CHAOS_STEPS", 40))
	t.Logf("PINION_CHAOS_SEED=%d PINION_CHAOS_STEPS=%d", seed, steps)
	w := newWorld(t, seed)
	clients := make([]*chaosClient, chaosClients)
	for i := range clients {
		clients[i] = &chaosClient{w: w, id: i, rng: rand.New(rand.NewPCG(seed, uint64(i)+1))}
		defer clients[i].close()
	}
	var old []weak.Pointer[runtime.Graph]
	for n := range steps {
		old = append(old, weak.Make(w.sv.Engine().Graph()))
		what := w.step(n, clients)
		w.atRest()
		if t.Failed() {
			t.Fatalf("in step %d: %s", n, what)
		}
		w.recover()
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
	w := &world{site: &site{t: t, dir: t.TempDir(), port: freePort(t)}, t: t, rng: rand.New(rand.NewPCG(seed, 0)), api: &http.Client{Transport: &http.Transport{}}}
	for i := range chaosMembers {
		w.members = append(w.members, newMember(t, fmt.Sprintf("m%d", i)))
		w.op = append(w.op, "enable")
		w.elected, w.seen = append(w.elected, 0), append(w.seen, 0)
	}
	w.sure, w.opOld = make([]bool, chaosMembers), make([]bool, chaosMembers)
	for i := range w.sure {
		w.sure[i] = true
	}
	t.Cleanup(func() { // after the stop
		for _, m := range w.members {
			until(t, "connections to members to be closed", func() bool { _, _, open := m.count(); return open == 0 })
		}
	})
	w.site.write("httpd.conf", w.conf(0))
	w.sv = w.start()
	t.Cleanup(w.api.CloseIdleConnections)
	return w
}

// conf is the file of generation n: members in another order, with other load factors.
func (w *world) conf(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `Listen 127.0.0.1:%d
ServerName main.test
MaxKeepAliveRequests 0
KeepAliveTimeout 600
ErrorLog %s/error.log
Header set X-Main %d
Header add Set-Cookie "ROUTEID=.%%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
<Location /manager>
  SetHandler balancer-manager
</Location>
<Location /metrics>
  SetHandler prometheus
</Location>
<Proxy balancer://app>
`, w.port, w.dir, n)
	for i := range w.members {
		m := w.members[(i+n)%len(w.members)]
		fmt.Fprintf(&b, "  BalancerMember http://%s route=%s retry=600 loadfactor=%d\n", m.addr, m.route, (i+n)%3+1)
	}
	b.WriteString(`  ProxySet stickysession=ROUTEID failonstatus=503 growth=2
</Proxy>
ProxyPass /manager !
ProxyPass /metrics !
ProxyPass / balancer://app/
`)
	return b.String()
}

// step sends the clients' requests and meanwhile does one thing to a member and one to pinion.
func (w *world) step(n int, clients []*chaosClient) (what string) {
	w.dying = 0
	var firm []int
	for i := range w.members {
		w.opOld[i] = true
		if w.sure[i] && w.op[i] == "enable" {
			firm = append(firm, i)
		}
	}
	w.anchor = firm[w.rng.IntN(len(firm))]
	victim := (w.anchor + 1 + w.rng.IntN(chaosMembers-1)) % chaosMembers
	harm, admin := w.rng.IntN(8), w.rng.IntN(6)
	if n%10 == 9 {
		harm, w.anchor = 8, -1
	}
	what = fmt.Sprintf("member m%d, harm %d, admin %d", victim, harm, admin)
	sure, ops := fmt.Sprint(w.sure), fmt.Sprint(w.op)
	// What the step does makes members unsure before the first request: the checks hold for a whole step.
	switch harm {
	case 1, 2, 3, 4, 5:
		w.sure[victim] = false
	case 8:
		clear(w.sure)
	}
	var act string
	if admin == 0 {
		act = []string{"enable", "drain", "route-only", "standby", "disable"}[w.rng.IntN(5)]
		w.opOld[victim] = false
		if act == "disable" || w.op[victim] == "disable" {
			w.sure[victim] = false
		}
	}
	var answered atomic.Int64
	var wg sync.WaitGroup
	results := make([][]outcome, len(clients))
	for i, c := range clients {
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
	return fmt.Sprintf("%s %s; before: sure %s, %s", what, act, sure, ops)
}

func (w *world) harm(i, harm int, over func() bool, meanwhile func()) {
	m := w.members[i]
	switch harm {
	case 1:
		w.die(m)
	case 2:
		m.turn(resets)
	case 3:
		m.turn(cuts)
	case 4:
		m.turn(says503)
	case 5, 6, 7: // one that dies while requests wait, two that answer late
		m.turn(stalls)
		held := 0
		until(w.t, "a request to stall, or the clients to be done", func() bool { _, held, _ = m.count(); return held > 0 || over() })
		if b := w.worker(i).Busy; b < int64(held) {
			w.t.Errorf("%d requests wait for %s, and it is busy with %d", held, m.route, b)
		}
		meanwhile()
		if harm == 5 {
			w.die(m)
		} else {
			m.turn(answers)
		}
		return
	case 8:
		for _, m := range w.members {
			w.die(m)
		}
	}
	meanwhile()
}

// die lets a member die. Each of its connections, and one that each client's request has just made, may take a request with it.
func (w *world) die(m *member) { w.dying += m.die() + chaosClients }

func (w *world) admin(i, admin int, act string) {
	switch admin {
	case 0:
		w.post(i, map[string]any{"action": act})
		w.op[i] = act
	case 1, 2:
		w.n++
		w.rename("httpd.conf", w.conf(w.n))
		if st := w.sv.Reload(context.Background(), "signal", true); !st.Success {
			w.t.Error(st.Diags)
		}
	case 3:
		w.rename("httpd.conf", w.conf(w.n)+"ProxyPas /\n")
		if st := w.sv.Reload(context.Background(), "signal", true); st.Success {
			w.t.Error("a broken file was loaded")
		}
		w.rename("httpd.conf", w.conf(w.n))
	case 4:
		w.post(i, map[string]any{"set": map[string]any{"loadfactor": 1 + w.rng.IntN(5)}})
	case 5:
		const url = "http://127.0.0.1:1"
		w.send(map[string]any{"balancer": "app", "add": url})
		w.send(map[string]any{"balancer": "app", "worker": url, "remove": true})
	}
}

// outcome is what a client saw of a request.
type outcome struct {
	id, method string
	route      string // of the session that it carried; "" for none
	status     int    // 0 for none
	member     string
	whole      bool
	err        error
}

// got is what the members did with a request.
func (w *world) got(o outcome) map[string]mood {
	all := map[string]mood{}
	for i, m := range w.members {
		m.mu.Lock()
		did, ok := m.did[o.id]
		m.mu.Unlock()
		if !ok {
			continue
		}
		all[m.route] = did
		if w.sure[i] && m.route != o.member {
			w.t.Errorf("%+v: %s was usable and got it, too", o, m.route)
		}
	}
	// A request without a body that may be sent twice may be, when a kept connection ends without an answer.
	if len(all) > 1 && o.method == "POST" {
		w.t.Errorf("%+v: was sent to %v", o, all)
	}
	return all
}

// judge compares what one client saw with what the members did.
func (w *world) judge(rs []outcome) {
	for _, o := range rs {
		w.total.asked++
		got := w.got(o)
		if o.status == 200 && o.whole {
			w.judgeRoute(o, got)
			continue
		}
		w.total.failed++
		explained := false
		for _, did := range got {
			explained = explained || did == says503 && o.status == 503 && o.member != "" || did == cuts && o.status == 200 ||
				did == resets && (o.status == 502 || o.status == 0)
		}
		switch {
		case explained || w.anchor < 0:
		case o.status == 503:
			w.t.Errorf("%+v: although m%d is usable (%v)", o, w.anchor, got)
		default:
			if w.dying--; w.dying < 0 { // else in flight on a member that died
				w.t.Errorf("%+v: no member that died explains it (%v)", o, got)
			}
		}
	}
}

// judgeRoute holds what is true of an answer: where the session is.
func (w *world) judgeRoute(o outcome, got map[string]mood) {
	if did, ok := got[o.member]; !ok || did != answers && did != stalls {
		w.t.Errorf("%+v: members got it as %v", o, got)
		return
	}
	by := slices.IndexFunc(w.members, func(m *member) bool { return m.route == o.member })
	if o.route == o.member {
		if w.opOld[by] && w.op[by] == "disable" {
			w.t.Errorf("%+v: went to a disabled member", o)
		}
		return
	}
	if o.route != "" {
		w.total.moved++
	}
	for i, m := range w.members {
		if m.route == o.route && w.sure[i] {
			w.t.Errorf("%+v: the session moved while its member was usable", o)
		}
	}
	if w.anchor >= 0 && w.opOld[by] && w.op[by] != "enable" {
		w.t.Errorf("%+v: went to a member that gets no new sessions (%s)", o, w.op[by])
	}
}

// atRest holds what must add up when no request is under way.
func (w *world) atRest() {
	sum := 0
	for i, m := range w.members {
		until(w.t, m.route+" not to be busy", func() bool { return w.worker(i).Busy == 0 })
		x := w.worker(i)
		seen, _, _ := m.count()
		elected, got := int(x.Elected-w.elected[i]), seen-w.seen[i]
		w.elected[i], w.seen[i] = x.Elected, seen
		sum += elected
		if w.anchor < 0 {
			continue
		}
		// A member that is not sure is tried by each client at most once before it is in error, and has at most one
		// request of each in flight when it dies.
		if w.sure[i] && elected != got || elected-got > 2*chaosClients || got-elected > chaosClients {
			w.t.Errorf("%s was elected %d times and got %d requests", m.route, elected, got)
		}
	}
	w.total.retried += sum - chaosClients*chaosRequests
	if w.anchor >= 0 && sum < chaosClients*chaosRequests {
		w.t.Errorf("%d requests, %d elections", chaosClients*chaosRequests, sum)
	}
	w.metrics()
	for i, m := range w.members {
		if w.sure[i] {
			w.pool(m)
		}
	}
}

// recover brings members back, by chance or so that one is there.
func (w *world) recover() {
	firm := false
	for i := range w.members {
		firm = firm || w.sure[i] && w.op[i] == "enable"
	}
	for i, m := range w.members {
		back := w.rng.IntN(2) == 0
		if firm && !back {
			continue
		}
		m.live()
		w.post(i, map[string]any{"set": map[string]any{"status.E": false}})
		if !firm || w.op[i] == "disable" {
			w.post(i, map[string]any{"action": "enable"})
			w.op[i] = "enable"
		}
		if w.sure[i] = true; !w.worker(i).Usable {
			w.t.Fatalf("%s came back and is not usable: %+v", m.route, w.worker(i))
		}
	}
}

type workerFigures struct {
	Name          string
	Elected, Busy int64
	Usable        bool
	Status        string
	ETag          string
}

func (w *world) get(path string) []byte {
	w.t.Helper()
	res, err := w.api.Get(fmt.Sprintf("http://127.0.0.1:%d%s", w.port, path))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		w.t.Fatalf("%s: %v, %s: %s", path, err, res.Status, text)
	}
	return text
}

func (w *world) worker(i int) (x workerFigures) {
	w.t.Helper()
	if err := json.Unmarshal(w.get("/manager?format=json&b=app&w=http://"+w.members[i].addr), &x); err != nil || x.Name == "" {
		w.t.Fatal(err, x)
	}
	return x
}

func (w *world) post(i int, order map[string]any) {
	w.t.Helper()
	order["balancer"], order["worker"] = "app", "http://"+w.members[i].addr
	w.send(order)
}

func (w *world) send(order map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(order)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.api.Post(fmt.Sprintf("http://127.0.0.1:%d/manager", w.port), "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != 200 {
		w.t.Errorf("%s: %s: %s", body, res.Status, text)
	}
}

// metrics are the same figures once more.
func (w *world) metrics() {
	found := 0
	for line := range strings.Lines(string(w.get("/metrics"))) {
		name, value := line[:strings.LastIndexByte(line, ' ')+1], strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
		for i, m := range w.members {
			if !strings.Contains(name, `worker="http://`+m.addr+`"`) {
				continue
			}
			switch {
			case strings.HasPrefix(name, "pinion_worker_elected_total{"):
				if found++; value != fmt.Sprint(w.elected[i]) {
					w.t.Errorf("%s: %s elections, the manager shows %d", name, value, w.elected[i])
				}
			case strings.HasPrefix(name, "pinion_worker_busy_requests{"):
				if found++; value != "0" {
					w.t.Errorf("%s%s at rest", name, value)
				}
			}
		}
	}
	if found != 2*chaosMembers {
		w.t.Errorf("found %d metrics of members, expected %d", found, 2*chaosMembers)
	}
}

// pool waits until the connections that a member has are those that the pool in force knows: those of replaced graphs are gone.
func (w *world) pool(m *member) {
	last := ""
	defer func() {
		if w.t.Failed() {
			w.t.Log(m.route, last)
		}
	}()
	until(w.t, "connections to "+m.route+" to be known, and idle", func() bool {
		_, _, open := m.count()
		idle, busy := -1, -1
		for line := range strings.Lines(string(w.get("/metrics"))) {
			if strings.HasPrefix(line, "pinion_worker_pool_connections{") && strings.Contains(line, `worker="http://`+m.addr+`"`) {
				n, _ := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
				if strings.Contains(line, `state="idle"`) {
					idle = n
				} else {
					busy = n
				}
			}
		}
		last = fmt.Sprintf("%d open, the pool has %d idle and %d busy", open, idle, busy)
		return open <= idle && busy == 0 // those that a member closed are in the pool until it meets them
	})
}
