package dir

import (
	"strings"

	"pinion/runtime"
)

const (
	// directoryType is what httpd calls the handler, and the media type, of a folder (DIR_MAGIC_TYPE).
	directoryType = "httpd/unix-directory"
	// rewriteHandler is the handler of a request that mod_rewrite has sent elsewhere.
	rewriteHandler = "redirect-handler"
)

var (
	none         dirConf
	defaultIndex = []string{"index.html"}
)

func fixup(r *runtime.Request) runtime.Result {
	d := runtime.DirConf[dirConf](r.Dir, Module)
	if d == nil {
		d = &none
	}
	switch {
	case r.FileInfo != nil && r.FileInfo.IsDir():
		return folder(r, d)
	case r.FileInfo == nil && r.Handler == "" && d.fallback.Set:
		return fallback(r, d)
	}
	return runtime.Declined
}

// folder finds what to serve for a folder (httpd's fixup_dir).
func folder(r *runtime.Request, d *dirConf) runtime.Result {
	if r.Handler == "" {
		r.Handler = directoryType
	}
	switch {
	case r.PathInfo != "":
		return runtime.Declined
	case !strings.HasSuffix(r.URI, "/"):
		return addSlash(r, d)
	case r.Handler == rewriteHandler, d.checkHandler.Or(false) && r.Handler != directoryType:
		if r.ContentType == directoryType {
			r.ContentType = ""
		}
		return runtime.Declined
	}
	names := d.index.Or(defaultIndex)
	failed := runtime.OK
	for i, name := range names {
		res, found := tryIndex(r, d, name, i == len(names)-1)
		if found {
			return res
		}
		if res != runtime.OK {
			failed = res
		}
	}
	if failed != runtime.OK {
		// An index that may not be had must not make way for a listing.
		return failed
	}
	r.Notes.Set("dir-index-names", strings.Join(names, ","))
	return runtime.Declined
}

// addSlash redirects to the folder's URL with a slash at its end.
func addSlash(r *runtime.Request, d *dirConf) runtime.Result {
	get := r.Method == "GET" || r.Method == "HEAD"
	if !d.slash.Or(true) || !get && r.Env.Has("redirect-carefully") {
		return runtime.Declined
	}
	url := runtime.EscapeURI(r.URI) + "/"
	if r.HasArgs {
		url += "?" + r.Args
	}
	r.HeadersOut.Set("Location", r.ConstructURL(url))
	return 301
}

// tryIndex looks one index up. found tells that res is the answer; else res is what went wrong, OK for not found.
func tryIndex(r *runtime.Request, d *dirConf, name string, last bool) (res runtime.Result, found bool) {
	n := lookup(r, name)
	switch status := n.Status; {
	case served(n):
		if to := d.redirect.V; to != 0 {
			r.HeadersOut.Set("Location", r.ConstructURL(n.URI))
			n.Free()
			return runtime.Result(to), true
		}
		r.FastRedirect(n)
		return runtime.OK, true
	case status >= 300 && status < 400, last && (status == 406 || status == 401):
		takeHeaders(r, n)
		n.Free()
		return runtime.Result(status), true
	case status != 404 && status != 200:
		res = runtime.Result(status)
	}
	n.Free()
	return res, false
}

// fallback serves FallbackResource (httpd's fixup_dflt).
func fallback(r *runtime.Request, d *dirConf) runtime.Result {
	if runtime.EqualFold(d.fallback.V, "disabled") {
		return runtime.Declined
	}
	n := lookup(r, d.fallback.V)
	if served(n) {
		r.FastRedirect(n)
		return runtime.OK
	}
	status := n.Status
	if status >= 300 && status < 400 {
		takeHeaders(r, n)
	}
	n.Free()
	if status != 200 && status != 404 {
		return runtime.Result(status)
	}
	return runtime.Declined
}

func lookup(r *runtime.Request, name string) *runtime.Request {
	if r.HasArgs {
		name += "?" + r.Args
	}
	return r.SubRequest(name)
}

// served tells whether the subrequest has found something to serve: a file, or a backend.
func served(n *runtime.Request) bool {
	return n.Status == 200 && (n.Handler == "proxy-server" || n.FileInfo != nil && n.FileInfo.Mode().IsRegular())
}

func takeHeaders(r, n *runtime.Request) {
	for _, f := range n.Notes.Fields() {
		r.Notes.Set(f.Key, f.Value)
	}
	for _, f := range n.HeadersOut.Fields() {
		r.HeadersOut.Set(f.Key, f.Value)
	}
	for _, f := range n.ErrHeadersOut.Fields() {
		r.ErrHeadersOut.Set(f.Key, f.Value)
	}
}
