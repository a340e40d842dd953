package rewrite

import (
	"strings"
	"sync"

	"pinion/runtime"
	"pinion/runtime/expr"
)

// rewriting is a list of rules being applied to one request.
type rewriting struct {
	r       *runtime.Request
	conf    *serverConf // of the request's server; nil where it has none
	dir     *dirConf    // of the section
	inDir   bool        // rules of a section, not of the server
	verbose int         // how many of the trace levels are logged
	uri     string      // what the rule's pattern is applied to

	file, info              string     // the file name and path info that uri was made of, in a section
	ofRule, ofCond, scratch expr.Match // groups of the rule's pattern, and of the last condition
	vary, varyThis          string     // request headers that this rule's conditions, and this condition, looked at
	loc                     []int
	buf                     []byte
	found                   candidates
}

var rewritings = sync.Pool{New: func() any { return new(rewriting) }}

// begin takes a rewriting from the pool; end gives it back.
func begin(r *runtime.Request, dir *dirConf, inDir bool) *rewriting {
	x := rewritings.Get().(*rewriting)
	x.r, x.dir, x.inDir = r, dir, inDir
	x.conf = runtime.ServerConf[serverConf](r.Server, Module)
	x.verbose = verbosity(r)
	return x
}

func (x *rewriting) end() {
	for _, m := range []*expr.Match{&x.ofRule, &x.ofCond, &x.scratch} {
		m.Reset()
	}
	const keepBuf = 16 << 10
	if cap(x.buf) > keepBuf {
		x.buf = nil
	}
	clear(x.found.lists)
	*x = rewriting{ofRule: x.ofRule, ofCond: x.ofCond, scratch: x.scratch, loc: x.loc[:0], buf: x.buf[:0],
		found: candidates{lists: x.found.lists[:0]}}
	rewritings.Put(x)
}

// action is what a list of rules came to, under the numbers of httpd's ACTION_*.
type action int

const (
	actionNone      action = 0
	actionNormal    action = 1
	actionNoEscape  action = 2
	actionStatus    action = 4 // r.Status holds what to answer
	actionStatusSet action = 8 // the same, after an error
)

// outcome is what one rule came to.
type outcome uint8

const (
	noMatch outcome = iota
	matched
	matchedOnly // without a substitution
	failed      // r.Status says how
)

// applyList applies the rules. last is the last one that substituted.
func (x *rewriting) applyList(s *ruleset) (result action, last *rule) {
	r := x.r
	round := 1
	var idx *index
	// A subrequest passes some rules over by themselves, not with their chains; and the log wants to see every rule.
	if r.Main == nil && x.verbose < 3 {
		idx = s.prepare()
	}
	for i := 0; i < len(s.rules); i++ {
		x.subject()
		if idx != nil {
			if !x.found.known || x.found.subject != x.uri {
				x.found.find(idx, x.uri)
			}
			if i = x.found.next(idx, i); i >= len(s.rules) {
				break
			}
		}
		p := s.rules[i]
		if r.Main != nil && p.flags&(flagNoSubReq|flagRedirect) != 0 {
			continue
		}
		x.vary = ""
		out := x.apply(p)
		if out == noMatch {
			for i < len(s.rules) && s.rules[i].flags&flagChain != 0 {
				i++
			}
			continue
		}
		if p.flags&flagNoSubst == 0 {
			if x.verbose >= 2 {
				x.logf(2, true, "setting lastsub to rule with output %s", p.output)
			}
			last = p
		}
		if limit := 2 * r.Server.Settings.LimitRequestLine.Or(defaultRequestLine); len(r.Filename) > limit {
			r.Logf(Module, runtime.LogErr, "", "RewriteRule '%s' and URI '%s' exceeded maximum length (%d)", p.pattern, r.URI, limit)
			r.Status = 500
			return actionStatus, last
		}
		if x.vary != "" {
			r.HeadersOut.Merge("Vary", x.vary)
		}
		if out == failed {
			return actionStatusSet, last
		}
		if p.flags&flagStatus != 0 {
			return actionStatus, last
		}
		if out != matchedOnly {
			result = actionNormal
			if p.flags&flagNoEscape != 0 {
				result = actionNoEscape
			}
		}
		if p.flags&flagPassThrough != 0 {
			if x.verbose >= 2 {
				x.logf(2, true, "forcing '%s' to get passed through to next API URI-to-filename handler", r.Filename)
			}
			r.Filename = passThrough + r.Filename
			return actionNormal, last
		}
		if p.flags&flagEnd != 0 {
			if x.verbose >= 8 {
				x.logf(8, true, "Rule has END flag, no further rewriting for this request")
			}
			requestStateOf(r).end = true
			return result, last
		}
		if p.flags&(flagProxy|flagLast) != 0 {
			return result, last
		}
		if p.flags&flagNext != 0 {
			if round++; round >= p.rounds {
				r.Logf(Module, runtime.LogErr, "AH02596", "RewriteRule '%s' and URI '%s' exceeded maximum number of rounds (%d) via the [N] flag",
					p.pattern, r.URI, p.rounds)
				r.Status = 500
				return actionStatus, last
			}
			i = -1
			x.found.known = false
			continue
		}
		i += max(p.skip, 0)
	}
	return result, last
}

