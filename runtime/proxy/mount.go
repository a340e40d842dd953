package proxy

import (
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/pcre"
)

// Mount is one ProxyPass or ProxyPassMatch. Immutable once compiled.
type Mount struct {
	Path    string // or the regular expression as written
	URL     string // "!" for an exception; without the socket of unix:
	NoCanon bool
	NoQuery bool
	Encoded bool // mapping=encoded: matched before the path is decoded
	Servlet bool // mapping=servlet; Encoded is true as well
	Place   parser.Place

	interpolate bool
	regex       *pcre.Regexp
	plain       bool // URL holds neither $n nor \: a regular expression's match is appended as it is
}

// match compares r with the mount (ap_proxy_trans_match). next is true where it is not for r.
func (m *Mount) match(r *runtime.Request, d *DirConf) (res runtime.Result, next bool) {
	path, url := m.Path, m.URL
	if m.interpolate && d.Interpolate.Or(false) {
		path, url = interpolate(r, path), interpolate(r, url)
	}
	if r.LogOn(Module, runtime.LogTrace2) {
		kind := "prefix"
		if m.regex != nil {
			kind = "pattern"
		}
		r.Logf(Module, runtime.LogTrace2, "AH03461", "attempting to match URI path '%s' against %s '%s' for proxying", r.URI, kind, path)
	}
	f := found{r: r, nocanon: m.NoCanon, from: r.URI}
	switch {
	case m.regex != nil:
		f.byRegex(m, url)
	case m.Servlet:
		f.nocanon = false
		f.byServlet(path, url)
	default:
		f.byPrefix(path, url)
	}
	switch {
	case f.failed:
		return 500, false
	case f.excepted:
		id := "AH03463"
		if m.regex != nil {
			id = "AH03462"
		}
		r.Logf(Module, runtime.LogTrace1, id, "proxying is explicitly disabled for URI path '%s'; declining", r.URI)
		return runtime.Declined, false
	case f.filename == "":
		return 0, true
	}
	if f.mismatch {
		r.Logf(Module, runtime.LogWarn, "AH01136", "Unescaped URL path matched ProxyPass; ignoring unsafe nocanon")
	}
	if !f.wanted() {
		return 0, true
	}
	return m.take(r, &f), false
}

// take makes r a proxied request.
func (m *Mount) take(r *runtime.Request, f *found) runtime.Result {
	r.Filename = f.filename
	r.Handler = "proxy-server"
	r.Proxy = runtime.ProxyReverse
	if f.nocanon && !f.mismatch {
		r.Notes.Set("proxy-nocanon", "1")
	}
	if m.NoQuery {
		r.Notes.Set("proxy-noquery", "1")
	}
	if m.Encoded {
		r.Notes.Set("proxy-noencode", "1")
	}
	Of(r).Mount = m
	if f.servlet != "" {
		r.Logf(Module, runtime.LogTrace1, "AH10248", "Servlet path '%s' (%s) matches proxy handler '%s'", r.URI, f.servlet, r.Filename)
		r.URI = f.servlet
	} else if r.LogOn(Module, runtime.LogTrace1) {
		r.Logf(Module, runtime.LogTrace1, "AH03464", "URI path '%s' matches proxy handler '%s'", r.URI, r.Filename)
	}
	if m.Encoded {
		return runtime.Done
	}
	return runtime.OK
}

// found is the outcome of one comparison.
type found struct {
	r        *runtime.Request
	nocanon  bool
	mismatch bool   // the path as sent would not have matched: nocanon is unsafe
	from     string // what the rest of the URL is taken from: the decoded path or the target as sent
	filename string // "proxy:" and the URL; "" for no match
	servlet  string // the path without its parameters
	excepted bool
	failed   bool
}

