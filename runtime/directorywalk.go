package runtime

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// directoryIndex finds the <Directory> sections of a folder without trying each.
type directoryIndex struct {
	all     []*Section
	literal map[string][]int // by path, with a slash at its end
	globs   map[int][]int    // by number of slashes
	regexes []*Section
	depth   int // slashes of the longest literal or glob
}

func indexDirectories(sorted []*Section) directoryIndex {
	x := directoryIndex{all: sorted, literal: map[string][]int{}, globs: map[int][]int{}}
	for i, s := range sorted {
		switch {
		case s.Regex != nil:
			x.regexes = append(x.regexes, s)
			continue
		case s.Glob:
			x.globs[s.dirSegs] = append(x.globs[s.dirSegs], i)
		default:
			x.literal[s.Path] = append(x.literal[s.Path], i)
		}
		x.depth = max(x.depth, s.dirSegs)
	}
	return x
}

// layDirectory lays the sections of the folder dir over the configuration, in the order of the file. dir ends with a
// slash and has that many of them.
func (r *Request) layDirectory(dir string, slashes int) {
	x := &r.Server.directories
	if slashes > x.depth {
		return
	}
	literal, globs := x.literal[dir], x.globs[slashes]
	for len(literal) > 0 || len(globs) > 0 {
		if len(globs) == 0 || len(literal) > 0 && literal[0] < globs[0] {
			r.Dir = r.Dir.With(x.all[literal[0]])
			literal = literal[1:]
			continue
		}
		if s := x.all[globs[0]]; r.matches(s, dir) {
			r.Dir = r.Dir.With(s)
		}
		globs = globs[1:]
	}
}

// DirectoryWalk is httpd's ap_directory_walk: it goes down from the root to Filename, lays the <Directory> sections
// on the way over the configuration, checks symbolic links, finds FileInfo and cuts off PathInfo.
func (r *Request) DirectoryWalk() Result {
	switch {
	case r.Filename == "":
		r.Logf(nil, LogInfo, "AH00029", "Module bug?  Request filename is missing for URI %s", r.URI)
		return OK
	case r.Filename[0] != '/':
		r.Logf(nil, LogInfo, "AH00030", "Module bug?  Request filename path %s is invalid or or not absolute for uri %s", r.Filename, r.URI)
		return OK
	}
	name := CleanFilename(r.Filename)
	r.Filename = name
	if r.FileInfo == nil {
		if info, err := os.Stat(name); err == nil && (info.IsDir() || name[len(name)-1] != '/') {
			r.FileInfo = info
		}
	}
	if r.sameFolder() {
		return OK
	}
	at, info, res := r.walkDown(name)
	if res != OK {
		return res
	}
	if r.FileInfo == nil {
		r.FileInfo = info
	}
	r.Filename = name[:at]
	if rest := name[at:]; rest != "" {
		r.PathInfo = joinPath(rest, r.PathInfo)
	}
	if regexes := r.Server.directories.regexes; len(regexes) > 0 {
		for _, s := range regexes {
			if r.matches(s, r.Filename) {
				r.Dir = r.Dir.With(s)
			}
		}
		r.walked, r.walkedDir = r.folder(), r.Dir
	}
	return OK
}

// sameFolder takes over what the sections of a folder were found to be by the request that led to this one: httpd
// doesn't walk such a folder again, so a regular expression that only fits the folder's name counts for its index too.
func (r *Request) sameFolder() bool {
	from := r.Main
	if from == nil {
		from = r.Prev
	}
	if from == nil || from.walkedDir == nil || from.Server != r.Server || r.FileInfo == nil {
		return false
	}
	if r.FileInfo.IsDir() && r.PathInfo != "" || from.walked != r.folder() {
		return false
	}
	r.Dir, r.walked, r.walkedDir = from.walkedDir, from.walked, from.walkedDir
	return true
}

// folder is Filename where that is a folder, else the folder it lies in, with a slash at its end.
func (r *Request) folder() string {
	if r.FileInfo != nil && r.FileInfo.IsDir() && r.Filename[len(r.Filename)-1] != '/' {
		return r.Filename + "/"
	}
	return r.Filename[:strings.LastIndexByte(r.Filename, '/')+1]
}

