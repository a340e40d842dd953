package proxy

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"pinion/runtime"
)

const proxyPrefix = "proxy:"

// CanonURL puts the URL of a proxied request's Filename into canonical form (ap_proxy_canon_url): the scheme's and host's case, the
// port, the path's encoding, the query. It answers OK, or 400 or 403 for a URL that can't be sent.
func CanonURL(r *runtime.Request) runtime.Result {
	if r.Proxy == runtime.ProxyNone || !strings.HasPrefix(r.Filename, proxyPrefix) {
		return runtime.Declined
	}
	if r.Proxy == runtime.ProxyReverse {
		if res := takeSocket(r); res != runtime.OK {
			return res
		}
		if d := Dir(r); d.Interpolate.Or(false) {
			s := Of(r)
			s.reverse, s.cookiePaths, s.cookieDomains = interpolated(r, d.reverse), interpolated(r, d.cookiePaths), interpolated(r, d.cookieDomains)
			s.interpolated = true
		}
	}
	url := r.Filename[len(proxyPrefix):]
	i := strings.IndexByte(url, ':')
	if i > 0 {
		scheme := lower(url[:i])
		switch scheme {
		case "http", "https", "ws", "wss", "ajp", "h2", "h2c":
			return canonHTTP(r, scheme, url)
		case "balancer":
			return canonBalancer(r, url)
		}
		if f := canonicalizers[scheme]; f != nil {
			if res := f(r, url); res != runtime.Declined {
				return res
			}
		}
	}
	if i <= 0 {
		return 400
	}
	return runtime.OK
}

// MemberURL makes the URL for a member of a balancer from the balancer's, canonical in the way of the member's
// scheme; r.Filename is set to it (balancer_fixup). url is what Selector.PreRequest was given.
func MemberURL(r *runtime.Request, w *Worker, url string) (string, runtime.Result) {
	path := ""
	if hasQuery(r) {
		url = url[:max(len(url)-len(r.Args)-1, 0)]
	}
	if i := authorityEnd(url); i >= 0 {
		path = url[i:]
	}
	r.Filename = proxyPrefix + w.Name + path
	res := CanonURL(r)
	if res != runtime.OK {
		return url, res
	}
	return r.Filename[len(proxyPrefix):], res
}

// hasQuery tells that the query is not yet part of a canonical balancer's URL: it is appended for the selector to
// look at, and taken off again by MemberURL.
func hasQuery(r *runtime.Request) bool { return r.HasArgs && !r.Notes.Has("proxy-nocanon") }

// takeSocket takes the socket out of "proxy:unix:/path|scheme://…" (fixup_uds_filename).
func takeSocket(r *runtime.Request) runtime.Result {
	url := r.Filename[len(proxyPrefix):]
	if len(url) < 5 || !runtime.EqualFold(url[:5], "unix:") {
		return runtime.OK
	}
	socket, origin, ok := strings.Cut(url[5:], "|")
	if !ok {
		return runtime.OK
	}
	scheme, rest, ok := strings.Cut(origin, ":")
	if !ok || socket == "" {
		r.Logf(Module, runtime.LogErr, "AH10292", "Invalid proxy UDS filename (%s)", r.Filename)
		return 400
	}
	if !filepath.IsAbs(socket) {
		socket = filepath.Join(ConfOf(r.Graph.Main).runtimeDir, socket)
	}
	Of(r).Socket = socket
	r.Notes.Set("uds_path", socket)
	switch {
	case rest == "":
		rest = "//localhost"
	case strings.HasPrefix(rest, "///") || rest == "//":
		rest = "//localhost" + rest[2:]
	case rest[0] == '/' && !strings.HasPrefix(rest, "//"):
		rest = "//localhost" + rest
	}
	r.Filename = proxyPrefix + scheme + ":" + rest
	return runtime.OK
}

// canonHTTP is proxy_http_canon: for schemes whose URLs are http's.
func canonHTTP(r *runtime.Request, scheme, url string) runtime.Result {
	if r.LogOn(Module, runtime.LogTrace1) {
		r.Logf(Module, runtime.LogTrace1, "", "HTTP: canonicalising URL %s", url)
	}
	n, err := canonNetloc(url[len(scheme)+1:])
	if err != "" {
		r.Logf(Module, runtime.LogErr, "AH01083", "error parsing URL %s: %s", url, err)
		return 400
	}
	if noHost(n.host) {
		return Error(r, 500, "DNS lookup failure for: "+n.host)
	}
	path, query, raw := n.path, "", true
	switch {
	case r.Notes.Has("proxy-nocanon"):
	case r.Notes.Has("proxy-noencode"):
		query = r.Args
	default:
		var ok bool
		if path, ok = encodePath(n.path, r.Dir.Core.AllowEncodedSlashes.Or("off") == "nodecode"); !ok {
			return 400
		}
		query, raw = r.Args, path == n.path
	}
	if raw && !visible(path) {
		r.Logf(Module, runtime.LogErr, "AH10415", "To be forwarded path contains control characters or spaces")
		return 403
	}
	if query != "" && !visible(query) {
		r.Logf(Module, runtime.LogErr, "AH10408", "To be forwarded query string contains control characters or spaces")
		return 403
	}
	port := ""
	if n.port != 0 && n.port != schemePorts[scheme] {
		port = n.portText
	}
	if !hasQuery(r) {
		if isCanonical(url, scheme, n.host, port, path) {
			return runtime.OK
		}
	} else {
		query = "?" + query
	}
	host := n.host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	r.Filename = proxyPrefix + scheme + "://" + host + port + "/" + path + query
	return runtime.OK
}

