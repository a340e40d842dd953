package http1

import (
	"strconv"
	"strings"

	"pinion/runtime/table"
)

// parseRequestLine reads the first line of head and returns its length with the line end.
func (h *RequestHead) parseRequestLine(head string, lim *Limits) (int, error) {
	end := strings.IndexByte(head, '\n') // head holds at least one whole line
	n := end + 1
	if err := lineTooLong(end-1, 0, lim); err != nil {
		h.RequestLine = head[:lim.RequestLine]
		return n, err
	}
	if end == 0 || head[end-1] != '\r' {
		h.RequestLine = head[:end]
		return n, bad("", "request line: expected CR LF at its end, found a bare LF")
	}
	line := head[:end-1]
	h.RequestLine = line
	err := h.parseParts(line, lim)
	if err != nil {
		h.salvage(line)
	}
	return n, err
}

// salvage takes from a bad request line what the log is to tell: its first three words.
func (h *RequestHead) salvage(line string) {
	words := strings.Fields(line)
	words = words[:min(len(words), 3)]
	h.RequestLine = strings.Join(words, " ")
	if len(words) > 1 {
		h.Target = words[1]
		if h.Path == "" && h.Target[0] == '/' {
			h.Path = h.Target
		}
	}
	if len(words) > 0 {
		h.Method = words[0]
	}
	if h.ProtoNum < 1000 && (len(words) < 3 || !h.takeVersion(words[2])) {
		h.ProtoNum = 1000
	}
}

// takeVersion reads "HTTP/1.1".
func (h *RequestHead) takeVersion(s string) bool {
	if len(s) != len("HTTP/1.1") || !table.EqualFold(s[:5], "HTTP/") || !isDigit(s[5]) || s[5] == '0' || s[6] != '.' || !isDigit(s[7]) {
		return false
	}
	h.ProtoNum = int(s[5]-'0')*1000 + int(s[7]-'0')
	return true
}

// parseParts takes a request line apart.
func (h *RequestHead) parseParts(line string, lim *Limits) error {
	m := span(line, isToken)
	h.Method = line[:m]
	if m == 0 || m < len(line) && line[m] != ' ' {
		return bad("AH03445", "request line: expected a method and a space, found "+quote(line))
	}
	if m+1 >= len(line) {
		return bad("AH03446", "request line: expected a target after the method, found none")
	}
	line = line[m+1:]
	t := span(line, isTarget)
	if t == 0 || t < len(line) && line[t] != ' ' {
		return bad("AH03454", "request line: expected a target without spaces and control characters, found "+quote(line))
	}
	h.Target = line[:t]
	if err := h.parseVersion(line[t:], lim); err != nil {
		return err
	}
	return h.parseTarget(lim)
}

// parseVersion reads what follows the target: a space and the version, or, for HTTP/0.9, at most a space.
func (h *RequestHead) parseVersion(s string, lim *Limits) error {
	if s == "" || s == " " {
		if lim.Require10 {
			return bad("AH02401", "request line: expected an HTTP version, found HTTP/0.9")
		}
		if h.Method != "GET" {
			return bad("AH03444", "request line: expected GET for HTTP/0.9, found "+quote(h.Method))
		}
		h.ProtoNum = 9
		return nil
	}
	s = s[1:]
	if !strings.HasPrefix(s, "HTTP/") || !h.takeVersion(s) {
		return bad("AH02418", "request line: expected a version as HTTP/1.1 at its end, found "+quote(s))
	}
	return nil
}

