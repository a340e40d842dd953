package rewrite

import (
	"slices"
	"sync"
)

// ruleset is a list of rules that is applied as a whole.
type ruleset struct {
	rules []*rule
	once  sync.Once
	index *index
}

// indexFrom is how many rules make an index worth its walk: to try a rule that can't match costs some 15 ns, the walk
// some 30 (BenchmarkRules).
const indexFrom = 4

// prepare builds the index, once; while serving this is for rule sets that requests merged.
func (s *ruleset) prepare() *index {
	s.once.Do(func() {
		if len(s.rules) >= indexFrom {
			s.index = newIndex(s.rules)
		}
	})
	return s.index
}

// index finds the rules that a URI can match: those without a literal beginning, and those whose literal beginning
// the URI has. The latter stand in a tree by their bytes.
type index struct {
	always []int32 // in order
	root   node
	// first and end bound the chain that a rule stands in: its first rule, and the rule after its last.
	first, end []int32
}

// node is one of the tree: what its parents spell, then its label, begins the rules' patterns.
type node struct {
	label string
	rules []int32
	kids  []*node // by the first byte of their label
}

func newIndex(rules []*rule) *index {
	x := &index{first: make([]int32, len(rules)), end: make([]int32, len(rules))}
	start := 0
	for i, r := range rules {
		if lit, anchored := r.re.Prefix(); anchored && lit != "" && r.flags&flagNegate == 0 {
			x.root.insert(lit, int32(i))
		} else {
			x.always = append(x.always, int32(i))
		}
		x.first[i] = int32(start)
		if r.flags&flagChain == 0 || i == len(rules)-1 {
			for j := start; j <= i; j++ {
				x.end[j] = int32(i + 1)
			}
			start = i + 1
		}
	}
	return x
}

func (n *node) insert(lit string, rule int32) {
	at, found := slices.BinarySearchFunc(n.kids, lit[0], func(k *node, c byte) int { return int(k.label[0]) - int(c) })
	if !found {
		n.kids = slices.Insert(n.kids, at, &node{label: lit, rules: []int32{rule}})
		return
	}
	k := n.kids[at]
	same := 0
	for same < len(lit) && same < len(k.label) && lit[same] == k.label[same] {
		same++
	}
	if same < len(k.label) {
		low := &node{label: k.label[same:], rules: k.rules, kids: k.kids}
		k.label, k.rules, k.kids = k.label[:same], nil, []*node{low}
	}
	if same == len(lit) {
		k.rules = append(k.rules, rule)
		return
	}
	k.insert(lit[same:], rule)
}

// candidates are the rules that one URI can match, as several lists in order.
type candidates struct {
	subject string
	known   bool
	lists   [][]int32
}

// find looks the rules of a URI up, keeping the memory of lists.
func (c *candidates) find(x *index, subject string) {
	c.subject, c.known = subject, true
	c.lists = append(c.lists[:0], x.always)
	n := &x.root
	for subject != "" {
		at, found := slices.BinarySearchFunc(n.kids, subject[0], func(k *node, b byte) int { return int(k.label[0]) - int(b) })
		if !found {
			return
		}
		n = n.kids[at]
		if len(subject) < len(n.label) || subject[:len(n.label)] != n.label {
			return
		}
		subject = subject[len(n.label):]
		if len(n.rules) > 0 {
			c.lists = append(c.lists, n.rules)
		}
	}
}

// next returns the first rule from i on that must be tried. Those it passes over can't match; where one of them
// begins a chain or stands in one, the rest of the chain is passed over with it, as for any rule that didn't match.
func (c *candidates) next(x *index, i int) int {
	for {
		n := c.from(int32(i))
		if n == none || int(n) == i || x.first[n] == n {
			return int(n)
		}
		i = int(x.end[n])
	}
}

// none is larger than every rule's number.
const none = 1<<31 - 1

// from returns the first candidate from i on, and drops those before it.
func (c *candidates) from(i int32) int32 {
	best := int32(none)
	for k, list := range c.lists {
		if len(list) == 0 || list[len(list)-1] < i {
			continue
		}
		if list[0] < i {
			at, _ := slices.BinarySearch(list, i)
			list = list[at:]
			c.lists[k] = list
		}
		best = min(best, list[0])
	}
	return best
}
