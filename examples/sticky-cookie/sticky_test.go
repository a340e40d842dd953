// Package stickycookie tests the example in this folder.
package stickycookie

import (
	"net/http"
	"strings"
	"testing"

	"pinion/examples/internal/app"
	"pinion/examples/internal/try"
)

func TestMain(m *testing.M) { try.Main(m) }

const home = "http://www.example.test/"

func start(t *testing.T) (*try.Site, []func()) {
	s := try.New(t, 8080, 13001, 13002, 13003)
	var stop []func()
	for i, port := range []int{13001, 13002, 13003} {
		b := s.Backend(port, app.Sample(string(rune('1'+i))))
		stop = append(stop, func() { b.CloseClientConnections(); b.Close() })
	}
	s.Release(8080).Pinion("httpd.conf")
	return s, stop
}

// route returns the route that an answer's Set-Cookie gives, or "" for none.
func route(a try.Answer) string {
	for _, line := range a.Header["Set-Cookie"] {
		if v, ok := strings.CutPrefix(line, "ROUTEID=."); ok && strings.HasSuffix(v, "; path=/") {
			return strings.TrimSuffix(v, "; path=/")
		}
	}
	return ""
}

func backend(a try.Answer) string {
	_, rest, _ := strings.Cut(a.Body, "backend ")
	name, _, _ := strings.Cut(rest, ",")
	return name
}

func TestABrowserStaysWithItsBackend(t *testing.T) {
	s, _ := start(t)
	seen := map[string]int{}
	for range 10 {
		c := s.Client(8080)
		first := c.Get(home)
		name := backend(first)
		seen[name]++
		if route(first) != name {
			t.Fatalf("backend %s answered, and the cookie says %q", name, first.Header["Set-Cookie"])
		}
		for range 5 {
			a := c.Get(home)
			if backend(a) != name {
				t.Fatalf("a session of backend %s came to: %s", name, a.Body)
			}
			if route(a) != "" {
				t.Fatalf("a session that stays was given a new cookie: %q", a.Header["Set-Cookie"])
			}
		}
	}
	if seen["1"] != 5 || seen["2"] != 5 {
		t.Errorf("ten new sessions went to %v, expected five each to 1 and 2", seen)
	}
}

func TestARouteOnlyMemberServesItsOwnSessions(t *testing.T) {
	s, _ := start(t)
	a := s.Client(8080).Get(home, "Cookie", "ROUTEID=.3")
	if backend(a) != "3" || route(a) != "" {
		t.Errorf("a session of member 3 got %q with Set-Cookie %q", a.Body, a.Header["Set-Cookie"])
	}
}

func TestARouteThatNobodyHasIsReplaced(t *testing.T) {
	s, _ := start(t)
	a := s.Client(8080).Get(home, "Cookie", "ROUTEID=.nowhere")
	if name := backend(a); name == "3" || name == "" || route(a) != name {
		t.Errorf("got %q with Set-Cookie %q", a.Body, a.Header["Set-Cookie"])
	}
}

func TestALostBackendMovesItsSessions(t *testing.T) {
	s, stop := start(t)
	c := s.Client(8080)
	name := backend(c.Get(home))
	stop[name[0]-'1']()
	a := c.Get(home)
	moved := backend(a)
	if a.StatusCode != http.StatusOK || moved == name || moved == "3" || route(a) != moved {
		t.Fatalf("after the loss of %s: %s %q with Set-Cookie %q", name, a.Status, a.Body, a.Header["Set-Cookie"])
	}
	if again := c.Get(home); backend(again) != moved || route(again) != "" {
		t.Errorf("the moved session got %q with Set-Cookie %q", again.Body, again.Header["Set-Cookie"])
	}
}

func TestABackendsRedirectNamesTheProxy(t *testing.T) {
	s, _ := start(t)
	if got := s.Client(8080).Get(home + "redirect").Header.Get("Location"); got != home+"target" {
		t.Errorf("Location: %s, expected %starget", got, home)
	}
}

func TestCheckExplainsTheStatus(t *testing.T) {
	s := try.New(t)
	out, status := s.Run("-t", "-v", "-f", "httpd.conf")
	if status != 0 || !strings.Contains(out, "route-only") {
		t.Errorf("pinion -t -v: status %d\n%s", status, out)
	}
}
