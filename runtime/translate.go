package runtime

import "strings"

// CoreTranslate maps a URL path to a file below the document root (ap_core_translate): what translate_name does when
// no module knows better, and what mod_rewrite does with a result that is no path of the file system.
func (r *Request) CoreTranslate(uri string) Result {
	if r.Proxy != ProxyNone {
		return 403
	}
	if uri == "" || uri[0] != '/' && uri != "*" {
		r.Logf(nil, LogErr, "AH00126", "Invalid URI in request '%s' '%s'", uri, r.TheRequest)
		return 400
	}
	path := uri
	if r.Server.hasPath(uri) {
		path = uri[len(r.Server.Path):]
	}
	name, ok := below(r.Server.DocRoot.Or(""), path)
	if !ok {
		r.Logf(nil, LogErr, "AH00127", "Cannot map %s to file", r.TheRequest)
		return 403
	}
	r.Filename = name
	return OK
}

// below joins a path to a folder and resolves "." and ".." in it; ok is false for one that leads out of the folder.
func below(root, path string) (name string, ok bool) {
	root = strings.TrimRight(root, "/")
	path = strings.TrimLeft(path, "/")
	if path, ok = normalizePath("/"+path, true, false, false); !ok {
		return "", false
	}
	return root + path, true
}
