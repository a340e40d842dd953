package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bench is one run of the program: what all measurements share.
type bench struct {
	dir        string
	script     string // wrkScript in a file
	rounds     int
	slot       time.Duration // of one load
	peers      []peer
	base       site // with the backends
	logs       *drain
	results    *results
	out        io.Writer // progress
	serial     int
	loadBefore string // the machine's load average before anything was started
}

// run is the turn of one peer in one round of one workload.
type run struct {
	*bench
	peer  peer
	round int
}

// prepare starts the backends. What stop ends is theirs.
func (b *bench) prepare() (stop func(), err error) {
	b.loadBefore, _, _ = strings.Cut(readText("/proc/loadavg"), " ")
	b.script = filepath.Join(b.dir, "load.lua")
	if err := os.WriteFile(b.script, []byte(wrkScript), 0o644); err != nil {
		return nil, err
	}
	if b.base.files, err = raiseLimit(); err != nil {
		return nil, err
	}
	if b.logs, err = newDrain(); err != nil {
		return nil, err
	}
	b.base.logs, b.base.certs = b.logs.conn.LocalAddr().String(), b.dir
	if err := writeCertificate(b.dir); err != nil {
		return nil, err
	}
	for i := range b.base.backends {
		if b.base.backends[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	sockets, err := echoServer()
	if err != nil {
		return nil, err
	}
	b.base.sockets = sockets.Addr().String()
	b.base.dir = b.dir
	backends, err := startBackends(b.base)
	if err != nil {
		return nil, fmt.Errorf("backends: %w", err)
	}
	return func() { backends.stop(); sockets.Close(); b.logs.conn.Close() }, nil
}

// all runs the workloads: in each round, of each workload, the peers one after the other, each round beginning with
// another of them.
func (b *bench) all(chosen []workload) {
	for round := range b.rounds {
		for _, w := range chosen {
			for i := range b.peers {
				r := &run{bench: b, peer: b.peers[(i+round)%len(b.peers)], round: round}
				if w.skips != nil && w.skips(r.peer.name) {
					continue
				}
				fmt.Fprintf(b.out, "%s round %d of %d, workload %s: %s\n", time.Now().Format(time.TimeOnly), round+1, b.rounds, w.id, r.peer.name)
				if err := w.measure(r); err != nil {
					r.failed(w.id, err)
				}
			}
		}
	}
}

// failed notes that there is no measurement, loudly: such a result is never left out in silence.
func (r *run) failed(what string, err error) {
	text := fmt.Sprintf("%s, %s, round %d: %v", what, r.peer.name, r.round+1, err)
	fmt.Fprintln(r.out, "FAILED", text)
	r.results.failed = append(r.results.failed, text)
}

// row measures one case; a failure is noted and the next case goes on.
func (r *run) row(kase string, measure func() (sample, error)) {
	s, err := measure()
	if err != nil {
		r.failed(kase, err)
		return
	}
	r.results.add(kase, r.peer.name, r.round, s)
	if v, ok := s[cost]; ok {
		fmt.Fprintf(r.out, "         %s: %.0f requests/s, %.1f µs\n", kase, s[rate], v)
	}
}

// newSite is a site of a folder and an address of its own.
func (r *run) newSite() (site, error) {
	s := r.base
	s.clients = 64
	r.serial++
	s.dir = filepath.Join(r.dir, fmt.Sprintf("%03d-%s", r.serial, r.peer.name))
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return s, err
	}
	var err error
	s.listen, err = freeAddress()
	return s, err
}

// serve configures and starts the peer for a site; what stop ends is its.
func (r *run) serve(s site) (srv *server, stop func(), err error) {
	command, err := r.peer.configure(s)
	if err != nil {
		return nil, nil, err
	}
	if srv, err = start(command, s.listen); err != nil {
		return nil, nil, err
	}
	return srv, func() { srv.stop(); os.RemoveAll(s.dir) }, nil
}

// under measures a load: what the clients saw, the processor time that the peer took, and the memory it holds after.
func under(srv *server, send func() (outcome, error)) (sample, error) {
	before := srv.usage()
	o, err := send()
	if err != nil {
		return nil, err
	}
	used := srv.usage().minus(before)
	s := o.latencies()
	s[cost], s[costUser], s[costSys] = used.total()/o.requests*1e6, used.user/o.requests*1e6, used.system/o.requests*1e6
	held, err := srv.memory()
	s[memory] = float64(held)
	return s, err
}

// wrk measures a load of wrk.
func (r *run) wrk(srv *server, p plan, d time.Duration) (sample, error) {
	return under(srv, func() (outcome, error) { return wrk(r.script, srv.address, p, d) })
}

// warmTime is enough for pools to be filled and code to be in the caches.
const warmTime = 400 * time.Millisecond

// warm sends the requests of a plan without measuring them.
func (r *run) warm(srv *server, p plan) error {
	path, name := p.path, "bench.test"
	if path == "" {
		path = "/page"
	}
	fields := []string{"Cookie: ROUTEID=.1"}
	for _, h := range p.headers {
		if other, ok := strings.CutPrefix(h, "Host: "); ok {
			name = other
		} else {
			fields = append(fields, h)
		}
	}
	request := get(path, name, fields...)
	l := load{workers: p.connections, length: pageSize, request: func(int, int) []byte { return request },
		dial: func(int) dialer { return site{listen: srv.address, tls: p.scheme == "https"}.dialer() }}
	_, err := l.run(warmTime)
	return err
}
