// Package try runs the examples in their tests: a copy of the example's files on free ports, pinion in front of
// backends, and clients that keep cookies.
package try

import (
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Site is a copy of an example in a folder of its own, with each port replaced by a free one.
type Site struct {
	Dir string
	Env []string // of the programs that Start starts

	t     testing.TB
	ports map[int]net.Listener // held until somebody takes them
	free  map[int]string
}

// New copies the example whose test runs, and replaces the ports that stand in its files.
func New(t testing.TB, ports ...int) *Site {
	t.Helper()
	dir := t.TempDir()
	s := &Site{Dir: dir, Env: append(os.Environ(), "TMPDIR="+dir), t: t, ports: map[int]net.Listener{}, free: map[int]string{}}
	var replace []*regexp.Regexp
	for _, p := range ports {
		l := hold(t)
		s.ports[p], s.free[p] = l, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		replace = append(replace, regexp.MustCompile(`\b`+strconv.Itoa(p)+`\b`))
	}
	t.Cleanup(func() {
		for _, l := range s.ports {
			l.Close()
		}
	})
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		to := filepath.Join(s.Dir, path)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.HasSuffix(path, ".go"):
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, re := range replace {
			text = re.ReplaceAll(text, []byte(s.free[ports[i]]))
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hold takes a free port of 127.0.0.1 below those that the system gives to outgoing connections, so that nothing else
// gets it between its release and its use.
func hold(t testing.TB) net.Listener {
	t.Helper()
	for range 200 {
		port := 12000 + rand.IntN(20000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return l
		}
	}
	t.Fatal("found no free port on 127.0.0.1")
	return nil
}

// Port returns the free port that stands for one of the example's.
func (s *Site) Port(port int) string {
	s.t.Helper()
	p := s.free[port]
	if p == "" {
		s.t.Fatalf("port %d is none of the example's", port)
	}
	return p
}

// Addr returns the address of that port.
func (s *Site) Addr(port int) string {
	s.t.Helper()
	return net.JoinHostPort("127.0.0.1", s.Port(port))
}

// Release frees a port for a program that will listen there.
func (s *Site) Release(ports ...int) *Site {
	for _, p := range ports {
		s.ports[p].Close()
		delete(s.ports, p)
	}
	return s
}

// Backend serves one of the example's ports until the test ends or the result is closed.
func (s *Site) Backend(port int, h http.Handler) *httptest.Server {
	s.t.Helper()
	l := s.ports[port]
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", s.Addr(port)); err != nil {
			s.t.Fatal(err)
		}
	}
	delete(s.ports, port)
	b := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	b.Start()
	s.t.Cleanup(b.Close)
	return b
}

// Edit replaces each old by new in a file of the site, as an editor saves it: by a rename. The file has to hold old.
func (s *Site) Edit(file, old, new string) {
	s.t.Helper()
	path := filepath.Join(s.Dir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("expected %q in %s, found:\n%s", old, file, text)
	}
	s.Write(file, strings.ReplaceAll(string(text), old, new))
}

// Write puts a file into the site by a rename.
func (s *Site) Write(file, text string) {
	s.t.Helper()
	path := filepath.Join(s.Dir, file)
	if err := os.WriteFile(path+".new~", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new~", path); err != nil {
		s.t.Fatal(err)
	}
}

// Client is a browser: it keeps cookies. Whatever host its URLs name, it talks to one address.
type Client struct {
	http.Client
	t testing.TB
}

// Client returns a new one that talks to one of the example's ports and follows no redirects.
func (s *Site) Client(port int) *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	address := s.Addr(port)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &Client{t: s.t, Client: http.Client{Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Answer is a response whose body has been read.
type Answer struct {
	*http.Response
	Body string
}

// Get asks for a URL; no answer at all ends the test. Fields are header names and values by turns.
func (c *Client) Get(url string, fields ...string) Answer {
	c.t.Helper()
	a, err := c.Try(url, fields...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// Try is Get that returns what went wrong. Safe for concurrent use.
func (c *Client) Try(url string, fields ...string) (Answer, error) {
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return Answer{resp, string(b)}, err
}
