// Package phpsessions tests the example in this folder.
package phpsessions

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"pinion/examples/internal/try"
)

func TestMain(m *testing.M) { try.Main(m) }

const home = "http://www.example.com/session.php"

// page is what session.php shows.
type page struct {
	route, session string
	request        int
}

func get(t *testing.T, c *try.Client, fields ...string) (p page) {
	t.Helper()
	a := c.Get(home, fields...)
	_, err := fmt.Sscanf(strings.NewReplacer(":", "", ",", "").Replace(a.Body), "php %s session %s request %d", &p.route, &p.session, &p.request)
	if a.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s %v\n%s", a.Status, err, a.Body)
	}
	return p
}

// checkSessions shows that PHP's sessions stick, what the log says of it, and that they don't by PHP's own cookie.
func checkSessions(t *testing.T, s *try.Site, pinion *try.Process) {
	on := map[string]int{}
	for range 4 {
		c := s.Client(8080)
		first := get(t, c)
		on[first.route]++
		for i := 2; i < 6; i++ {
			if p := get(t, c); p != (page{first.route, first.session, i}) {
				t.Fatalf("request %d of session %s on %s is %+v", i, first.session, first.route, p)
			}
			pinion.Await("Found value balancer." + first.route + " for stickysession BALANCEID")
			pinion.Await("Found route " + first.route)
		}
	}
	if on["www1"] != 2 || on["www2"] != 2 {
		t.Errorf("four new sessions went to %v", on)
	}

	s.Edit("httpd.conf", "stickysession=BALANCEID", "stickysession=PHPSESSID")
	pinion.Await("is live (file")
	c := s.Client(8080)
	if first, second := get(t, c), get(t, c); first.route == second.route {
		t.Errorf("by PHPSESSID, which holds no route, two requests in a row went to %s", first.route)
	}
}

func TestSessions(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002, 13101, 13102).Release(8080, 13001, 13002)
	for i, port := range []int{13001, 13002} {
		route := fmt.Sprintf("www%d", i+1)
		s.Backend(port+100, &php{route: route, sessions: map[string]int{}})
		env := s.Env
		s.Env = append(env[:len(env):len(env)], "ROUTE="+route, "PORT="+s.Port(port), "BASE="+t.TempDir(), "APP=http://"+s.Addr(port+100)+"/")
		s.Pinion("backend.conf")
		s.Env = env
	}
	checkSessions(t, s, s.Pinion("httpd.conf"))
}

// php does what session.php does.
type php struct {
	route    string
	mu       sync.Mutex
	sessions map[string]int
}

func (p *php) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := r.Cookie("PHPSESSID")
	if err != nil {
		c = &http.Cookie{Name: "PHPSESSID", Value: rand.Text(), Path: "/"}
		http.SetCookie(w, c)
	}
	p.sessions[c.Value]++
	fmt.Fprintf(w, "php %s: session %s, request %d\n", p.route, c.Value, p.sessions[c.Value])
}
