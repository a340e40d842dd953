package rewrite

import (
	"strconv"
	"strings"

	"pinion/runtime"
)

// translate applies the rules of the server (hook_uri2file).
func translate(r *runtime.Request) runtime.Result {
	conf := runtime.ServerConf[serverConf](r.Server, Module)
	dir := runtime.DirConf[dirConf](r.Dir, Module)
	// The engine's state is that of the section, so that a <Location> can switch it off.
	if dir == nil || !dir.engine.V || conf == nil || conf.server != r.Server {
		return runtime.Declined
	}
	if ended(r) {
		if verbosity(r) >= 8 {
			trace(r, 8, "Declining, no further rewriting due to END flag")
		}
		return runtime.Declined
	}
	// CVE-2011-3368, CVE-2011-4317.
	if dir.opts.V&optAnyURI == 0 && (r.UnparsedURI == "*" || !strings.HasPrefix(r.URI, "/")) {
		if verbosity(r) >= 8 {
			trace(r, 8, "Declining, request-URI '"+r.URI+"' is not a URL-path. Consult the manual entry for the RewriteOptions "+
				"directive for options and caveats about matching other strings.")
		}
		return runtime.Declined
	}
	args, hadArgs := r.Args, r.HasArgs
	setScriptURL(r)
	x := begin(r, dir, false)
	defer x.end()
	result, last := x.applyServer(conf)
	if result == actionNone {
		if x.verbose >= 1 {
			x.logf(1, false, "pass through %s", r.Filename)
		}
		return runtime.Declined
	}
	toProxy := len(r.Filename) > len(proxyPrefix) && strings.HasPrefix(r.Filename, proxyPrefix)
	skip, _ := absoluteURI(r.Filename)
	if res := x.early(result, skip, "AH10410"); res != runtime.OK {
		return res
	}
	switch {
	case toProxy:
		return x.toProxy(result, last, "AH00669")
	case skip > 0:
		return x.redirect(result, skip, args, hadArgs)
	case len(r.Filename) > len(passThrough) && strings.HasPrefix(r.Filename, passThrough):
		r.URI = r.Filename[len(passThrough):]
		return runtime.Declined
	}
	return x.toFile(conf, last)
}

// setScriptURL sets SCRIPT_URL and SCRIPT_URI: the URL as it was before any rule, over redirects and subrequests.
func setScriptURL(r *runtime.Request) {
	url := r.URI
	if r.Main != nil {
		url = r.Main.Env.Get("SCRIPT_URL")
	} else if v, ok := r.Env.Lookup("REDIRECT_SCRIPT_URL"); ok {
		url = v
	}
	r.Env.Set("SCRIPT_URL", url)
	r.Env.Set("SCRIPT_URI", r.ConstructURL(url))
}

// applyServer applies the server's rules, or takes what they came to before.
func (x *rewriting) applyServer(conf *serverConf) (action, *rule) {
	r := x.r
	if saved, ok := r.Notes.Lookup(noteRewritten); ok {
		if x.verbose >= 2 {
			x.logf(2, false, "uri already rewritten. Status %s, Uri %s, r->filename %s", saved, r.URI, r.Filename)
		}
		return action(atoi(saved)), nil
	}
	if r.Filename == "" {
		r.Filename = r.URI
		if x.verbose >= 2 {
			x.logf(2, false, "init rewrite engine with requested uri %s", r.Filename)
		}
	} else if x.verbose >= 2 {
		x.logf(2, false, "init rewrite engine with passed filename %s. Original uri = %s", r.Filename, r.URI)
	}
	result, last := x.applyList(conf.rules)
	r.Notes.Set(noteRewritten, strconv.Itoa(int(result)))
	return result, last
}

// early answers what needs no look at the new file name: a bad query, or a status that a rule forces.
func (x *rewriting) early(result action, skip int, id string) runtime.Result {
	r := x.r
	willEscape := skip > 0 && result != actionNoEscape
	if r.HasArgs && !willEscape && !visible(r.Args) {
		r.Logf(Module, runtime.LogErr, id, "Rewritten query string contains control characters or spaces")
		return 403
	}
	switch result {
	case actionStatus:
		n := r.Status
		r.Status = 200
		return runtime.Result(n)
	case actionStatusSet:
		return runtime.Result(r.Status)
	}
	return runtime.OK
}

