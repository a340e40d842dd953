// Package fadeout tests the example in this folder.
package fadeout

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pinion/examples/internal/app"
	"pinion/examples/internal/try"
)

func TestMain(m *testing.M) { try.Main(m) }

const home = "http://127.0.0.1/"

// site is the example while it runs.
type site struct {
	*try.Site
	pinion *try.Process
	a, b   *app.Tomcat
}

func start(t *testing.T) *site {
	s := &site{Site: try.New(t, 8080, 13001, 13002), a: &app.Tomcat{Route: "a"}, b: &app.Tomcat{Route: "b"}}
	s.Backend(13001, s.a)
	s.Backend(13002, s.b)
	s.pinion = s.Release(8080).Pinion("httpd.conf")
	return s
}

// step runs fade-out.sh as an operator does, and waits until pinion serves the new file.
func (s *site) step(t *testing.T, what string) {
	t.Helper()
	cmd := exec.Command("./fade-out.sh", "httpd.conf", "a", what)
	cmd.Dir, cmd.Env = s.Dir, append(s.Env, "PINION="+try.Binary())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fade-out.sh %s: %v\n%s", what, err, out)
	}
	s.pinion.Await("is live (file")
}

// newSessions starts n sessions and tells on which Tomcat they are.
func (s *site) newSessions(t *testing.T, n int) map[string]int {
	t.Helper()
	on := map[string]int{}
	for range n {
		route, _, _ := page(t, s.Client(8080).Get(home))
		on[route]++
	}
	return on
}

// page reads what a Tomcat answers.
func page(t *testing.T, a try.Answer) (route, session string, request int) {
	t.Helper()
	route, session, request, err := read(a)
	if err != nil {
		t.Fatal(err)
	}
	return
}

func read(a try.Answer) (route, session string, request int, err error) {
	if a.StatusCode != http.StatusOK {
		return "", "", 0, fmt.Errorf("%s: %s", a.Status, a.Body)
	}
	line, _, _ := strings.Cut(strings.NewReplacer(":", "", ",", "").Replace(a.Body), "\n")
	_, err = fmt.Sscanf(line, "tomcat %s session %s request %d", &route, &session, &request)
	return route, session, request, err
}

// visitor is a user who goes on asking for pages until told to leave, and then logs out.
type visitor struct {
	*try.Client
	leave   chan struct{}
	left    chan error // what went wrong, if anything
	session string
	route   string
	pages   int
}

func (s *site) visitor(t *testing.T) *visitor {
	v := &visitor{Client: s.Client(8080), leave: make(chan struct{}), left: make(chan error, 1), pages: 1}
	v.route, v.session, _ = page(t, v.Get(home))
	asked := make(chan struct{})
	go func() { v.left <- v.visit(asked) }()
	<-asked
	return v
}

// visit fails at the first page that is missing or of another session.
func (v *visitor) visit(asked chan struct{}) error {
	for once := sync.OnceFunc(func() { close(asked) }); ; once() {
		select {
		case <-v.leave:
			a, err := v.Try(home + "logout")
			if err == nil && a.Body != "tomcat "+v.route+": logged out\n" {
				err = fmt.Errorf("logout of %s on %s: %s", v.session, v.route, a.Body)
			}
			return err
		default:
		}
		a, err := v.Try(home + "page")
		if err != nil {
			once()
			return err
		}
		v.pages++
		if route, session, n, err := read(a); err != nil || route != v.route || session != v.session || n != v.pages {
			once()
			return fmt.Errorf("page %d of session %s on %s: %v %s", v.pages, v.session, v.route, err, a.Body)
		}
	}
}

func (v *visitor) logout(t *testing.T) {
	t.Helper()
	close(v.leave)
	if err := <-v.left; err != nil {
		t.Error(err)
	}
}

func TestFadeOut(t *testing.T) {
	s := start(t)
	var onA, onB []*visitor
	for len(onA) < 3 || len(onB) < 3 {
		if v := s.visitor(t); v.route == "a" {
			onA = append(onA, v)
		} else {
			onB = append(onB, v)
		}
	}

	s.step(t, "fade")
	before := s.a.Sessions()
	if on := s.newSessions(t, 10); on["b"] != 10 {
		t.Errorf("while a fades out, ten new sessions went to %v", on)
	}
	if s.a.Sessions() != before {
		t.Errorf("a had %d sessions and has %d", before, s.a.Sessions())
	}
	for _, v := range onA {
		v.logout(t)
	}
	if s.a.Sessions() != 0 {
		t.Fatalf("everybody has left, and a has %d sessions", s.a.Sessions())
	}
	if route, _, _ := page(t, onA[0].Get(home)); route != "b" {
		t.Errorf("who logged out on a and comes again gets %s", route)
	}

	s.step(t, "off")
	if on := s.newSessions(t, 10); on["b"] != 10 {
		t.Errorf("while a is off, ten new sessions went to %v", on)
	}
	if route, _, _ := page(t, s.Client(8080).Get(home, "Cookie", "JSESSIONID=old.a")); route != "b" {
		t.Errorf("while a is off, an old session of a came to %s", route)
	}

	s.step(t, "back")
	// Turns count all requests, those of sessions too: a's comes when the sessions on b have had theirs.
	for deadline := time.Now().Add(30 * time.Second); s.newSessions(t, 1)["a"] == 0; {
		if time.Now().After(deadline) {
			t.Fatal("a is back, and gets no new session")
		}
	}
	for _, v := range onB {
		v.logout(t)
	}
}

func TestARunningRequestEndsAfterItsMemberIsOff(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002)
	arrived, answer := make(chan struct{}), make(chan struct{})
	s.Backend(13001, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-answer
		fmt.Fprint(w, "slow, and complete")
	}))
	s.Backend(13002, &app.Tomcat{Route: "b"})
	run := &site{Site: s, pinion: s.Release(8080).Pinion("httpd.conf")}
	got, c := make(chan string, 1), s.Client(8080)
	go func() {
		a, err := c.Try(home, "Cookie", "JSESSIONID=1.a")
		got <- fmt.Sprint(a.Body, err)
	}()
	<-arrived
	run.step(t, "off")
	close(answer)
	if body := <-got; body != "slow, and complete<nil>" {
		t.Errorf("got %s", body)
	}
}

func TestTheScriptRefusesWhatItCannotDo(t *testing.T) {
	s := try.New(t)
	for _, args := range [][]string{{"httpd.conf", "z", "fade"}, {"httpd.conf", "a", "away"}, {"httpd.conf"}} {
		cmd := exec.Command(filepath.Join(s.Dir, "fade-out.sh"), args...)
		cmd.Dir, cmd.Env = s.Dir, append(s.Env, "PINION="+try.Binary())
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("fade-out.sh %v: no error\n%s", args, out)
		}
	}
}
