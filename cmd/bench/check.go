package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ask sends one request on a connection of its own.
func ask(dial dialer, request []byte) (answer, error) {
	c, err := dial()
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return roundTrip(c, bufio.NewReader(c), request)
}

// dialerOf is how a site is reached.
func (s site) dialer() dialer {
	if s.tls {
		return tlsDialer(s.listen, false)
	}
	return plainDialer(s.listen)
}

// checkPlain holds a peer to the work that all are to do: nobody is fast by leaving something out.
func (r *run) checkPlain(s site) error {
	logged := r.logs.lines.Load()
	first, err := ask(s.dialer(), get("/check", "bench.test", "X-Forwarded-For: 192.0.2.1"))
	if err != nil {
		return err
	}
	if first.status != 200 || first.length != pageSize {
		return fmt.Errorf("expected 200 with %d bytes, got %d with %d", pageSize, first.status, first.length)
	}
	if !strings.HasPrefix(first.field("Set-Cookie"), "ROUTEID=.") {
		return fmt.Errorf("expected a sticky cookie with the first answer, got %q", first.field("Set-Cookie"))
	}
	if saw := first.field("X-Saw"); !strings.Contains(saw, "127.0.0.1|") || strings.HasSuffix(saw, "|") || strings.Contains(saw, "||") {
		return fmt.Errorf("expected X-Forwarded-For, -Host and -Server at the backend, got %q", saw)
	}
	if err := checkSticky(s); err != nil {
		return err
	}
	return r.checkLog(s, logged)
}

// checkSticky asks with the cookies of both members.
func checkSticky(s site) error {
	for i, cookie := range []string{"ROUTEID=.1", "ROUTEID=.2"} {
		_, port, _ := net.SplitHostPort(s.backends[i])
		for range 3 {
			a, err := ask(s.dialer(), get("/check", "bench.test", "Cookie: "+cookie))
			if err != nil {
				return err
			}
			if a.field("X-Member") != port || a.field("Set-Cookie") != "" {
				return fmt.Errorf("expected %s to be answered by the member on port %s with no new cookie, got the one on %s and %q",
					cookie, port, a.field("X-Member"), a.field("Set-Cookie"))
			}
		}
	}
	return nil
}

// checkLog waits until the access log has a line: in its file, or on the socket that HAProxy writes to.
func (r *run) checkLog(s site, before int64) error {
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if info, err := os.Stat(filepath.Join(s.dir, "access.log")); err == nil && info.Size() > 0 {
			return nil
		}
		if r.peer.name == "haproxy" && r.logs.lines.Load() > before {
			return nil
		}
	}
	return fmt.Errorf("expected a line in the access log, there is none")
}

// checkPath asks for a path and expects that the backend got another one.
func checkPath(s site, name, path, arrives string) error {
	a, err := ask(s.dialer(), get(path, name))
	if err != nil {
		return err
	}
	if a.status != 200 || a.field("X-Uri") != arrives {
		return fmt.Errorf("expected %s of %s to reach the backend as %s with 200, got %q with %d", path, name, arrives, a.field("X-Uri"), a.status)
	}
	return nil
}

// checkVhost asks for all that a virtual host does.
func checkVhost(s site, i int, mark string) error {
	for _, name := range []string{host(i), "www." + host(i), "other." + host(i)} {
		if err := checkPath(s, name, "/a/check", "/app-a/check"); err != nil {
			return err
		}
	}
	a, err := ask(s.dialer(), get("/old/x", host(i)))
	if err != nil {
		return err
	}
	if location := a.field("Location"); a.status != 302 || !strings.HasSuffix(location, "/new/x") {
		return fmt.Errorf("expected a redirect of /old/x to /new/x, got %d %q", a.status, location)
	}
	if a, err = ask(s.dialer(), get("/check", host(i))); err != nil {
		return err
	}
	if a.status != 200 || a.field("X-Site") != mark {
		return fmt.Errorf("expected X-Site %q of %s, got %q with status %d", mark, host(i), a.field("X-Site"), a.status)
	}
	return nil
}
