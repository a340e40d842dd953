package autoindex

import (
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"pinion/runtime"
	"pinion/runtime/glob"
)

// entry is one line of a listing.
type entry struct {
	name, icon, alt, desc string
	size                  int64 // -1 shows none
	changed               time.Time
	folder                bool // sorts first
}

// find returns the data of the first item for a file, "" for none.
func find(list []item, path, mediaType, encoding string, pathOnly bool) string {
	special := strings.HasPrefix(path, "^")
	for _, i := range list {
		if !special && !runtime.StrcmpMatch(i.path, path) {
			continue
		}
		switch {
		case i.to == "":
			return i.data
		case i.kind == byPath || special:
			if runtime.StrcmpMatch(i.to, path) {
				return i.data
			}
		case pathOnly:
		case encoding == "" && i.kind == byType && mediaType != "":
			if runtime.WildMatch(i.to, mediaType) {
				return i.data
			}
		case encoding != "" && i.kind == byEncoding:
			if runtime.WildMatch(i.to, encoding) {
				return i.data
			}
		}
	}
	return ""
}

func orElse(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

func (d *dirConf) describe(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, e := range d.descriptions {
		subject := name
		if e.full {
			subject = path
		}
		if e.wild && glob.Match(e.pattern, subject, 0) || !e.wild && strings.Contains(subject, e.pattern) {
			return e.text
		}
	}
	return ""
}

func (d *dirConf) ignored(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return slices.ContainsFunc(d.ignore, func(i item) bool { return runtime.StrcmpMatch(i.path, path) && runtime.StrcmpMatch(i.to, name) })
}

// parent is the line that leads up, nil at the root.
func (l *listing) parent() *entry {
	up := strings.TrimRight(l.r.URI, "/")
	if up == "" {
		return nil
	}
	path := l.r.Filename + ".."
	if l.ignored(path) {
		return nil
	}
	e := &entry{name: up[:strings.LastIndexByte(up, '/')+1], size: -1}
	if l.opts&fancyIndexing != 0 {
		e.icon = orElse(find(l.icons, path, "", "", true), find(l.icons, "^^DIRECTORY^^", "", "", true))
		e.alt = orElse(find(l.alts, path, "", "", true), find(l.alts, "^^DIRECTORY^^", "", "", true), "PARENTDIR")
		e.desc = l.describe(path)
	}
	return e
}

// file is the line of one file or folder, nil where it is not to be shown: ignored, or not to be had by this client.
func (l *listing) file(name string) *entry {
	path := l.r.Filename + name
	if l.pattern != "" && !l.wanted(name) || l.ignored(path) {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return nil
	}
	ask := path
	if info.IsDir() {
		ask += "/"
	}
	n := l.r.SubRequestFile(ask)
	defer n.Free()
	forbidden := l.opts&showForbidden != 0 && (n.Status == 401 || n.Status == 403)
	if n.Status < 200 || n.Status > 399 && !forbidden {
		return nil
	}
	e := &entry{name: name, size: -1}
	if info.IsDir() {
		e.name += "/"
	}
	if l.opts&(fancyIndexing|htmlTable) == 0 {
		return e
	}
	e.changed = info.ModTime()
	mediaType, _, _ := strings.Cut(n.ContentType, ";")
	if info.IsDir() {
		e.folder = l.opts&foldersFirst != 0
		e.icon = orElse(find(l.icons, path, mediaType, n.ContentEncoding, true), find(l.icons, "^^DIRECTORY^^", "", "", true))
		e.alt = orElse(find(l.alts, path, mediaType, n.ContentEncoding, true), find(l.alts, "^^DIRECTORY^^", "", "", true), "DIR")
	} else {
		e.icon = find(l.icons, path, mediaType, n.ContentEncoding, false)
		e.alt = find(l.alts, path, mediaType, n.ContentEncoding, false)
		e.size = info.Size()
	}
	if e.desc = l.describe(path); e.desc == "" && l.opts&scanTitles != 0 && n.Status == 200 && isHTML(mediaType) && n.ContentEncoding == "" {
		e.desc = title(path)
	}
	return e
}

// wanted tells whether a name matches the pattern of P=: a dot in front is matched by a dot alone, a backslash by itself.
func (l *listing) wanted(name string) bool {
	if name[0] == '.' && l.pattern[0] != '.' {
		return false
	}
	return glob.Match(strings.ReplaceAll(l.pattern, "\\", "\\\\"), name, 0)
}

func isHTML(mediaType string) bool {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	mediaType = strings.TrimSpace(mediaType)
	return runtime.EqualFold(mediaType, "text/html") || runtime.EqualFold(mediaType, "application/xhtml+xml")
}

// titleSearch is how much of a page is searched for its title, in bytes.
const titleSearch = 8191

func title(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, titleSearch))
	if err != nil {
		return ""
	}
	at := strings.Index(strings.ToLower(string(b)), "<title>")
	if at < 0 {
		return ""
	}
	text, _, _ := strings.Cut(string(b[at+len("<title>"):]), "<")
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(strings.TrimLeft(text, "\r\n"))
}
