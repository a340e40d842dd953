package proxy

import (
	"errors"
	"strconv"
	"strings"
)

// schemePorts are the default ports of the schemes a worker may have.
var schemePorts = map[string]int{"http": 80, "https": 443, "ws": 80, "wss": 443, "h2c": 80, "h2": 443,
	"ajp": 8009, "fcgi": 8000, "scgi": 4000, "ftp": 21, "uwsgi": 3031}

// workerURL is a worker's URL taken apart.
type workerURL struct {
	name, scheme, host, path string
	port                     int
}

// parseWorkerURL takes a worker's URL apart as httpd does, and normalizes its name: scheme and host in lower case, the
// scheme's port left out, path, query and user as they are.
func parseWorkerURL(raw string) (u workerURL, err error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme == "" || rest == "" {
		return u, errors.New("expected an absolute URL such as http://host:port/path")
	}
	u.scheme = strings.ToLower(scheme)
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, u.path = rest[:i], rest[i:]
	}
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	host, port, hasPort, err := splitHostPort(authority)
	if err != nil {
		return u, err
	}
	u.host = strings.ToLower(host)
	if u.host == "" {
		return u, errors.New("expected an absolute URL with a host, such as http://host:port/path")
	}
	def := schemePorts[u.scheme]
	u.port = def
	shown := u.host
	if strings.Contains(shown, ":") {
		shown = "[" + shown + "]"
	}
	if hasPort && port != 0 {
		u.port = port
		if port != def {
			shown += ":" + strconv.Itoa(port)
		}
	}
	u.name = u.scheme + "://" + user + shown + u.path
	return u, nil
}

// splitHostPort takes "host:port" or "[address]:port" apart. A colon without digits behind it is no port.
func splitHostPort(s string) (host string, port int, hasPort bool, err error) {
	after := s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false, errors.New("expected ] at the end of the IPv6 address")
		}
		host, after = s[1:end], s[end+1:]
		if after != "" && after[0] != ':' {
			return "", 0, false, errors.New("expected a colon and a port after the IPv6 address")
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, after = s[:i], s[i:]
	} else {
		return s, 0, false, nil
	}
	if len(after) <= 1 {
		return host, 0, false, nil
	}
	n, err := strconv.ParseUint(after[1:], 10, 16)
	if err != nil {
		return "", 0, false, errors.New("expected a port from 1 to 65535 after the colon, found " + strconv.Quote(after[1:]))
	}
	return host, int(n), true, nil
}

// unixURL splits "unix:/path|http://host/…" into socket and URL; a URL without that prefix is returned as it is. ok is
// false for one without a scheme after the bar. "http:" and "http://" after the bar stand for http://localhost.
func unixURL(url string) (socket, origin string, ok bool) {
	if len(url) < 5 || !strings.EqualFold(url[:5], "unix:") {
		return "", url, true
	}
	socket, origin, found := strings.Cut(url[5:], "|")
	if !found {
		return "", url, true
	}
	i := strings.IndexByte(origin, ':')
	switch {
	case i < 0:
		return "", "", false
	case origin[i+1:] == "":
		origin += "//localhost"
	case origin[i+1:] == "//":
		origin += "localhost"
	}
	return socket, origin, true
}

// isBalancer tells whether the URL's scheme is balancer.
func isBalancer(url string) bool {
	return len(url) >= len(balancerPrefix) && strings.EqualFold(url[:len(balancerPrefix)], balancerPrefix)
}

const balancerPrefix = "balancer://"

// balancerName is the normalized name in a balancer's URL, without path, in lower case; "" for one without a name.
func balancerName(url string) string {
	end := len(url)
	if i := strings.IndexByte(url[len(balancerPrefix):], '/'); i >= 0 {
		end = len(balancerPrefix) + i
	}
	if end == len(balancerPrefix) {
		return ""
	}
	return lower(url[:end])
}

// lower is strings.ToLower for ASCII; a string that is in lower case already is returned as it is.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// authorityEnd is where scheme and authority of an absolute URL end, -1 for no absolute URL.
func authorityEnd(url string) int {
	i := strings.IndexByte(url, ':')
	if i < 0 || !strings.HasPrefix(url[i:], "://") || len(url) == i+3 {
		return -1
	}
	if j := strings.IndexByte(url[i+3:], '/'); j >= 0 {
		return i + 3 + j
	}
	return len(url)
}
