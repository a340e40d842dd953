package headers

import (
	"strings"

	"pinion/runtime"
	"pinion/runtime/table"
)

// apply runs the entries on headers. It is false when an edit would make a value too long; what was done stays.
func apply(r *runtime.Request, headers *table.Table, entries []*entry) bool {
	for _, e := range entries {
		if e.wanted(r) && !e.run(r, headers) {
			return false
		}
	}
	return true
}

// wanted tells whether the entry's condition holds. As in httpd, an expression that can't be evaluated doesn't keep
// the entry from running.
func (e *entry) wanted(r *runtime.Request) bool {
	if e.env != "" {
		return r.Env.Has(e.env) != e.notEnv
	}
	if e.cond == nil {
		return true
	}
	ok, err := e.cond.True(r, nil)
	if err != nil {
		r.Logf(Module, runtime.LogErr, "AH01501", "Failed to evaluate expression (%v) - ignoring", err)
		return true
	}
	return ok
}

func (e *entry) run(r *runtime.Request, headers *table.Table) bool {
	if e.length && e.action != unset && e.action != note && !r.HeaderOnly {
		return true // the body's own length is what goes out; another one would let the next answer begin in this one
	}
	switch e.action {
	case set:
		e.set(r, headers)
	case setIfEmpty:
		if !headers.Has(e.header) {
			e.set(r, headers)
		}
	case add:
		headers.Add(e.header, e.value(r))
	case appendTo:
		headers.Merge(e.header, e.value(r))
	case mergeTo:
		v := e.value(r)
		if old, ok := headers.Lookup(e.header); !ok || !hasItem(old, v) {
			headers.Merge(e.header, v)
		}
	case unset:
		if e.contentType {
			r.ContentType = ""
		}
		headers.Del(e.header)
	case echo:
		for _, f := range r.HeadersIn.Fields() {
			if e.regex.MatchString(f.Key) {
				r.HeadersOut.Add(f.Key, f.Value)
			}
		}
	case edit, editAll:
		return e.edit(r, headers)
	case note:
		if v, ok := headers.Lookup(e.header); ok {
			r.Notes.Set(e.value(r), v)
		} else {
			r.Notes.Del(e.value(r))
		}
	}
	return true
}

// set sets a header. Of Content-Type the answer has another place, which goes before.
func (e *entry) set(r *runtime.Request, headers *table.Table) {
	v := e.value(r)
	if e.contentType {
		r.ContentType = v
	}
	headers.Set(e.header, v)
}

// hasItem tells whether a comma-separated list, in which quoted strings may hold commas, has exactly this item.
func hasItem(list, item string) bool {
	for list != "" {
		list = strings.TrimLeft(list, " \t\n\v\f\r")
		end, quoted := 0, false
		for end < len(list) && (quoted || list[end] != ',') {
			if list[end] == '"' {
				quoted = !quoted
			}
			end++
		}
		if list[:end] == item && (end > 0 || end < len(list)) {
			return true
		}
		list = list[min(end+1, len(list)):]
	}
	return false
}

// edit changes each field of that name. The changed ones stand at the end afterwards, as they do in httpd.
func (e *entry) edit(r *runtime.Request, headers *table.Table) bool {
	if e.contentType && r.ContentType != "" {
		v, ok := e.replace(r, r.ContentType)
		if !ok {
			return false
		}
		r.ContentType = v
	}
	var edited []table.Field
	for _, f := range headers.Fields() {
		if !table.EqualFold(f.Key, e.header) {
			continue
		}
		v, ok := e.replace(r, f.Value)
		if !ok {
			return false
		}
		edited = append(edited, table.Field{Key: f.Key, Value: v})
	}
	if len(edited) == 0 {
		return true
	}
	headers.Del(e.header)
	for _, f := range edited {
		headers.Add(f.Key, f.Value)
	}
	return true
}

// maxEdited bounds a value that edit* makes, in bytes; no client takes a header of that size.
const maxEdited = 1 << 20

// replace returns value with the first match, or with each of edit*, replaced. edit* looks at what is behind a match
// as at a value of its own, so that ^ matches there again. A match of nothing would come again without end, and ends
// httpd's process; here it counts as the first match only.
func (e *entry) replace(r *runtime.Request, value string) (string, bool) {
	var out []byte
	var loc []int
	rest, matched := value, false
	for {
		var err error
		if loc, err = e.regex.Find(rest, loc[:0]); err != nil {
			r.Logf(Module, runtime.LogErr, "", "Regular expression %s failed on header %s: %v", e.regex, e.header, err)
		}
		if loc == nil || matched && loc[1] == 0 {
			break
		}
		matched = true
		with, ok := runtime.Regsub(e.value(r), rest, loc)
		if !ok || len(out)+len(with)+len(rest) > maxEdited {
			return "", false
		}
		out = append(append(out, rest[:loc[0]]...), with...)
		rest = rest[loc[1]:]
		if e.action == edit {
			break
		}
	}
	if !matched {
		return value, true
	}
	return string(append(out, rest...)), true
}
