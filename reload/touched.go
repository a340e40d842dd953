package reload

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// touched is what is known to have happened to files since they were last looked at. As long as events tell all of it, a reload
// looks at the files that they name and not at the ten thousand others. It belongs to the supervisor's goroutine.
type touched struct {
	paths  map[string]bool // files that were written, or replaced by another file
	unsure bool            // something else happened, or events may have been lost: all must be looked at
}

// add notes an event that concerns the configuration.
func (t *touched) add(e fsnotify.Event, known map[string]mark) {
	path := filepath.Clean(e.Name)
	if was, ok := known[path]; !ok || was == (mark{}) || was.unknown {
		t.unsure = true // new, or it was not there
		return
	}
	if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
		t.unsure = true
		return
	}
	if t.paths == nil {
		t.paths = map[string]bool{}
	}
	t.paths[path] = true
}

// take returns the marks that the touched files have now, and begins anew.
func (t *touched) take() map[string]mark {
	paths := make([]string, 0, len(t.paths))
	for p := range t.paths {
		paths = append(paths, p)
	}
	*t = touched{}
	return marks(paths, nil)
}

// differ tells whether any of the files is another one than was remembered.
func (s *Supervisor) differ(now map[string]mark) bool {
	for p, m := range now {
		if s.marks[p] != m {
			return true
		}
	}
	return false
}

// reloadTouched reloads where nothing but the files of now can have changed; their marks are from before. It tells whether all is
// as remembered then: where the set of files is another one, or the load failed, everything is to be looked at again.
func (s *Supervisor) reloadTouched(w *watcher, now map[string]mark, reason string, reopen bool) (settled bool) {
	began := time.Now()
	l, ok := s.loadAndSwap(reopen)
	files, globs := watched(l)
	if ok && slices.Equal(files, s.files) && slices.Equal(globs, s.globs) {
		for p, m := range now {
			s.marks[p] = m
		}
		s.note(l, reason, ok)
		return true
	}
	for p, m := range now {
		s.marks[p] = m
	}
	s.rememberAll(w, l, s.marks, began)
	s.note(l, reason, ok)
	return false
}
