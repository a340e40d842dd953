package rewrite

import (
	"os"
	"os/user"
	"strconv"
	"strings"

	"pinion/runtime"
)

// scheme is how mod_rewrite knows an absolute URI: its beginning, and whether a query string makes sense in it.
type scheme struct {
	name  string
	query bool
}

// schemes by their first letter in lower case.
var schemes = map[byte][]scheme{
	'a': {{"ajp://", true}},
	'b': {{"balancer://", true}},
	'f': {{"ftp://", false}, {"fcgi://", true}},
	'g': {{"gopher://", false}},
	'h': {{"http://", true}, {"https://", true}, {"h2://", true}, {"h2c://", true}},
	'l': {{"ldap://", false}},
	'm': {{"mailto:", true}},
	'n': {{"news:", false}, {"nntp://", false}},
	's': {{"scgi://", true}},
	'u': {{"unix://", true}, {"unix:", true}},
	'w': {{"ws://", true}, {"wss://", true}},
}

// absoluteURI returns the length of the scheme with what follows it up to the authority, 0 where uri is not absolute.
func absoluteURI(uri string) (n int, query bool) {
	if len(uri) <= 5 || uri[0] == '/' {
		return 0, false
	}
	for _, s := range schemes[uri[0]|0x20] {
		if len(uri) >= len(s.name) && runtime.EqualFold(uri[:len(s.name)], s.name) {
			return len(s.name), s.query
		}
	}
	return 0, false
}

const hexDigits = "0123456789abcdef"

// keepInURI are the bytes that ap_escape_uri leaves alone.
var keepInURI = func() (keep [256]bool) {
	for c := range keep {
		keep[c] = alnum(byte(c)) || strings.IndexByte("$-_.+!*'(),:;@&=/~", byte(c)) >= 0 && c != 0
	}
	return keep
}()

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// escapeURI is ap_escape_uri.
func escapeURI(s string) string {
	i := 0
	for i < len(s) && keepInURI[s[i]] {
		i++
	}
	if i == len(s) {
		return s
	}
	return string(appendEscaped(append(make([]byte, 0, len(s)+16), s[:i]...), s[i:]))
}

func appendEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; keepInURI[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// escapeAbsolute escapes what follows the authority of an absolute URI whose scheme has n bytes.
func escapeAbsolute(uri string, n int) string {
	if uri[n-1] != '/' {
		return uri[:n] + escapeURI(uri[n:])
	}
	slash := strings.IndexByte(uri[n:], '/')
	if slash < 0 || n+slash+1 == len(uri) {
		return uri
	}
	n += slash + 1
	if !runtime.EqualFold(uri[:4], "ldap") {
		return uri[:n] + escapeURI(uri[n:])
	}
	// RFC 2255: the parts of an ldap URL are set apart by question marks.
	parts := strings.SplitN(uri[n:], "?", 5)
	for i := range parts {
		parts[i] = escapeURI(parts[i])
	}
	return uri[:n] + strings.Join(parts, "?")
}

// visible tells whether all bytes are visible ones of ASCII or beyond ASCII (ap_scan_vchar_obstext).
func visible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// splitQuery takes the query off of the file name (splitout_queryargs).
func (x *rewriting) splitQuery(p *rule) {
	r := x.r
	if p.flags&flagQueryNone != 0 {
		if x.verbose >= 2 {
			x.logf(2, false, "discarding query string, no parse from substitution")
		}
		r.Args, r.HasArgs = "", false
		return
	}
	skip, query := absoluteURI(r.Filename)
	if skip > 0 && !query {
		r.Args, r.HasArgs = "", false
		return
	}
	if p.flags&flagQueryDiscard != 0 {
		r.Args, r.HasArgs = "", false
		if x.verbose >= 2 {
			x.logf(2, false, "discarding query string")
		}
	}
	find := strings.IndexByte
	if p.flags&flagQueryLast != 0 {
		find = strings.LastIndexByte
	}
	at := find(r.Filename[skip:], '?')
	if at < 0 {
		return
	}
	old := r.Filename
	q := old[skip+at+1:]
	r.Filename = old[:skip+at]
	if p.flags&flagQueryAppend == 0 {
		r.Args, r.HasArgs = q, true
	} else if q != "" {
		r.Args, r.HasArgs = q+"&"+r.Args, true
	}
	if r.HasArgs {
		if r.Args == "" {
			r.HasArgs = false
		} else {
			r.Args = strings.TrimSuffix(r.Args, "&")
		}
	}
	if x.verbose >= 3 {
		args := r.Args
		if !r.HasArgs {
			args = "<none>"
		}
		x.logf(3, false, "split uri=%s -> uri=%s, args=%s", old, r.Filename, args)
	}
}

// reduce takes http://this-host/ off of the file name (reduce_uri).
func (x *rewriting) reduce() {
	r := x.r
	rest, ok := cutScheme(r.Filename, r.SchemeName())
	if !ok {
		return
	}
	end := strings.IndexAny(rest, "/:")
	host, port, url := rest, r.DefaultPort(), "/"
	if end >= 0 {
		host, url = rest[:end], rest[end:]
		if url[0] == ':' {
			slash := strings.IndexByte(url, '/')
			if slash < 0 {
				slash = len(url)
			}
			port = int(uint16(atoi(url[1:slash])))
			if url = url[slash:]; url == "" {
				url = "/"
			}
		}
	}
	if !matchesVHost(r.Server, host, port) {
		return
	}
	if x.verbose >= 3 {
		x.logf(3, false, "reduce %s -> %s", r.Filename, url)
	}
	r.Filename = url
	conf := runtime.ServerConf[serverConf](r.Server, Module)
	if conf == nil || conf.opts.V&optLegacyPrefixDocRoot == 0 {
		r.Notes.Set(noteReduced, "true")
	}
}

func cutScheme(uri, scheme string) (string, bool) {
	n := len(scheme)
	if len(uri) > n+3 && uri[n:n+3] == "://" && runtime.EqualFold(uri[:n], scheme) {
		return uri[n+3:], true
	}
	return "", false
}

// matchesVHost is ap_matches_request_vhost.
func matchesVHost(s *runtime.Server, host string, port int) bool {
	for _, a := range s.Addrs {
		if a.IP.IsValid() && (a.Port == 0 || int(a.Port) == port) && runtime.EqualFold(a.IP.String(), host) {
			return true
		}
	}
	if port != s.Port {
		return false
	}
	if runtime.EqualFold(host, s.ServerName) {
		return true
	}
	for _, a := range s.Aliases {
		if runtime.WildMatch(a, host) {
			return true
		}
	}
	return false
}

// qualify makes the file name a URL of this server, unless it is a URL (fully_qualify_uri).
func (x *rewriting) qualify() {
	r := x.r
	if r.Method == "CONNECT" {
		return
	}
	if n, _ := absoluteURI(r.Filename); n > 0 {
		return
	}
	if strings.HasPrefix(r.Filename, "/") {
		r.Filename = r.ConstructURL(r.Filename)
	} else {
		r.Filename = r.ConstructURL("/" + r.Filename)
	}
}

// prefixStat tells whether path is one of the file system: its first segment is there, and the rule's author said so
// or it lies under the document root.
func (x *rewriting) prefixStat(path string, last *rule, unsafe bool) bool {
	r := x.r
	if path == "" || path[0] != '/' {
		return false
	}
	first := strings.TrimLeft(path, "/")
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first = first[:i]
	}
	if first == "." || first == ".." {
		first = ""
	}
	name := "/" + first
	if _, err := os.Stat(name); err != nil {
		return false
	}
	if unsafe || last == nil {
		if x.verbose >= 3 {
			x.logf(3, false, "prefix_stat no lastsub subst prefix %s", name)
		}
		return true
	}
	set := 0
	if last.flags&flagUnsafePrefixStat != 0 {
		set = 1 << 22 // httpd logs its bit
	}
	if x.verbose >= 3 {
		x.logf(3, false, "prefix_stat compare statpath %s and lastsub output %s STATOK %d ", name, last.output, set)
	}
	if set != 0 {
		return true
	}
	root := r.Server.DocRoot.Or("")
	context := r.ContextRoot
	return x.startsWith(last.output, name) || x.startsWith(path, root) || context != "" && context != root && x.startsWith(path, context)
}

func (x *rewriting) startsWith(s, prefix string) bool {
	ok := strings.HasPrefix(s, prefix)
	if x.verbose >= 5 {
		n := 0
		if ok {
			n = 1
		}
		x.logf(5, false, "prefix_stat startsWith(%s, %s) %d", s, prefix, n)
	}
	return ok
}

// substPrefix replaces the folder match at the front of input by subst (RewriteBase).
func (x *rewriting) substPrefix(input, match, subst string) string {
	n := len(strings.TrimSuffix(match, "/"))
	if len(input) <= n || input[:n] != match[:n] || input[n] != '/' {
		return input
	}
	rest := input[n+1:]
	if x.verbose >= 5 {
		x.logf(5, false, "strip matching prefix: %s -> %s", input, rest)
	}
	if subst != "" && !strings.HasSuffix(subst, "/") {
		subst += "/"
	}
	if x.verbose >= 4 {
		x.logf(4, false, "add subst prefix: %s -> %s", rest, subst+rest)
	}
	return subst + rest
}

// expandTilde replaces /~user by the user's home folder.
func expandTilde(uri string) string {
	if !strings.HasPrefix(uri, "/~") {
		return uri
	}
	name, rest := uri[2:], ""
	if i := strings.IndexByte(name, '/'); i >= 0 {
		name, rest = name[:i], name[i:]
	}
	if name == "" {
		return uri
	}
	u, err := user.Lookup(name)
	if err != nil {
		return uri
	}
	if rest == "" {
		return u.HomeDir
	}
	return strings.TrimSuffix(u.HomeDir, "/") + rest
}

// atoi is C's: blanks, a sign and digits at the front, else 0, in 32 bits.
func atoi(s string) int32 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		end = 1
	}
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	// On overflow ParseInt returns the nearest value, as strtol does.
	n, _ := strconv.ParseInt(s[:end], 10, 64)
	return int32(n)
}
