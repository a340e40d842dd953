package http1

import (
	"strconv"
	"strings"

	"pinion/runtime/table"
)

// httpd's error-notes: they are part of its error page.
const (
	noteFieldSize = "Size of a request header field exceeds server limit."
	noteFields    = "The number of request header fields exceeds this server's limit."
)

// lineTooLong checks the length of a line without its CR LF; lines is the number of lines before it. As in httpd
// the limit is exceeded by two bytes, not by one.
func lineTooLong(n, lines int, lim *Limits) error {
	if lines == 0 {
		if n > lim.RequestLine+1 {
			return &ProtocolError{Status: 414, Code: "AH00565", Close: true,
				Reason: "request line: expected at most " + plural(lim.RequestLine, "byte") + " (LimitRequestLine), found more"}
		}
		return nil
	}
	if n > lim.RequestFieldSize+1 {
		return &ProtocolError{Status: 400, Note: noteFieldSize, Code: "AH00561", Close: true,
			Reason: "header field: expected at most " + plural(lim.RequestFieldSize, "byte") + " (LimitRequestFieldSize), found more"}
	}
	return nil
}

func tooManyFields() error {
	return &ProtocolError{Status: 400, Note: noteFields, Code: "AH00563", Close: true,
		Reason: "header fields: expected no more than LimitRequestFields, found more"}
}

// parseField reads the field line at the start of s, which holds at least that line; used is its length with the line
// end. last is true for the empty line.
func parseField(s string, lim *Limits) (key, value string, used int, last bool, err error) {
	end := strings.IndexByte(s, '\n')
	used = end + 1
	if err := lineTooLong(end-1, 1, lim); err != nil {
		return "", "", used, false, err
	}
	if end <= 0 || s[end-1] != '\r' {
		return "", "", used, false, bad("", "header field: expected CR LF at its end, found a bare LF")
	}
	if end == 1 {
		return "", "", used, true, nil
	}
	line := s[:end-1]
	n := span(line, isToken)
	if n == 0 || n == len(line) || line[n] != ':' {
		if line[0] == ' ' || line[0] == '\t' {
			return "", "", used, false, bad("AH03442", "header field: expected a name, found a folded line")
		}
		return "", "", used, false, bad("AH02426", "header field: expected a name and a colon, found "+quote(line))
	}
	value = trim(line[n+1:])
	if !ValidValue(value) {
		return "", "", used, false, bad("AH02427",
			"header field "+quote(line[:n])+": expected a value without control characters, found "+quote(value))
	}
	return line[:n], value, used, false, nil
}

// cutField is parseField for the lines that nothing is wrong with, in one pass; ok is false for any other, which
// parseField then explains.
func cutField(s string, lim *Limits) (key, value string, used int, ok bool) {
	i := 0
	for i < len(s) && chars[s[i]]&isToken != 0 {
		i++
	}
	if i == 0 || i == len(s) || s[i] != ':' {
		return "", "", 0, false
	}
	from := i + 1
	for from < len(s) && (s[from] == ' ' || s[from] == '\t') {
		from++
	}
	end := valueEnd(s, from)
	if end+1 >= len(s) || s[end] != '\r' || s[end+1] != '\n' || end > lim.RequestFieldSize+1 {
		return "", "", 0, false
	}
	to := end
	for to > from && (s[to-1] == ' ' || s[to-1] == '\t') {
		to--
	}
	return s[:i], s[from:to], end + 2, true
}

// mergedTooLong finds a field whose values, joined by ", ", are longer than limit.
func mergedTooLong(t *table.Table, limit int) (key string, over bool) {
	sums := make(map[string]int, t.Len()) // a map, as there may be very many fields
	for _, f := range t.Fields() {
		k := strings.ToLower(f.Key)
		sum, dup := sums[k]
		if dup {
			sum += len(", ")
		}
		if sum += len(f.Value); dup && sum > limit {
			return f.Key, true
		}
		sums[k] = sum
	}
	return "", false
}

// MergeDuplicates joins fields of one name with ", " into the first of them, as httpd does with a request's fields
// before any module sees them. Call it when MaybeDuplicates is true; else there is nothing to merge.
func MergeDuplicates(t *table.Table) {
	type merged struct {
		key, value string
		joined     []byte // value and those after it, once there are any
	}
	at := make(map[string]int, t.Len())
	all := make([]merged, 0, t.Len())
	for _, f := range t.Fields() {
		k := strings.ToLower(f.Key)
		i, dup := at[k]
		if !dup {
			at[k] = len(all)
			all = append(all, merged{key: f.Key, value: f.Value})
			continue
		}
		if m := &all[i]; m.joined == nil {
			m.joined = append(m.joined, m.value...)
		}
		all[i].joined = append(append(all[i].joined, ", "...), f.Value...)
	}
	t.Reset()
	for _, m := range all {
		if m.joined != nil {
			m.value = string(m.joined)
		}
		t.Add(m.key, m.value)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
