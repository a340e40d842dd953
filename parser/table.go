package parser

import "strings"

// Table is a set of directives that is looked up by name without regard to case. It is not changed after
// NewTable and is safe for concurrent use.
type Table struct {
	all      []*Directive
	plain    map[string]*Directive
	sections map[string]*Directive
}

// NewTable makes a table. Of two directives with one name the first counts; a directive and a section may
// share a name.
func NewTable(all []*Directive) *Table {
	t := &Table{plain: make(map[string]*Directive, len(all)), sections: map[string]*Directive{}}
	for _, d := range all {
		m, key := t.plain, strings.ToLower(d.Name)
		if d.Section {
			m = t.sections
		}
		if m[key] == nil {
			m[key] = d
			t.all = append(t.all, d)
		}
	}
	return t
}

// All returns the directives in the order they were given. The slice is the table's own.
func (t *Table) All() []*Directive { return t.all }

// Lookup returns the directive with the name, else the section, else nil; only the section when the name
// begins with "<".
func (t *Table) Lookup(name string) *Directive {
	name = strings.ToLower(name)
	if s, ok := strings.CutPrefix(name, "<"); ok {
		return t.sections[s]
	}
	if d := t.plain[name]; d != nil {
		return d
	}
	return t.sections[name]
}

// Nearest returns the name in the table that differs from name by the fewest slips of the keyboard, or ""
// when none is near.
func (t *Table) Nearest(name string) string {
	best := newNearest(name)
	for _, d := range t.all {
		best.try(d.Name)
	}
	return best.name
}

// nearest finds the candidate with the least edit distance to what was written.
type nearest struct {
	want  string
	limit int // the distance from which on a name is not near
	name  string
}

// longestName bounds the work that one mistyped name can cause.
const longestName = 48

func newNearest(name string) nearest {
	n := nearest{want: strings.ToLower(name), limit: min(len(name)/3+1, 4)}
	if len(name) > longestName {
		n.limit = 0
	}
	return n
}

func (n *nearest) try(name string) {
	if diff := len(name) - len(n.want); n.limit == 0 || diff >= n.limit || -diff >= n.limit {
		return
	}
	if d := distance(n.want, strings.ToLower(name)); d < n.limit {
		n.limit, n.name = d, name
	}
}

// distance is the optimal string alignment distance: insertions, deletions, replacements and swaps of
// neighbours that turn a into b. Both have at most longestName+4 bytes.
func distance(a, b string) int {
	var rows [3][longestName + 8]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
