package parser

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pinion/grammar"
)

// Bounds on what a configuration can make Load do. Without them a few lines of Macro, Include or Define that
// double each other would fill the memory.
const (
	maxLines    = 8 << 20   // lines read, a file or Macro that is read again counted again
	maxExpanded = 256 << 20 // bytes that ${VAR} and Macros produce in all
	maxLine     = 1 << 20   // bytes of one line after that
	maxErrors   = 5000      // errors kept
)

// Load reads the configuration file at path, or all files when path is a folder or has wildcards, and all
// that they include. The Tree is never nil: after errors it holds what could be understood, and always the
// files and patterns to watch for a correction. Load is safe for concurrent use, also with one Cache.
func Load(path string, o *Options) (*Tree, Diagnostics) {
	if o == nil {
		o = &Options{}
	}
	l := newLoader(o)
	l.readText("-C directives", o.Before)
	l.tree.Root.Place.File = l.absolute(path)
	l.includePath(l.absolute(path), inclusion{place: Place{File: path}})
	l.readText("-c directives", o.After)
	return l.finish()
}

// loader is the state of one Load.
type loader struct {
	o    *Options
	fs   FS
	tree *Tree

	in     *stream
	frames []frame        // the sections that are open; frames[0] is the server
	base   int            // frames below are of the files that include this one
	owed   map[string]int // sections that were closed for another's mistake: their own end may still come
	kids   []*Node        // children of all open sections, innermost last

	files map[string]*parsed // read by this load
	stack []string           // files being read, outermost first
	cut   int                // while an Include loop is left: how many of stack stay; else -1
	abort bool               // a bound was hit, nothing more is read
	skips bool               // in a section whose condition is false

	lines, expanded int
	bounds          bounds

	state   uint64 // sums up what Define, Macro and the like have made of what follows
	effects int    // how many of them there were
	reading *reading

	plain, sections map[string]named
	defines         map[string]bool
	vars            map[string]variable // by lower-case name, as httpd's table compares them
	macros          map[string]*macro   // by lower-case name
	loaded          map[string]bool     // names of modules that LoadModule has named
	hints           int
	watched         map[string]bool // what is in tree.Globs

	found  map[finding]*Diagnostic
	errors int

	nodes []Node  // unused rest of a block
	ptrs  []*Node // unused rest of a block
}

type bounds struct{ lines, expanded int }

func newLoader(o *Options) *loader {
	l := &loader{
		o: o, fs: o.FS, cut: -1, bounds: bounds{maxLines, maxExpanded},
		tree: &Tree{Root: &Node{}, sources: map[string][]byte{}, sums: map[string][32]byte{}, kept: map[string]*fragment{},
			readings: map[string]*reading{}, needed: map[string]*needed{}, listed: map[string]bool{}},
		files: map[string]*parsed{}, owed: map[string]int{},
		plain: map[string]named{}, sections: map[string]named{},
		defines: map[string]bool{}, vars: map[string]variable{}, macros: map[string]*macro{},
		found: map[finding]*Diagnostic{}, watched: map[string]bool{},
	}
	if l.fs == nil {
		l.fs = osFS{}
	}
	l.tree.ServerRoot = "/"
	if wd, err := os.Getwd(); err == nil && o.FS == nil {
		l.tree.ServerRoot = wd
	}
	if o.ServerRoot != "" {
		l.tree.ServerRoot = l.absolute(o.ServerRoot)
	}
	l.frames = append(l.frames, frame{ctx: Server, node: l.tree.Root})
	l.base = 1
	if o.Stubs {
		n := o.Cache.keptLen()
		l.tree.kept = make(map[string]*fragment, n)
		l.tree.Files, l.tree.Included, l.kids = make([]string, 0, n+16), make([]Included, 0, n+16), make([]*Node, 0, n+n/4+64)
	}
	for _, name := range o.Defines {
		l.defines[name] = true
	}
	return l
}

// absolute makes a path clean and absolute, relative to ServerRoot.
func (l *loader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.tree.ServerRoot, path)
}

func (l *loader) finish() (*Tree, Diagnostics) {
	t := l.tree
	t.Root.Children = l.adopt(l.kids)
	t.Defines = make(map[string]string, len(l.defines))
	for name := range l.defines {
		t.Defines[name] = ""
	}
	for _, v := range l.vars {
		t.Defines[v.name] = v.value
	}
	diags := make(Diagnostics, 0, len(l.found))
	for _, d := range l.found {
		diags = append(diags, d)
	}
	// The map has no order; what was found first comes first among equals.
	slices.SortFunc(diags, func(a, b *Diagnostic) int { return a.seq - b.seq })
	diags.Sort(t.Files)
	if l.o.Cache != nil {
		l.o.Cache.keep(l.files)
	}
	return t, diags
}

// finding tells equal diagnostics apart from others: a file that is included a hundred times has its
// mistakes told once.
type finding struct {
	file          string
	offset        int
	code, summary string
}

