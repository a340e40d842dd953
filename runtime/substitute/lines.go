package substitute

import (
	"bytes"
	"errors"

	"pinion/runtime"
)

// passAt is how many bytes are gathered before they are handed on.
const passAt = 32 << 10

var errTooLong = errors.New("line too long")

// lines is the filter of one body.
type lines struct {
	r        *runtime.Request
	patterns []*pattern
	max      int
	partial  []byte // the line that has begun: at most max bytes
	out      []byte
	loc      []int

	parts, spare []string // of the line in hand
}

// Pass implements runtime.BodyFilter.
func (l *lines) Pass(p []byte, how runtime.Passing, next runtime.Next) error {
	if next.Done() {
		return nil
	}
	err := l.pass(p, how, next)
	if errors.Is(err, errTooLong) {
		l.r.Logf(Module, runtime.LogErr, "AH01328", "Line too long, URI %s", l.r.URI)
	}
	return err
}

func (l *lines) pass(p []byte, how runtime.Passing, next runtime.Next) error {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			break
		}
		line := p[:end]
		p = p[end:]
		if len(l.partial) > 0 {
			if l.partial = append(l.partial, line...); len(l.partial) > l.max {
				return errTooLong
			}
			line = l.partial
		}
		if err := l.replace(line); err != nil {
			return err
		}
		l.partial = l.partial[:0]
		if len(l.out) >= passAt {
			if err := l.send(runtime.More, next); err != nil {
				return err
			}
		}
	}
	if len(l.partial)+len(p) > l.max {
		return errTooLong
	}
	l.partial = append(l.partial, p...)
	if len(l.out) > 0 && how != runtime.Flush {
		// Also before the end: as in httpd a body with a line feed has no length then.
		if err := l.send(runtime.More, next); err != nil {
			return err
		}
	}
	switch how {
	case runtime.Flush:
		return l.send(how, next)
	case runtime.End:
		if len(l.partial) > 0 {
			if err := l.replace(l.partial); err != nil {
				return err
			}
		}
		return l.send(how, next)
	}
	return nil
}

func (l *lines) send(how runtime.Passing, next runtime.Next) error {
	err := next.Pass(l.out, how)
	l.out = l.out[:0]
	return err
}

// replace appends the line to out as the patterns make it (do_pattmatch). A pattern that isn't flat takes the line apart, and
// the following ones see the parts one by one.
func (l *lines) replace(line []byte) error {
	if len(l.patterns) == 0 {
		l.out = append(l.out, line...)
		return nil
	}
	l.parts = append(l.parts[:0], string(line))
	for _, p := range l.patterns {
		l.spare = l.spare[:0]
		for _, s := range l.parts {
			if err := l.apply(p, s); err != nil {
				return err
			}
		}
		l.parts, l.spare = l.spare, l.parts
	}
	for _, s := range l.parts {
		l.out = append(l.out, s...)
	}
	return nil
}

// apply appends to spare what the pattern makes of one part.
func (l *lines) apply(p *pattern, s string) error {
	ok := l.find(p, s)
	if !ok {
		l.spare = append(l.spare, s)
		return nil
	}
	// With a single pattern nothing follows for which the line would have to be in one piece.
	flat := p.flat && len(l.patterns) > 1
	var text []byte
	left := l.max
	for ok {
		begin, end := l.loc[0], l.loc[1]
		if end == 0 && begin == 0 {
			return errTooLong // httpd matches nothing here until the line is too long
		}
		if p.literal != "" {
			if begin+len(p.replacement) > left {
				return errTooLong
			}
		} else if begin >= left {
			return errTooLong
		}
		start := len(text)
		text = append(text, s[:begin]...)
		if text, ok = p.appendReplacement(text, s, l.loc, left-begin); !ok {
			return errTooLong
		}
		left -= len(text) - start
		if !flat {
			l.add(string(text[start : start+begin]))
			l.add(string(text[start+begin:]))
			text = text[:0]
		}
		s = s[end:]
		ok = l.find(p, s)
	}
	if flat {
		l.add(string(append(text, s...)))
		return nil
	}
	if p.literal != "" && len(s) > left {
		return errTooLong
	}
	l.add(s)
	return nil
}

// find looks for the pattern; where is in loc.
func (l *lines) find(p *pattern, s string) bool {
	loc, ok, err := p.find(s, l.loc)
	if err != nil {
		l.r.LogCausef(Module, runtime.LogErr, err, "", "Substitute: no match in a line of %d bytes", len(s))
	}
	l.loc = loc
	return ok
}

func (l *lines) add(s string) {
	if s != "" {
		l.spare = append(l.spare, s)
	}
}
