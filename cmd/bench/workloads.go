package main

import (
	"fmt"
	"time"
)

// workload is one subject of measuring: a letter, its tables, and how a peer's turn goes.
type workload struct {
	id      string
	tables  []table
	measure func(*run) error
	skips   func(peer string) bool // nil: every peer takes part
}

// table is how results are shown: a row for each case and peer.
type table struct {
	title, notes string
	cases        []string
	columns      []column
}

// allWorkloads lists them in the order of their letters.
func allWorkloads() []workload {
	return []workload{
		keepAlive(), newConnections(), overTLS(), bodies(), virtualHosts(), manyRules(), idleConnections(), whileReloading(),
	}
}

// loadColumns are those of a load of requests.
var loadColumns = []column{{rate, "requests/s", plainNumber}, {cost, "µs/request", oneDecimal}, {costUser, "user", oneDecimal}, {costSys, "system", oneDecimal},
	{p50, "p50", duration}, {p99, "p99", duration}, {p999, "p99.9", duration}, {memory, "memory", mebibytes}, {reopened, "reopened", plainNumber}}

// connectionCounts of workloads a and b.
var connectionCounts = []int{1, 64, 512}

func connectionCase(id string, n int) string {
	if n == 1 {
		return id + ", 1 connection"
	}
	return fmt.Sprintf("%s, %d connections", id, n)
}

func connectionCases(id string) (cases []string) {
	for _, n := range connectionCounts {
		cases = append(cases, connectionCase(id, n))
	}
	return cases
}

func keepAlive() workload {
	return workload{id: "a", measure: func(r *run) error { return r.plainLoads("a") }, tables: []table{{
		title: "a. 256-byte answers over keep-alive",
		notes: "A balancer of two, the sticky cookie read (and set with the first answer), X-Forwarded-*, access log on.",
		cases: connectionCases("a"), columns: loadColumns,
	}}}
}

func newConnections() workload {
	return workload{id: "b", measure: func(r *run) error { return r.plainLoads("b", "Connection: close") }, tables: []table{{
		title: "b. A new connection for each request",
		notes: "As a, with `Connection: close`. Latencies count from the request, not from the handshake of TCP.",
		cases: connectionCases("b"), columns: loadColumns,
	}}}
}

// plainLoads measures the plain site with 1, 64 and 512 connections, each with a proxy of its own.
func (r *run) plainLoads(id string, headers ...string) error {
	for _, n := range connectionCounts {
		r.row(connectionCase(id, n), func() (sample, error) {
			srv, stop, err := r.servePlain(func(s *site) { s.clients = n })
			if err != nil {
				return nil, err
			}
			defer stop()
			p := plan{connections: n, headers: headers}
			if err := r.warm(srv, p); err != nil {
				return nil, err
			}
			return r.wrk(srv, p, r.slot)
		})
	}
	return nil
}

// servePlain starts the peer with the plain site, of which set changes something, and checks what it does.
func (r *run) servePlain(set func(*site)) (*server, func(), error) {
	s, err := r.newSite()
	if err != nil {
		return nil, nil, err
	}
	set(&s)
	srv, stop, err := r.serve(s)
	if err != nil {
		return nil, nil, err
	}
	if err := r.checkPlain(s); err != nil {
		stop()
		return nil, nil, err
	}
	return srv, stop, nil
}

// Cases of workload c.
const (
	tlsKept    = "c, keep-alive, 64 connections"
	tlsFull    = "c, full handshakes"
	tlsResumed = "c, resumed handshakes"
	tlsHTTP2   = "c, HTTP/2, 4 connections with 100 streams"
)

// handshakers is how many clients open TLS connections at a time.
const handshakers = 16