// report keeps a diagnostic.
func (l *loader) report(d *Diagnostic) {
	key := finding{d.Place.File, d.Place.Range.Start.Offset, d.Code, d.Summary}
	if old := l.found[key]; old != nil {
		old.Repeated++
		return
	}
	if d.Severity == Error {
		if l.errors++; l.errors > maxErrors {
			return
		}
		if l.errors == maxErrors {
			d = &Diagnostic{Code: "too-many-errors", Place: d.Place,
				Summary: fmt.Sprintf("found %d errors; no more are shown", maxErrors)}
			key.code, key.summary = d.Code, d.Summary
		}
	}
	d.seq = len(l.found)
	l.found[key] = d
	for r := l.reading; r != nil; r = r.outer {
		r.diags = append(r.diags, d)
		r.spoilt = r.spoilt || d.Severity == Error
	}
}

// say reports a diagnostic at a range of the line e.
func (l *loader) say(s Severity, e *entry, r grammar.Range, code, detail, format string, args ...any) *Diagnostic {
	d := &Diagnostic{Severity: s, Code: code, Detail: detail, Summary: fmt.Sprintf(format, args...),
		Place: Place{e.file, r, e.chain}}
	l.report(d)
	return d
}

// multiplies is what to look for when a bound on the whole was hit.
const multiplies = "look for a Macro, an Include or a Define that multiplies itself"

// stop reports that a bound was hit and ends the reading.
func (l *loader) stop(e *entry, code, detail, format string, args ...any) {
	if !l.abort {
		l.say(Error, e, e.line.Range, code, detail, format, args...)
	}
	l.abort = true
}

// readText reads directives of the command line, which are a file of their own.
func (l *loader) readText(name string, lines []string) {
	if len(lines) > 0 {
		l.readSyntax(name, newSyntax(grammar.Parse(name, []byte(strings.Join(lines, "\n")))), nil)
	}
}

// readSyntax works off one file: sections that it opens it must close.
func (l *loader) readSyntax(name string, s *syntax, chain *Frame) {
	in, base, owed := l.in, l.base, l.owed
	l.in = &stream{syntax: s, file: name, chain: chain}
	l.base, l.owed = len(l.frames), map[string]int{}
	l.tree.sources[name] = s.file.Source
	l.stack = append(l.stack, name)

	var e entry
	for l.next(&e) {
		l.line(&e)
	}
	l.closeRest()
	l.stack = l.stack[:len(l.stack)-1]
	l.in, l.base, l.owed = in, base, owed
	if l.cut == len(l.stack) {
		l.cut = -1
	}
}

// leaving reports whether the file that is being read is to be left where it is.
func (l *loader) leaving() bool { return l.abort || l.cut >= 0 && len(l.stack) > l.cut }

// line works off one line.
func (l *loader) line(e *entry) {
	if e.vars && !l.expand(e) {
		return
	}
	switch e.line.Kind {
	case grammar.Close:
		l.close(e)
	case grammar.Open:
		n := l.lookup(e.line.Name.Text, true)
		if n.work != nil {
			n.work(l, e)
		} else {
			l.open(e, n.def)
		}
	default:
		n := l.lookup(e.line.Name.Text, false)
		if n.work != nil {
			if l.checkArgs(e, n.def) {
				n.work(l, e)
			}
		} else if l.check(e, n.def) {
			node := l.node(e, n.def)
			l.kids = append(l.kids, node)
			if n.def.Name == "LoadModule" {
				l.loadModule(node.Args)
			}
		}
	}
}

// blockSize is how many nodes are allocated at once: a tree of 150,000 nodes then takes a third less time
// to make than with one allocation each.
const blockSize = 256

// node makes the node of a line.
func (l *loader) node(e *entry, def *Directive) *Node {
	if len(l.nodes) == 0 {
		l.nodes = make([]Node, blockSize)
	}
	n := &l.nodes[0]
	l.nodes = l.nodes[1:]
	n.Def, n.Name = def, e.line.Name.Text
	n.Words, n.Raw, n.RawRange = e.line.Args, e.line.Raw, e.line.RawRange
	n.Place = Place{e.file, e.line.Range, e.chain}
	n.Parent = l.frames[len(l.frames)-1].node
	if def != nil && def.Args != Raw {
		n.Args = e.texts()
	}
	return n
}

// adopt copies the children of a section to where they stay.
func (l *loader) adopt(kids []*Node) []*Node {
	if len(kids) == 0 {
		return nil
	}
	if len(kids) > blockSize {
		return slices.Clone(kids)
	}
	if len(kids) > len(l.ptrs) {
		l.ptrs = make([]*Node, 4*blockSize)
	}
	n := copy(l.ptrs, kids)
	kids, l.ptrs = l.ptrs[:n:n], l.ptrs[n:]
	return kids
}
