// Package tomcatjsessionid tests the example in this folder.
package tomcatjsessionid

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pinion/examples/internal/app"
	"pinion/examples/internal/try"
)

func TestMain(m *testing.M) { try.Main(m) }

const (
	site = "http://app.example.test"
	home = site + "/index.jsp"
)

// page is what the application shows.
type page struct {
	route, session string
	request        int
	link           string // to itself, with the session in the path if the browser has sent no cookie
}

func get(t *testing.T, c *try.Client, url string, fields ...string) (p page) {
	t.Helper()
	a := c.Get(url, fields...)
	text := strings.NewReplacer(":", "", ",", "").Replace(strings.TrimSpace(a.Body))
	n, err := fmt.Sscanf(text, "tomcat %s session %s request %d\nlink %s", &p.route, &p.session, &p.request, &p.link)
	if a.StatusCode != http.StatusOK || n < 3 {
		t.Fatalf("%s: %s %v\n%s", url, a.Status, err, a.Body)
	}
	if !strings.HasSuffix(p.session, "."+p.route) {
		t.Fatalf("tomcat %s has the session %s", p.route, p.session)
	}
	return p
}

// withoutCookies is a client that keeps none.
func withoutCookies(s *try.Site) *try.Client {
	c := s.Client(8080)
	c.Jar = nil
	return c
}

// checkSessions shows that sessions stick, in whatever way a browser keeps them.
func checkSessions(t *testing.T, s *try.Site) {
	on := map[string]int{}
	t.Run("cookie", func(t *testing.T) {
		for range 4 {
			c := s.Client(8080)
			first := get(t, c, home)
			on[first.route]++
			for i := 2; i < 6; i++ {
				if p := get(t, c, home); p.session != first.session || p.request != i {
					t.Fatalf("request %d of session %s is request %d of %s", i, first.session, p.request, p.session)
				}
			}
		}
	})
	t.Run("path", func(t *testing.T) {
		for range 4 {
			c := withoutCookies(s)
			first := get(t, c, home)
			on[first.route]++
			if !strings.Contains(first.link, ";jsessionid=") {
				t.Fatalf("the link holds no session: %s", first.link)
			}
			for i := 2; i < 6; i++ {
				if p := get(t, c, site+first.link); p.session != first.session || p.request != i {
					t.Fatalf("request %d of session %s is request %d of %s", i, first.session, p.request, p.session)
				}
			}
		}
	})
	if on["a"] != 4 || on["b"] != 4 {
		t.Errorf("eight new sessions went to %v", on)
	}
	t.Run("the path wins", func(t *testing.T) {
		c := withoutCookies(s)
		if p := get(t, c, home+";jsessionid=1.a", "Cookie", "JSESSIONID=2.b"); p.route != "a" {
			t.Errorf("came to %s", p.route)
		}
		if p := get(t, c, home+";jsessionid=1.b", "Cookie", "JSESSIONID=2.a"); p.route != "b" {
			t.Errorf("came to %s", p.route)
		}
	})
}

// checkFadeOut shows that a route-only Tomcat keeps its sessions and gets no new ones.
func checkFadeOut(t *testing.T, s *try.Site, pinion *try.Process) {
	c := s.Client(8080)
	first := get(t, c, home)
	for first.route != "a" {
		c = s.Client(8080)
		first = get(t, c, home)
	}
	s.Edit("httpd.conf", "route=a", "route=a status=+R")
	pinion.Await("is live (file")
	for i := 2; i < 6; i++ {
		if p := get(t, s.Client(8080), home); p.route != "b" {
			t.Errorf("a is route-only, and a new session went to %s", p.route)
		}
		if p := get(t, c, home); p.session != first.session || p.request != i {
			t.Errorf("request %d of session %s is request %d of %s", i, first.session, p.request, p.session)
		}
	}
	s.Edit("httpd.conf", "route=a status=+R", "route=a")
	pinion.Await("is live (file")
	// Its turn comes when b has made up for the requests that a's sessions made meanwhile.
	for n := 0; get(t, s.Client(8080), home).route != "a"; n++ {
		if n == 50 {
			t.Fatal("a is back, and 50 new sessions went to b")
		}
	}
}

// checkLoss stops a Tomcat and shows that its visitors go on, with a new session, on the other one.
func checkLoss(t *testing.T, s *try.Site, stopA func()) {
	c := s.Client(8080)
	for get(t, c, home).route != "a" {
		c = s.Client(8080)
	}
	stopA()
	moved := get(t, c, home)
	if moved.route != "b" {
		t.Fatalf("a has stopped, and %s answers", moved.route)
	}
	if p := get(t, c, home); p.session != moved.session {
		t.Errorf("the session %s became %s", moved.session, p.session)
	}
}

func TestSessions(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002)
	a := s.Backend(13001, &app.Tomcat{Route: "a"})
	s.Backend(13002, &app.Tomcat{Route: "b"})
	pinion := s.Release(8080).Pinion("httpd.conf")
	checkSessions(t, s)
	checkFadeOut(t, s, pinion)
	checkLoss(t, s, func() { a.CloseClientConnections(); a.Close() })
}
