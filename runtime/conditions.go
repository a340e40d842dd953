package runtime

import (
	"strings"
	"time"
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

// MeetsConditions checks If-Match and its like against the validators in HeadersOut: OK, 304 or 412 (ap_meets_conditions).
func (r *Request) MeetsConditions() Result {
	if r.Status < 200 || r.Status > 299 || r.NoLocalCopy {
		return OK
	}
	get := r.Method == "GET" || r.Method == "HEAD"
	if r.ifMatch() == noMatch {
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
	c := r.ifUnmodifiedSince()
	if c >= weak {
		return 412
	}
	note(c)
	c = r.ifNoneMatch()
	if c >= weak && !get {
		return 412
	}
	note(c)
	note(r.ifModifiedSince())
	if r.ifRange() != unset || modified || !notModified {
		return OK
	}
	return 304
}

func (r *Request) ifMatch() condition {
	v, ok := r.HeadersIn.Lookup("If-Match")
	switch {
	case !ok:
		return unset
	case strings.HasPrefix(v, "*") || hasETag(v, r.HeadersOut.Get("ETag"), false):
		return strong
	}
	return noMatch
}

func (r *Request) ifNoneMatch() condition {
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

func (r *Request) ifUnmodifiedSince() condition {
	v, ok := r.HeadersIn.Lookup("If-Unmodified-Since")
	if !ok {
		return unset
	}
	since, ok := ParseHTTPDate(v)
	modified := r.modTime()
	if !ok || modified <= since {
		return noMatch
	}
	return r.strength(modified)
}

func (r *Request) ifModifiedSince() condition {
	v, ok := r.HeadersIn.Lookup("If-Modified-Since")
	if !ok {
		return unset
	}
	since, _ := ParseHTTPDate(v)
	modified := r.modTime()
	if since < modified || since > r.answerTime() {
		return noMatch
	}
	return r.strength(modified)
}

func (r *Request) ifRange() condition {
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
	date, _ := ParseHTTPDate(v)
	modified := r.modTime()
	if date != modified || r.answerTime() < modified+60 {
		return noMatch
	}
	return strong
}

// strength is how far a date may be trusted: a file that changed within the last minute may have changed twice in one
// second, which is too weak for ranges.
func (r *Request) strength(modified int64) condition {
	switch {
	case r.answerTime() >= modified+60:
		return strong
	case r.HeadersIn.Has("Range"):
		return noMatch
	}
	return weak
}

// answerTime is when the answer was made, in seconds.
func (r *Request) answerTime() int64 {
	if t, ok := ParseHTTPDate(r.HeadersOut.Get("Date")); ok {
		return t
	}
	return r.Time.Unix()
}

// modTime is the answer's Last-Modified in seconds.
func (r *Request) modTime() int64 {
	if t, ok := ParseHTTPDate(r.HeadersOut.Get("Last-Modified")); ok {
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
