package rewrite

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime"
)

// rewriteMap is what a RewriteMap defines: one of text, function and program is set.
type rewriteMap struct {
	kind     string // as the log names it: "[txt]" or ""
	text     *textMap
	random   bool // a text whose values are choices set apart by "|"
	function func(string) string
	program  *program
}

// intMaps are the functions of int: maps.
var intMaps = map[string]func(string) string{
	"toupper":  upperASCII,
	"tolower":  lowerASCII,
	"escape":   escapeURI,
	"unescape": unescapeURL,
}

func setMap(c *runtime.Cmd) error {
	name, source := c.Arg(0), c.Arg(1)
	kind, rest, ok := strings.Cut(source, ":")
	kind = strings.ToLower(kind)
	m := &rewriteMap{}
	var err error
	switch {
	case ok && kind == "int":
		if m.function = intMaps[rest]; m.function == nil {
			return runtime.WithDetail(c.ArgErrorf(1, "bad-value", "RewriteMap: internal map not found:%s", rest),
				"there are toupper, tolower, escape and unescape")
		}
	case ok && kind == "prg":
		m.program, err = openProgram(c, name, rest)
	case kind == "dbm" || strings.HasPrefix(kind, "dbm="):
		return runtime.WithDetail(c.ArgErrorf(1, "unsupported", "RewriteMap: maps of type dbm are not supported"),
			"use the text file that it was made of (httxt2dbm) as txt:, which is held in memory here and just as fast")
	case ok && (kind == "dbd" || kind == "fastdbd"):
		return runtime.WithDetail(c.ArgErrorf(1, "unsupported", "RewriteMap: maps of type %s are not supported", kind),
			"export the table as a text file for txt:, or ask the database from a program for prg:")
	default:
		path := source
		if ok && (kind == "txt" || kind == "rnd") {
			path = rest
		}
		m.kind, m.random = "[txt]", ok && kind == "rnd"
		m.text, err = openText(c, name, path)
	}
	if err != nil {
		return err
	}
	conf := serverConfOf(c)
	if conf.maps == nil {
		conf.maps = map[string]*rewriteMap{}
	}
	conf.maps[name] = m
	return nil
}

// lookupMap finds key in a map of the request's server. ok is false where there is no such map or key.
func (x *rewriting) lookupMap(name string, key []byte) (value string, ok bool) {
	if x.conf == nil {
		return "", false
	}
	m := x.conf.maps[name]
	if m == nil {
		return "", false
	}
	switch {
	case m.text != nil:
		value, ok = m.text.lookup(x.r, key)
	case m.function != nil:
		value, ok = m.function(string(key)), true
	default:
		value, ok = m.program.lookup(x.r, key)
	}
	if !ok {
		if x.verbose >= 5 {
			x.logf(5, false, "map lookup FAILED: map=%s%s key=%s", name, m.kind, key)
		}
		return "", false
	}
	if x.verbose >= 5 {
		x.logf(5, false, "map lookup OK: map=%s%s key=%s -> val=%s", name, m.kind, key, value)
	}
	if m.random {
		value = choose(value)
		if x.verbose >= 5 {
			x.logf(5, false, "randomly chosen the subvalue `%s'", value)
		}
	}
	return value, m.text == nil || value != ""
}

// choose picks one of the choices in the value of a rnd: map.
func choose(value string) string {
	n := strings.Count(value, "|") + 1
	if n == 1 {
		return value
	}
	for range rand.IntN(n) {
		_, value, _ = strings.Cut(value, "|")
	}
	value, _, _ = strings.Cut(value, "|")
	return value
}

// textMap is a txt: or rnd: file in memory. It outlives graphs, so that a reload doesn't read an unchanged file again.
type textMap struct {
	path    string
	entries atomic.Pointer[textEntries]
	mu      sync.Mutex // held while the file is read again
}

// textEntries is what one version of the file held.
type textEntries struct {
	values  map[string]string
	mtime   time.Time
	size    int64
	checked atomic.Int64 // when it was compared with the file: Unix nanoseconds
}

// checkEvery is how old a look at the file's time may be. A change also reloads the configuration, usually sooner.
const checkEvery = int64(time.Second)

