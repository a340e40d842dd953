package reload

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// mark is what is remembered of a file to tell whether it changed.
type mark struct {
	ino, size uint64
	mtime     int64
	access    uint64 // who may read it
	unknown   bool   // it may have changed since it was read
}

// marks stats the files and what the globs match. Two equal results mean that nothing changed.
func marks(files, globs []string) map[string]mark {
	m := map[string]mark{}
	note := func(p string) {
		st, err := os.Stat(p)
		if err != nil {
			m[p] = mark{}
			return
		}
		k := mark{size: uint64(st.Size()), mtime: st.ModTime().UnixNano()}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			k.ino = sys.Ino
			k.access = uint64(sys.Mode)<<32 | uint64(sys.Uid)
		}
		m[p] = k
	}
	for _, f := range files {
		note(f)
	}
	for _, g := range globs {
		matches := []string{g}
		if hasMeta(g) {
			matches, _ = filepath.Glob(g)
		}
		for _, p := range matches {
			st, err := os.Stat(p)
			if err != nil || !st.IsDir() {
				note(p)
				continue
			}
			_ = filepath.WalkDir(p, func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					note(path)
				}
				return nil
			})
		}
	}
	return m
}

// tick is how coarse the kernel's clock for file times may be: two changes within one may have the same time.
const tick = 10 * time.Millisecond

// doubt marks what may have changed since it was read by the load that began at that time: what was there before has
// its mark from before, and of what is new, the files that were changed so late that nobody can tell must be as they
// were read.
func doubt(now, before map[string]mark, t *parser.Tree, began time.Time) {
	since := began.Add(-tick).UnixNano()
	for p, m := range now {
		if old, ok := before[p]; ok {
			now[p] = old
			continue
		}
		if m == (mark{}) {
			m.unknown = t.Has(p) // it was read, and is gone
		} else if changed(p) >= since {
			b, err := os.ReadFile(p)
			m.unknown = err != nil || !t.HasText(p, b)
		}
		now[p] = m
	}
}

// changed is when a file was last changed in any way, in nanoseconds.
func changed(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Ctim.Nano()
	}
	return st.ModTime().UnixNano()
}

// sight is what the files that a graph's directives name looked like when it was compiled.
type sight struct {
	began time.Time // of the load
	seen  map[string]mark
}

// look notes all that g names. What was changed so late that the load may not have seen it counts as changed.
func (s *sight) look(g *runtime.Graph) {
	for p, m := range marks(g.Files, g.Folders) {
		m.unknown = m != (mark{}) && changed(p) >= s.began.Add(-tick).UnixNano()
		s.seen[p] = m
	}
	for _, dir := range g.Folders {
		s.seen[dir+"/"] = mark{size: uint64(len(marks(nil, []string{dir})))}
	}
}

// changes tells of a file, or a folder with all that is in it, whether it is another one now; each is looked at once.
func (s *sight) changes() func(path string) bool {
	known := map[string]bool{}
	return func(path string) bool {
		was, ok := known[path]
		if !ok {
			was = s.changed(path)
			known[path] = was
		}
		return was
	}
}

func (s *sight) changed(path string) bool {
	now := marks([]string{path}, nil)
	if folder, ok := s.seen[path+"/"]; ok {
		if now = marks(nil, []string{path}); folder.size != uint64(len(now)) {
			return true
		}
	}
	for p, m := range now {
		if was, ok := s.seen[p]; !ok || was != m {
			return true
		}
	}
	return false
}
