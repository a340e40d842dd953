package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// vhostCounts of workload e.
var vhostCounts = []int{100, 1000, manyVhosts}

const manyVhosts = 10000

func vhostCase(n int) string { return fmt.Sprintf("e, %d virtual hosts", n) }

func virtualHosts() workload {
	var cases []string
	for _, n := range vhostCounts {
		cases = append(cases, vhostCase(n))
	}
	return workload{id: "e", measure: (*run).vhostLoads, tables: []table{{
		title: "e. Many virtual hosts",
		notes: "Each with ServerName, two aliases of which one a wildcard, a balancer of two, a RewriteCond and a RewriteRule, a Header, three ProxyPass lines, " +
			"in a file of its own (HAProxy: a hundred in a file, it can't take in 10,000). *First answer*: from the start of the process to an answer of the last virtual host, and the processor time until then. " +
			"*Reload*: one file of them changed, a signal sent; until the change shows from outside, and all the processor time it takes. " +
			"*Watched*: the same without a signal, which only pinion does (100 ms of it wait for files to be quiet). " +
			fmt.Sprintf("Requests come over %d keep-alive connections. httpd with 10,000 is measured in the first round only, and its reload is left out: it takes minutes.", vhostClients),
		cases: cases, columns: []column{{firstIn, "first answer", seconds}, {loadCost, "its processor time", seconds}, {memory, "memory", mebibytes},
			{costFirst, "µs/request, first", oneDecimal}, {costLast, "µs/request, last", oneDecimal}, {shown, "reload", seconds},
			{reloadCPU, "its processor time", seconds}, {watched, "watched", seconds}, {watchCPU, "its processor time", seconds}},
	}}}
}

// vhostClients is how many connections the load of workload e has: each child of httpd needs many seconds to get ready
// with 10,000 virtual hosts, so it should need few.
const vhostClients = 16

// once is true for what takes too long to be repeated: httpd needs minutes to start with 10,000 virtual hosts, and as
// long for a reload, which is left out.
func (r *run) once(n int) bool { return r.peer.name == "httpd" && n >= manyVhosts }

func (r *run) vhostLoads() error {
	for _, n := range vhostCounts {
		if r.once(n) && r.round > 0 {
			continue
		}
		if err := r.vhostCount(n); err != nil {
			r.failed(vhostCase(n), err)
		}
	}
	return nil
}

// vhostCount measures one number of virtual hosts: start, requests, reloads.
func (r *run) vhostCount(n int) error {
	s, err := r.newSite()
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.vhosts, s.clients = n, vhostClients
	result := sample{}
	srv, err := r.firstAnswer(s, result)
	if err != nil {
		return err
	}
	defer srv.stop()
	if err := r.firstAndLast(srv, s, result); err != nil {
		return err
	}
	held, err := srv.memory()
	if err != nil {
		return err
	}
	result[memory] = float64(held)
	r.results.add(vhostCase(n), r.peer.name, r.round, result)
	fmt.Fprintf(r.out, "         %s: %.2f s, %.0f MiB\n", vhostCase(n), result[firstIn], result[memory]/(1<<20))
	if r.once(n) {
		return nil
	}
	return r.vhostReloads(srv, s)
}

// vhostReloads measures reloads: those that pinion begins by itself, and those of a signal.
func (r *run) vhostReloads(srv *server, s site) (err error) {
	result := sample{}
	if r.peer.name == "pinion" {
		if result[watched], result[watchCPU], err = r.changes(srv, s, nil); err != nil {
			return err
		}
		// What a signal costs is measured without the watching, which would see the same change once more.
		srv.stop()
		unwatched := *r
		unwatched.peer.configure = configurePinion(r.peer.program, "--no-watch")
		if srv, err = unwatched.firstAnswer(s, sample{}); err != nil {
			return err
		}
		defer srv.stop()
	}
	if result[shown], result[reloadCPU], err = r.changes(srv, s, func() error { return srv.cmd.Process.Signal(r.peer.reload) }); err != nil {
		return err
	}
	r.results.add(vhostCase(s.vhosts), r.peer.name, r.round, result)
	fmt.Fprintf(r.out, "         %s: reload %.2f s, %.2f s of processor time\n", vhostCase(s.vhosts), result[shown], result[reloadCPU])
	return nil
}

