package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime"
)

// Setting is one parameter that an operator has set by hand. It stands for as long as the file says what it said then.
type Setting struct {
	Param string    `json:"param"` // "status.D", "loadfactor", "lbset", "route", "redirect"; of a balancer, its parameter's name
	File  string    `json:"file"`  // the file's value that it replaced
	Value string    `json:"value"`
	Who   string    `json:"who"` // a user, or an address
	When  time.Time `json:"when"`
}

// Hand is who sets something, and when.
type Hand struct {
	Who  string
	When time.Time
}

// ErrNoParam is the error for a parameter that can't be set while running.
var ErrNoParam = errors.New("no parameter that can be set by hand")

// byHand holds the settings of one worker or balancer; T is what the hot path reads of them. Safe for concurrent use: readers
// take a pointer to something that never changes.
type byHand[T any] struct {
	now atomic.Pointer[handSet[T]]
	mu  sync.Mutex // held by who changes the settings
}

type handSet[T any] struct {
	all  []Setting // in the order of their names
	fast T
}

// hot returns what the hot path reads, nil where nothing is set by hand.
func (h *byHand[T]) hot() *T {
	if h == nil {
		return nil
	}
	if n := h.now.Load(); n != nil {
		return &n.fast
	}
	return nil
}

func (h *byHand[T]) settings() []Setting {
	if h == nil {
		return nil
	}
	if n := h.now.Load(); n != nil {
		return n.all
	}
	return nil
}

// change replaces the settings by what f makes of a copy of them. compile makes the hot path's part.
func (h *byHand[T]) change(compile func([]Setting) T, f func([]Setting) []Setting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := f(slices.Clone(h.settings()))
	if len(all) == 0 {
		h.now.Store(nil)
		return
	}
	h.now.Store(&handSet[T]{all, compile(all)})
}

// put sets or, where the value is the file's own, gives back.
func put(all []Setting, s Setting) []Setting {
	i, found := slices.BinarySearchFunc(all, s, func(a, b Setting) int { return strings.Compare(a.Param, b.Param) })
	switch {
	case found && s.Value == s.File:
		return slices.Delete(all, i, i+1)
	case found:
		all[i] = s
	case s.Value != s.File:
		all = slices.Insert(all, i, s)
	}
	return all
}

// handed is a parameter as the hot path reads it.
type handed[T comparable] struct {
	set         bool
	file, value T
}

// over is the value in force where the file says v.
func (h *handed[T]) over(v T) T {
	if h.set && h.file == v {
		return h.value
	}
	return v
}

// live returns those settings for which the file still says what they replaced.
func live(all []Setting, file func(param string) (string, error)) (stand []Setting) {
	for _, s := range all {
		if v, err := file(s.Param); err == nil && v == s.File {
			stand = append(stand, s)
		}
	}
	return stand
}

// param is one that can be set by hand, of a T. Values are text, as in the file.
type param[T, H any] struct {
	file    func(T) string
	check   func(T, string) (string, error) // normalizes; an error says what was expected
	compile func(h *H, file, value string)  // both are normalized
	touches func(T)                         // tells the elections
}

// operate sets the parameter and returns its value before and now. Nothing happens where they are equal.
func operate[T, H any](of T, h *byHand[H], name string, p *param[T, H], value string, by Hand, compile func([]Setting) H) (from, to string, err error) {
	to, err = p.check(of, value)
	if err != nil {
		return "", "", err
	}
	file := p.file(of)
	h.change(compile, func(all []Setting) []Setting {
		from = file
		for _, s := range all {
			if s.Param == name && s.File == file {
				from = s.Value
			}
		}
		if from == to {
			return all
		}
		return put(all, Setting{name, file, to, by.Who, by.When})
	})
	if from != to {
		p.touches(of)
	}
	return from, to, nil
}

// dropStale forgets the settings that the file has overruled and returns them.
func dropStale[T, H any](of T, h *byHand[H], file func(string) (string, error), compile func([]Setting) H) (gone []Setting) {
	if len(h.settings()) == 0 {
		return nil
	}
	h.change(compile, func(all []Setting) []Setting {
		stand := live(all, file)
		for _, s := range all {
			if !slices.Contains(stand, s) {
				gone = append(gone, s)
			}
		}
		return stand
	})
	return gone
}

// checkText is for a text of less than max bytes without control bytes.
func checkText(max int) func(string) (string, error) {
	return func(v string) (string, error) {
		if len(v) >= max {
			return "", fmt.Errorf("expected less than %d characters, found %d", max, len(v))
		}
		if i := strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			return "", fmt.Errorf("expected no control characters, found %q", v[i])
		}
		return v, nil
	}
}

func checkNumber(v string, from, to int) (string, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < from || n > to {
		return "", fmt.Errorf("expected a whole number from %d to %d, found %q", from, to, v)
	}
	return strconv.Itoa(n), nil
}

func checkOnOff(v string) (string, error) {
	switch {
	case runtime.EqualFold(v, "on") || v == "1" || v == "true":
		return "On", nil
	case runtime.EqualFold(v, "off") || v == "0" || v == "false":
		return "Off", nil
	}
	return "", fmt.Errorf("expected On or Off, found %q", v)
}

func onOffText(on bool) string {
	if on {
		return "On"
	}
	return "Off"
}

// FormatFactor writes a load factor, which is kept times a hundred, as the file would: "2.5".
func FormatFactor(f int) string { return strconv.FormatFloat(float64(f)/100, 'f', -1, 64) }

// ParseFactor reads a load factor from 1 to 100 with up to two decimals.
func ParseFactor(s string) (int, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f*100 >= 100 && f*100 < 10001) {
		return 0, fmt.Errorf("expected a number from 1 to 100, found %q", s)
	}
	return int(f * 100), nil
}
