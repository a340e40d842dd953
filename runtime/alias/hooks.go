package alias

import (
	"strings"

	"pinion/runtime"
)

// translate redirects, or maps the URL (translate_alias_redir).
func translate(r *runtime.Request) runtime.Result {
	if r.URI != "" && r.URI[0] != '/' {
		return runtime.Declined
	}
	d, s := runtime.DirConf[dirConf](r.Dir, Module), runtime.ServerConf[serverConf](r.Server, Module)
	if d != nil && d.redirect != nil {
		return sendRedirect(r, d, d.redirect.target(r), d.redirect.status)
	}
	if s != nil {
		if e, matched, loc := s.redirects.first(r.URI); e != nil {
			return e.redirect(r, d, matched, loc)
		}
	}
	if d != nil && d.alias != nil {
		r.Filename = d.alias.file(r, d.preserve.Or(false))
		return runtime.OK
	}
	if s != nil {
		if e, matched, loc := s.aliases.first(r.URI); e != nil {
			return e.translate(r, matched, loc)
		}
	}
	return runtime.Declined
}

// fixup redirects by the sections that only the file's place has shown (fixup_redir).
func fixup(r *runtime.Request) runtime.Result {
	d := runtime.DirConf[dirConf](r.Dir, Module)
	if d == nil {
		return runtime.Declined
	}
	if d.redirect != nil {
		return sendRedirect(r, d, d.redirect.target(r), d.redirect.status)
	}
	if e, matched, loc := d.redirects.first(r.URI); e != nil {
		return e.redirect(r, d, matched, loc)
	}
	return runtime.Declined
}

func (d *dirRedirect) target(r *runtime.Request) string {
	if d.url == nil {
		return ""
	}
	return escapeTarget(d.url(r))
}

func (a *dirAlias) file(r *runtime.Request, preserve bool) string {
	name := a.real(r)
	if preserve {
		l := list{}
		l.add(&entry{fake: a.fake})
		if e, n, _ := l.first(r.URI); e != nil {
			r.ContextPrefix, r.ContextRoot = a.fake, name
			name += r.URI[n:]
		}
	}
	return runtime.CleanFilename(absolute(a.root, name))
}

// fill puts the groups of the expression into the entry's path or URL.
func (e *entry) fill(r *runtime.Request, loc []int) (string, bool) {
	s, ok := runtime.Regsub(e.real, r.URI, loc)
	if !ok {
		r.Logf(Module, runtime.LogErr, "AH00672", "Regex substitution in '%s' failed. Replacement too long?", e.real)
	}
	return s, ok
}

func (e *entry) translate(r *runtime.Request, matched int, loc []int) runtime.Result {
	if e.regex == nil {
		r.ContextPrefix, r.ContextRoot = e.fake, e.real
		r.Filename = runtime.CleanFilename(e.real + r.URI[matched:])
		return runtime.OK
	}
	name, ok := e.fill(r, loc)
	if !ok {
		return 500
	}
	r.Filename = runtime.CleanFilename(name)
	return runtime.OK
}

func (e *entry) redirect(r *runtime.Request, d *dirConf, matched int, loc []int) runtime.Result {
	if e.regex == nil {
		r.ContextPrefix, r.ContextRoot = e.fake, e.real
		return sendRedirect(r, d, e.real+runtime.EscapeURI(r.URI[matched:]), e.status)
	}
	target, ok := e.fill(r, loc)
	if !ok {
		return 500
	}
	return sendRedirect(r, d, escapeTarget(target), e.status)
}

// sendRedirect sets Location, made absolute, with the query of the request where the target has none of its own.
func sendRedirect(r *runtime.Request, d *dirConf, target string, status int) runtime.Result {
	if !isRedirect(status) {
		return runtime.Result(status)
	}
	path := strings.HasPrefix(target, "/")
	if !path || d == nil || !d.relative.Or(false) {
		if path {
			from := target
			target = r.ConstructURL(target)
			r.Logf(Module, runtime.LogDebug, "AH00673", "incomplete redirection target of '%s' for URI '%s' modified to '%s'", from, r.URI, target)
		}
		if !isURL(target) {
			r.Logf(Module, runtime.LogErr, "AH00674", "cannot redirect '%s' to '%s'; target is not a valid absoluteURI or abs_path", r.URI, target)
			return 500
		}
	}
	if r.HasArgs && !strings.Contains(target, "?") {
		target += "?" + r.Args
	}
	r.HeadersOut.Set("Location", target)
	return runtime.Result(status)
}
