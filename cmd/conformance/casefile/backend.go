package casefile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long the runner waits for anything that is to happen.
const patience = 15 * time.Second

// An arrival is one request that a backend received.
type arrival struct {
	backend string
	message *message
	done    chan struct{} // closed when the message is complete
}

// A cluster is the scripted backends of one run of a case.
type cluster struct {
	ports  map[string]int
	rules  []*rule
	expand func(string) string

	mu       sync.Mutex
	seen     map[*rule]int
	arrivals []*arrival
	taken    int            // how many arrivals a transcript has shown
	counts   map[string]int // by backend
	changed  chan struct{}  // closed and replaced at each arrival
	releases map[string]chan struct{}
	conns    map[net.Conn]bool
	closed   bool

	listeners []net.Listener
	refused   []int // sockets that are bound but don't listen
	wait      sync.WaitGroup
}

// startCluster opens a port for each backend.
func startCluster(c *Case) (*cluster, error) {
	k := &cluster{
		ports: map[string]int{}, rules: c.rules, seen: map[*rule]int{}, counts: map[string]int{},
		changed: make(chan struct{}), releases: map[string]chan struct{}{}, conns: map[net.Conn]bool{},
	}
	refuse := map[string]bool{}
	for _, r := range c.rules {
		refuse[r.backend] = refuse[r.backend] || r.refuse
	}
	for _, name := range c.backends {
		k.releases[name] = make(chan struct{}, 64)
		if err := k.open(name, refuse[name]); err != nil {
			k.stop()
			return nil, err
		}
	}
	return k, nil
}

func (k *cluster) open(name string, refuse bool) error {
	if refuse {
		fd, port, err := boundSocket()
		if err != nil {
			return err
		}
		k.refused = append(k.refused, fd)
		k.ports[name] = port
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	k.listeners = append(k.listeners, l)
	k.ports[name] = l.Addr().(*net.TCPAddr).Port
	k.wait.Go(func() { k.accept(name, l) })
	return nil
}

// boundSocket reserves a port without listening, so that connecting to it is
// refused and nobody else gets it.
func boundSocket() (fd, port int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		syscall.Close(fd)
		return 0, 0, err
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		syscall.Close(fd)
		return 0, 0, err
	}
	return fd, addr.(*syscall.SockaddrInet4).Port, nil
}

func (k *cluster) accept(name string, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		if k.closed {
			k.mu.Unlock()
			conn.Close()
			return
		}
		k.conns[conn] = true
		k.wait.Go(func() {
			k.serve(name, conn)
			conn.Close()
			k.mu.Lock()
			delete(k.conns, conn)
			k.mu.Unlock()
		})
		k.mu.Unlock()
	}
}

// stop closes all ports and connections and waits for their goroutines.
func (k *cluster) stop() {
	k.mu.Lock()
	k.closed = true
	for conn := range k.conns {
		conn.Close()
	}
	for _, release := range k.releases {
		close(release)
	}
	k.mu.Unlock()
	for _, l := range k.listeners {
		l.Close()
	}
	for _, fd := range k.refused {
		syscall.Close(fd)
	}
	k.wait.Wait()
}

func (k *cluster) serve(name string, conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		m, err := readHead(in)
		if err != nil {
			return
		}
		a := &arrival{backend: name, message: m, done: make(chan struct{})}
		r := k.arrive(a)
		if !k.answer(conn, in, a, r) {
			return
		}
	}
}

// arrive notes the request and finds its rule.
func (k *cluster) arrive(a *arrival) *rule {
	words := strings.Split(a.message.start, " ")
	method, target := words[0], ""
	if len(words) > 1 {
		target = words[1]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var found *rule
	for _, r := range k.rules {
		if r.backend == a.backend && r.matches(method, target, k.seen[r]) {
			k.seen[r]++
			found = r
			break
		}
	}
	if found != nil && found.flags["unseen"] {
		return found
	}
	k.arrivals = append(k.arrivals, a)
	k.counts[a.backend]++
	close(k.changed)
	k.changed = make(chan struct{})
	return found
}

// waitFor waits until a backend has got n requests in all.
func (k *cluster) waitFor(name string, n int) error {
	deadline := time.After(patience)
	for {
		k.mu.Lock()
		count, changed := k.counts[name], k.changed
		k.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("backend %s: expected %d requests, found %d", name, n, count)
		}
	}
}

