package rewrite

import (
	"fmt"
	"strconv"

	"pinion/runtime"
)

// verbosity is how many of the levels trace1 to trace8 are logged for the request. Callers compare with it before
// they make a line, so that without a trace no line costs more than that.
func verbosity(r *runtime.Request) int {
	n := 0
	for n < 8 && r.LogOn(Module, runtime.LogTrace1+runtime.Level(n)) {
		n++
	}
	return n
}

// logf writes a line of the rewriting log, in httpd's form, at that trace level. inDir marks lines that httpd marks
// with the section's path, which not every line of a section is.
func (x *rewriting) logf(level int, inDir bool, format string, args ...any) {
	dir := ""
	if inDir && x.inDir {
		dir = "[perdir " + x.dir.directory + "] "
	}
	trace(x.r, level, dir+fmt.Sprintf(format, args...))
}

// trace writes one line about r.
func trace(r *runtime.Request, level int, text string) {
	user, kind, redirects := "-", "initial", 0
	if r.User != "" {
		user = r.User
	}
	if r.Main != nil {
		kind = "subreq"
	}
	for p := r.Prev; p != nil; p = p.Prev {
		redirects++
	}
	redir := ""
	if redirects > 0 {
		redir = "/redir#" + strconv.Itoa(redirects)
	}
	r.Logf(Module, runtime.LogDebug+runtime.Level(level), "", "%s - %s [%s/sid#%p][rid#%p/%s%s] %s",
		r.ClientIP, user, r.ServerName(), r.Server, r, kind, redir, text)
}

// logSubject tells, for a rule that is about to be applied, how its subject came to be.
func (x *rewriting) logSubject(p *rule) {
	if x.inDir {
		uri := x.r.Filename
		if info := x.r.PathInfo; info != "" {
			x.logf(3, true, "add path info postfix: %s -> %s%s", uri, uri, info)
			uri += info
		}
		if uri != x.uri {
			x.logf(3, true, "strip per-dir prefix: %s -> %s", uri, x.uri)
		}
	}
	x.logf(3, true, "applying pattern '%s' to uri '%s'", p.pattern, x.uri)
}