// toProxy hands the URL in the file name to mod_proxy.
func (x *rewriting) toProxy(result action, last *rule, id string) runtime.Result {
	r := x.r
	if last != nil && !last.proxy {
		r.Logf(Module, runtime.LogErr, id, "attempt to make remote request from mod_rewrite without proxy enabled: %s", r.Filename)
		return 403
	}
	if result == actionNoEscape {
		r.Notes.Set("proxy-nocanon", "1")
	}
	// The rules of a section have seen the path info already.
	if !x.inDir && r.PathInfo != "" {
		r.Filename += r.PathInfo
	}
	if r.HasArgs && (!x.inDir && r.Proxy == runtime.ProxyForward || r.Notes.Has("proxy-nocanon")) {
		r.Filename += "?" + r.Args
	}
	if r.Proxy == runtime.ProxyNone {
		r.Proxy = runtime.ProxyReverse
	}
	r.Handler = "proxy-server"
	if x.verbose >= 1 {
		x.logf(1, true, "go-ahead with proxy request %s [OK]", r.Filename)
	}
	return runtime.OK
}

// redirect answers with the URL in the file name. args is the query before the rules: one that they left alone is
// not escaped again.
func (x *rewriting) redirect(result action, skip int, args string, hadArgs bool) runtime.Result {
	r := x.r
	if result != actionNoEscape {
		if x.verbose >= 1 {
			x.logf(1, true, "escaping %s for redirect", r.Filename)
		}
		r.Filename = escapeAbsolute(r.Filename, skip)
	}
	if r.HasArgs {
		query, how := r.Args, "copying"
		if result != actionNoEscape && !(hadArgs && r.Args == args) {
			query, how = escapeURI(r.Args), "escaping"
		}
		r.Filename += "?" + query
		if x.verbose >= 1 {
			shown := query
			if how == "copying" {
				shown = ""
			}
			x.logf(1, true, "%s %s to query string for redirect %s", how, r.Args, shown)
		}
	}
	n := 302
	if r.Status >= 300 && r.Status < 400 {
		n = r.Status
		r.Status = 200
	}
	r.HeadersOut.Set("Location", r.Filename)
	if x.verbose >= 1 {
		x.logf(1, true, "redirect to %s [REDIRECT/%d]", r.Filename, n)
	}
	return runtime.Result(n)
}

// toFile makes the path in the file name a file: one of the file system, or one below the document root.
func (x *rewriting) toFile(conf *serverConf, last *rule) runtime.Result {
	r := x.r
	r.Filename = expandTilde(r.Filename)
	if x.verbose >= 2 {
		x.logf(2, false, "local path result: %s", r.Filename)
	}
	if !strings.HasPrefix(r.Filename, "/") {
		return 400
	}
	reduced := conf.opts.V&optLegacyPrefixDocRoot == 0 && r.Notes.Has(noteReduced)
	if !x.prefixStat(r.Filename, last, conf.opts.V&optUnsafePrefixStat != 0) || reduced {
		if res := r.CoreTranslate(r.Filename); res != runtime.OK {
			if x.verbose >= 1 {
				x.logf(1, false, "prefixing with document_root of %s FAILED", r.Filename)
			}
			return res
		}
		if x.verbose >= 2 {
			x.logf(2, false, "prefixed with document_root to %s", r.Filename)
		}
	}
	if x.verbose >= 1 {
		x.logf(1, false, "go-ahead with %s [OK]", r.Filename)
	}
	// httpd's directory_walk would resolve these; sections must not be asked about any other name.
	r.Filename = runtime.CleanFilename(r.Filename)
	return runtime.OK
}

// fixup applies the rules of sections (hook_fixup).
func fixup(r *runtime.Request) runtime.Result {
	dir := runtime.DirConf[dirConf](r.Dir, Module)
	if dir == nil || !dir.engine.V || dir.directory == "" {
		return runtime.Declined
	}
	if !isProxied(r) && dir.opts.V&optNoSlash == 0 && r.Filename == dir.directory[:len(dir.directory)-1] {
		// The request is for the folder itself, without its slash: mod_dir redirects it to where the rules apply.
		return runtime.Declined
	}
	x := begin(r, dir, true)
	defer x.end()
	if ended(r) {
		if x.verbose >= 8 {
			x.logf(8, true, "Declining, no further rewriting due to END flag")
		}
		return runtime.Declined
	}
	if r.Dir.Core.Options.Bits()&(runtime.OptSymLinks|runtime.OptSymOwner) == 0 {
		r.Logf(Module, runtime.LogErr, "AH00670", "Options FollowSymLinks and SymLinksIfOwnerMatch are both off, so the RewriteRule directive "+
			"is also forbidden due to its similar ability to circumvent directory restrictions : %s", r.Filename)
		return 403
	}
	old, args, hadArgs := r.Filename, r.Args, r.HasArgs
	if r.Filename == "" {
		r.Filename = r.URI
		if x.verbose >= 2 {
			x.logf(2, true, "init rewrite engine with requested uri %s", r.Filename)
		}
	}
	result, last := x.applyList(dir.rules)
	if result == actionNone {
		if x.verbose >= 1 {
			x.logf(1, true, "pass through %s", r.Filename)
		}
		r.Filename = old
		return runtime.Declined
	}
	toProxy := len(r.Filename) > len(proxyPrefix) && strings.HasPrefix(r.Filename, proxyPrefix)
	skip, _ := absoluteURI(r.Filename)
	if res := x.early(result, skip, "AH10411"); res != runtime.OK {
		return res
	}
	switch {
	case toProxy:
		return x.toProxy(result, last, "AH10160")
	case skip > 0:
		x.baseInURL(skip)
		return x.redirect(result, skip, args, hadArgs)
	}
	return x.redirectInside(old)
}

