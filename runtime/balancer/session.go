package balancer

import (
	"strings"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// session is what a request says about where its session lives.
type session struct {
	name  string // the sticky name it was found by
	value string // "" for none
	route string
	// routed tells that there is a route, be it an empty one: httpd tells them apart.
	routed   bool
	inCookie bool
	sticky   bool // the balancer has a stickysession
	again    bool // a failover: the request was counted before
}

// sessionOf looks for the session in the URL, then in the cookies (the first part of find_session_route).
func sessionOf(r *runtime.Request, b *proxy.Balancer, url string) (s session) {
	cookie, path := b.Sticky()
	if s.sticky = cookie != ""; !s.sticky {
		return s
	}
	found := false
	if s.value, found = pathParam(url, path, b.ScolonPathDel.Or(false)); found {
		s.name = path
	} else if s.value, found = cookieParam(r, cookie); found {
		s.name, s.inCookie = cookie, true
	} else {
		return s
	}
	s.route, s.routed = s.value, true
	if sep := b.StickySep.Or('.'); sep != 0 {
		i := strings.IndexByte(s.value, sep)
		if s.routed = i >= 0; s.routed {
			s.route = s.value[i+1:]
		} else {
			s.route = ""
		}
	}
	return s
}

// log says what was found, in httpd's words.
func (s *session) log(r *runtime.Request) {
	if s.name == "" || !r.LogOn(Module, runtime.LogDebug) {
		return
	}
	id := "AH01159"
	if s.inCookie {
		id = "AH01160"
	}
	r.Logf(Module, runtime.LogDebug, id, "Found value %s for stickysession %s", s.value, s.name)
	if s.route != "" {
		r.Logf(Module, runtime.LogDebug, "AH01161", "Found route %s", s.route)
	}
}

// pathParam returns the value of the parameter in a URL: as httpd, whatever stands before the name, up to the next
// delimiter; delimiters directly behind the "=" are skipped.
func pathParam(url, name string, semicolon bool) (value string, found bool) {
	delims := "?&"
	if semicolon {
		delims = ";?&"
	}
	for rest := url; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return "", false
		}
		rest = rest[i+len(name):]
		if rest == "" {
			return "", false
		}
		if rest[0] == '=' {
			if rest = rest[1:]; rest == "" {
				return "", false
			}
			rest = strings.TrimLeft(rest, delims)
			if end := strings.IndexAny(rest, delims); end >= 0 {
				rest = rest[:end]
			}
			return rest, rest != ""
		}
		rest = rest[1:]
	}
}

// cookieParam returns the value of the first cookie of that name. Request fields of one name have been merged into one.
func cookieParam(r *runtime.Request, name string) (value string, found bool) {
	cookies, ok := r.HeadersIn.Lookup("Cookie")
	if !ok {
		return "", false
	}
	for at := 0; at <= len(cookies); {
		i := strings.Index(cookies[at:], name)
		if i < 0 {
			return "", false
		}
		at += i
		if at > 0 && !startsCookie(cookies[at-1]) {
			at++
			continue
		}
		at += len(name)
		for at < len(cookies) && isSpace(cookies[at]) {
			at++
		}
		if at+1 < len(cookies) && cookies[at] == '=' {
			value = cookies[at+1:]
			if end := strings.IndexAny(value, ";,"); end >= 0 {
				value = value[:end]
			}
			return value, true
		}
		at += 2 // httpd looks on behind the byte after the one that is no "="
	}
	return "", false
}

func startsCookie(before byte) bool { return before == ';' || before == ',' || isSpace(before) }

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
