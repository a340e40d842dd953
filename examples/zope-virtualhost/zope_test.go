// Package zopevirtualhost tests the example in this folder.
package zopevirtualhost

import (
	"fmt"
	"net/http"
	"testing"

	"pinion/examples/internal/try"
)

func TestMain(m *testing.M) { try.Main(m) }

func TestThePathThatArrives(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002)
	for _, port := range []int{13001, 13002} {
		s.Backend(port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.RequestURI)
		}))
	}
	s.Release(8080).Pinion("httpd.conf")
	const (
		url   = "/http://localhost/VirtualHostBase/https/yoursite.org:443/plone/VirtualHostRoot"
		plain = "/VirtualHostBase/https/plain.yoursite.org:443/plone/VirtualHostRoot"
	)
	// What httpd 2.4.71 sends with this configuration.
	for _, c := range []struct{ host, asked, arrives string }{
		{"yoursite.org", "/", url + "/"},
		{"yoursite.org", "/news/today?page=2", url + "/news/today?page=2"},
		{"yoursite.org", "/a;b=c", url + "/a;b=c"},
		{"yoursite.org", "//x", url + "/x"},
		{"yoursite.org", "/%C3%BCber%20uns", url + "/%C3%BCber%20uns"},
		{"plain.yoursite.org", "/", plain + "/"},
		{"plain.yoursite.org", "/news/today?page=2", plain + "/news/today?page=2"},
	} {
		if a := s.Client(8080).Get("http://" + c.host + c.asked); a.Body != c.arrives {
			t.Errorf("%s%s arrives as\n%s, expected\n%s", c.host, c.asked, a.Body, c.arrives)
		}
	}
}

func TestTheRouteCookie(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002)
	for i, port := range []int{13001, 13002} {
		s.Backend(port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, i+1) }))
	}
	s.Release(8080).Pinion("httpd.conf")
	c := s.Client(8080)
	first := c.Get("http://yoursite.org/")
	if want := "ROUTEID=." + first.Body + "; path=/"; first.Header.Get("Set-Cookie") != want {
		t.Errorf("Set-Cookie: %s, expected %s", first.Header.Get("Set-Cookie"), want)
	}
	for range 4 {
		if a := c.Get("http://yoursite.org/page"); a.Body != first.Body {
			t.Errorf("a session of instance %s came to %s", first.Body, a.Body)
		}
	}
}
