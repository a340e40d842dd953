package balancer

import (
	"math/rand/v2"

	"pinion/runtime"
	"pinion/runtime/heartbeat"
	"pinion/runtime/proxy"
)

// heartbeatMethod is the method that goes by what backends tell of themselves, not by turns.
const heartbeatMethod = "heartbeat"

// maxLastSeen is how many seconds old a heartbeat may be (LBM_HEARTBEAT_MAX_LASTSEEN).
const maxLastSeen = 10

// randomPick is ap_random_pick from 0 to n, n included. Replaced by tests.
var randomPick = func(n int) int { return rand.IntN(n + 1) }

// byHeartbeat is find_best_hb: chance decides, by how many requests each member is ready for. lbset, factors and standby don't count.
// Members are known by their address: of two with one address, on two ports, the latter gets all.
func (m *lbmethod) byHeartbeat(r *runtime.Request) int32 {
	src := heartbeat.Of(r.Graph)
	if src == nil {
		return -1
	}
	find, err := src.Beats()
	if err != nil {
		r.Server.LogCausef(ByHeartbeat, runtime.LogErr, err, "AH01213", "lb_heartbeat: Unable to read heartbeats at '%s'", src.Path)
		return -1
	}
	type candidate struct {
		host  string
		ready int
	}
	up := make([]candidate, 0, len(m.b.Members))
	member := make(map[string]int32, len(m.b.Members))
	open := 0
	for i, w := range m.b.Members {
		beat, ok := find(w.Hostname)
		if !ok {
			if r.Server.LogOn(ByHeartbeat, runtime.LogDebug) {
				r.Server.Logf(ByHeartbeat, runtime.LogDebug, "AH01214", "lb_heartbeat: No server for worker %s", w.Name)
			}
			continue
		}
		if !m.ledger.members[i].usable {
			m.retry(r, int32(i))
		}
		// A route-only member waits for requests of its route.
		if x := &m.ledger.members[i]; !x.usable || x.status.Has(proxy.HotSpare) && w.FlagR != proxy.HotSpareR {
			continue
		}
		member[w.Hostname] = int32(i)
		if beat.Age < maxLastSeen {
			open += beat.Ready
			up = append(up, candidate{w.Hostname, beat.Ready})
		}
	}
	best := int32(-1)
	if open == 0 {
		return best
	}
	chosen, from := randomPick(open), 0
	for _, c := range up {
		if chosen >= from && chosen <= from+c.ready {
			best = member[c.host]
		}
		from += c.ready
	}
	return best
}
