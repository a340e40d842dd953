package reload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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
	w.tunnelsAtRest()
	sum := 0
	for i, m := range w.members {
		seen, _, _ := m.count()
		got := seen - w.seen[i]
		if w.op[i] == "" { // its figures went with it
			sum += got
			w.gone(i)
			continue
		}
		until(w.t, m.route+" to be busy with its tunnels only", func() bool { return w.worker(i).Busy == w.tunnelsTo(i) })
		elected := int(w.worker(i).Elected - w.elected[i])
		sum += elected
		if w.anchor < 0 {
			continue
		}
		if w.sure[i] && elected != got {
			w.t.Errorf("%s was elected %d times and got %d requests", m.route, elected, got)
		}
		// One that isn't sure, and that nothing brings back, is tried by each client at most once before it is in error, and has at
		// most one request of each in flight when it dies.
		if i != byCheck && i != byRetry && (elected-got > 2*chaosClients || got-elected > chaosClients) {
			w.t.Errorf("%s was elected %d times and got %d requests, too different for one that died", m.route, elected, got)
		}
	}
	w.total.retried += sum - chaosClients*chaosRequests
	lost := w.op[guest] == "" && w.died[guest] // the elections of who died and was removed
	if w.anchor >= 0 && !lost && sum < chaosClients*chaosRequests {
		w.t.Errorf("%d requests, %d elections", chaosClients*chaosRequests, sum)
	}
	w.remember()
	w.metrics()
	for i, m := range w.members {
		if w.sure[i] {
			w.pool(i, m)
		}
	}
}

// gone waits until a member that was removed has no connections but its tunnels.
func (w *world) gone(i int) {
	m := w.members[i]
	until(w.t, "connections to "+m.route+" to be closed after its removal", func() bool { _, _, open := m.count(); return int64(open) == w.tunnelsTo(i) })
}

// remember begins the counts of the next step.
func (w *world) remember() {
	for i, m := range w.members {
		w.seen[i], _, _ = m.count()
		if w.elected[i] = 0; w.op[i] != "" {
			w.elected[i] = w.worker(i).Elected
		}
	}
}

// metrics are the same figures once more.
func (w *world) metrics() {
	found := 0
	for line := range strings.Lines(string(w.get("/metrics"))) {
		name, value := line[:strings.LastIndexByte(line, ' ')+1], strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
		for i, m := range w.members {
			if w.op[i] == "" || !strings.Contains(name, `worker="http://`+m.addr+`"`) {
				continue
			}
			switch {
			case strings.HasPrefix(name, "pinion_worker_elected_total{"):
				if found++; value != fmt.Sprint(w.elected[i]) {
					w.t.Errorf("%s: %s elections, the manager shows %d", name, value, w.elected[i])
				}
			case strings.HasPrefix(name, "pinion_worker_busy_requests{"):
				if found++; value != fmt.Sprint(w.tunnelsTo(i)) {
					w.t.Errorf("%s%s at rest, with %d tunnels", name, value, w.tunnelsTo(i))
				}
			}
		}
	}
	there := fileMembers
	if w.op[guest] != "" {
		there++
	}
	if found != 2*there {
		w.t.Errorf("found %d metrics of members, expected %d", found, 2*there)
	}
}

// pool waits until the connections that a member has are those that the pool in force knows: those of replaced graphs are gone.
func (w *world) pool(i int, m *member) {
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
		return int64(busy) == w.tunnelsTo(i) && open <= idle+busy // those that a member closed are in the pool until it meets them
	})
}
