package runtime

import (
	"io"
	"maps"
	"slices"
	"sync"
)

// State is what outlives a Graph: worker states, connection pools, log files. A Graph adopts by key what it shares
// with the one before; what no graph holds any more is closed. Safe for concurrent use.
type State struct {
	// mu guards the maps and the counts in entries; held for map operations only, while compiling and when a graph closes.
	mu        sync.Mutex
	entries   map[string]*stateEntry
	reopeners map[*stateEntry]reopener // those that have it, few among many
}

// reopener is a log file, which is opened again after a rotation.
type reopener interface{ Reopen() error }

type stateEntry struct {
	key   string
	value any
	refs  int
}

// NewState returns an empty state.
func NewState() *State {
	return &State{entries: map[string]*stateEntry{}, reopeners: map[*stateEntry]reopener{}}
}

// Adopt returns the value that lives under key, or one that make makes. It lives as long as a graph has the server that is being
// compiled, or in PostConfig as long as the graph; then it is closed if it is an io.Closer. The same key must always hold the same
// type.
func Adopt[T any](c *Compiler, key string, make func() (T, error)) (T, error) {
	st := c.Graph.State
	st.mu.Lock()
	defer st.mu.Unlock()
	u := c.holder()
	if e, ok := st.entries[key]; ok {
		e.refs++
		u.entries = append(u.entries, e)
		return e.value.(T), nil
	}
	v, err := make()
	if err != nil {
		var none T
		return none, err
	}
	e := &stateEntry{key, v, 1}
	st.entries[key] = e
	if r, ok := e.value.(reopener); ok {
		st.reopeners[e] = r
	}
	u.entries = append(u.entries, e)
	return v, nil
}

// AdoptNew is Adopt for what can always be made.
func AdoptNew[T any](c *Compiler, key string, make func() *T) *T {
	v, _ := Adopt(c, key, func() (*T, error) { return make(), nil })
	return v
}

// Peek returns what lives under key, for reports.
func (st *State) Peek(key string) (any, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if e, ok := st.entries[key]; ok {
		return e.value, true
	}
	return nil, false
}

// release lets go of what g holds.
func (st *State) release(g *Graph) {
	var gone []io.Closer
	st.mu.Lock()
	for _, u := range append(g.units[:len(g.units):len(g.units)], g.whole) {
		if u.refs--; u.refs == 0 {
			gone = st.drop(u.entries, gone)
		}
	}
	st.mu.Unlock()
	for _, c := range gone {
		c.Close()
	}
}

// drop appends what nobody holds any more to gone. st.mu is held.
func (st *State) drop(entries []*stateEntry, gone []io.Closer) []io.Closer {
	for _, e := range entries {
		if e.refs--; e.refs == 0 {
			delete(st.entries, e.key)
			delete(st.reopeners, e)
			if c, ok := e.value.(io.Closer); ok {
				gone = append(gone, c)
			}
		}
	}
	return gone
}

// Reopen calls Reopen on every value that has it: log files after a rotation. Errors go to failed.
func (st *State) Reopen(failed func(error)) {
	st.mu.Lock()
	all := slices.Collect(maps.Values(st.reopeners))
	st.mu.Unlock()
	for _, v := range all {
		if err := v.Reopen(); err != nil {
			failed(err)
		}
	}
}

// Each calls f with every value and its key, for reports.
func (st *State) Each(f func(key string, value any)) {
	st.mu.Lock()
	all := make([]*stateEntry, 0, len(st.entries))
	for _, e := range st.entries {
		all = append(all, e)
	}
	st.mu.Unlock()
	for _, e := range all {
		f(e.key, e.value)
	}
}
