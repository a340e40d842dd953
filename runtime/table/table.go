// Package table is httpd's apr_table_t: an ordered list of key and value that keeps duplicates, order and
// the case of keys as written, and compares keys without regard to ASCII case.
package table

// Field is one entry.
type Field struct{ Key, Value string }

// Table is an ordered multi-value table. The zero value is empty and ready. It is not safe for concurrent
// use; a Table that is no longer changed may be read by many.
//
// Look-ups scan: header tables have some ten entries, and a scan that compares lengths first beats a map there.
type Table struct{ fields []Field }

// Len returns the number of entries, duplicates counted.
func (t *Table) Len() int { return len(t.fields) }

// Fields returns the entries in order. The slice is the table's own: read it, and only until the next change.
func (t *Table) Fields() []Field { return t.fields }

// Reset empties the table and keeps its memory.
func (t *Table) Reset() {
	clear(t.fields)
	t.fields = t.fields[:0]
}

// Get returns the first value of key, or "".
func (t *Table) Get(key string) string {
	v, _ := t.Lookup(key)
	return v
}

// Lookup returns the first value of key and whether there is one.
func (t *Table) Lookup(key string) (string, bool) {
	for i := range t.fields {
		if f := &t.fields[i]; len(f.Key) == len(key) && EqualFold(f.Key, key) {
			return f.Value, true
		}
	}
	return "", false
}

// Has reports whether key has an entry.
func (t *Table) Has(key string) bool {
	_, ok := t.Lookup(key)
	return ok
}

// Set gives the first entry of key the value, in its place and with its old spelling (as apr_table_setn does),
// and removes its other entries; without one it adds an entry at the end.
func (t *Table) Set(key, value string) {
	for i := range t.fields {
		if f := &t.fields[i]; len(f.Key) == len(key) && EqualFold(f.Key, key) {
			f.Value = value
			t.removeFrom(i+1, key)
			return
		}
	}
	t.fields = append(t.fields, Field{key, value})
}

// Add appends an entry, whatever is there already (apr_table_addn).
func (t *Table) Add(key, value string) { t.fields = append(t.fields, Field{key, value}) }

// Merge appends ", value" to the first entry of key, or adds one (apr_table_mergen).
func (t *Table) Merge(key, value string) {
	for i := range t.fields {
		if f := &t.fields[i]; len(f.Key) == len(key) && EqualFold(f.Key, key) {
			f.Value += ", " + value
			return
		}
	}
	t.fields = append(t.fields, Field{key, value})
}

// Del removes every entry of key (apr_table_unset).
func (t *Table) Del(key string) { t.removeFrom(0, key) }

func (t *Table) removeFrom(from int, key string) {
	keep := from
	for i := from; i < len(t.fields); i++ {
		if f := t.fields[i]; len(f.Key) != len(key) || !EqualFold(f.Key, key) {
			t.fields[keep] = f
			keep++
		}
	}
	clear(t.fields[keep:])
	t.fields = t.fields[:keep]
}

// EditAll replaces each value of key by what edit returns for it, in place.
func (t *Table) EditAll(key string, edit func(value string) string) {
	for i := range t.fields {
		if f := &t.fields[i]; len(f.Key) == len(key) && EqualFold(f.Key, key) {
			f.Value = edit(f.Value)
		}
	}
}

// Values returns every value of key, in order.
func (t *Table) Values(key string) []string {
	var vs []string
	for i := range t.fields {
		if f := &t.fields[i]; len(f.Key) == len(key) && EqualFold(f.Key, key) {
			vs = append(vs, f.Value)
		}
	}
	return vs
}

// CopyFrom makes t hold the entries of src.
func (t *Table) CopyFrom(src *Table) { t.fields = append(t.fields[:0], src.fields...) }

// AppendAll appends the entries of src.
func (t *Table) AppendAll(src *Table) { t.fields = append(t.fields, src.fields...) }

// EqualFold reports whether a and b are equal but for ASCII case. Bytes above 127 are compared as they are:
// HTTP tokens are ASCII, and a Unicode fold would make "K" (Kelvin) a "k".
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