func openText(c *runtime.Cmd, name, path string) (*textMap, error) {
	if path == "" {
		return nil, c.ArgErrorf(1, "bad-value", "RewriteMap: bad path to txt map: ")
	}
	file := c.ServerPath(path)
	c.Watch(file)
	if _, err := os.Stat(file); err != nil && !c.Offline {
		return nil, runtime.WithDetail(c.ArgErrorf(1, "missing-file", "RewriteMap: file for map %s not found:%s", name, file), "%v", err)
	}
	t, err := runtime.Adopt(c.Compiler, "rewrite text "+file, func() (*textMap, error) { return &textMap{path: file}, nil })
	if err != nil {
		return nil, err
	}
	if !c.Offline {
		if _, err := t.current(time.Now().UnixNano(), true); err != nil {
			return nil, c.ArgErrorf(1, "unreadable-file", "RewriteMap: %v", err)
		}
	}
	return t, nil
}

func (t *textMap) lookup(r *runtime.Request, key []byte) (string, bool) {
	e, err := t.current(r.Time.UnixNano(), false)
	if err != nil {
		r.Logf(Module, runtime.LogErr, "AH00661", "mod_rewrite: can't access text RewriteMap file %s: %v", t.path, err)
		return "", false
	}
	v, ok := e.values[string(key)]
	return v, ok
}

// current returns the entries, read again where the file has changed.
func (t *textMap) current(now int64, force bool) (*textEntries, error) {
	e := t.entries.Load()
	if e != nil && !force && now-e.checked.Load() < checkEvery {
		return e, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e = t.entries.Load(); e != nil && !force && now-e.checked.Load() < checkEvery {
		return e, nil
	}
	fi, err := os.Stat(t.path)
	if err != nil {
		return nil, err
	}
	if e != nil && fi.ModTime().Equal(e.mtime) && fi.Size() == e.size {
		e.checked.Store(now)
		return e, nil
	}
	if fi.IsDir() {
		return nil, fmt.Errorf("expected a file, found a folder: %s", t.path)
	}
	b, err := os.ReadFile(t.path)
	if err != nil {
		return nil, err
	}
	e = &textEntries{values: parseText(string(b)), mtime: fi.ModTime(), size: fi.Size()}
	e.checked.Store(now)
	t.entries.Store(e)
	return e, nil
}

// maxLine is how long a line of a text map can be; httpd takes what follows for a line of its own.
const maxLine = 1024

// parseText reads a text map: a key and a value on each line, set apart by blanks; the first of a key counts.
func parseText(text string) map[string]string {
	values := make(map[string]string, strings.Count(text, "\n"))
	for text != "" {
		n := strings.IndexByte(text, '\n') + 1
		if n == 0 {
			n = len(text)
		}
		n = min(n, maxLine)
		line := text[:n]
		text = text[n:]
		if i := strings.IndexByte(line, 0); i >= 0 {
			line = line[:i]
		}
		if line == "" || line[0] == '#' || isSpace(line[0]) {
			continue
		}
		key := line[:wordEnd(line)]
		value := strings.TrimLeft(line[len(key):], space)
		value = value[:wordEnd(value)]
		if value == "" {
			continue
		}
		if _, ok := values[key]; !ok {
			// A copy, so that the map doesn't hold on to the file's whole text.
			values[strings.Clone(key)] = strings.Clone(value)
		}
	}
	return values
}

const space = " \t\n\v\f\r"

func isSpace(c byte) bool { return strings.IndexByte(space, c) >= 0 }

func wordEnd(s string) int {
	if i := strings.IndexAny(s, space); i >= 0 {
		return i
	}
	return len(s)
}

func upperASCII(s string) string {
	return mapBytes(s, func(c byte) byte {
		if 'a' <= c && c <= 'z' {
			return c &^ 0x20
		}
		return c
	})
}

func lowerASCII(s string) string { return mapBytes(s, lower) }

func mapBytes(s string, f func(byte) byte) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = f(c)
	}
	return string(b)
}

// unescapeURL is ap_unescape_url: what is no escape stays, and a %00 ends the string, as in C.
func unescapeURL(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := url.PathUnescape(s[i : i+3]); err == nil {
				if c == "\x00" {
					break
				}
				b = append(b, c...)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
