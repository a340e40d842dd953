package balancer

import (
	"strings"
	"testing"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

func TestSession(t *testing.T) {
	off := runtime.Some(byte(0))
	at := runtime.Some(byte('@'))
	semicolon := runtime.Some(true)
	cases := []struct {
		name        string
		sticky      string // as stickysession=
		sep         runtime.Opt[byte]
		delim       runtime.Opt[bool]
		url, cookie string
		value       string
		route       string
		routed      bool
	}{
		{name: "nothing", sticky: "sid", url: "balancer://x/"},
		{name: "cookie", sticky: "sid", cookie: "sid=1.two", value: "1.two", route: "two", routed: true},
		{name: "first dot counts", sticky: "sid", cookie: "sid=1.two.three", value: "1.two.three", route: "two.three", routed: true},
		{name: "no dot", sticky: "sid", cookie: "sid=two", value: "two"},
		{name: "nothing behind the dot", sticky: "sid", cookie: "sid=1.", value: "1.", routed: true},
		{name: "other separator", sticky: "sid", sep: at, cookie: "sid=1.x@two", value: "1.x@two", route: "two", routed: true},
		{name: "no separator", sticky: "sid", sep: off, cookie: "sid=1.two", value: "1.two", route: "1.two", routed: true},
		{name: "cookie among others", sticky: "sid", cookie: "a=b; xsid=9.no; sid=1.two; sid=1.one", value: "1.two", route: "two", routed: true},
		{name: "cookie behind a comma", sticky: "sid", cookie: "a=b,sid=1.two,c=d", value: "1.two", route: "two", routed: true},
		{name: "blank before =", sticky: "sid", cookie: "sid =1.two", value: "1.two", route: "two", routed: true},
		{name: "quotes stay", sticky: "sid", cookie: `sid="1.two"`, value: `"1.two"`, route: `two"`, routed: true},
		{name: "name in a value", sticky: "sid", cookie: "a=sid=1.two", value: ""},
		{name: "longer name", sticky: "sid", cookie: "sidx=1.two", value: ""},
		{name: "longer name first", sticky: "sid", cookie: "sidx=1.one; sid=1.two", value: "1.two", route: "two", routed: true},
		{name: "httpd looks on two bytes further", sticky: "sid", cookie: "sid;sid=1.two", value: ""},
		{name: "empty cookie at the end", sticky: "sid", cookie: "sid=", value: ""},
		{name: "empty cookie", sticky: "sid", cookie: "sid=; sid=1.two", value: ""},
		{name: "case", sticky: "sid", cookie: "SID=1.two", value: ""},
		{name: "query", sticky: "sid", url: "balancer://x/?sid=1.two&a=b", value: "1.two", route: "two", routed: true},
		{name: "query beats cookie", sticky: "sid", url: "balancer://x/?sid=1.two", cookie: "sid=1.one", value: "1.two", route: "two", routed: true},
		{name: "any place in the URL", sticky: "sid", url: "balancer://x/?nosid=1.two", value: "1.two", route: "two", routed: true},
		{name: "path", sticky: "sid", delim: semicolon, url: "balancer://x/a;sid=1.two;b=c?d", value: "1.two", route: "two", routed: true},
		{name: "path without its delimiter", sticky: "sid", url: "balancer://x/a;sid=1.two;b=c?d", value: "1.two;b=c", route: "two;b=c", routed: true},
		{name: "path goes on", sticky: "sid", delim: semicolon, url: "balancer://x/a;sid=1.two/b", value: "1.two/b", route: "two/b", routed: true},
		{name: "delimiters behind = are skipped", sticky: "sid", url: "balancer://x/?sid=&b=1.two&c", value: "b=1.two", route: "two", routed: true},
		{name: "only delimiters", sticky: "sid", url: "balancer://x/?sid=&", cookie: "sid=1.one", value: "1.one", route: "one", routed: true},
		{name: "nothing behind =", sticky: "sid", url: "balancer://x/?sid=", cookie: "sid=1.one", value: "1.one", route: "one", routed: true},
		{name: "name twice", sticky: "sid", url: "balancer://x/sid/?sid=1.one", value: "1.one", route: "one", routed: true},
		{name: "two names, URL", sticky: "A|b", url: "balancer://x/?b=1.one", cookie: "A=1.two; b=1.three", value: "1.one", route: "one", routed: true},
		{name: "two names, cookie", sticky: "A|b", url: "balancer://x/?A=1.one", cookie: "b=1.three; A=1.two", value: "1.two", route: "two", routed: true},
		{name: "no second name: the first = counts", sticky: "A|", url: "balancer://x/?A=1.one", cookie: "A=1.two", value: "1.one", route: "one", routed: true},
		{name: "no first name", sticky: "|b", url: "balancer://x/?b=1.one"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := &proxy.Balancer{}
			b.BalancerParams.Sticky, b.StickyPath, b.StickySep, b.ScolonPathDel = c.sticky, c.sticky, c.sep, c.delim
			if cookie, path, ok := strings.Cut(c.sticky, "|"); ok {
				b.BalancerParams.Sticky, b.StickyPath = cookie, path
			}
			r := newRequest()
			if c.cookie != "" {
				r.HeadersIn.Add("Cookie", c.cookie)
			}
			s := sessionOf(r, b, c.url)
			if s.value != c.value || s.route != c.route || s.routed != c.routed {
				t.Errorf("got %q, route %q (%v), want %q, route %q (%v)", s.value, s.route, s.routed, c.value, c.route, c.routed)
			}
		})
	}
}

// FuzzSession looks for panics and endless loops, and for values that no URL or cookie holds.
func FuzzSession(f *testing.F) {
	f.Add("sid", "balancer://x/;sid=1.two?sid=3.one", "sid =1.two; sid=2", true)
	f.Add("", "=", "=;=", false)
	f.Add("a", "a=&?;a", "a a=a,aa", true)
	f.Fuzz(func(t *testing.T, name, url, cookie string, semicolon bool) {
		b := &proxy.Balancer{}
		b.BalancerParams.Sticky, b.StickyPath, b.ScolonPathDel = name, name, runtime.Some(semicolon)
		r := newRequest()
		r.HeadersIn.Add("Cookie", cookie)
		s := sessionOf(r, b, url)
		if !strings.Contains(url, s.value) && !strings.Contains(cookie, s.value) || !strings.HasSuffix(s.value, s.route) {
			t.Errorf("value %q, route %q", s.value, s.route)
		}
		if s.value != "" && name == "" {
			t.Errorf("found %q without a name", s.value)
		}
	})
}