// isCanonical tells that url is made of just these parts: then Filename can stay as it is, which saves a copy.
func isCanonical(url, scheme, host, port, path string) bool {
	for _, part := range [...]string{scheme, "://", host, port, "/"} {
		if !strings.HasPrefix(url, part) {
			return false
		}
		url = url[len(part):]
	}
	return url == path
}

// canonBalancer checks a balancer's URL. Its path stays as it is: the member's scheme decides about it.
func canonBalancer(r *runtime.Request, url string) runtime.Result {
	n, err := canonNetloc(url[len("balancer:"):])
	if err != "" {
		r.Logf(Module, runtime.LogErr, "AH01157", "error parsing URL %s: %s", url, err)
		return 400
	}
	if !isCanonical(url, "balancer", n.host, "", n.path) {
		r.Filename = proxyPrefix + balancerPrefix + n.host + "/" + n.path
	}
	return runtime.OK
}

// netloc is what stands behind "scheme:" in a URL. path is without its leading slash.
type netloc struct {
	host, path string
	port       int
	portText   string // ":8080", "" for none
}

// canonNetloc takes "//user:password@host:port/path" apart (ap_proxy_canon_netloc); the user is dropped.
func canonNetloc(s string) (n netloc, err string) {
	if !strings.HasPrefix(s, "//") {
		return n, "Malformed URL"
	}
	authority := s[2:]
	if i := strings.IndexByte(authority, '/'); i >= 0 {
		authority, n.path = authority[:i], authority[i+1:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		for _, part := range strings.SplitN(authority[:i], ":", 2) {
			if !goodEscapes(part) {
				return n, "Bad %-escape in URL (username)"
			}
		}
		authority = authority[i+1:]
	}
	var ok bool
	if n.host, n.portText, ok = addrPort(authority); !ok {
		return n, "Invalid host/port"
	}
	n.host = lower(n.host)
	if n.portText != "" {
		// addrPort has seen that it is a number in range.
		n.port, _ = strconv.Atoi(n.portText[1:])
		if n.portText[1] == '0' {
			n.portText = ":" + strconv.Itoa(n.port)
		}
	}
	return n, ""
}

// addrPort splits an authority as apr_parse_addr_port does: digits at its end behind a colon are a port, all else is the host, colons
// included. port is ":8080" or "".
func addrPort(s string) (host, port string, ok bool) {
	i := len(s)
	for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
		i--
	}
	if i == 0 {
		return "", "", false
	}
	host = s
	if s[i-1] == ':' && i < len(s) {
		n, err := strconv.ParseUint(s[i:], 10, 16)
		if err != nil || n == 0 {
			return "", "", false
		}
		host, port = s[:i-1], s[i-1:]
	}
	if strings.HasPrefix(host, "[") {
		inner, closed := strings.CutSuffix(host[1:], "]")
		addr, err := netip.ParseAddr(inner)
		return inner, port, closed && err == nil && addr.Is6() && addr.Zone() == ""
	}
	return host, port, host != ""
}

// noHost tells that a host holds a colon and is no IPv6 address: mostly a path glued to a port, as by ProxyPass /a/ http://b:80.
func noHost(host string) bool {
	if strings.IndexByte(host, ':') < 0 {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

func goodEscapes(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// inPath holds the bytes that a path may have unencoded (ap_proxy_canonenc with enc_path).
var inPath = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c < 0x80 && strings.IndexByte("/~$-_.+!*'(),;:@&=", byte(c)) >= 0
	}
	return t
}()

// encodePath encodes a decoded path for a URL. keepSlashes says that "%2F" in it stands for an encoded slash, which stays; then
// ok is false for a "%" without two hex digits behind it.
func encodePath(p string, keepSlashes bool) (encoded string, ok bool) {
	i := 0
	for i < len(p) && inPath[p[i]] {
		i++
	}
	if i == len(p) {
		return p, true
	}
	const hex = "0123456789ABCDEF"
	b := append(make([]byte, 0, len(p)+16), p[:i]...)
	for ; i < len(p); i++ {
		c := p[i]
		if keepSlashes && c == '%' {
			if i+2 >= len(p) || !isHex(p[i+1]) || !isHex(p[i+2]) {
				return "", false
			}
			if p[i+1] == '2' && p[i+2]|0x20 == 'f' {
				b = append(b, p[i:i+3]...)
				i += 2
				continue
			}
		}
		if inPath[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b), true
}

// visible tells that there is no control character and no space (ap_scan_vchar_obstext).
func visible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
