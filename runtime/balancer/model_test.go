package balancer

import "slices"

// modelMember and model are the elections as httpd holds them: every election goes through all members. They know nothing of
// the ledger; TestModel holds the ledger against them.
type modelMember struct {
	factor, lbstatus    int64
	lbset               int
	route, redirect     string
	usable, inError     bool // usable: but for inError
	errorAt, retryAfter int64
	stopped, ignores    bool
	passed              bool // it has failed the request, which goes elsewhere
	drain, spare        bool
	standby, routeOnly  bool
	busy, elected       int64
	transferred, readIn int64
}

type model struct {
	method        string
	members       []*modelMember
	now           int64
	forceRecovery bool
	noFailover    bool
}

func (m *modelMember) ok() bool { return m.usable && !m.inError && !m.passed }

func (x *model) retry(m *modelMember) {
	if m.inError && !m.stopped && (m.ignores || x.now > m.errorAt+m.retryAfter) {
		m.inError = false
	}
}

func (x *model) recoverAll() {
	for _, m := range x.members {
		if !m.inError {
			return
		}
		if x.retry(m); !m.inError {
			return
		}
	}
	if x.forceRecovery {
		for _, m := range x.members {
			m.inError = false
		}
	}
}

func (x *model) findRoute(route string, depth int) *modelMember {
	ok := func(m *modelMember) bool { return m.ok() && (depth == 1 || !m.routeOnly) }
	for pass := 0; pass < 2; pass++ {
		for _, m := range x.members {
			if m.standby != (pass == 1) || m.route == "" || m.route != route {
				continue
			}
			if ok(m) {
				return m
			}
			if x.retry(m); ok(m) {
				return m
			}
			if m.redirect != "" && depth < len(x.members) {
				if to := x.findRoute(m.redirect, depth+1); to != nil {
					return to
				}
			}
		}
	}
	return nil
}

// isBest is the method's question: is m better than the best so far?
func (x *model) isBest(m, best *modelMember, total *int64, least *int64) bool {
	switch x.method {
	case "bytraffic":
		traffic := m.transferred/m.factor + m.readIn/m.factor
		if best == nil || traffic < *least {
			*least = traffic
			return true
		}
		return false
	case "bybusyness":
		m.lbstatus += m.factor
		*total += m.factor
		return best == nil || m.busy < best.busy || m.busy == best.busy && m.lbstatus > best.lbstatus
	}
	m.lbstatus += m.factor
	*total += m.factor
	return best == nil || m.lbstatus > best.lbstatus
}

// passOver is what httpd doesn't do: members that have failed the request count as being in error, once it would be sent to one again.
func (x *model) passOver(m *modelMember, failed []*modelMember) bool {
	if m == nil || m.passed || !slices.Contains(failed, m) {
		return false
	}
	for _, f := range failed {
		f.passed = true
	}
	return true
}

func (x *model) passOverNoMore() {
	for _, m := range x.members {
		m.passed = false
	}
}

func (x *model) findBest(failed []*modelMember) *modelMember {
	var again *modelMember
	for set := 0; set <= 99; set++ {
		best := x.bestOf(set)
		if x.passOver(best, failed) {
			again = best
			best = x.bestOf(set)
		}
		if best != nil {
			return best
		}
	}
	return again
}

func (x *model) bestOf(set int) (best *modelMember) {
	var total, least int64
	unusable := 0
	var spares, standbys []*modelMember
	for _, m := range x.members {
		if m.lbset != set {
			continue
		}
		if m.drain {
			if !m.spare && !m.standby {
				unusable++
			}
			continue
		}
		if !m.ok() {
			x.retry(m)
		}
		ok := m.ok() && !m.routeOnly
		switch {
		case m.spare:
			if ok {
				spares = append(spares, m)
			}
		case m.standby:
			if ok {
				standbys = append(standbys, m)
			}
		case ok:
			if x.isBest(m, best, &total, &least) {
				best = m
			}
		default:
			unusable++
		}
	}
	for i, m := range spares {
		if i < unusable && x.isBest(m, best, &total, &least) {
			best = m
		}
	}
	if best == nil {
		for _, m := range standbys {
			if x.isBest(m, best, &total, &least) {
				best = m
			}
		}
	}
	if best != nil {
		best.lbstatus -= total
	}
	return best
}

func (x *model) elect(route string, failed []*modelMember) (m *modelMember, denied bool) {
	x.recoverAll()
	defer x.passOverNoMore()
	var again *modelMember
	if route != "" {
		if m = x.findRoute(route, 1); x.passOver(m, failed) {
			again = m
			if m = x.findRoute(route, 1); m == nil && x.noFailover {
				m = again
			}
		}
		if m != nil {
			x.chargeSession(m)
		} else if x.noFailover {
			for _, o := range x.members {
				if o.route == route {
					return nil, true
				}
			}
		}
	}
	if m == nil {
		m = x.findBest(failed)
	}
	if m == nil && again != nil {
		m = again
		x.chargeSession(m)
	}
	if m != nil {
		m.elected++
		m.busy++
	}
	return m, false
}

func (x *model) chargeSession(m *modelMember) {
	x.passOverNoMore()
	var total int64
	for _, o := range x.members {
		if o.ok() {
			o.lbstatus += o.factor
			total += o.factor
		}
	}
	m.lbstatus -= total
}
