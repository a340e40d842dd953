package proxy

import (
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
)

// balancerHand is what the hot path reads of a balancer's settings by hand.
type balancerHand struct {
	method, sticky handed[string]
	timeout        handed[time.Duration]
	attempts       handed[runtime.Opt[int]]
	force          handed[bool]

	cookie, path string // of sticky's value
}

type balancerParam = param[*Balancer, balancerHand]

// LBMethod is lbmethod: "byrequests" by default.
func (b *Balancer) LBMethod() string {
	m := b.BalancerParams.LBMethod.Or("byrequests")
	if h := b.hand.hot(); h != nil {
		return h.method.over(m)
	}
	return m
}

// Sticky is stickysession: the cookie's name and the URL parameter's; "" for no stickiness.
func (b *Balancer) Sticky() (cookie, path string) {
	p := &b.BalancerParams
	if h := b.hand.hot(); h != nil && h.sticky.set && p.saysSticky(h.sticky.file) {
		return h.cookie, h.path
	}
	return p.Sticky, p.StickyPath
}

// saysSticky compares without making a string.
func (p *BalancerParams) saysSticky(text string) bool {
	if p.Sticky == p.StickyPath {
		return text == p.Sticky
	}
	n := len(p.Sticky)
	return len(text) == n+1+len(p.StickyPath) && text[:n] == p.Sticky && text[n] == '|' && text[n+1:] == p.StickyPath
}

// StickyText is stickysession as the file would say it: "cookie|path", or one name for both.
func (b *Balancer) StickyText() string { return stickyText(b.Sticky()) }

func stickyText(cookie, path string) string {
	if cookie == path {
		return cookie
	}
	return cookie + "|" + path
}

// StickyForce is nofailover.
func (b *Balancer) StickyForce() bool {
	v := b.BalancerParams.StickyForce.Or(false)
	if h := b.hand.hot(); h != nil {
		return h.force.over(v)
	}
	return v
}

// Timeout is how long to wait for a free worker; 0: not at all.
func (b *Balancer) Timeout() time.Duration {
	if h := b.hand.hot(); h != nil {
		return h.timeout.over(b.BalancerParams.Timeout)
	}
	return b.BalancerParams.Timeout
}

// Attempts is how many failovers a request may make: maxattempts=, else one less than there are members.
func (b *Balancer) Attempts() int {
	n := b.MaxAttempts
	if h := b.hand.hot(); h != nil {
		n = h.attempts.over(n)
	}
	if n.Set {
		return n.V
	}
	return max(len(b.Members)-1, 0)
}

// attemptsText is maxattempts, "" where it is not given.
func attemptsText(o runtime.Opt[int]) string {
	if !o.Set {
		return ""
	}
	return strconv.Itoa(o.V)
}

func attemptsOf(s string) (o runtime.Opt[int]) {
	if s != "" {
		o.Set = true
		o.V = numberOf[int](s)
	}
	return o
}

var balancerHands = map[string]*balancerParam{
	"lbmethod": {
		file: func(b *Balancer) string { return b.BalancerParams.LBMethod.Or("byrequests") },
		check: func(_ *Balancer, v string) (string, error) {
			return v, checkLBMethod(v)
		},
		compile: func(h *balancerHand, file, value string) { h.method = handed[string]{true, file, value} },
		touches: (*Balancer).reset,
	},
	"stickysession": {
		file:  func(b *Balancer) string { return stickyText(b.BalancerParams.Sticky, b.BalancerParams.StickyPath) },
		check: checkSticky,
		compile: func(h *balancerHand, file, value string) {
			h.sticky = handed[string]{true, file, value}
			h.cookie, h.path = splitSticky(value)
		},
		touches: func(*Balancer) {},
	},
	"timeout": {
		file:  func(b *Balancer) string { return strconv.Itoa(int(b.BalancerParams.Timeout / time.Second)) },
		check: func(_ *Balancer, v string) (string, error) { return checkNumber(v, 0, 7200) },
		compile: func(h *balancerHand, file, value string) {
			h.timeout = handed[time.Duration]{true, numberOf[time.Duration](file) * time.Second, numberOf[time.Duration](value) * time.Second}
		},
		touches: func(*Balancer) {},
	},
	"maxattempts": {
		file: func(b *Balancer) string { return attemptsText(b.MaxAttempts) },
		check: func(_ *Balancer, v string) (string, error) {
			if v == "" {
				return "", nil
			}
			return checkNumber(v, 0, 99)
		},
		compile: func(h *balancerHand, file, value string) {
			h.attempts = handed[runtime.Opt[int]]{true, attemptsOf(file), attemptsOf(value)}
		},
		touches: func(*Balancer) {},
	},
	"nofailover": {
		file:    func(b *Balancer) string { return onOffText(b.BalancerParams.StickyForce.Or(false)) },
		check:   func(_ *Balancer, v string) (string, error) { return checkOnOff(v) },
		compile: func(h *balancerHand, file, value string) { h.force = handed[bool]{true, file == "On", value == "On"} },
		touches: func(*Balancer) {},
	},
}

func splitSticky(v string) (cookie, path string) {
	if cookie, path, ok := strings.Cut(v, "|"); ok {
		return cookie, path
	}
	return v, v
}

func checkSticky(_ *Balancer, v string) (string, error) {
	if _, err := checkText(63)(v); err != nil {
		return "", err
	}
	return stickyText(splitSticky(v)), nil
}

func compileBalancerHand(all []Setting) (h balancerHand) {
	for _, s := range all {
		if p := balancerHands[s.Param]; p != nil {
			p.compile(&h, s.File, s.Value)
		}
	}
	return h
}

// Set sets a parameter by hand: "lbmethod", "stickysession", "timeout" (seconds), "maxattempts" ("" for as many as there are
// other members) or "nofailover". See Worker.Set.
func (b *Balancer) Set(name, value string, by Hand) (from, to string, err error) {
	p := balancerHands[name]
	if p == nil {
		return "", "", ErrNoParam
	}
	return operate(b, b.hand, name, p, value, by, compileBalancerHand)
}

// Check tells whether Set would take the value.
func (b *Balancer) Check(name, value string) error {
	p := balancerHands[name]
	if p == nil {
		return ErrNoParam
	}
	_, err := p.check(b, value)
	return err
}

// FileValue is what the file says of a parameter that can be set by hand.
func (b *Balancer) FileValue(name string) (string, error) {
	if p := balancerHands[name]; p != nil {
		return p.file(b), nil
	}
	return "", ErrNoParam
}

// ByHand returns what is set by hand and stands, in the order of the parameters' names.
func (b *Balancer) ByHand() []Setting { return live(b.hand.settings(), b.FileValue) }

func (b *Balancer) retuned() { b.State.Tuned.Add(1) }

func (b *Balancer) reset() {
	b.retuned()
	if selector.Reset != nil {
		selector.Reset(b)
	}
}
