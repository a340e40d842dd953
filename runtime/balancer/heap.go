package balancer

import "slices"

// ahead tells whether member a stands before b in the heap of their group: both have the same factor and ticks, so their
// bases say which lbstatus is higher.
func (l *ledger) ahead(a, b int32) bool {
	x, y := &l.members[a], &l.members[b]
	if x.key != y.key {
		return x.key < y.key
	}
	if x.base != y.base && l.order != byTraffic {
		return x.base > y.base
	}
	return a < b
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
	i := g.heap[0]
	for l.order == byTraffic {
		was := l.members[i].key
		if l.rekey(i); l.members[i].key <= was {
			break
		}
		l.down(g, 0)
		i = g.heap[0]
	}
	return i
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
		for at := len(g.heap)/2 - 1; at >= 0; at-- {
			l.down(g, at)
		}
	}
}

// fix moves the member to where it belongs in its heap after its key or base has changed.
func (l *ledger) fix(i int32) {
	m := &l.members[i]
	if m.group != nil {
		l.down(m.group, m.pos)
		l.up(m.group, m.pos)
	}
}

func (l *ledger) up(g *group, at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !l.ahead(g.heap[at], g.heap[parent]) {
			return
		}
		l.swap(g, at, parent)
		at = parent
	}
}

func (l *ledger) down(g *group, at int) {
	for {
		child := 2*at + 1
		if child >= len(g.heap) {
			return
		}
		if child+1 < len(g.heap) && l.ahead(g.heap[child+1], g.heap[child]) {
			child++
		}
		if !l.ahead(g.heap[child], g.heap[at]) {
			return
		}
		l.swap(g, at, child)
		at = child
	}
}

func (l *ledger) swap(g *group, a, b int) {
	g.heap[a], g.heap[b] = g.heap[b], g.heap[a]
	l.members[g.heap[a]].pos, l.members[g.heap[b]].pos = a, b
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
