package balancer

import "slices"

// entry is what a group's heap compares. It holds copies, so that an election among thousands of members stays within few cache
// lines: comparing the members themselves, an election among 2,000 cost 2.5 times one of two; it is 1.9 times now (BenchmarkElect).
type entry struct {
	key  int64 // member.key
	debt int64 // -member.base: all of a group have the same factor and ticks, so their bases say which lbstatus is higher
	i    int32 // the member
}

func (a entry) ahead(b entry) bool {
	if a.key != b.key {
		return a.key < b.key
	}
	if a.debt != b.debt {
		return a.debt < b.debt
	}
	return a.i < b.i
}

// behind is 1 where b is ahead of a, else 0. Written without branches: which child is ahead can't be guessed by the processor.
func behind(a, b *entry) int {
	return number(b.key < a.key) | number(b.key == a.key)&(number(b.debt < a.debt)|number(b.debt == a.debt)&number(b.i < a.i))
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// entry returns what the member's heap is to compare now.
func (l *ledger) entry(i int32) entry {
	m := &l.members[i]
	e := entry{key: m.key, i: i}
	if l.order != byTraffic {
		e.debt = -m.base
	}
	return e
}

// rekey looks at what is compared before lbstatus.
func (l *ledger) rekey(i int32) {
	m := &l.members[i]
	switch l.order {
	case byTraffic:
		m.key = m.state.Transferred.Load()/m.factor + m.state.Read.Load()/m.factor
	case byBusyness:
		m.key = m.state.Busy.Load()
	}
}

// top returns the first of the heap. Traffic only grows, and nobody tells: so a key in the heap may be too low, never too high,
// and the first one whose key is still right is the least of all.
func (l *ledger) top(g *group) int32 {
	for l.order == byTraffic {
		first := g.heap[0]
		if l.rekey(first.i); l.members[first.i].key <= first.key {
			break
		}
		l.sift(g, 0, l.entry(first.i))
	}
	return g.heap[0].i
}

// group returns the pool's group of the factor, made where there is none. Traffic needs no groups: no tick changes it.
func (p *pool) group(l *ledger, factor int64) *group {
	if l.order == byTraffic {
		factor = 0
	}
	g := p.byFact[factor]
	if g == nil {
		if p.byFact == nil {
			p.byFact = map[int64]*group{}
		}
		g = &group{pool: p}
		p.byFact[factor] = g
		p.groups = append(p.groups, g)
	}
	return g
}

// init puts the pool's heaps in order after all keys and bases may have changed.
func (p *pool) init(l *ledger) {
	for _, g := range p.groups {
		for at, e := range g.heap {
			g.heap[at] = l.entry(e.i)
		}
		for at := len(g.heap)/2 - 1; at >= 0; at-- {
			l.sift(g, at, g.heap[at])
		}
	}
}

// fix moves the member to where it belongs in its heap after its key or base has changed.
func (l *ledger) fix(i int32) {
	m := &l.members[i]
	if m.group == nil {
		return
	}
	g, at, e := m.group, int(l.pos[i]), l.entry(i)
	if at > 0 && e.ahead(g.heap[(at-1)/2]) {
		l.rise(g, at, 0, e)
		return
	}
	l.sift(g, at, e)
}

// push adds the member to the heap of its group.
func (l *ledger) push(i int32) {
	g, e := l.members[i].group, l.entry(i)
	g.heap = append(g.heap, e)
	l.rise(g, len(g.heap)-1, 0, e)
}

// rise puts e at the place at, or above it as long as it is ahead of what stands there, no further than to the place top.
func (l *ledger) rise(g *group, at, top int, e entry) {
	for at > top {
		parent := (at - 1) / 2
		if !e.ahead(g.heap[parent]) {
			break
		}
		l.put(g, at, g.heap[parent])
		at = parent
	}
	l.put(g, at, e)
}

// sift puts e at the place at, or below it. The elected go all the way down, mostly; so it looks for the way down first, which
// takes one comparison a level instead of two, and rises from there.
func (l *ledger) sift(g *group, at int, e entry) {
	top := at
	for child := 2*at + 1; child < len(g.heap); child = 2*at + 1 {
		if child+1 < len(g.heap) {
			child += behind(&g.heap[child], &g.heap[child+1])
		}
		l.put(g, at, g.heap[child])
		at = child
	}
	l.rise(g, at, top, e)
}

func (l *ledger) put(g *group, at int, e entry) {
	g.heap[at] = e
	l.pos[e.i] = int32(at)
}

// pull takes the member out of the heap of its group.
func (l *ledger) pull(i int32) {
	g, at := l.members[i].group, int(l.pos[i])
	last := len(g.heap) - 1
	moved := g.heap[last]
	if g.heap = g.heap[:last]; at < last {
		l.put(g, at, moved)
		l.fix(moved.i)
	}
}

// insert adds i to a list in ascending order.
func insert(list []int32, i int32) []int32 {
	at, _ := slices.BinarySearch(list, i)
	return slices.Insert(list, at, i)
}

// without removes i from a list in ascending order.
func without(list []int32, i int32) []int32 {
	if at, ok := slices.BinarySearch(list, i); ok {
		return slices.Delete(list, at, at+1)
	}
	return list
}