// firstAnswer starts the peer and waits for an answer of the last virtual host.
func (r *run) firstAnswer(s site, result sample) (*server, error) {
	command, err := r.peer.configure(s)
	if err != nil {
		return nil, err
	}
	srv, err := launch(command, s.listen)
	if err != nil {
		return nil, err
	}
	err = srv.await(10*time.Minute, 2*time.Millisecond, func() error {
		a, err := ask(s.dialer(), get("/page", host(s.vhosts), "Connection: close"))
		if err == nil && a.status != 200 {
			err = fmt.Errorf("expected 200, got %d", a.status)
		}
		return err
	})
	result[firstIn] = time.Since(srv.started).Seconds()
	result[loadCost] = srv.usage().total()
	if err == nil {
		err = checkVhost(s, 1, firstMark)
	}
	if err == nil {
		err = checkVhost(s, s.vhosts, firstMark)
	}
	if err != nil {
		srv.stop()
		return nil, err
	}
	return srv, nil
}

// firstAndLast measures requests at the first and the last virtual host: of 10,000 as first, last, last, first and once
// more so, as what drifts meanwhile must be in both and their difference is small.
func (r *run) firstAndLast(srv *server, s site, result sample) error {
	at := func(i int) plan {
		return plan{connections: vhostClients, headers: []string{"Host: " + host(i)}}
	}
	if err := r.warm(srv, at(s.vhosts)); err != nil {
		return err
	}
	sum := map[int]float64{}
	order := []int{1, s.vhosts} // no goal hangs on it
	if s.vhosts == manyVhosts {
		order = slices.Repeat([]int{1, s.vhosts, s.vhosts, 1}, 2)
	}
	for _, i := range order {
		got, err := r.wrk(srv, at(i), max(time.Second, r.slot/2))
		if err != nil {
			return err
		}
		sum[i] += got[cost]
	}
	each := float64(len(order)) / 2
	result[costFirst], result[costLast] = sum[1]/each, sum[s.vhosts]/each
	return nil
}

// changesEach is how many reloads are measured: processor time is known to 10 ms only.
const changesEach = 2

// changes changes one file a few times, calls signal if there is one, and waits until the change shows. It returns the
// mean of the times in seconds and of the processor time.
func (r *run) changes(srv *server, s site, signal func() error) (visible, processor float64, err error) {
	i := s.vhosts/2 + 1
	if err := srv.calm(time.Minute); err != nil {
		return 0, 0, err
	}
	before := srv.usage()
	for k := range changesEach {
		mark := fmt.Sprintf("changed-%d-%d", r.serial, k)
		if signal == nil {
			mark = "watched-" + mark
		}
		if err := r.peer.change(s, i, mark); err != nil {
			return 0, 0, err
		}
		begin := time.Now()
		if signal != nil {
			if err := signal(); err != nil {
				return 0, 0, err
			}
		}
		if err := awaitMark(srv, s, i, mark, time.Minute); err != nil {
			return 0, 0, err
		}
		visible += time.Since(begin).Seconds()
		if err := srv.calm(time.Minute); err != nil {
			return 0, 0, err
		}
	}
	return visible / changesEach, srv.usage().minus(before).total() / changesEach, nil
}

// awaitMark asks every 5 ms until the answer has the changed X-Site.
func awaitMark(srv *server, s site, i int, mark string, within time.Duration) error {
	return srv.await(within, 5*time.Millisecond, func() error {
		a, err := ask(s.dialer(), get("/page", host(i), "Connection: close"))
		if err == nil && a.field("X-Site") != mark {
			err = fmt.Errorf("expected X-Site %q, got %q", mark, a.field("X-Site"))
		}
		return err
	})
}
