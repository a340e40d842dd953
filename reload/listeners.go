package reload

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/http1"
)

// listener is one open address. It outlives graphs: an address that both the old and the new one name is never closed.
type listener struct {
	key  string
	net  *http1.Listener
	gone atomic.Bool // no new graph has it: its connections end after their response
	done chan struct{}
}

// listeners are the open addresses of an engine. Used by the supervisor's goroutine only.
type listeners struct {
	engine *runtime.Engine
	open   map[string]*listener
	limit  *accepting
}

// accepting waits for accept loops to end.
type accepting struct{ sync.WaitGroup }

// plan is a change of listeners that has been prepared and not yet carried out.
type plan struct {
	add    []*listener
	remove []*listener
	undo   []*listener // closed early, to be opened again if the plan is dropped
}

func addressKey(a runtime.ListenAddr) string {
	host := ""
	if a.IP.IsValid() {
		host = a.IP.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(a.Port)))
}

// prepare opens what the graph listens on and nobody does yet. On an error everything is as before; each address that
// could not be opened is told of.
func (ls *listeners) prepare(g *runtime.Graph) (*plan, parser.Diagnostics) {
	p := &plan{}
	want := map[string]bool{}
	for _, a := range g.Listens {
		want[addressKey(a)] = true
	}
	for key, l := range ls.open {
		if !want[key] {
			p.remove = append(p.remove, l)
		}
	}
	var failed parser.Diagnostics
	for _, a := range g.Listens {
		key := addressKey(a)
		if !want[key] || ls.open[key] != nil {
			continue
		}
		delete(want, key) // two Listens may name one address
		nl, err := http1.Listen(key)
		if errors.Is(err, syscall.EADDRINUSE) {
			// "*:80" can't be opened beside our own "10.0.0.1:80": one that goes away makes room first.
			if ls.makeRoom(p, key) {
				nl, err = http1.Listen(key)
			}
		}
		if err != nil {
			failed = append(failed, notListening(a, key, err))
			continue
		}
		p.add = append(p.add, &listener{key: key, net: nl, done: make(chan struct{})})
	}
	if failed != nil {
		ls.drop(p)
		return nil, failed
	}
	return p, nil
}

// notListening says why an address could not be opened, and what to do.
func notListening(a runtime.ListenAddr, key string, err error) *parser.Diagnostic {
	d := &parser.Diagnostic{Code: "no-listener", Place: a.Place}
	var cause syscall.Errno
	switch {
	case !errors.As(err, &cause):
	case cause == syscall.EADDRINUSE:
		d.Detail = "another process serves there, perhaps an httpd or a pinion that still runs; ss -ltnp names it"
	case cause == syscall.EADDRNOTAVAIL:
		d.Detail = "no interface of this machine has this address; ip address shows those that it has"
	case cause == syscall.EACCES:
		d.Detail = "a port below 1024 needs root or CAP_NET_BIND_SERVICE, which systemd's AmbientCapabilities= or setcap gives"
	}
	if cause != 0 {
		err = cause
	}
	d.Summary = fmt.Sprintf("could not listen on %s: %v", key, err)
	return d
}

func (ls *listeners) makeRoom(p *plan, key string) (made bool) {
	_, port, _ := net.SplitHostPort(key)
	for _, l := range p.remove {
		if _, other, _ := net.SplitHostPort(l.key); other == port && ls.open[l.key] == l {
			l.net.Close()
			<-l.done
			delete(ls.open, l.key)
			p.undo = append(p.undo, l)
			made = true
		}
	}
	return made
}

// drop closes what the plan opened and opens again what it closed.
func (ls *listeners) drop(p *plan) {
	for _, l := range p.add {
		l.net.Close()
	}
	for _, l := range p.undo {
		if nl, err := http1.Listen(l.key); err == nil {
			again := &listener{key: l.key, net: nl, done: make(chan struct{})}
			ls.start(again)
		}
	}
}

// commit carries the plan out: call it after the engine has the new graph.
func (ls *listeners) commit(p *plan) {
	for _, l := range p.add {
		ls.start(l)
	}
	for _, l := range p.remove {
		l.gone.Store(true)
		if ls.open[l.key] == l {
			l.net.Close()
			delete(ls.open, l.key)
		}
		ls.engine.Drain(&l.gone)
	}
}

func (ls *listeners) start(l *listener) {
	ls.open[l.key] = l
	ls.limit.Add(1)
	go func() {
		defer ls.limit.Done()
		defer close(l.done)
		l.accept(ls.engine)
	}()
}

// accept hands connections to the engine until the listener is closed. Running out of files or memory ends when
// connections do: it waits, ever longer up to a second, instead of giving up.
func (l *listener) accept(e *runtime.Engine) {
	pause := time.Duration(0)
	for {
		nc, err := l.net.Accept()
		switch {
		case err == nil:
			pause = 0
			e.Serve(nc, &l.gone)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		if pause = min(max(2*pause, 5*time.Millisecond), time.Second); pause >= time.Second/2 {
			fmt.Fprintf(os.Stderr, "pinion: accepting on %s: %v\n", l.key, err)
		}
		time.Sleep(pause)
	}
}

// close ends every listener and waits for the accept loops.
func (ls *listeners) close() {
	for key, l := range ls.open {
		l.net.Close()
		delete(ls.open, key)
	}
	ls.limit.Wait()
}

// Addresses returns what is listened on, for reports.
func (ls *listeners) addresses() (all []net.Addr) {
	for _, l := range ls.open {
		all = append(all, l.net.Addr())
	}
	return all
}