func overTLS() workload {
	return workload{id: "c", measure: (*run).tlsLoads, tables: []table{{
		title: "c. TLS 1.3",
		notes: fmt.Sprintf("As a, with a certificate of ECDSA P-256, key exchange X25519, TLS_AES_128_GCM_SHA256. Handshakes: %d clients, each request "+
			"on a new connection; latencies include TCP's and TLS's handshake.", handshakers),
		cases: []string{tlsKept, tlsFull, tlsResumed, tlsHTTP2}, columns: loadColumns,
	}}}
}

func (r *run) tlsLoads() error {
	srv, stop, err := r.servePlain(func(s *site) { s.tls = true })
	if err != nil {
		return err
	}
	defer stop()
	kept := plan{connections: 64, scheme: "https"}
	if err := r.warm(srv, kept); err != nil {
		return err
	}
	r.row(tlsKept, func() (sample, error) { return r.wrk(srv, kept, r.slot) })
	request := get("/page", "bench.test", "Cookie: ROUTEID=.1", "Connection: close")
	for _, c := range []struct {
		kase   string
		resume bool
	}{{tlsFull, false}, {tlsResumed, true}} {
		l := load{workers: handshakers, fresh: true, length: pageSize,
			dial:    func(int) dialer { return tlsDialer(srv.address, c.resume) },
			request: func(int, int) []byte { return request }}
		r.row(c.kase, func() (sample, error) {
			return under(srv, func() (outcome, error) { return l.run(r.slot) })
		})
	}
	r.row(tlsHTTP2, func() (sample, error) {
		return under(srv, func() (outcome, error) { return h2load(r.dir, srv.address, 4, 100, r.slot) })
	})
	return nil
}

// Cases of workload d.
const (
	bodyPost = "d, 64 KiB POST, 32 connections"
	bodyMebi = "d, 1 MiB answers, 16 connections"
	bodyGibi = "d, 1 GiB answers, 1 connection"
)

func bodies() workload {
	columns := []column{{perGiB, "processor s/GiB", threeDecimals}, {speed, "speed", bytesPerSecond}}
	return workload{id: "d", measure: (*run).bodyLoads, tables: []table{{
		title: "d. Bodies",
		notes: "The plain site of a. GiB counts the bodies only.",
		cases: []string{bodyPost, bodyMebi, bodyGibi}, columns: append(columns, loadColumns...),
	}}}
}

func (r *run) bodyLoads() error {
	srv, stop, err := r.servePlain(func(*site) {})
	if err != nil {
		return err
	}
	defer stop()
	const posted = 64 << 10
	post := plan{connections: 32, body: posted}
	if err := r.warm(srv, post); err != nil {
		return err
	}
	r.row(bodyPost, func() (sample, error) {
		out, err := r.wrk(srv, post, r.slot)
		return perVolume(out, out[rate]*posted), err
	})
	for _, c := range []struct {
		kase, path string
		workers    int
		length     int64
	}{{bodyMebi, "/mebi", 16, 1 << 20}, {bodyGibi, "/gibi", 1, 1 << 30}} {
		r.row(c.kase, func() (sample, error) { return r.download(srv, c.path, c.workers, c.length, r.slot) })
	}
	return nil
}

// download fetches a file again and again.
func (r *run) download(srv *server, path string, workers int, length int64, d time.Duration) (sample, error) {
	request := get(path, "bench.test", "Cookie: ROUTEID=.1")
	l := load{workers: workers, length: length, buffer: 256 << 10,
		dial:    func(int) dialer { return plainDialer(srv.address) },
		request: func(int, int) []byte { return request }}
	s, err := under(srv, func() (outcome, error) { return l.run(d) })
	return perVolume(s, s[rate]*float64(length)), err
}

// perVolume adds the metrics of a volume, given its bytes a second.
func perVolume(s sample, bytesPerSecond float64) sample {
	if s != nil && bytesPerSecond > 0 {
		s[speed] = bytesPerSecond
		s[perGiB] = s[cost] / 1e6 * s[rate] / bytesPerSecond * (1 << 30)
	}
	return s
}
