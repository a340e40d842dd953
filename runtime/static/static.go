// Package static holds what httpd's core does with files: it maps URLs into DocumentRoot, walks down the folders,
// and serves what it finds, in whole or in ranges, to whoever's conditions it meets. TRACE and OPTIONS * are here, too.
package static

import (
	"strings"

	"pinion/runtime"
)

// Module is the part of httpd's core that serves files.
var Module = runtime.Define(runtime.Module{Name: "core", File: "core.c", Hooks: []runtime.Hook{
	{Phase: runtime.TranslateName, Order: runtime.ReallyLast, Always: true, Run: translate},
	{Phase: runtime.MapToStorage, Order: runtime.Middle, Always: true, Run: pong},
	{Phase: runtime.MapToStorage, Order: runtime.ReallyLast, Always: true, Run: mapToStorage},
	// A file of an unknown type is nobody else's matter.
	{Phase: runtime.TypeChecker, Order: runtime.ReallyLast, Always: true, Run: func(*runtime.Request) runtime.Result { return runtime.OK }},
	{Phase: runtime.Fixups, Order: runtime.ReallyFirst, Always: true, Run: overrideType},
	{Phase: runtime.Handler, Order: runtime.ReallyLast, Always: true, Run: serve},
}})

// defaultRoot is httpd's DocumentRoot where none is set.
const defaultRoot = "/usr/local/apache2/htdocs"

// translate maps the URL into DocumentRoot (ap_core_translate).
func translate(r *runtime.Request) runtime.Result {
	if r.Proxy != runtime.ProxyNone {
		return 403
	}
	path := r.URI
	if path == "" || path[0] != '/' && path != "*" {
		r.Logf(nil, runtime.LogErr, "AH00126", "Invalid URI in request '%s' '%s'", r.URI, r.TheRequest)
		return 400
	}
	if rest, ok := strings.CutPrefix(path, r.Server.Path); ok && r.Server.Path != "" {
		if strings.HasSuffix(r.Server.Path, "/") || rest == "" || rest[0] == '/' {
			path = rest
		}
	}
	root := r.Server.DocRoot.Or(defaultRoot)
	path = strings.TrimLeft(path, "/")
	if above(path) {
		r.Logf(nil, runtime.LogErr, "AH00127", "Cannot map %s to file", r.TheRequest)
		return 403
	}
	if !strings.HasSuffix(root, "/") {
		root += "/"
	}
	r.Filename = runtime.CleanFilename(root + path)
	return runtime.OK
}

// above tells whether a path leads out of the folder it starts from. Its ".." were resolved long before; this is the
// last line of defence, as APR_FILEPATH_SECUREROOT is httpd's.
func above(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	depth := 0
	for _, s := range strings.Split(path, "/") {
		switch s {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

func mapToStorage(r *runtime.Request) runtime.Result {
	if res := r.DirectoryWalk(); res != runtime.OK {
		return res
	}
	r.FileWalk()
	return runtime.OK
}

// overrideType lets ForceType and SetHandler win over what the file's name said (core_override_type).
func overrideType(r *runtime.Request) runtime.Result {
	d := &r.Dir.Core
	if t := d.ForceType.V; d.ForceType.Set && t != "none" {
		r.ContentType = t
	}
	if d.SetHandler.Set {
		name := d.SetHandler.V(r)
		if !strings.HasPrefix(name, "proxy:unix") {
			name = strings.ToLower(name)
		}
		if name != "none" {
			r.Handler = name
		}
	}
	return runtime.OK
}

// pong answers OPTIONS * without an Allow header (http_send_options).
func pong(r *runtime.Request) runtime.Result {
	if r.Method == "OPTIONS" && r.URI == "*" {
		return runtime.Done
	}
	return runtime.Declined
}
