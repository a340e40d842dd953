package parser

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pinion/grammar"
)

// maxDepth is how deep files may include each other and folders may nest, httpd's AP_MAX_INCLUDE_DEPTH and
// AP_MAX_FNMATCH_DIR_DEPTH.
const maxDepth = 128

// inclusion is one Include on its way to the files.
type inclusion struct {
	optional bool
	chain    *Frame // of what is read
	place    Place  // of the Include
	depth    int    // of folders
}

// include works off Include and IncludeOptional.
func (l *loader) include(e *entry) {
	arg := e.texts()[0]
	name := e.line.Name.Text
	if len(l.stack) > maxDepth {
		l.tooDeep(e)
		return
	}
	l.includePath(l.absolute(arg), inclusion{
		optional: strings.EqualFold(name, "IncludeOptional"),
		chain:    &Frame{What: name + " " + clip(arg), File: e.file, Range: e.line.Range, Up: e.chain},
		place:    Place{e.file, e.line.Args[0].Range, e.chain},
	})
}

// tooDeep reports that files are nested too deep. When they include each other, all of them but the first
// are left where they are: each would run into the same wall again, and again.
func (l *loader) tooDeep(e *entry) {
	for i := len(l.stack) - 1; i > 0; i-- {
		first := slices.Index(l.stack, l.stack[i])
		if first == i {
			continue
		}
		names := []string{filepath.Base(l.stack[first])}
		for _, s := range l.stack[first+1:] {
			if names = append(names, filepath.Base(s)); s == l.stack[first] || len(names) == 8 {
				break
			}
		}
		l.say(Error, e, e.line.Range, "include-loop", "", "files include each other: %s", strings.Join(names, " → "))
		l.cut = first + 1
		return
	}
	l.say(Error, e, e.line.Range, "include-loop", "", "files include each other more than %d deep", maxDepth)
}

func (l *loader) sayInclude(s Severity, in inclusion, code, detail, summary string) {
	l.report(&Diagnostic{Severity: s, Code: code, Summary: summary, Detail: detail, Place: in.place})
}

// missing reports what could not be found.
func (l *loader) missing(in inclusion, summary string) {
	s, detail := Error, "IncludeOptional passes over what is not there"
	if in.place.Range.Start.Line == 0 {
		detail = ""
	}
	if l.o.Offline && in.chain != nil {
		s, detail = Note, "read it together with the rest of the configuration to check it too"
	}
	l.sayInclude(s, in, "include-missing", detail, summary)
}

// unopened reports what could not be opened, for whatever reason.
func (l *loader) unopened(in inclusion, what string, err error) {
	summary := "could not open " + what + ": " + cause(err)
	switch {
	case errors.Is(err, fs.ErrNotExist) || isNotDir(err):
		l.missing(in, summary)
	case errors.Is(err, fs.ErrPermission):
		l.sayInclude(Error, in, "include-failed", "let the user that pinion runs as read it, and enter the folders above it", summary)
	default:
		l.sayInclude(Error, in, "include-failed", "", summary)
	}
}

// watch remembers a path or a pattern whose change changes the configuration.
func (l *loader) watch(path string) {
	if !l.watched[path] {
		l.watched[path] = true
		l.tree.Globs = append(l.tree.Globs, path)
	}
}

// includePath reads a file, all files below a folder, or all that a pattern matches.
func (l *loader) includePath(path string, in inclusion) {
	if !hasWildcard(path) {
		l.includeOne(path, in)
		return
	}
	l.watch(path)
	l.spoil()
	l.includeMatches("/", strings.TrimPrefix(path, "/"), in)
}

// includeMatches goes down one component of a pattern after the other, as httpd's ap_dir_fnmatch does.
func (l *loader) includeMatches(dir, pattern string, in inclusion) {
	for {
		first, rest, more := strings.Cut(pattern, "/")
		if hasWildcard(first) {
			l.includeFolderMatches(dir, first, rest, more, in)
			return
		}
		dir = filepath.Join(dir, first)
		if !more {
			l.includeOne(dir, in)
			return
		}
		pattern = rest
	}
}

// includeFolderMatches reads what in dir matches first, and below of it rest when there is more to come.
func (l *loader) includeFolderMatches(dir, first, rest string, more bool, in inclusion) {
	entries, err := l.fs.ReadDir(dir)
	if err != nil {
		if !in.optional || !errors.Is(err, fs.ErrNotExist) {
			l.unopened(in, "directory "+dir, err)
		}
		return
	}
	var names []string
	any := false
	for _, d := range entries {
		if !match(first, d.Name()) {
			continue
		}
		// httpd takes a link to a folder for a folder only at the pattern's end.
		if more && !d.IsDir() {
			continue
		}
		any = true
		names = append(names, d.Name())
	}
	if !any && !in.optional {
		l.missing(in, "no matches for the wildcard "+first+" in "+dir)
	}
	slices.Sort(names)
	var next *ahead
	if !more && len(names) >= aheadFrom && l.o.Pause == nil { // a load that rests leaves the other processors to requests, too
		next = l.lookAhead(dir, names)
		defer next.end()
	}
	for i, name := range names {
		if l.leaving() {
			return
		}
		if i%16 == 15 && l.o.Pause != nil {
			l.o.Pause()
		}
		switch path := filepath.Join(dir, name); {
		case more:
			l.includeMatches(path, rest, in)
		case next != nil:
			l.includeLooked(path, in, next.at(i))
		default:
			l.includeOne(path, in)
		}
	}
}

