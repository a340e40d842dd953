package balancer

import (
	"math"
	"sort"

	"pinion/runtime/proxy"
)

// order is how a method ranks the members.
type order uint8

// The methods: the highest lbstatus; the least traffic; the fewest open requests and, of those, the highest lbstatus.
const (
	byRequests order = iota
	byTraffic
	byBusyness
)

// ledger holds the turns of a balancer's members. httpd goes through all members at each election and adds to each one's
// lbstatus; here that sum is only counted (a tick) and worked out when somebody asks, so that an election costs a heap's step
// whatever the number of members is. The order of the elected is the very same.
//
// Members of one load factor keep their order among themselves through any number of ticks, so each factor has a heap of its own
// and an election compares the tops. (2,000 members of 2,000 different load factors are a linear scan, as in httpd.)
//
// It refers to states alone, never to a Graph, as it outlives one. Guarded by BalancerState.Mu.
type ledger struct {
	order   order
	members []member
	pos     []int32  // of each member in group.heap; apart from the members, as elections write many of them
	sets    []*lbset // by their number
	sick    int      // members in error
	headDue int64    // as lbset.due, for the members in error that no other member stands before
	ticks   int64    // elections by a session's route: each counts for every usable member
	usable  int64    // the sum of the usable members' factors
	seen    uint64   // BalancerState.Changes when the statuses were last looked at
}

// member is a worker's place in the ledger.
type member struct {
	state  *proxy.WorkerState
	factor int64
	set    *lbset
	status proxy.Status
	role   role
	usable bool
	base   int64 // lbstatus without what the ticks add
	key    int64 // what is compared before lbstatus: traffic, when last looked at, or open requests
	group  *group
}

// role is what a member may be elected as.
type role uint8

// The roles.
const (
	idle    role = iota // not to be elected, but by its route
	lacking             // the same, and a spare may stand in
	normal
	spare
	standby
)

// lbset is the members of one lbset.
type lbset struct {
	number  int
	normal  pool
	standby pool
	spares  []int32 // usable ones, in the order of the file
	lacking int     // members that spares stand in for
	sick    []int32 // members in error, in the order of the file
	due     int64   // Unix time in nanoseconds until which none of them that elections retry is to be; unknown after a change
}

// unknown is a time that is over.
const unknown = math.MinInt64

// pool is members that are elected from together.
type pool struct {
	groups []*group
	byFact map[int64]*group
	total  int64 // sum of the factors
	ticks  int64 // elections from the pool
	size   int
}

// group is a pool's members of one factor.
type group struct {
	pool *pool
	heap []entry
}

func newLedger(o order) *ledger { return &ledger{order: o, headDue: unknown} }

// add appends a member of the set with that number.
func (l *ledger) add(st *proxy.WorkerState, factor int64, number int) {
	l.members = append(l.members, member{state: st, factor: factor, set: l.lbset(number)})
	l.pos = append(l.pos, 0)
}

func (l *ledger) lbset(number int) *lbset {
	i := sort.Search(len(l.sets), func(i int) bool { return l.sets[i].number >= number })
	if i == len(l.sets) || l.sets[i].number != number {
		s := &lbset{number: number, due: unknown}
		l.sets = append(l.sets, nil)
		copy(l.sets[i+1:], l.sets[i:])
		l.sets[i] = s
	}
	return l.sets[i]
}

// load takes over what the states say, after another ledger has settled.
func (l *ledger) load() {
	for i := range l.members {
		m := &l.members[i]
		m.state.Turn = int32(i)
		m.base += m.state.LBStatus.Load() - l.lbstatus(int32(i))
		l.rekey(int32(i))
	}
	for _, s := range l.sets {
		s.normal.init(l)
		s.standby.init(l)
	}
}

// changed forgets what is known of when to retry.
func (l *ledger) changed() {
	l.headDue = unknown
	for _, s := range l.sets {
		s.due = unknown
	}
}

// Settle is proxy.Elections.
func (l *ledger) Settle() {
	for i := range l.members {
		l.members[i].state.LBStatus.Store(l.lbstatus(int32(i)))
	}
}

