package proxy

import (
	"slices"
	"strings"

	"pinion/runtime"
)

// mountIndex finds the mounts that may match a path, in their order, without trying each: those with a literal path by
// that path, regular expressions by a first segment that every match must begin with.
type mountIndex struct {
	mounts  []*Mount
	literal map[string][]int // by path, runs of slashes made one
	segment map[string][]int // regular expressions, by "/segment/"
	longest int              // length of the longest of literal: no more of a path is looked at
	any     []int            // the others: they are tried for every request
	encoded bool             // some are for paths that are not decoded
	decoded bool
}

func indexMounts(mounts []*Mount) *mountIndex {
	x := &mountIndex{mounts: mounts, literal: map[string][]int{}, segment: map[string][]int{}}
	for i, m := range mounts {
		if m.Encoded {
			x.encoded = true
		} else {
			x.decoded = true
		}
		switch seg := firstSegment(m); {
		case seg != "":
			x.segment[seg] = append(x.segment[seg], i)
		case m.regex != nil || m.Servlet || m.interpolate:
			x.any = append(x.any, i)
		default:
			key := oneSlash(m.Path)
			x.literal[key] = append(x.literal[key], i)
			x.longest = max(x.longest, len(key))
		}
	}
	return x
}

// firstSegment is "/segment/" where every match of the mount's regular expression begins so, else "".
func firstSegment(m *Mount) string {
	if m.regex == nil {
		return ""
	}
	prefix, anchored := m.regex.Prefix()
	if !anchored || len(prefix) < 2 || prefix[0] != '/' {
		return ""
	}
	end := strings.IndexByte(prefix[1:], '/')
	if end <= 0 {
		return ""
	}
	return prefix[:end+2]
}

func oneSlash(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// candidates appends the positions of the mounts that may match path, in order.
func (x *mountIndex) candidates(path string, hits []int) []int {
	hits = append(hits, x.any...)
	path = oneSlash(path)
	if len(x.segment) > 0 && len(path) > 1 {
		if end := strings.IndexByte(path[1:], '/'); end > 0 {
			hits = append(hits, x.segment[path[:end+2]]...)
		}
	}
	if len(x.literal) > 0 {
		// A mount ends behind a slash or before one, or is the whole path.
		for i := 0; i < len(path) && i <= x.longest; i++ {
			if path[i] == '/' {
				if i > 0 {
					hits = append(hits, x.literal[path[:i]]...)
				}
				hits = append(hits, x.literal[path[:i+1]]...)
			}
		}
		if len(path) <= x.longest && path[len(path)-1] != '/' {
			hits = append(hits, x.literal[path]...)
		}
	}
	if len(hits) > 1 {
		slices.Sort(hits)
	}
	return hits
}

// translate is proxy_trans: the first mount that matches makes r a proxied request. Those with mapping= are compared with the
// path that is not yet decoded, in pre_translate_name, all others with the decoded one, in translate_name.
func translate(r *runtime.Request, encoded bool) runtime.Result {
	if r.Proxy != runtime.ProxyNone {
		if encoded {
			return runtime.Done
		}
		return runtime.OK
	}
	if r.URI == "" || r.URI[0] != '/' || r.UnparsedURI == "*" {
		return runtime.Declined
	}
	conf, d := Conf(r), Dir(r)
	if r.Env.Has("no-proxy") {
		return runtime.Declined
	}
	if m := d.alias.V; m != nil && m.Encoded == encoded {
		if res, next := m.match(r, d); !next {
			return res
		}
	}
	for _, x := range conf.index {
		if encoded && !x.encoded || !encoded && !x.decoded {
			continue
		}
		var buf [32]int
		for _, i := range x.candidates(r.URI, buf[:0]) {
			m := x.mounts[i]
			if m.Encoded != encoded {
				continue
			}
			if res, next := m.match(r, d); !next {
				return res
			}
		}
	}
	return runtime.Declined
}