// baseInURL replaces the section's folder by RewriteBase in a URL that a relative substitution made.
func (x *rewriting) baseInURL(skip int) {
	r, dir := x.r, x.dir
	if dir.base == "" {
		return
	}
	slash := strings.IndexByte(r.Filename[skip:], '/')
	if slash < 0 || skip+slash+1 == len(r.Filename) {
		return
	}
	at := skip + slash + 1
	if x.verbose >= 2 {
		x.logf(2, true, "trying to replace prefix %s with %s", dir.directory, dir.base)
	}
	r.Filename = r.Filename[:at] + x.substPrefix(r.Filename[at:], strings.TrimPrefix(dir.directory, "/"), dir.base[1:])
}

// redirectInside makes the path in the file name a URL again and begins anew with it.
func (x *rewriting) redirectInside(old string) runtime.Result {
	r, dir := x.r, x.dir
	r.Filename = strings.TrimPrefix(r.Filename, passThrough)
	if !strings.HasPrefix(r.Filename, "/") {
		return 400
	}
	if r.Filename == old {
		if x.verbose >= 1 {
			x.logf(1, true, "initial URL equal rewritten URL: %s [IGNORING REWRITE]", r.Filename)
		}
		return runtime.OK
	}
	found := r.Filename
	root := strings.TrimSuffix(r.Server.DocRoot.Or(""), "/")
	if dir.base != "" {
		if x.verbose >= 2 {
			x.logf(2, true, "trying to replace prefix %s with %s", dir.directory, dir.base)
		}
		r.Filename = x.substPrefix(r.Filename, dir.directory, dir.base)
	} else if strings.HasPrefix(r.Filename, root+"/") {
		if x.verbose >= 2 {
			x.logf(2, true, "strip document_root prefix: %s -> %s", r.Filename, r.Filename[len(root):])
		}
		r.Filename = r.Filename[len(root):]
	}
	if r.Filename == found && dir.opts.V&optIgnoreContextInfo == 0 {
		context := r.ContextRoot
		if context == "" {
			context = r.Server.DocRoot.Or("")
		}
		if x.verbose >= 2 {
			x.logf(2, true, "trying to replace context docroot %s with context prefix %s", context, r.ContextPrefix)
		}
		r.Filename = x.substPrefix(r.Filename, context, r.ContextPrefix)
	}
	r.Notes.Set("redirect-keeps-vary", "")
	if x.verbose >= 1 {
		x.logf(1, true, "internal redirect with %s [INTERNAL REDIRECT]", r.Filename)
	}
	r.Filename = redirectPrefix + r.Filename
	r.Handler = redirectHandler
	return runtime.OK
}

const (
	redirectHandler = "redirect-handler"
	redirectPrefix  = "redirect:"
)

// redirect is the handler of internal redirects (handler_redirect).
func redirect(r *runtime.Request) runtime.Result {
	if r.Handler != redirectHandler || !strings.HasPrefix(r.Filename, redirectPrefix) {
		return runtime.Declined
	}
	uri := r.Filename[len(redirectPrefix):]
	if r.HasArgs {
		uri += "?" + r.Args
	}
	r.InternalRedirect(uri)
	return runtime.OK
}

// forceType gives the request the type and handler of [T] and [H] (hook_mimetype).
func forceType(r *runtime.Request) runtime.Result {
	if r.Notes.Len() == 0 {
		return runtime.OK
	}
	if t := r.Notes.Get(noteType); t != "" {
		if verbosity(r) >= 1 {
			trace(r, 1, "force filename "+r.Filename+" to have MIME-type '"+t+"'")
		}
		r.ContentType = t
	}
	if h := r.Notes.Get(noteHandler); h != "" {
		if verbosity(r) >= 1 {
			trace(r, 1, "force filename "+r.Filename+" to have the Content-handler '"+h+"'")
		}
		r.Handler = h
	}
	return runtime.OK
}
