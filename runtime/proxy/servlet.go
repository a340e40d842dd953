package proxy

import "strings"

// servletMatch compares uri, which is not decoded, with the path of a mount as a servlet container would: path
// parameters (";x=y") are no part of a segment, "." and ".." are worked off. It returns the uri without parameters and
// where in uri what follows the mount begins; 0 for no match. Parameters of the mount's last segment belong
// to what follows, where something does.
//
// The uri's segments stand on a stack beside where they began, so that a ".." can take one back; the comparison with
// the mount's segments is made on what is left at the end.
func servletMatch(uri, alias string) (servlet string, rest int) {
	if uri == "" || uri[0] != '/' || alias == "" || alias[0] != '/' {
		return "", 0
	}
	segs, dirEnd, ok := servletSegments(uri)
	if !ok {
		return "", 0
	}
	want := strings.FieldsFunc(alias, func(c rune) bool { return c == '/' })
	openEnd := alias[len(alias)-1] != '/'
	if len(want) > len(segs) || !openEnd && len(want) == len(segs) && len(want) > 0 && !dirEnd {
		return "", 0
	}
	for i, w := range want {
		if segs[i].name != w {
			return "", 0
		}
	}
	var b strings.Builder
	for _, s := range segs {
		b.WriteByte('/')
		b.WriteString(s.name)
	}
	if dirEnd || len(segs) == 0 {
		b.WriteByte('/')
	}
	rest = len(uri)
	if len(want) < len(segs) {
		rest = segs[len(want)].at
	}
	if n := len(want); n > 0 && openEnd {
		if last := segs[n-1]; n < len(segs) && last.param > 0 {
			rest = last.param
		}
		if rest > 0 && uri[rest-1] == '/' {
			rest--
		}
	}
	return b.String(), rest
}

type servletSegment struct {
	name  string // without parameters
	at    int    // where it begins in the uri
	param int    // where its parameters begin, 0 for none
}

// servletSegments cuts a uri into segments; dir tells that it ends in a slash. ok is false for a ".." above the root.
func servletSegments(uri string) (segs []servletSegment, dir, ok bool) {
	const here = -1
	from := 0 // where the next segment begins: empty ones and "." before it belong to it, but not behind a ".."
	for i := 0; i < len(uri); {
		for i < len(uri) && uri[i] == '/' {
			i++
		}
		if i == len(uri) {
			return segs, true, true
		}
		end := i
		for end < len(uri) && uri[end] != '/' {
			end++
		}
		if from == 0 {
			from = i
		}
		s := servletSegment{name: uri[i:end], at: from}
		if from == here {
			s.at = i
		}
		if p := strings.IndexByte(s.name, ';'); p >= 0 {
			s.param = i + p
			s.name = s.name[:p]
		}
		dir = false
		switch s.name {
		case "", ".":
			dir = true
		case "..":
			if len(segs) == 0 {
				return nil, false, false
			}
			segs, dir, from = segs[:len(segs)-1], true, here
		default:
			segs, from = append(segs, s), 0
		}
		i = end
	}
	return segs, dir, true
}