func (f *found) byRegex(m *Mount, url string) {
	r := f.r
	var buf [20]int
	loc, err := m.regex.Find(r.URI, buf[:0])
	if err != nil {
		r.Logf(Module, runtime.LogWarn, "", "ProxyPassMatch %s: %v", m.Path, err)
	}
	if loc == nil {
		return
	}
	if f.excepted = url == "!"; f.excepted {
		return
	}
	if f.nocanon {
		var raw [20]int
		if at, _ := m.regex.Find(r.UnparsedURI, raw[:0]); at != nil {
			loc, f.from = at, r.UnparsedURI
		} else {
			f.mismatch = true
		}
	}
	to := url
	if !m.plain || m.interpolate {
		to = substitute(url, f.from, loc)
	}
	if len(to) >= maxSubstitution {
		r.Logf(Module, runtime.LogCrit, "AH01135", "Substitution in regular expression failed. Replacement too long?")
		f.failed = true
		return
	}
	if to == url {
		to += f.from // $1 of the whole is implied
	}
	f.filename = "proxy:" + to
}

const maxSubstitution = 64 << 10 // bytes, httpd's AP_PREGSUB_MAXLEN

// substitute puts groups of a match in for $0 to $9 (ap_pregsub). A backslash quotes what follows.
func substitute(to, subject string, loc []int) string {
	var b strings.Builder
	for i := 0; i < len(to); i++ {
		switch c := to[i]; {
		case isRef(to[i:]):
			i++
			if n := int(to[i]-'0') * 2; n+1 < len(loc) && loc[n] < loc[n+1] {
				b.WriteString(subject[loc[n]:loc[n+1]])
			}
		case c == '\\' && i+1 < len(to):
			i++
			b.WriteByte(to[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (f *found) byPrefix(path, url string) {
	r := f.r
	n := aliasMatch(r.URI, path)
	if n == 0 {
		return
	}
	if f.excepted = url == "!"; f.excepted {
		return
	}
	if f.nocanon {
		if aliasMatch(r.UnparsedURI, path) == n {
			f.from = r.UnparsedURI
		} else {
			f.mismatch = true
		}
	}
	f.filename = "proxy:" + url + f.from[n:]
}

func (f *found) byServlet(path, url string) {
	servlet, n := servletMatch(f.r.URI, path)
	if n == 0 {
		return
	}
	if f.excepted = url == "!"; f.excepted {
		return
	}
	f.servlet = servlet
	f.filename = "proxy:" + url + f.r.URI[n:]
}

// wanted asks the scheme whether it takes this request (check_trans): ws and wss only take upgrades, unless they fall back.
func (f *found) wanted() bool {
	return checkTrans == nil || checkTrans(f.r, f.filename[len("proxy:"):])
}

// aliasMatch compares uri with the path of a mount, a run of slashes in one standing for any run in the other, and returns how
// many bytes of uri matched; 0 for no match. A match ends at the end of a path segment.
func aliasMatch(uri, alias string) int {
	a, u := 0, 0
	for a < len(alias) && u < len(uri) {
		if alias[a] == '/' {
			if uri[u] != '/' {
				return 0
			}
			for a < len(alias) && alias[a] == '/' {
				a++
			}
			for u < len(uri) && uri[u] == '/' {
				u++
			}
			continue
		}
		if uri[u] != alias[a] {
			return 0
		}
		u++
		a++
	}
	if a == 0 || a < len(alias) {
		return 0
	}
	if alias[a-1] != '/' && u < len(uri) && uri[u] != '/' {
		return 0
	}
	return u
}

// interpolate puts variables of the request's environment in for ${name}; an unknown one is empty.
func interpolate(r *runtime.Request, s string) string {
	var b strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			break
		}
		end := strings.IndexByte(s[start+2:], '}')
		if end < 0 {
			break
		}
		b.WriteString(s[:start])
		b.WriteString(r.Env.Get(s[start+2 : start+2+end]))
		s = s[start+2+end+1:]
	}
	if b.Len() == 0 {
		return s
	}
	b.WriteString(s)
	return b.String()
}