// includeOne reads a file or all files below a folder.
func (l *loader) includeOne(path string, in inclusion) {
	if l.files[path] != nil {
		l.includeLooked(path, in, nil)
		return
	}
	f := looked{}
	f.info, f.err = l.fs.Stat(path)
	l.includeLooked(path, in, &f)
}

// includeLooked is includeOne for what was looked at already; f is nil for a file that was read before.
func (l *loader) includeLooked(path string, in inclusion, f *looked) {
	p := l.files[path]
	if p == nil {
		info, err := f.info, f.err
		switch {
		case err != nil:
			l.watch(path)
			l.spoil()
			if !in.optional || !errors.Is(err, fs.ErrNotExist) && !isNotDir(err) {
				l.unopened(in, "configuration file "+path, err)
			}
			return
		case info.IsDir():
			l.includeFolder(path, in)
			return
		case path == os.DevNull:
			return
		case !info.Mode().IsRegular():
			l.sayInclude(Error, in, "include-failed", "", "expected a file or a folder, found something else: "+path)
			return
		}
		if l.o.Stubs {
			if f := l.keptFor(path, info, in.chain); f != nil {
				l.tree.Included = append(l.tree.Included, Included{path, in.place.Range.Start.Line, depthOf(in.chain)})
				l.takeKept(path, f)
				return
			}
		}
		if p, err = f.parsed, f.failed; p == nil && err == nil {
			p, err = l.parse(path, info)
		}
		if err != nil {
			l.watch(path)
			l.unopened(in, "configuration file "+path, err)
			return
		}
		l.files[path] = p
		if !l.tree.listed[path] {
			l.tree.Files = append(l.tree.Files, path)
		}
	}
	l.tree.Included = append(l.tree.Included, Included{path, in.place.Range.Start.Line, depthOf(in.chain)})
	l.need(path, p, in.place.Range.Start.Line, depthOf(in.chain))
	l.beginReading(p, in.chain)
	l.readSyntax(path, p.syntax, in.chain)
	l.endReading(path)
}

// depthOf is how many Includes are in a chain.
func depthOf(chain *Frame) (depth int) {
	for f := chain; f != nil; f = f.Up {
		if strings.HasPrefix(f.What, "Include") {
			depth++
		}
	}
	return depth
}

// includeFolder reads all files below a folder, dot files and backups too, as httpd does.
func (l *loader) includeFolder(path string, in inclusion) {
	l.watch(path)
	l.spoil()
	if in.depth++; in.depth > maxDepth {
		l.sayInclude(Error, in, "include-loop", "look for a link to a folder above", "folders nest too deep: "+path)
		return
	}
	entries, err := l.fs.ReadDir(path)
	if err != nil {
		l.unopened(in, "directory "+path, err)
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, d := range entries {
		if l.leaving() {
			return
		}
		l.includeOne(filepath.Join(path, d.Name()), in)
	}
}

// parse gives a file's syntax, from the cache when the file is the same as before.
func (l *loader) parse(path string, info fs.FileInfo) (*parsed, error) {
	old := l.o.Cache.get(path)
	if old != nil && old.same(info) {
		return old, nil
	}
	p := stamp(info)
	src, err := l.fs.ReadFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	if old != nil && string(src) == string(old.syntax.file.Source) {
		p.syntax = old.syntax
	} else {
		p.syntax = newSyntax(grammar.Parse(path, src))
	}
	return p, nil
}

// cause is an error without the path that the message names already.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

// setServerRoot works off ServerRoot.
func (l *loader) setServerRoot(e *entry) {
	arg := e.texts()[0]
	path, err := filepath.Clean(arg), error(nil)
	if !filepath.IsAbs(path) && l.o.FS == nil {
		path, err = filepath.Abs(path)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = l.fs.Stat(path)
	}
	if err != nil || !info.IsDir() {
		s := Error
		if l.o.Offline {
			s = Note
		}
		l.say(s, e, e.line.Args[0].Range, "bad-server-root", "", "expected an existing directory for ServerRoot, found %q", clip(arg))
		if !l.o.Offline || !filepath.IsAbs(path) {
			return
		}
	}
	l.tree.ServerRoot = path
	l.effect("ServerRoot", path)
}
