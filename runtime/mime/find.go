package mime

import (
	"strings"

	"pinion/runtime"
	"pinion/runtime/filter"
)

// directoryType is what httpd calls the media type of a folder (DIR_MAGIC_TYPE).
const directoryType = "httpd/unix-directory"

var none dirConf

// findType reads the endings of the file's name (httpd's find_ct).
func findType(r *runtime.Request) runtime.Result {
	if r.FileInfo != nil && r.FileInfo.IsDir() {
		r.ContentType = directoryType
		return runtime.OK
	}
	if r.Filename == "" {
		return runtime.Declined
	}
	conf := runtime.DirConf[dirConf](r.Dir, Module)
	if conf == nil {
		conf = &none
	}
	var types map[string]string
	if all := runtime.GraphConf[graphConf](r.Graph, Module); all != nil {
		types = all.types
	}
	charset := readEndings(r, conf, types, fileName(r, conf))
	if r.ContentType != "" && (charset != "" || strings.IndexByte(r.ContentType, ';') >= 0) {
		r.ContentType = rebuild(r.ContentType, charset)
	}
	if len(r.ContentLanguages) == 0 && conf.language != "" {
		r.ContentLanguages = []string{conf.language}
	}
	if r.ContentType == "" {
		return runtime.Declined
	}
	return runtime.OK
}

// fileName is the part of the file's name that endings are looked for in.
func fileName(r *runtime.Request, conf *dirConf) string {
	name := r.Filename
	switch {
	case conf.pathInfo.Or(false):
		name += r.PathInfo
	case r.Proxy == runtime.ProxyReverse:
		// Under nocanon the backend's URL holds the query, too.
		name, _, _ = strings.Cut(name, "?")
	}
	return name[strings.LastIndexByte(name, '/')+1:]
}

// readEndings takes over what each ending of the name says, and returns the charset. The name up to its first dot is
// no ending, nor are dots in front of it.
func readEndings(r *runtime.Request, conf *dirConf, types map[string]string, name string) (charset string) {
	_, rest, _ := strings.Cut(strings.TrimLeft(name, "."), ".")
	for rest != "" {
		var end string
		end, rest, _ = strings.Cut(rest, ".")
		if end == "" {
			continue
		}
		end = strings.ToLower(end)
		e := conf.endings[end]
		if e == nil || !e.mediaType.Set {
			if t, ok := types[end]; ok {
				r.ContentType = t
			}
		}
		if e == nil {
			continue
		}
		if e.mediaType.V != "" {
			r.ContentType = e.mediaType.V
		}
		if e.charset.Set {
			charset = e.charset.V
		}
		if e.language.Set {
			r.ContentLanguages = append(r.ContentLanguages, e.language.V)
		}
		if e.encoding.Set {
			if r.ContentEncoding != "" {
				r.ContentEncoding += ", "
			}
			r.ContentEncoding += e.encoding.V
		}
		if e.filters.Set {
			filter.Add(r, e.filters.V)
		}
		if e.handler.Set && r.Proxy == runtime.ProxyNone {
			r.Handler = e.handler.V
		}
	}
	return charset
}
