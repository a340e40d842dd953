package authz

import (
	"fmt"
	"io"
	"net/netip"
	"testing"

	"pinion/runtime"
	"pinion/runtime/subnet"
)

// Rules that are judged at once say what they say one by one, as they do where the log wants to hear of each.
func TestNetworksSideBySide(t *testing.T) {
	ip := func(nets string, methods ...string) *rule {
		s, err := subnet.Parse(nets)
		if err != nil {
			t.Fatal(err)
		}
		n := &rule{text: "Require ip " + nets, nets: []subnet.Subnet{s}}
		n.check = func(r *runtime.Request) verdict { return answer(s.Contains(clientAddr(r))) }
		for _, m := range methods {
			n.methods.names = map[string]bool{m: true}
		}
		return n
	}
	says := func(v verdict) *rule {
		return &rule{text: "Require " + v.String(), check: func(*runtime.Request) verdict { return v }}
	}
	section := func(op logic, children ...*rule) *rule {
		n := &rule{op: op, text: "section"}
		for _, c := range children {
			n.add(c)
		}
		return n
	}
	none := section(or, ip("10.0.0.0/8"), ip("11.0.0.0/8"))
	none.negate = true
	for name, c := range map[string]struct {
		top      *rule
		together int // rules that are judged with the one before
	}{
		"some":         {section(or, ip("10.0.0.0/8"), ip("11.0.0.0/9"), ip("2001:db8::/32"), ip("1.0.0.1/255.0.0.255")), 3},
		"two runs":     {section(or, ip("10.0.0.0/8"), ip("11.0.0.0/8"), says(deniedNoUser), ip("12.0.0.0/8"), ip("1.2.3.1")), 2},
		"failure":      {section(or, ip("10.0.0.0/8"), ip("11.0.0.0/8"), says(failed), ip("12.0.0.0/8"), ip("1.2.3.1")), 2},
		"user first":   {section(or, says(deniedNoUser), ip("10.0.0.0/8"), ip("11.0.0.0/8")), 1},
		"methods":      {section(or, ip("10.0.0.0/8"), ip("11.0.0.0/8", "POST"), ip("12.0.0.0/8", "GET"), ip("1.2.3.1")), 0},
		"all":          {section(and, ip("10.0.0.0/8"), ip("10.1.0.0/16")), 0},
		"none of them": {section(and, says(granted), none), 0},
		"neutral":      {section(or, ip("10.0.0.0/8"), ip("11.0.0.0/8"), says(neutral)), 1},
	} {
		together := 0
		for _, child := range c.top.children {
			together += len(child.beside)
		}
		if together != c.together {
			t.Errorf("%s: expected %d rules to be judged with another, got %d", name, c.together, together)
		}
		for _, from := range []string{"10.1.2.3", "10.2.3.4", "11.0.0.1", "11.200.0.1", "12.0.0.1", "1.2.3.1", "1.2.3.2", "2001:db8::1", "::1", ""} {
			var got [2]verdict
			for i, level := range []runtime.Level{runtime.LogWarn, runtime.LogDebug} {
				r := &runtime.Request{Method: "GET", Server: &runtime.Server{Errors: &runtime.ErrorLog{Out: io.Discard}}, Dir: &runtime.DirConfig{}}
				r.Dir.Core.LogLevel = &runtime.LogLevels{Default: runtime.Some(level)}
				if from != "" {
					r.Client = netip.AddrPortFrom(netip.MustParseAddr(from), 1)
				}
				got[i] = c.top.judge(r, and)
			}
			if got[0] != got[1] {
				t.Errorf("%s from %q: %v at once, %v one by one", name, from, fmt.Sprint(got[0]), fmt.Sprint(got[1]))
			}
		}
	}
}
