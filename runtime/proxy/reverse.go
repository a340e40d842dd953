package proxy

import (
	"strings"

	"pinion/runtime"
)

// reverseMap is one ProxyPassReverse, -CookiePath or -CookieDomain.
type reverseMap struct {
	fake, real  string
	interpolate bool
}

// interpolated returns the maps with the variables of r put in.
func interpolated(r *runtime.Request, maps []reverseMap) []reverseMap {
	out := make([]reverseMap, len(maps))
	for i, m := range maps {
		if m.interpolate {
			m.fake, m.real = interpolate(r, m.fake), interpolate(r, m.real)
		}
		out[i] = m
	}
	return out
}

// LocationReverseMap maps the URL of a Location, Content-Location or URI header of the backend to this server's
// (ap_proxy_location_reverse_map). What no ProxyPassReverse covers is returned as it is.
func LocationReverseMap(r *runtime.Request, url string) string {
	if r.Proxy != runtime.ProxyReverse {
		return url
	}
	maps := Dir(r).reverse
	if s := Of(r); s.interpolated {
		maps = s.reverse
	}
	for i := range maps {
		m := &maps[i]
		if b := Conf(r).FindBalancer(m.real); b != nil {
			if to, ok := m.overMembers(b, url); ok {
				return absolute(r, to)
			}
			continue
		}
		part := url
		if strings.HasPrefix(m.real, "/") {
			part = pathOf(url)
		}
		if m.real != "" && hasPrefixFold(part, m.real) {
			return absolute(r, m.fake+part[len(m.real):])
		}
	}
	return url
}

// overMembers maps a URL of one of the balancer's members. After the balancer's name the map may have a path, which is then
// looked for behind the member's URL.
func (m *reverseMap) overMembers(b *Balancer, url string) (string, bool) {
	path := ""
	if i := strings.IndexByte(m.real[len(balancerPrefix):], '/'); i >= 0 {
		if path = m.real[len(balancerPrefix)+i:]; path == "/" {
			path = ""
		}
	}
	for _, w := range b.Members {
		base := w.Name
		if path != "" {
			base = strings.TrimSuffix(base, "/")
		}
		if !hasPrefixFold(url, base) || !strings.HasPrefix(url[len(base):], path) {
			continue
		}
		rest := url[len(base)+len(path):]
		if path == "" && m.fake == "/" && strings.HasPrefix(rest, "/") {
			return rest, true
		}
		return m.fake + rest, true
	}
	return "", false
}

// pathOf is an absolute URL from its path on; another URL, and one without a path, is returned as it is.
func pathOf(url string) string {
	if i := strings.Index(url, "://"); i >= 0 {
		if j := strings.IndexByte(url[i+3:], '/'); j >= 0 {
			return url[i+3+j:]
		}
	}
	return url
}

func absolute(r *runtime.Request, url string) string {
	if isURL(url) {
		return url
	}
	return r.ConstructURL(url)
}

// isURL is httpd's ap_is_url: letters and a few others before "://".
func isURL(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':':
			return i > 0 && strings.HasPrefix(s[i:], "://")
		case !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
			return false
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && runtime.EqualFold(s[:len(prefix)], prefix)
}

// CookieReverseMap maps path and domain of a Set-Cookie value (ap_proxy_cookie_reverse_map). Of several paths or domains
// in it the last one that is mapped counts.
func CookieReverseMap(r *runtime.Request, setCookie string) string {
	if r.Proxy != runtime.ProxyReverse {
		return setCookie
	}
	d := Dir(r)
	paths, domains := d.cookiePaths, d.cookieDomains
	if s := Of(r); s.interpolated {
		paths, domains = s.cookiePaths, s.cookieDomains
	}
	if len(paths) == 0 && len(domains) == 0 {
		return setCookie
	}
	return mapCookie(setCookie, paths, domains)
}

// span is a part of a cookie to be replaced.
type span struct {
	from, to int
	by       string
	set      bool
}

func mapCookie(cookie string, paths, domains []reverseMap) string {
	var path, domain span
	for i := 0; i <= len(cookie); {
		end := len(cookie)
		if j := strings.IndexByte(cookie[i:], ';'); j >= 0 {
			end = i + j
		}
		at := i
		for at < end && isSpace(cookie[at]) {
			at++
		}
		switch token := cookie[at:end]; {
		case hasPrefixFold(token, "path="):
			path.look(cookie, at+len("path="), end, paths, strings.HasPrefix)
		case hasPrefixFold(token, "domain="):
			domain.look(cookie, at+len("domain="), end, domains, hasPrefixFold)
		}
		i = end + 1
	}
	first, second := path, domain
	if !first.set || second.set && second.from < first.from {
		first, second = second, first
	}
	if !first.set {
		return cookie
	}
	if !second.set {
		return cookie[:first.from] + first.by + cookie[first.to:]
	}
	return cookie[:first.from] + first.by + cookie[first.to:second.from] + second.by + cookie[second.to:]
}

// look notes the first map whose internal value begins the value cookie[from:to]. Like httpd it replaces the whole value.
func (s *span) look(cookie string, from, to int, maps []reverseMap, begins func(s, prefix string) bool) {
	for _, m := range maps {
		if begins(cookie[from:to], m.fake) {
			*s = span{from, to, m.real, true}
			return
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
