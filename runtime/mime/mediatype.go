package mime

import "strings"

// rebuild writes a media type as httpd does after it has taken it apart: "type/subtype; name=value". A charset that is
// not "" takes the place of the type's own, or comes last. A type that is none stays as it is (httpd's analyze_ct).
func rebuild(mediaType, charset string) string {
	base, params, ok := parse(mediaType)
	if !ok {
		return mediaType
	}
	var b strings.Builder
	b.WriteString(base)
	done := charset == ""
	for _, p := range params {
		name, value := p[0], p[1]
		if charset != "" && name == "charset" {
			if done {
				continue
			}
			value, done = charset, true
		}
		b.WriteString("; " + name + "=" + value)
	}
	if !done {
		b.WriteString("; charset=" + charset)
	}
	return b.String()
}

const blanks = " \t\n\v\f\r"

func parse(s string) (base string, params [][2]string, ok bool) {
	base, rest, more := strings.Cut(s, ";")
	kind, sub, slash := strings.Cut(strings.Trim(base, blanks), "/")
	kind = strings.TrimRight(kind, blanks)
	sub = strings.TrimLeft(sub, blanks)
	if !slash || kind == "" || sub == "" || strings.ContainsAny(kind+sub, blanks) {
		return "", nil, false
	}
	base = kind + "/" + sub
	for more {
		var name, value string
		if name, value, rest, more, ok = parameter(rest); !ok {
			return "", nil, false
		}
		params = append(params, [2]string{name, value})
	}
	return base, params, true
}

// parameter reads name=value up to a semicolon or the end; more tells that there was a semicolon.
func parameter(s string) (name, value, rest string, more, ok bool) {
	name, value, ok = strings.Cut(s, "=")
	name, value = strings.Trim(name, blanks), strings.TrimLeft(value, blanks)
	if !ok || !isToken(name) || value == "" {
		return "", "", "", false, false
	}
	if value[0] != '"' {
		value, rest, more = strings.Cut(value, ";")
		value = strings.TrimRight(value, blanks)
		return name, value, rest, more, isToken(value)
	}
	end := 1
	for end < len(value) && value[end] != '"' {
		if value[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(value) {
		return "", "", "", false, false
	}
	rest = strings.TrimLeft(value[end+1:], blanks)
	if rest != "" && rest[0] != ';' {
		return "", "", "", false, false
	}
	more = rest != ""
	return name, value[:end+1], strings.TrimPrefix(rest, ";"), more, true
}

// isToken tells whether s is a token in the sense of RFC 2045.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