// parseTarget finds the target's form and, in the forms that have one, its authority.
func (h *RequestHead) parseTarget(lim *Limits) error {
	t := h.Target
	if strings.IndexByte(t, '#') >= 0 {
		return bad("AH02421", "request target: expected no fragment, found "+quote(t))
	}
	switch {
	case h.Method == "CONNECT":
		h.Form = AuthorityForm
		if err := h.setAuthority(t); err != nil {
			return err
		}
		if h.Port == 0 {
			return bad("AH03450", "request target: expected host:port after CONNECT, found "+quote(t))
		}
		h.TargetHost = h.Hostname != ""
		return nil
	case t[0] == '/':
		h.Form, h.Path = OriginForm, t
		return nil
	case t == "*" && h.Method == "OPTIONS":
		h.Form, h.Path = AsteriskForm, t
		return nil
	}
	i := strings.Index(t, "://")
	if i <= 0 || !validScheme(t[:i]) {
		return bad("AH03450", `request target: expected a path, a URL, or "*" with OPTIONS, found `+quote(t))
	}
	h.Form, h.Scheme = AbsoluteForm, t[:i]
	rest := t[i+3:]
	authority := rest
	if j := strings.IndexAny(rest, "/?"); j >= 0 {
		authority, h.Path = rest[:j], rest[j:]
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if strings.IndexByte(authority, '@') >= 0 {
		return bad("AH02422", "request target: expected no user name or password, found "+quote(t))
	}
	if !table.EqualFold(h.Scheme, "http") && !table.EqualFold(h.Scheme, "https") {
		return bad("", "request target: expected the scheme http or https, found "+quote(t)) // httpd's ap_post_read_request
	}
	if err := h.setAuthority(authority); err != nil {
		return err
	}
	if lim.Scheme != "" && !table.EqualFold(h.Scheme, lim.Scheme) {
		h.Hostname = "" // httpd takes the port of such a target, but the name from Host
	} else {
		h.TargetHost = h.Hostname != ""
	}
	return nil
}

func validScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z') && (i == 0 || !isDigit(s[i]) && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

// setAuthority takes the host and port of the target.
func (h *RequestHead) setAuthority(s string) error {
	host, port, ok := ParseHost(s)
	if !ok {
		return bad("AH03450", "request target: expected a host, found "+quote(s))
	}
	h.Hostname, h.Port = host, port
	return nil
}

// finishHost checks Host and, unless the target named a host, takes the host from it.
func (h *RequestHead) finishHost() error {
	if h.Hostname == "" && h.Host != "" {
		host, port, ok := ParseHost(h.Host)
		if !ok {
			return bad("AH00550", "Host: expected a host name with an optional port, found "+quote(h.Host))
		}
		h.Hostname = host
		if port != 0 {
			h.Port = port
		}
	}
	if h.ProtoNum >= 1001 && (h.Hostname == "" || h.ProtoNum == 1001 && !h.HasHost) {
		return bad("AH00569", "Host: expected one in an HTTP/1.1 request, found none")
	}
	return nil
}

// ParseHost splits and checks a Host value as httpd's Strict does: host is in lower case, without port, brackets and a
// last dot; port is 0 if there is none. ok is false for what httpd answers 400 to. An empty s is an empty host.
func ParseHost(s string) (host string, port int, ok bool) {
	if s == "" {
		return "", 0, true
	}
	host = s
	digits := len(s)
	for digits > 0 && isDigit(s[digits-1]) {
		digits--
	}
	if digits == 0 {
		return "", 0, false // only digits: neither a name nor a port
	}
	if s[digits-1] == ':' && digits < len(s) {
		var err error
		if port, err = strconv.Atoi(s[digits:]); err != nil || port < 1 || port > 65535 || digits == 1 {
			return "", 0, false
		}
		host = s[:digits-1]
	}
	if host[0] == '[' {
		if len(host) < 3 || host[len(host)-1] != ']' || !validIPv6(host[1:len(host)-1]) {
			return "", 0, false
		}
		return strings.ToLower(host[1 : len(host)-1]), port, true
	}
	if len(host) > 1 && host[len(host)-1] == '.' {
		host = host[:len(host)-1]
		if host[len(host)-1] == '.' {
			return "", 0, false
		}
	}
	if !validHostname(host) {
		return "", 0, false
	}
	return strings.ToLower(host), port, true
}

// validIPv6 is as loose as httpd: hex digits, single dots, and one double colon.
func validIPv6(s string) bool {
	double := false
	for i := 0; i < len(s); i++ {
		next := byte(0)
		if i+1 < len(s) {
			next = s[i+1]
		}
		switch c := s[i]; {
		case isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f':
		case c == ':':
			if next == '.' || next == ':' && double {
				return false
			}
			double = double || next == ':'
		case c == '.':
			if next == ':' || next == '.' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// validHostname: letters, digits, '-', '_' and single dots; all digits and dots only as an IPv4 address without
// leading zeros; the last label of a name starts with a letter.
func validHostname(s string) bool {
	letters, dots, zeros, label := false, 0, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == '_':
			letters = true
		case isDigit(c):
			if c == '0' && i == label && i+1 < len(s) && isDigit(s[i+1]) {
				zeros = true
			}
		case c == '.':
			if i+1 < len(s) && s[i+1] == '.' || i == 0 && len(s) == 1 {
				return false
			}
			dots++
			label = i + 1
		default:
			return false
		}
	}
	if !letters {
		return dots == 3 && !zeros && s[0] != '.'
	}
	return label == 0 || label >= len(s) || 'a' <= s[label]|0x20 && s[label]|0x20 <= 'z'
}
