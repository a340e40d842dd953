package parser

import (
	"crypto/sha256"
	"hash/maphash"
	"io/fs"
	"os"
	"sync/atomic"
)

// A configuration of thousands of files, of which one has changed, is read again without reading the others: what such a file
// contributes is kept as a fragment, and its virtual hosts come back as stubs of those that were compiled before.

// fragment is what one file contributes outside of every section, without what stands in its virtual hosts. It is not changed.
type fragment struct {
	parsed *parsed // without its syntax
	sum    [32]byte
	state  uint64 // loader.state when it was read: Defines, Macros and the like
	chain  *Frame
	nodes  []*Node // <VirtualHost>s as stubs, all else whole, without parents
	diags  []*Diagnostic
	needs  []need

	lines, expanded int
}

// need is a file that another one includes by its name, as what many virtual hosts have in common.
type need struct {
	path        string
	sum         [32]byte
	line, depth int // as in Included
}

// needed is such a file as it was when it was read.
type needed struct {
	parsed *parsed // without its syntax
	sum    [32]byte
}

// reading is a file whose reading may become a fragment.
type reading struct {
	parsed                 *parsed
	state                  uint64
	chain                  *Frame
	kids, lines, expanded  int // the loader's, when it began
	effects                int
	diags                  []*Diagnostic
	nodes                  []*Node
	needs                  []need
	readLines, hasExpanded int
	spoilt                 bool
	outer                  *reading
}

var seed = maphash.MakeSeed()

// effect notes that what is read from now on may mean something else: by which directive, and its arguments.
func (l *loader) effect(what string, args ...string) {
	l.effects++
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(what)
	for _, a := range args {
		h.WriteByte(0)
		h.WriteString(a)
	}
	l.state = l.state*1099511628211 ^ h.Sum64()
}

// spoil notes that what is being read depends on more than its text and on what was defined before.
func (l *loader) spoil() {
	for r := l.reading; r != nil; r = r.outer {
		r.spoilt = true
	}
}

// need notes that what is being read includes a file.
func (l *loader) need(path string, p *parsed, line, depth int) {
	for r := l.reading; r != nil; r = r.outer {
		if !r.spoilt {
			r.needs = append(r.needs, need{path: path, line: line, depth: depth})
			l.tree.needed[path] = &needed{parsed: p}
		}
	}
}

// neededNow returns the sum of a file that a fragment needs.
func (l *loader) neededNow(path string) (sum [32]byte, ok bool) {
	if n := l.tree.needed[path]; n != nil {
		return l.tree.Sum(path), true
	}
	info, err := l.fs.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return sum, false
	}
	n := l.o.Cache.neededOf(path)
	if n == nil || !n.parsed.same(info) {
		p := stamp(info)
		src, err := l.fs.ReadFile(path, maxFile)
		if err != nil {
			return sum, false
		}
		n = &needed{p, sha256.Sum256(src)}
	}
	l.tree.needed[path] = n
	return n.sum, true
}

// beginReading begins to watch whether a file can be kept.
func (l *loader) beginReading(p *parsed, chain *Frame) {
	l.reading = &reading{parsed: p, state: l.state, chain: chain, kids: len(l.kids), lines: l.lines, expanded: l.expanded,
		effects: l.effects, outer: l.reading, spoilt: !l.outside()}
}

// outside tells whether what is read now stands outside of every section.
func (l *loader) outside() bool { return l.top().node == l.tree.Root && !l.top().quiet && !l.skips }

func (l *loader) endReading(path string) {
	r := l.reading
	l.reading = r.outer
	if _, twice := l.tree.readings[path]; twice || r.spoilt || r.effects != l.effects || l.leaving() || r.kids > len(l.kids) {
		l.tree.readings[path] = nil
		return
	}
	r.readLines, r.hasExpanded = l.lines-r.lines, l.expanded-r.expanded
	r.nodes = append([]*Node(nil), l.kids[r.kids:]...)
	l.tree.readings[path] = r
}

// takeKept adds a fragment instead of reading its file.
func (l *loader) takeKept(path string, f *fragment) {
	l.tree.Files = append(l.tree.Files, path)
	l.tree.kept[path] = f
	for _, n := range f.needs {
		if l.files[n.path] == nil && l.tree.kept[n.path] == nil && !l.tree.listed[n.path] {
			l.tree.listed[n.path] = true
			l.tree.Files = append(l.tree.Files, n.path)
		}
		l.tree.Included = append(l.tree.Included, Included{n.path, n.line, n.depth})
	}
	l.lines += f.lines
	l.expanded += f.expanded
	for _, d := range f.diags {
		again := *d
		again.Repeated = 0
		l.report(&again)
	}
	l.kids = append(l.kids, f.nodes...)
}

