package proxy

import (
	"fmt"
	"slices"
	"strings"

	"pinion/runtime"
)

// balancerParams are the parameters of ProxyPass, ProxySet and <Proxy> for a balancer.
var balancerParams = map[string]func(b *Balancer, s *setting) error{
	"stickysession": func(b *Balancer, s *setting) (err error) {
		name, err := s.text(64)
		b.BalancerParams.Sticky, b.StickyPath = name, name
		if cookie, path, ok := strings.Cut(name, "|"); ok {
			b.BalancerParams.Sticky, b.StickyPath = cookie, path
		}
		return err
	},
	"stickysessionsep": func(b *Balancer, s *setting) error {
		switch {
		case len(s.val) == 1:
			b.StickySep = runtime.Some(s.val[0])
		case runtime.EqualFold(s.val, "off"):
			b.StickySep = runtime.Some(byte(0))
		default:
			return s.errorf("bad-value", "stickysessionsep must be one character or Off, found %q", s.val)
		}
		return nil
	},
	"nofailover":      func(b *Balancer, s *setting) error { return s.optOnOff(&b.BalancerParams.StickyForce) },
	"scolonpathdelim": func(b *Balancer, s *setting) error { return s.optOnOff(&b.ScolonPathDel) },
	"failontimeout":   func(b *Balancer, s *setting) error { return s.optOnOff(&b.FailOnTimeout) },
	"forcerecovery":   func(b *Balancer, s *setting) error { return s.optOnOff(&b.ForceRecovery) },
	"timeout": func(b *Balancer, s *setting) (err error) {
		b.BalancerParams.Timeout, err = s.seconds(1)
		return err
	},
	"maxattempts": func(b *Balancer, s *setting) error {
		n, err := s.number(0, maxInt)
		b.MaxAttempts = runtime.Some(n)
		return err
	},
	"growth": func(b *Balancer, s *setting) error {
		n, err := s.number(1, 100)
		b.Growth = runtime.Some(n)
		return err
	},
	"nonce": func(b *Balancer, s *setting) error {
		v, err := s.text(37)
		if runtime.EqualFold(v, "none") {
			v = ""
		}
		b.Nonce = runtime.Some(v)
		return err
	},
	"lbmethod":     setLBMethod,
	"failonstatus": setFailOnStatus,
}

var balancerNames = sortedKeys(balancerParams)

func (b *Balancer) setParam(s *setting) error {
	set := balancerParams[strings.ToLower(s.key)]
	if set == nil {
		return s.unknown("balancer", balancerNames)
	}
	return set(b, s)
}

// lbMethods are the methods httpd comes with.
var lbMethods = []string{"byrequests", "bytraffic", "bybusyness", "heartbeat"}

// LBMethods are the names that lbmethod= may have.
func LBMethods() []string {
	if len(selector.Methods) > 0 {
		return selector.Methods
	}
	return lbMethods
}

func checkLBMethod(name string) error {
	if !slices.Contains(LBMethods(), name) {
		return fmt.Errorf("expected one of %s, found %q", strings.Join(LBMethods(), ", "), name)
	}
	return nil
}

func setLBMethod(b *Balancer, s *setting) error {
	known := LBMethods()
	if !slices.Contains(known, s.val) {
		d := s.errorf("bad-value", "unknown lbmethod %q", s.val)
		return runtime.WithDetail(d, "known are %s", strings.Join(known, ", "))
	}
	b.BalancerParams.LBMethod = runtime.Some(s.val)
	return nil
}

func setFailOnStatus(b *Balancer, s *setting) error {
	b.FailOnStatus = nil
	for _, word := range strings.FieldsFunc(s.val, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, _, bad := leadingInt(word)
		if bad || n < 100 || n >= 600 {
			at := strings.Index(s.val, word)
			return s.within(s.errorf("bad-value", "failonstatus expects HTTP statuses from 100 to 599, found %q", word), at, at+len(word))
		}
		b.FailOnStatus = append(b.FailOnStatus, n)
	}
	return nil
}