// pending tells whether a request arrived that take has not given yet.
func (k *cluster) pending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.taken < len(k.arrivals)
}

// take gives the arrivals since the last call, in order, once each is complete.
func (k *cluster) take() ([]*arrival, error) {
	k.mu.Lock()
	fresh := k.arrivals[k.taken:]
	k.taken = len(k.arrivals)
	k.mu.Unlock()
	deadline := time.After(patience)
	for _, a := range fresh {
		select {
		case <-a.done:
		case <-deadline:
			return nil, fmt.Errorf("backend %s: the body of %q never ended", a.backend, a.message.start)
		}
	}
	return fresh, nil
}

// answer plays a rule and tells whether the connection may go on.
func (k *cluster) answer(conn net.Conn, in *bufio.Reader, a *arrival, r *rule) bool {
	if r == nil {
		r = &rule{flags: map[string]bool{}, pieces: []string{a.backend + " " + a.message.start + "\n"},
			heads: []head{{status: "HTTP/1.1 200 OK", fields: []string{"Content-Type: text/plain"}}}}
	}
	if r.flags["continue"] {
		io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	early := r.flags["early"]
	if !early {
		a.message.readBody(in, false)
	}
	close(a.done)
	if r.flags["hold"] {
		<-k.releases[a.backend]
	}
	if len(r.heads) > 0 || r.flags["raw"] {
		if err := writeAll(conn, k.compose(a, r)); err != nil {
			return false
		}
	}
	switch {
	case r.flags["reset"]:
		conn.(*net.TCPConn).SetLinger(0)
		return false
	case r.flags["upgrade"]:
		io.Copy(conn, in)
		return false
	case r.flags["stall"]:
		io.Copy(io.Discard, in)
		return false
	}
	return !r.flags["close"] && !r.flags["raw"] && !early
}

func writeAll(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// compose makes the bytes of an answer.
func (k *cluster) compose(a *arrival, r *rule) string {
	pieces := make([]string, 0, len(r.pieces)+1)
	for _, p := range r.pieces {
		pieces = append(pieces, k.expand(p))
	}
	if r.flags["raw"] {
		return strings.Join(pieces, "")
	}
	if r.flags["echo"] {
		pieces = append(pieces, a.message.start+"\n"+strings.Join(a.message.fields, "\n")+"\n\n"+string(a.message.body))
	}
	var b strings.Builder
	for i, h := range r.heads {
		b.WriteString(h.status + "\r\n")
		for _, f := range h.fields {
			b.WriteString(k.expand(f) + "\r\n")
		}
		if i == len(r.heads)-1 {
			b.WriteString(k.composeBody(a, r, h, pieces))
		} else {
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

func (k *cluster) composeBody(a *arrival, r *rule, h head, pieces []string) string {
	m := &message{start: h.status, fields: h.fields}
	_, sized := m.field("Content-Length")
	code := m.status()
	bodiless := code < 200 || code == 204 || code == 304
	var b strings.Builder
	switch {
	case r.flags["chunked"]:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
	case sized || bodiless || r.flags["close"]:
		b.WriteString("\r\n")
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(strings.Join(pieces, "")))
	}
	if bodiless || strings.HasPrefix(a.message.start, "HEAD ") {
		return b.String()
	}
	for _, p := range pieces {
		if r.flags["chunked"] {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
		} else {
			b.WriteString(p)
		}
	}
	if r.flags["chunked"] && !r.flags["close"] && !r.flags["reset"] && !r.flags["stall"] {
		b.WriteString("0\r\n" + strings.Join(append(r.trailers, ""), "\r\n") + "\r\n")
	}
	return b.String()
}
