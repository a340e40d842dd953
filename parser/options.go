package parser

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Options is what Load needs to know besides the path. The zero value of each field is usable.
type Options struct {
	// ServerRoot is what relative paths are relative to until a ServerRoot directive is read; made absolute
	// with the working directory. Empty: the working directory.
	ServerRoot string
	// Directives looks up a directive without regard to case, or returns nil; Load asks for a section with a
	// "<" in front first, and then without. Table.Lookup is made for this.
	Directives func(name string) *Directive
	// Nearest returns the known name that is most like name, or "": a hint for what is unknown. Table.Nearest
	// is made for this.
	Nearest func(name string) string
	// Modules answers <IfModule>: it is asked with names as "mod_headers.c" and as "headers_module".
	Modules func(name string) bool
	// Static tells which of them httpd has without a LoadModule. The others are there for <IfModule> once they have
	// been loaded, in a configuration that has a LoadModule at all. nil: all of them.
	Static func(name string) bool
	// Defines are the names given with -D.
	Defines []string
	// Before and After are the directives given with -C and -c, one line each.
	Before, After []string
	// Getenv looks up ${VAR} that no Define has set; nil is os.LookupEnv.
	Getenv func(string) (string, bool)
	// Offline says that the file stands alone, away from the server that it is for: included files and folders
	// that are missing are notes.
	Offline bool
	// Pause, unless nil, is called again and again while many files are read: a server that has requests to answer rests in it.
	Pause func()
	// Cache keeps the syntax of files from one Load to the next; nil keeps nothing.
	Cache *Cache
	// Stubs lets Load return a <VirtualHost> as a stub (Node.Stub) where Cache.Keep knows its file and nothing that it was read with
	// has changed since.
	Stubs bool
	// Outdated are the virtual hosts, by Node.ID, that are not to be stubs.
	Outdated map[uint64]bool
	// FS is where files are read from; nil is the operating system.
	FS FS
}

// FS is the file system as Load sees it. Names are absolute and clean. Its methods may be called from
// concurrent Loads.
type FS interface {
	Stat(name string) (fs.FileInfo, error)           // follows symbolic links
	ReadDir(name string) ([]fs.DirEntry, error)      // in any order
	ReadFile(name string, max int64) ([]byte, error) // an error when the file is larger than max bytes
}

// maxFile bounds one configuration file, in bytes.
const maxFile = 256 << 20

var errTooLarge = errors.New("file too large")

type osFS struct{}

func (osFS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadDir leaves out the sorting of os.ReadDir, which takes longer than the reading.
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

func (osFS) ReadFile(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := int64(512)
	if info, err := f.Stat(); err == nil && info.Size() > size {
		size = info.Size()
	}
	if size > max {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, errTooLarge, max)
	}
	src := make([]byte, 0, size+1)
	for {
		n, err := f.Read(src[len(src):cap(src)])
		src = src[:len(src)+n]
		if err == io.EOF {
			return src, nil
		}
		if err != nil {
			return nil, err
		}
		if int64(len(src)) > max {
			return nil, fmt.Errorf("%s: %w: more than %d bytes", name, errTooLarge, max)
		}
		if len(src) == cap(src) {
			src = append(src, 0)[:len(src)]
		}
	}
}
