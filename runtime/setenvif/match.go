package setenvif

import (
	"strings"
	"sync"

	"pinion/runtime"
	"pinion/runtime/expr"
)

// state is what one entry leaves to the next: the groups of the last match live on, as they do in httpd.
type state struct {
	m     expr.Match
	loc   []int // where a regular expression is tried, so that a failed one leaves m alone
	value string
}

var states = sync.Pool{New: func() any { return new(state) }}

// match runs the entries of c in order.
func match(r *runtime.Request, c *config) runtime.Result {
	if c == nil {
		return runtime.Declined
	}
	s := states.Get().(*state)
	defer func() {
		s.m.Reset()
		s.value = ""
		states.Put(s)
	}()
	for _, e := range c.entries {
		var ok, literally bool
		if e.cond != nil {
			ok, literally = s.condition(r, e)
		} else {
			if !e.sameAs {
				s.value = e.value(r)
			}
			ok, literally = s.test(r, e), e.isText
		}
		if ok && !s.set(r, e, literally) {
			return 500
		}
	}
	return runtime.Declined
}

func (s *state) test(r *runtime.Request, e *entry) bool {
	if e.isText {
		return contains(s.value, e)
	}
	loc, err := e.regex.Find(s.value, s.loc[:0])
	if err != nil {
		r.Logf(Module, runtime.LogErr, "", "Regular expression %s failed on %s: %v", e.regex, e.name, err)
	}
	if loc == nil {
		return false
	}
	s.loc = loc
	s.m.Source, s.m.Loc = s.value, append(s.m.Loc[:0], loc...)
	return true
}

// condition evaluates an expression. literally tells that its last regular expression failed, so that there is
// nothing to put in for $1.
func (s *state) condition(r *runtime.Request, e *entry) (ok, literally bool) {
	if len(s.m.Loc) == 0 {
		// An empty match that can be told from a failed one.
		s.m.Loc = append(s.m.Loc, 0, 0)
	}
	ok, err := e.cond.True(r, &s.m)
	if err != nil {
		r.Logf(Module, runtime.LogErr, "", "Evaluation of an expression of SetEnvIfExpr failed: %v", err)
	}
	return ok, len(s.m.Loc) == 0
}

func (s *state) set(r *runtime.Request, e *entry, literally bool) bool {
	for i := range e.sets {
		v := &e.sets[i]
		value := v.value
		switch {
		case v.unset:
			r.Env.Del(v.name)
			continue
		case !literally:
			var ok bool
			if value, ok = runtime.Regsub(value, s.m.Source, s.m.Loc); !ok {
				r.Logf(Module, runtime.LogCrit, "AH01505", "Regular expression replacement failed for '%s', value too long?", v.name)
				return false
			}
		}
		r.Env.Set(v.name, value)
		if r.LogOn(Module, runtime.LogTrace2) {
			r.Logf(Module, runtime.LogTrace2, "", "Setting %s", v.name)
		}
	}
	return true
}

func contains(s string, e *entry) bool {
	if !e.noCase {
		return strings.Contains(s, e.literal)
	}
	n := len(e.literal)
	for i := 0; i+n <= len(s); i++ {
		if runtime.EqualFold(s[i:i+n], e.literal) {
			return true
		}
	}
	return false
}
