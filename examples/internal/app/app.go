// Package app holds the small web applications that stand behind pinion in the examples.
package app

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// Sample answers every request with one line: its name, how often it was asked, what it was asked for, and the
// cookies it was sent. /redirect answers with a redirect to itself, as an application writes one that knows nothing
// of a proxy in front of it. Safe for concurrent use.
func Sample(name string) http.Handler {
	var served atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := served.Add(1)
		if path.Clean(r.URL.Path) == "/redirect" {
			http.Redirect(w, r, "http://"+r.Host+"/target", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "backend %s, request %d: %s %s, cookies: %s\n", name, n, r.Method, r.RequestURI, strings.Join(r.Header["Cookie"], "; "))
	})
}

// Tomcat keeps sessions in memory as a servlet container with a jvmRoute does: the route stands behind the session's
// id, in the cookie JSESSIONID and as ;jsessionid= in the links it writes. /logout ends the session and deletes the
// cookie, /sessions tells how many there are without starting one. Safe for concurrent use.
type Tomcat struct {
	Route string

	mu       sync.Mutex
	requests map[string]int // of each session, by its id
}

// Sessions returns how many sessions there are.
func (t *Tomcat) Sessions() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.requests)
}

// ServeHTTP implements http.Handler.
func (t *Tomcat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	name, id, _ := strings.Cut(r.URL.Path, ";jsessionid=")
	if c, err := r.Cookie("JSESSIONID"); err == nil {
		id = c.Value
	}
	switch path.Clean(name) {
	case "/sessions":
		fmt.Fprintf(w, "%d\n", t.Sessions())
	case "/logout":
		t.mu.Lock()
		delete(t.requests, id)
		t.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Path: "/", MaxAge: -1})
		fmt.Fprintf(w, "tomcat %s: logged out\n", t.Route)
	default:
		t.page(w, path.Clean(name), id)
	}
}

// page counts a request of a session, which it starts where there is none of that id.
func (t *Tomcat) page(w http.ResponseWriter, path, id string) {
	t.mu.Lock()
	if t.requests == nil {
		t.requests = map[string]int{}
	}
	if t.requests[id] == 0 {
		id = newID() + "." + t.Route
		http.SetCookie(w, &http.Cookie{Name: "JSESSIONID", Value: id, Path: "/", HttpOnly: true})
	}
	t.requests[id]++
	n := t.requests[id]
	t.mu.Unlock()
	fmt.Fprintf(w, "tomcat %s: session %s, request %d\nlink: %s;jsessionid=%s\n", t.Route, id, n, path, id)
}

func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return strings.ToUpper(hex.EncodeToString(b[:]))
}
