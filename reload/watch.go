package reload

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// watcher tells that something happened to a set of paths. Folders are watched, never files: an editor's rename, an
// "ln -sfn" and the swap of a ConfigMap's "..data" are all changes of a folder. It belongs to one goroutine.
type watcher struct {
	fs      *fsnotify.Watcher
	folders map[string]*folder
}

// folder is what matters in one watched folder.
type folder struct {
	names    map[string]bool
	patterns []string // of the last element of an Include
	inode    uint64
}

func newWatcher() (*watcher, error) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &watcher{fs: fs, folders: map[string]*folder{}}, nil
}

func (w *watcher) Close() error { return w.fs.Close() }

// Set makes the watched set that of files and globs, which are absolute, and tells whether its folders were others before. Folders
// that can't be watched are returned with the first of their errors; the rest is watched all the same.
func (w *watcher) Set(files, globs []string) (changed bool, err error) {
	want := map[string]*folder{}
	inside := map[string]bool{} // folders that were followed, and no link led to them
	for _, f := range files {
		followFile(want, inside, f)
	}
	for _, g := range globs {
		followGlob(want, g)
	}
	for dir, old := range w.folders {
		f := want[dir]
		if f != nil {
			f.inode = inode(dir)
		}
		// Of a folder that was replaced, the old one is watched.
		if f == nil || f.inode != old.inode {
			_ = w.fs.Remove(dir)
			changed = true
		}
	}
	// Each one is added again: a removed folder may have come back with its old number, and two paths to one folder
	// share a watch, which goes with either. For one that is watched already it costs a system call.
	var failed error
	for dir := range want {
		if err := w.fs.Add(dir); err != nil && !os.IsNotExist(err) && !errors.Is(err, syscall.ENOTDIR) && failed == nil {
			failed = err
		}
	}
	changed = changed || len(want) != len(w.folders)
	w.folders = want
	return changed, failed
}

// Concerns tells whether an event is about something that was asked for.
func (w *watcher) Concerns(e fsnotify.Event) bool {
	f := w.folders[filepath.Dir(e.Name)]
	if f == nil {
		return w.folders[e.Name] != nil
	}
	base := filepath.Base(e.Name)
	if f.names[base] {
		return true
	}
	for _, p := range f.patterns {
		if ok, _ := filepath.Match(p, base); ok {
			return true
		}
	}
	return false
}

func interest(want map[string]*folder, dir string) *folder {
	f := want[dir]
	if f == nil {
		f = &folder{names: map[string]bool{}}
		want[dir] = f
	}
	return f
}

const maxLinks = 40 // as the kernel's limit for one path

// followFile is follow for one of many files: of those in one folder only the first goes all the way.
func followFile(want map[string]*folder, inside map[string]bool, path string) {
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	plain, known := inside[dir]
	if !known {
		real, err := filepath.EvalSymlinks(dir)
		plain = err == nil && real == dir
		inside[dir] = plain
	}
	if f := want[dir]; f != nil && plain {
		if _, err := os.Readlink(path); err != nil {
			f.names[base] = true
			return
		}
	}
	follow(want, path)
}

// follow asks for path and for each element on the way to it, links and what they point to included.
func follow(want map[string]*folder, path string) { followLinks(want, path, 0) }

func followLinks(want map[string]*folder, path string, links int) {
	path = filepath.Clean(path)
	if !filepath.IsAbs(path) {
		return
	}
	for at := path; at != "/"; at = filepath.Dir(at) {
		interest(want, filepath.Dir(at)).names[filepath.Base(at)] = true
	}
	elements := strings.Split(strings.TrimPrefix(path, "/"), "/")
	at := "/"
	for i, name := range elements {
		at = filepath.Join(at, name)
		target, err := os.Readlink(at)
		if err != nil {
			continue
		}
		if links++; links > maxLinks {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(at), target)
		}
		followLinks(want, filepath.Join(append([]string{target}, elements[i+1:]...)...), links)
		return
	}
}

// followGlob asks for whatever could match the pattern: names in its folder, and in the folders its inner wildcards match now.
func followGlob(want map[string]*folder, glob string) {
	glob = filepath.Clean(glob)
	dir, base := filepath.Split(glob)
	dir = filepath.Clean(dir)
	if !hasMeta(glob) {
		follow(want, glob)
		// A folder that is included whole.
		if st, err := os.Stat(glob); err == nil && st.IsDir() {
			f := interest(want, glob)
			f.patterns = append(f.patterns, "*")
		}
		return
	}
	dirs := []string{dir}
	if hasMeta(dir) {
		followGlob(want, dir)
		dirs, _ = filepath.Glob(dir)
	}
	for _, d := range dirs {
		follow(want, d)
		real, err := filepath.EvalSymlinks(d)
		if err != nil {
			real = d
		}
		for _, x := range []string{d, real} {
			f := interest(want, x)
			f.patterns = append(f.patterns, base)
		}
	}
}

func hasMeta(s string) bool { return strings.ContainsAny(s, `*?[\`) }

func inode(path string) uint64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Ino
	}
	return 0
}

// feed is a watcher's channels; both nil where nothing is watched.
type feed struct {
	changes <-chan fsnotify.Event
	errors  <-chan error
}

func (w *watcher) events() feed {
	if w == nil {
		return feed{}
	}
	return feed{w.fs.Events, w.fs.Errors}
}