// keptFor returns the fragment of a file where it holds here, too.
func (l *loader) keptFor(path string, info fs.FileInfo, chain *Frame) *fragment {
	f := l.o.Cache.keptOf(path)
	if f == nil || l.files[path] != nil || l.tree.kept[path] != nil || f.state != l.state || !l.outside() || !sameChain(f.chain, chain) {
		return nil
	}
	for _, n := range f.nodes {
		if n.ID != 0 && l.o.Outdated[n.ID] {
			return nil
		}
	}
	for _, n := range f.needs {
		if sum, ok := l.neededNow(n.path); !ok || sum != n.sum {
			return nil
		}
	}
	if !f.parsed.same(info) {
		p := stamp(info)
		src, err := l.fs.ReadFile(path, maxFile)
		if err != nil || sha256.Sum256(src) != f.sum {
			return nil
		}
		again := *f
		again.parsed = p
		return &again
	}
	return f
}

func sameChain(a, b *Frame) bool {
	for a != b {
		if a == nil || b == nil || a.What != b.What || a.File != b.File || a.Range != b.Range {
			return false
		}
		a, b = a.Up, b.Up
	}
	return true
}

// lastID is the last Node.ID given.
var lastID atomic.Uint64

// Keep makes the cache remember what t's files contribute, without what stands in their virtual hosts, once that has been compiled:
// with Options.Stubs the next Load returns it as stubs. pause is Options.Pause.
func (c *Cache) Keep(t *Tree, pause func()) {
	kept := make(map[string]*fragment, len(t.Files))
	needs := map[string]*needed{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, n := range t.needed {
		p := *n.parsed
		p.syntax = nil
		needs[path] = &needed{&p, t.Sum(path)}
	}
	c.needed = needs
	for i, path := range t.Files {
		if i%16 == 15 && pause != nil {
			pause()
		}
		r, read := t.readings[path]
		if f := t.kept[path]; f != nil && !read {
			kept[path] = f
		} else if r != nil && r.hasHost() {
			for i := range r.needs {
				r.needs[i].sum = t.Sum(r.needs[i].path)
			}
			kept[path] = r.fragment(t.Sum(path))
			delete(c.files, path)
		}
	}
	c.kept = kept
}

// hasHost tells whether there is a virtual host in the file: else it is small, or it is the main server's.
func (r *reading) hasHost() bool {
	for _, n := range r.nodes {
		if n.ID != 0 {
			return true
		}
	}
	return false
}

func (r *reading) fragment(sum [32]byte) *fragment {
	p := *r.parsed
	p.syntax = nil
	f := &fragment{parsed: &p, sum: sum, state: r.state, chain: r.chain, nodes: make([]*Node, len(r.nodes)), needs: r.needs, lines: r.readLines, expanded: r.hasExpanded}
	for i, n := range r.nodes {
		if n.ID != 0 {
			f.nodes[i] = &Node{Def: n.Def, Name: n.Def.Name, Place: n.Place, ID: n.ID, Stub: true}
		} else {
			f.nodes[i] = n.detach(nil)
		}
	}
	for _, d := range r.diags {
		own := *d
		f.diags = append(f.diags, &own)
	}
	return f
}

// detach copies the node with all below it, so that nothing leads to the tree it comes from.
func (n *Node) detach(parent *Node) *Node {
	own := *n
	own.Parent, own.Children = parent, make([]*Node, len(n.Children))
	for i, k := range n.Children {
		own.Children[i] = k.detach(&own)
	}
	return &own
}

func (c *Cache) neededOf(path string) *needed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.needed[path]
}

// keptLen is how many files there are fragments of.
func (c *Cache) keptLen() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.kept)
}

func (c *Cache) keptOf(path string) *fragment {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept[path]
}

// Sum returns the SHA-256 of the text that was read from a file, of no bytes where none was.
func (t *Tree) Sum(file string) [32]byte {
	if f := t.kept[file]; f != nil && t.sources[file] == nil {
		return f.sum
	}
	if n := t.needed[file]; n != nil && t.sources[file] == nil {
		return n.sum
	}
	sum, ok := t.sums[file]
	if !ok {
		sum = sha256.Sum256(t.sources[file])
		t.sums[file] = sum
	}
	return sum
}

// Source returns the text that was read from a file, or nil. It must not be changed.
func (t *Tree) Source(file string) []byte {
	if src := t.sources[file]; src != nil || !t.Has(file) {
		return src
	}
	src, err := os.ReadFile(file)
	if err != nil || sha256.Sum256(src) != t.Sum(file) {
		return nil
	}
	return src
}

// Has tells whether the file was read.
func (t *Tree) Has(file string) bool {
	return t.sources[file] != nil || t.kept[file] != nil || t.needed[file] != nil
}

// HasText tells whether the text is what was read from the file.
func (t *Tree) HasText(file string, text []byte) bool {
	return t.Has(file) && t.Sum(file) == sha256.Sum256(text)
}