const (
	defaultRequestLine = 8190
	passThrough        = "passthrough:"
)

// subject sets x.uri to what patterns are applied to: in a section without its path, with the path info.
func (x *rewriting) subject() {
	r := x.r
	if !x.inDir {
		x.uri = r.Filename
		return
	}
	if x.uri != "" && x.file == r.Filename && x.info == r.PathInfo {
		return
	}
	x.file, x.info = r.Filename, r.PathInfo
	uri := r.Filename + r.PathInfo
	if !isProxied(r) && strings.HasPrefix(uri, x.dir.directory) {
		uri = uri[len(x.dir.directory):]
	}
	x.uri = uri
}

func isProxied(r *runtime.Request) bool {
	return r.Proxy != runtime.ProxyNone && strings.HasPrefix(r.Filename, proxyPrefix)
}

const proxyPrefix = "proxy:"

// apply applies one rule to x.uri.
func (x *rewriting) apply(p *rule) outcome {
	r := x.r
	if x.verbose >= 3 {
		x.logSubject(p)
	}
	proxied := x.inDir && isProxied(r)
	if p.flags&flagNegate == 0 {
		if !x.match(p.re, x.uri, &x.ofRule) {
			return noMatch
		}
	} else {
		if p.re.MatchString(x.uri) {
			return noMatch
		}
		x.ofRule.Reset()
	}
	x.ofCond.Reset()
	x.varyThis = ""
	if !x.allHold(p.conds) {
		return noMatch
	}
	substitute := p.flags&flagNoSubst == 0
	uri := ""
	if substitute {
		var safe bool
		if uri, safe = x.substitute(p); !safe {
			r.Logf(Module, runtime.LogErr, "AH10508", "Unsafe URL with %%3f URL rewritten without UnsafeAllow3F")
			r.Status = 403
			return failed
		}
	}
	for _, t := range p.env {
		x.setEnv(t.expand(x))
	}
	for _, t := range p.cookies {
		x.setCookie(t.expand(x))
	}
	if !substitute {
		x.rememberType(p)
		if p.flags&flagStatus != 0 {
			if x.verbose >= 2 {
				x.logf(2, true, "forcing responsecode %d for %s", p.status, r.Filename)
			}
			r.Status = p.status
		}
		return matchedOnly
	}
	prefixed := false
	if !proxied {
		uri, prefixed = x.addPrefix(p, uri)
	}
	r.Filename = uri
	if x.inDir && p.flags&flagDiscardPath != 0 {
		r.PathInfo = ""
	}
	x.splitQuery(p)
	x.conclude(p, prefixed)
	return matched
}