// BusyChanged is proxy.Elections.
func (l *ledger) BusyChanged(st *proxy.WorkerState) {
	if i := st.Turn; int(i) < len(l.members) && l.members[i].state == st {
		l.rekey(i)
		l.fix(i)
	}
}

// lbstatus is how urgent it is that the member works.
func (l *ledger) lbstatus(i int32) int64 {
	m := &l.members[i]
	v := m.base
	if m.usable {
		v += m.factor * l.ticks
	}
	if m.group != nil {
		v += m.factor * m.group.pool.ticks
	}
	return v
}

// place puts the member where its status belongs.
func (l *ledger) place(i int32, status proxy.Status, as role) {
	m := &l.members[i]
	now := l.lbstatus(i)
	l.remove(i)
	m.status, m.role, m.usable = status, as, status.Usable()
	if m.usable {
		l.usable += m.factor
	}
	if status.Has(proxy.InError) {
		l.sick++
		m.set.sick = insert(m.set.sick, i)
	}
	switch as {
	case lacking:
		m.set.lacking++
	case spare:
		m.set.spares = insert(m.set.spares, i)
	case normal:
		m.group = m.set.normal.group(l, m.factor)
	case standby:
		m.group = m.set.standby.group(l, m.factor)
	}
	if m.group != nil {
		m.group.pool.total += m.factor
		m.group.pool.size++
	}
	m.base += now - l.lbstatus(i)
	if m.group != nil {
		l.rekey(i)
		l.push(i)
	}
}

// remove takes the member out of whatever it is in; its base is not right any more.
func (l *ledger) remove(i int32) {
	m := &l.members[i]
	if m.usable {
		l.usable -= m.factor
	}
	if m.status.Has(proxy.InError) {
		l.sick--
		m.set.sick = without(m.set.sick, i)
	}
	switch m.role {
	case lacking:
		m.set.lacking--
	case spare:
		m.set.spares = without(m.set.spares, i)
	}
	if g := m.group; g != nil {
		g.pool.total -= m.factor
		g.pool.size--
		l.pull(i)
		m.group = nil
	}
}

// bySession accounts for an election of i by its route: every usable member counts as considered.
func (l *ledger) bySession(i int32) {
	l.ticks++
	l.charge(i, l.usable)
}

// charge takes total off the lbstatus of the elected.
func (l *ledger) charge(i int32, total int64) {
	l.members[i].base -= total
	if l.order != byTraffic {
		l.fix(i)
	}
}

// best finds who of the set is to work, and what it is charged with then; -1 where nobody is usable.
func (l *ledger) best(s *lbset) (best int32, total int64) {
	best = -1
	if s.normal.size > 0 {
		best = l.bestOf(&s.normal)
		total = s.normal.total
	}
	for k := 0; k < len(s.spares) && k < s.lacking; k++ {
		i := s.spares[k]
		l.rekey(i)
		if l.order != byTraffic {
			l.members[i].base += l.members[i].factor
		}
		total += l.members[i].factor
		if best < 0 || l.beats(i, best) {
			best = i
		}
	}
	if best < 0 && s.standby.size > 0 {
		best = l.bestOf(&s.standby)
		total = s.standby.total
	}
	if l.order == byTraffic {
		total = 0
	}
	return best, total
}

func (l *ledger) bestOf(p *pool) int32 {
	if l.order != byTraffic {
		p.ticks++
	}
	best := int32(-1)
	for _, g := range p.groups {
		if len(g.heap) == 0 {
			continue
		}
		i := l.top(g)
		if best < 0 || l.beats(i, best) || i < best && !l.beats(best, i) {
			best = i
		}
	}
	return best
}

// beats tells whether a ranks before b, by value alone.
func (l *ledger) beats(a, b int32) bool {
	x, y := l.members[a].key, l.members[b].key
	return x < y || x == y && l.order != byTraffic && l.lbstatus(a) > l.lbstatus(b)
}
