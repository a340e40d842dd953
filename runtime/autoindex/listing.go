package autoindex

import (
	"errors"
	"io"
	"net/url"
	"os"
	"strings"

	"pinion/runtime"
)

// directoryType is the handler that mod_dir gives a folder without an index.
const directoryType = "httpd/unix-directory"

// listing is one page being made.
type listing struct {
	*dirConf
	r          *runtime.Request
	opts       uint32
	key, order byte
	pattern    string // of P=
	args       string // what of the query stays in the links of the columns
	page       strings.Builder
}

var none dirConf

// handle lists a folder (httpd's handle_autoindex).
func handle(r *runtime.Request) runtime.Result {
	if r.FileInfo == nil || !r.FileInfo.IsDir() || r.Handler != directoryType && r.Handler != "default-handler" ||
		runtime.ServerConf[active](r.Server, Module) == nil {
		return runtime.Declined
	}
	r.AllowedMethods = []string{"GET", "HEAD", "OPTIONS", "POST"}
	if r.Method != "GET" && r.Method != "HEAD" {
		return runtime.Declined
	}
	if r.Dir.Core.Options.Bits()&runtime.OptIndexes == 0 {
		r.Logf(Module, runtime.LogErr, "AH01276", "Cannot serve directory %s: No matching DirectoryIndex (%s) found, and "+
			"server-generated directory index forbidden by Options directive", r.Filename, orElse(r.Notes.Get("dir-index-names"), "none"))
		return 403
	}
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{r.Body}); err != nil {
		var bad *runtime.BodyError
		if errors.As(err, &bad) {
			return runtime.Result(bad.Status)
		}
		return 400
	}
	if !strings.HasSuffix(r.Filename, "/") {
		r.Filename += "/"
	}
	d := runtime.DirConf[dirConf](r.Dir, Module)
	if d == nil {
		d = &none
	}
	l := &listing{dirConf: d, r: r, opts: d.options.bits(), key: 'N', order: 'A'}
	return l.serve()
}

func (l *listing) serve() runtime.Result {
	r := l.r
	names, err := readNames(r.Filename)
	if err != nil {
		r.Logf(Module, runtime.LogErr, "AH01275", "(%v) Can't open directory for index: %s", err, r.Filename)
		return 403
	}
	// httpd takes names for ISO-8859-1 where it doesn't know better: on every system but Windows.
	r.ContentType = orElse(l.contentType, "text/html") + ";charset=" + orElse(l.charset, "ISO-8859-1")
	if l.opts&trackModified != 0 {
		r.HeadersOut.Set("Last-Modified", runtime.HTTPDate(r.FileInfo.ModTime()))
	}
	if r.HeaderOnly {
		if r.Begin(0) != nil {
			return runtime.Done
		}
		return runtime.OK
	}
	l.readQuery()
	var all []*entry
	if e := l.parent(); e != nil {
		all = append(all, e)
	}
	for _, name := range names {
		if e := l.file(name); e != nil {
			all = append(all, e)
		}
	}
	l.sort(all)
	name := runtime.EscapeHTML(r.URI)
	if name = strings.TrimRight(name, "/"); name == "" {
		name = "/"
	}
	l.head(name)
	l.body(all)
	l.tail()
	if r.SendText("", l.page.String()) != nil {
		return runtime.Done
	}
	return runtime.OK
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// readQuery reads what the client wants the listing to be sorted by, and to look like; it ends at the first mistake.
func (l *listing) readQuery() {
	if l.dirConf.key != 0 {
		l.key = l.dirConf.key
	}
	if l.dirConf.order != 0 {
		l.order = l.dirConf.order
	}
	if l.opts&ignoreClient != 0 {
		l.opts |= suppressSorting
		return
	}
	var format, version, pattern string
	for rest := l.r.Args; rest != ""; {
		part := rest
		if i := strings.IndexAny(rest, "&;"); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		if strings.HasPrefix(part, "P=") {
			if p, err := url.PathUnescape(part[2:]); err == nil && p != "" && !strings.ContainsAny(p, "/\x00") {
				l.pattern, pattern = p, ";P="+runtime.EscapeURI(p)
			}
			continue
		}
		if len(part) != 3 || part[1] != '=' || !l.take(part[0], part[2]) {
			break
		}
		switch part[0] {
		case 'F':
			format = ";" + part
		case 'V':
			version = ";" + part
		}
	}
	l.args = format + version + pattern
}

// take obeys one letter of the query, if it is one.
func (l *listing) take(name, value byte) bool {
	switch {
	case name == 'C' && strings.IndexByte("NMSD", value) >= 0:
		l.key = value
	case name == 'O' && (value == 'A' || value == 'D'):
		l.order = value
	case name == 'F' && value == '0':
		l.opts &^= fancyIndexing | htmlTable
	case name == 'F' && value == '1':
		l.opts = l.opts&^htmlTable | fancyIndexing
	case name == 'F' && value == '2':
		l.opts |= fancyIndexing | htmlTable
	case name == 'V' && value == '0':
		l.opts &^= versionSort
	case name == 'V' && value == '1':
		l.opts |= versionSort
	default:
		return false
	}
	return true
}
