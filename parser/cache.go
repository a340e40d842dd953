package parser

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// Cache keeps the syntax of the files that the last Load read, so that the next one parses only what has
// changed. The zero value is ready; it is safe for concurrent use. It holds what the last Load with it has
// used and nothing else.
type Cache struct {
	mu     sync.Mutex
	files  map[string]*parsed
	kept   map[string]*fragment // see Keep
	needed map[string]*needed
}

// Len returns the number of files held.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.files)
}

func (c *Cache) get(path string) *parsed {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[path]
}

// keep makes files all that the cache holds. The map now belongs to the cache.
func (c *Cache) keep(files map[string]*parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = files
}

// parsed is a file's syntax and what the file looked like just before it was read. It is not changed.
type parsed struct {
	syntax *syntax
	info   fs.FileInfo
	change time.Time // of the inode
	// settled says that the file had been left alone for so long when it was read that any later change
	// must show in its times, however coarse the file system keeps them.
	settled bool
}

// How old a file's last change must be: FAT keeps times in steps of two seconds. Where there is something behind the milliseconds,
// times are those of the kernel's clock, which goes on every 10 ms at least.
const (
	settleCoarse = 2500 * time.Millisecond
	settleFine   = 50 * time.Millisecond
)

func settle(last time.Time) time.Duration {
	if last.Nanosecond()%int(time.Millisecond) != 0 {
		return settleFine
	}
	return settleCoarse
}

func stamp(info fs.FileInfo) *parsed {
	p := &parsed{info: info, change: changeTime(info)}
	last := info.ModTime()
	if p.change.After(last) {
		last = p.change
	}
	p.settled = time.Since(last) > settle(last)
	return p
}

// same reports whether a file is certainly unchanged. If not, its content decides.
func (p *parsed) same(info fs.FileInfo) bool {
	return p.settled && os.SameFile(p.info, info) && p.info.Size() == info.Size() &&
		p.info.ModTime().Equal(info.ModTime()) && p.change.Equal(changeTime(info))
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