// substitute expands the rule's substitution. safe is false where its query begins with a "?" that a request could
// have put there.
func (x *rewriting) substitute(p *rule) (uri string, safe bool) {
	q := noQuestion
	if p.subst.parts == nil {
		uri = p.subst.text
	} else {
		x.buf = p.subst.append(x, x.buf[:0], &q, p.flags&flagQueryLast != 0)
		uri = string(x.buf)
	}
	if x.verbose >= 2 {
		x.logf(2, true, "rewrite '%s' -> '%s'", x.uri, uri)
	}
	return uri, q != unsafeQuestion || p.flags&flagUnsafeAllow3F != 0
}

// addPrefix makes a relative result an absolute one: below the section's folder, or below the root.
func (x *rewriting) addPrefix(p *rule, uri string) (string, bool) {
	if strings.HasPrefix(uri, "/") {
		return uri, false
	}
	if n, _ := absoluteURI(uri); n > 0 {
		return uri, false
	}
	if x.inDir {
		if x.verbose >= 3 {
			x.logf(3, true, "add per-dir prefix: %s -> %s%s", uri, x.dir.directory, uri)
		}
		return x.dir.directory + uri, true
	}
	if p.flags&(flagProxy|flagRedirect) != 0 {
		return uri, false
	}
	// Without this, ^/some/path(.*) -> $1 would make a path such as /some/pathhttp://other/ a URL.
	if x.verbose >= 3 {
		x.logf(3, true, "add root prefix: %s -> /%s", uri, uri)
	}
	return "/" + uri, true
}

// conclude makes of the new file name what the rule's flags want: a proxied URL, a redirect, a path.
func (x *rewriting) conclude(p *rule, prefixed bool) {
	r := x.r
	switch {
	case p.flags&flagProxy != 0:
		x.qualify()
		if x.verbose >= 2 {
			x.logf(2, true, "forcing proxy-throughput with %s", r.Filename)
		}
		r.Filename = proxyPrefix + r.Filename
		return
	case p.flags&flagRedirect != 0:
		x.qualify()
		if x.verbose >= 2 {
			x.logf(2, true, "explicitly forcing redirect with %s", r.Filename)
		}
		r.Status = p.status
		return
	}
	x.reduce()
	if n, _ := absoluteURI(r.Filename); n > 0 {
		if x.verbose >= 2 {
			x.logf(2, true, "implicitly forcing redirect (rc=%d with %s", p.status, r.Filename)
		}
		r.Status = p.status
		return
	}
	if p.flags&flagUNC == 0 && !prefixed && !strings.HasPrefix(p.output, "//") {
		for strings.HasPrefix(r.Filename, "//") {
			r.Filename = r.Filename[1:]
		}
	}
	x.rememberType(p)
}

// The notes that mod_rewrite leaves, under httpd's names.
const (
	noteType      = "rewrite-forced-mimetype"
	noteHandler   = "rewrite-forced-handler"
	noteReduced   = "mod_rewrite_uri_reduced"
	noteRewritten = "mod_rewrite_rewritten"
)

// rememberType notes the values of T and H for fixups.
func (x *rewriting) rememberType(p *rule) {
	r := x.r
	if p.mime != nil {
		if v := strings.ToLower(p.mime.expand(x)); v != "" {
			if x.verbose >= 2 {
				x.logf(2, true, "remember %s to have MIME-type '%s'", r.Filename, v)
			}
			r.Notes.Set(noteType, v)
		}
	}
	if p.handler != nil {
		if v := strings.ToLower(p.handler.expand(x)); v != "" {
			if x.verbose >= 2 {
				x.logf(2, true, "remember %s to have Content-handler '%s'", r.Filename, v)
			}
			r.Notes.Set(noteHandler, v)
		}
	}
}
