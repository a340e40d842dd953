package runtime

import (
	"pinion/runtime/expr"
	"strings"

	"pinion/runtime/http1"
)

// SetTarget gives a request that came by another protocol than HTTP/1 its target, a path with its query.
func (r *Request) SetTarget(target string) { r.parseTarget(target) }

// ChooseServer chooses the virtual host by the authority of a request that came by another protocol than HTTP/1. It
// reports whether the authority is one; without, the address's default server stays.
func (r *Request) ChooseServer(authority string) bool {
	host, port, ok := http1.ParseHost(authority)
	if !ok {
		return false
	}
	r.Hostname, r.HostPort = host, port
	r.Server = r.Graph.ServerFor(r.Conn.Local, host)
	r.Dir = r.Server.Dir
	return true
}

// parseTarget takes a path with its query apart (ap_parse_uri); scheme and authority have been taken off.
func (r *Request) parseTarget(rest string) {
	r.UnparsedURI = rest
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		r.Args, r.HasArgs = rest[i+1:], true
		rest = rest[:i]
	} else {
		r.Args, r.HasArgs = "", false
	}
	if rest == "" {
		rest = "/"
	}
	r.Path, r.URI = rest, rest
}

// EscapeURI escapes what may not stand in a URL's path (ap_escape_uri).
func EscapeURI(path string) string { return expr.EscapePath(path) }

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// normalizePath removes "." and ".." segments and, with merge, empty ones; with decode it decodes escapes of
// unreserved characters (RFC 3986 6.2.2.2). ok is false for a path above the root, a bad escape or no leading slash.
func normalizePath(p string, merge, decode, relative bool) (string, bool) {
	if p == "*" {
		return p, true
	}
	if p == "" || p[0] != '/' && !relative {
		return p, false
	}
	if plainPath(p) {
		return p, true
	}
	ok := true
	out := make([]byte, 0, len(p))
	in := []byte(p)
	if in[0] == '/' {
		out = append(out, '/')
		in = in[1:]
	}
	for i := 0; i < len(in); {
		if decode && in[i] == '%' {
			if i+2 < len(in) && isHex(in[i+1]) && isHex(in[i+2]) {
				if c := unhex(in[i+1])<<4 | unhex(in[i+2]); unreserved(c) {
					i += 2
					in[i] = c
				}
			} else {
				ok = false
			}
		}
		if len(out) == 0 || out[len(out)-1] == '/' {
			if merge && in[i] == '/' {
				i++
				continue
			}
			if n, up := dotSegment(in[i:], decode); n > 0 {
				i += n
				if up && len(out) > 1 {
					out = out[:len(out)-1]
					for len(out) > 0 && out[len(out)-1] != '/' {
						out = out[:len(out)-1]
					}
				} else if up {
					ok = false
				}
				continue
			}
		}
		out = append(out, in[i])
		i++
	}
	return string(out), ok
}

// plainPath tells that there is nothing to normalize: the usual case, without a copy.
func plainPath(p string) bool {
	for i := 0; i < len(p); i++ {
		if p[i] == '%' || p[i] == '/' && i+1 < len(p) && (p[i+1] == '/' || p[i+1] == '.') {
			return false
		}
	}
	return p[0] == '/'
}

// dotSegment tells how many bytes a "." or ".." segment at the front takes with the slash after it, 0 for none.
func dotSegment(s []byte, decode bool) (n int, up bool) {
	if s[0] != '.' {
		return 0, false
	}
	rest := s[1:]
	n = 1
	if len(rest) > 0 && rest[0] == '.' {
		rest, n, up = rest[1:], 2, true
	} else if decode && len(rest) > 2 && rest[0] == '%' && rest[1] == '2' && rest[2]|0x20 == 'e' {
		rest, n, up = rest[3:], 4, true
	}
	switch {
	case len(rest) == 0:
		return n, up
	case rest[0] == '/':
		return n + 1, up
	}
	return 0, false
}

// unescapePath decodes the escapes that normalizePath left. slashes is AllowEncodedSlashes: "off" refuses %2F
// with 404, "nodecode" leaves it. A status of 0 is success.
func unescapePath(p, slashes string) (string, int) {
	i := strings.IndexByte(p, '%')
	if i < 0 {
		return p, 0
	}
	status := 0
	out := append(make([]byte, 0, len(p)), p[:i]...)
	for ; i < len(p); i++ {
		if p[i] != '%' {
			out = append(out, p[i])
			continue
		}
		if i+2 >= len(p) || !isHex(p[i+1]) || !isHex(p[i+2]) {
			return p, 400
		}
		c := unhex(p[i+1])<<4 | unhex(p[i+2])
		switch {
		case c == 0 || c == '/' && slashes == "off":
			status = 404
		case unreserved(c) || c == '/' && slashes == "nodecode":
			out = append(out, p[i:i+3]...)
			i += 2
			continue
		}
		out = append(out, c)
		i += 2
	}
	return string(out), status
}
