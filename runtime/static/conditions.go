package static

import (
	"strings"
	"time"

	"pinion/runtime"
)

// A condition of a request is met strongly, weakly (a minute has not passed since the file changed, or the tags match
// but for their strength), not at all, or wasn't set (ap_condition_e).
type condition uint8

const (
	unset condition = iota
	noMatch
	weak
	strong
)

// meetsConditions is httpd's ap_meets_conditions: OK, 304 or 412, for the file whose validators are in HeadersOut.
func meetsConditions(r *runtime.Request) runtime.Result {
	if r.Status < 200 || r.Status > 299 || r.NoLocalCopy {
		return runtime.OK
	}
	get := r.Method == "GET" || r.Method == "HEAD"
	if ifMatch(r) == noMatch {
		return 412
	}
	modified, notModified := false, false
	note := func(c condition) {
		switch {
		case c == noMatch:
			modified = true
		case c >= weak && get:
			notModified = true
		}
	}
	c := ifUnmodifiedSince(r)
	if c >= weak {
		return 412
	}
	note(c)
	c = ifNoneMatch(r)
	if c >= weak && !get {
		return 412
	}
	note(c)
	note(ifModifiedSince(r))
	if ifRange(r) != unset || modified || !notModified {
		return runtime.OK
	}
	return 304
}

func ifMatch(r *runtime.Request) condition {
	v, ok := r.HeadersIn.Lookup("If-Match")
	switch {
	case !ok:
		return unset
	case strings.HasPrefix(v, "*") || hasETag(v, r.HeadersOut.Get("ETag"), false):
		return strong
	}
	return noMatch
}

func ifNoneMatch(r *runtime.Request) condition {
	v, ok := r.HeadersIn.Lookup("If-None-Match")
	if !ok {
		return unset
	}
	if strings.HasPrefix(v, "*") {
		return strong
	}
	tag := r.HeadersOut.Get("ETag")
	if (r.Method == "GET" || r.Method == "HEAD") && !r.HeadersIn.Has("Range") {
		if hasETag(v, tag, true) {
			return weak
		}
	} else if hasETag(v, tag, false) {
		return strong
	}
	return noMatch
}

func ifUnmodifiedSince(r *runtime.Request) condition {
	v, ok := r.HeadersIn.Lookup("If-Unmodified-Since")
	if !ok {
		return unset
	}
	since, ok := parseDate(v)
	modified := modTime(r)
	if !ok || modified <= since {
		return noMatch
	}
	return strength(r, modified)
}

func ifModifiedSince(r *runtime.Request) condition {
	v, ok := r.HeadersIn.Lookup("If-Modified-Since")
	if !ok {
		return unset
	}
	since, _ := parseDate(v)
	modified := modTime(r)
	if since < modified || since > r.Time.Unix() {
		return noMatch
	}
	return strength(r, modified)
}

func ifRange(r *runtime.Request) condition {
	v, ok := r.HeadersIn.Lookup("If-Range")
	if !ok || !r.HeadersIn.Has("Range") {
		return unset
	}
	if strings.HasPrefix(v, `"`) {
		if v == r.HeadersOut.Get("ETag") {
			return strong
		}
		return noMatch
	}
	date, _ := parseDate(v)
	modified := modTime(r)
	if date != modified || r.Time.Unix() < modified+60 {
		return noMatch
	}
	return strong
}

// strength is how far a date may be trusted: a file that changed within the last minute may have changed twice in one
// second, which is too weak for ranges.
func strength(r *runtime.Request, modified int64) condition {
	switch {
	case r.Time.Unix() >= modified+60:
		return strong
	case r.HeadersIn.Has("Range"):
		return noMatch
	}
	return weak
}

// modTime is the answer's Last-Modified in seconds.
func modTime(r *runtime.Request) int64 {
	if t, ok := parseDate(r.HeadersOut.Get("Last-Modified")); ok {
		return t
	}
	return time.Now().Unix()
}

// hasETag tells whether a list of entity tags holds the tag (ap_find_etag_strong and its weak sister, RFC 9110 8.8.3.2).
// The list ends at the first thing that is no tag.
func hasETag(list, tag string, weakly bool) bool {
	if weakly {
		tag = strings.TrimPrefix(tag, "W/")
	}
	if !strings.HasPrefix(tag, `"`) {
		return false
	}
	for {
		list = strings.TrimLeft(list, ", \t\r\n\v\f")
		if weakly {
			list = strings.TrimPrefix(list, "W/")
		}
		if !strings.HasPrefix(list, `"`) {
			return false
		}
		var item string
		item, list = nextItem(list)
		if item == tag {
			return true
		}
	}
}

// nextItem cuts a list before the first comma that stands in no quoted string.
func nextItem(list string) (item, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return strings.TrimRight(list[:i], " \t"), list[i:]
		}
	}
	return strings.TrimRight(list, " \t"), ""
}