// walkDown visits each folder on the way to name. It returns how much of name is a file's or a folder's, or stands for
// nothing, and what it is where it had to look.
func (r *Request) walkDown(name string) (at int, info os.FileInfo, res Result) {
	full := name
	if full[len(full)-1] != '/' {
		full += "/"
	}
	r.layDirectory("/", 1)
	known := -1 // how much of name is a folder for certain; -1: nobody has looked
	for slashes, end := 1, 0; ; slashes++ {
		if end == len(name) || end+1 == len(name) {
			return len(name), info, OK
		}
		end += 1 + strings.IndexByte(full[end+1:], '/')
		// A path that is known to exist needs no look at each of its folders, when links may be followed.
		follows := r.Dir.Core.Options.Bits()&(OptSymOwner|OptSymLinks) == OptSymLinks
		if follows && r.FileInfo == nil && known < 0 {
			known = r.rootOf(name)
		}
		if !follows || r.FileInfo == nil && end > known {
			if info, res = r.lookAt(name[:end]); res != OK {
				return end, nil, res
			}
			if info == nil || !info.IsDir() {
				return end, info, OK
			}
		}
		r.layDirectory(full[:end+1], slashes+1)
	}
}

// rootOf returns how much of name is the folder that the URL was mapped into, 0 where that is none or spares no look:
// name itself doesn't exist, but what is missing is nearly always below.
func (r *Request) rootOf(name string) int {
	root := strings.TrimSuffix(r.contextRoot(), "/")
	if n := len(root); n >= len(name) || name[n] != '/' || name[:n] != root || strings.Count(root, "/") < 2 {
		return 0
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return 0
	}
	return len(root)
}

// lookAt tells what path is: a folder, a file, what a link that may be followed leads to, or nil for nothing.
func (r *Request) lookAt(path string) (os.FileInfo, Result) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, OK
	case errors.Is(err, fs.ErrPermission):
		r.Logf(nil, LogErr, "AH00035", "access to %s denied (filesystem path '%s') because search permissions are missing on a component of the path", r.URI, path)
		return nil, 403
	case err != nil:
		r.Logf(nil, LogErr, "AH00036", "access to %s failed (filesystem path '%s')", r.URI, path)
		return nil, 403
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if info = r.followLink(path, info); info == nil {
			r.Logf(nil, LogErr, "AH00037", "Symbolic link not allowed or link target not accessible: %s", path)
			return nil, 403
		}
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		r.Logf(nil, LogErr, "AH00038", "Forbidden: %s doesn't point to a file or directory", path)
		return nil, 403
	}
	return info, OK
}

// followLink returns what a symbolic link leads to, nil where Options forbids to follow it.
func (r *Request) followLink(path string, link os.FileInfo) os.FileInfo {
	options := r.Dir.Core.Options.Bits()
	if options&(OptSymOwner|OptSymLinks) == 0 {
		return nil
	}
	target, err := os.Stat(path)
	if err != nil || options&OptSymOwner != 0 && !sameOwner(link, target) {
		return nil
	}
	return target
}

func sameOwner(a, b os.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, ok2 := b.Sys().(*syscall.Stat_t)
	return ok && ok2 && x.Uid == y.Uid
}

// FileWalk is httpd's ap_file_walk: it lays the <Files> sections that match the file's name over the configuration.
func (r *Request) FileWalk() {
	files := r.Dir.Core.Files
	if len(files) == 0 || r.Filename == "" {
		return
	}
	name := r.Filename[strings.LastIndexByte(r.Filename, '/')+1:]
	for _, s := range files {
		if r.matches(s, name) {
			r.Dir = r.Dir.With(s)
		}
	}
}

// CleanFilename removes empty, "." and ".." segments of an absolute path; a slash at its end stays (apr_filepath_merge).
func CleanFilename(name string) string {
	if plainPath(name) {
		return name
	}
	segments := strings.Split(name[1:], "/")
	out := make([]string, 0, len(segments))
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		case s != "" && s != ".":
			out = append(out, s)
			continue
		}
		if last && len(out) > 0 {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// joinPath puts a slash between two paths where neither has one (ap_make_full_path).
func joinPath(a, b string) string {
	if b == "" {
		return a
	}
	if strings.HasSuffix(a, "/") || strings.HasPrefix(b, "/") {
		return a + b
	}
	return a + "/" + b
}
