package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// Cases of workload h.
const (
	undisturbed = "h, no reloads"
	reloading   = "h, a reload every second"
)

// Load of workload h: requests at a pace that leaves the machine room, so that latency is not a queue's.
const (
	paceWorkers = 50
	paceRate    = 2000 // requests a second of all workers
	pacedSlots  = 5    // how many times as long as others this load takes: a p99.9 needs many requests
)

func whileReloading() workload {
	return workload{id: "h", measure: (*run).reloadLoads, skips: func(peer string) bool { return peer == "httpd" }, tables: []table{{
		title: "h. Latency while 10,000 virtual hosts are reloaded",
		notes: fmt.Sprintf("%d requests a second on %d keep-alive connections, in turn at all virtual hosts; one file changes and a reload is asked for every second "+
			"(or when the last one shows, if that takes longer). httpd is left out: a reload takes it longer than the measurement. "+
			"*Reopened*: kept connections that the server closed, on which a client had to ask again.", paceRate, paceWorkers),
		cases: []string{undisturbed, reloading}, columns: []column{{p50, "p50", duration}, {p99, "p99", duration}, {p999, "p99.9", duration},
			{latest, "longest", duration}, {cost, "µs/request", oneDecimal}, {reloads, "reloads/s", twoDecimals}, {reopened, "reopened", plainNumber}, {memory, "memory", mebibytes}},
	}}}
}

// reloadLoads measures latency without and with reloads.
func (r *run) reloadLoads() error {
	s, err := r.newSite()
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.vhosts, s.clients = manyVhosts, paceWorkers
	if r.peer.name == "pinion" {
		unwatched := *r
		unwatched.peer.configure = configurePinion(r.peer.program, "--no-watch")
		r = &unwatched
	}
	srv, err := r.firstAnswer(s, sample{})
	if err != nil {
		return err
	}
	defer srv.stop()
	if _, err := pacedLoad(s).run(time.Second); err != nil {
		return err
	}
	r.row(undisturbed, func() (sample, error) { return pacedSample(srv, s, pacedSlots*r.slot) })
	r.row(reloading, func() (sample, error) {
		stop, done := make(chan struct{}), make(chan error, 1)
		count := 0
		go func() { done <- r.reloadEverySecond(srv, s, stop, &count) }()
		begin := time.Now()
		got, err := pacedSample(srv, s, pacedSlots*r.slot)
		close(stop)
		if failure := <-done; failure != nil {
			return nil, fmt.Errorf("reloading: %w", failure)
		}
		if got != nil {
			got[reloads] = float64(count) / time.Since(begin).Seconds()
		}
		return got, err
	})
	return nil
}

func pacedLoad(s site) load {
	return load{workers: paceWorkers, length: pageSize, every: time.Second * paceWorkers / paceRate,
		dial:    func(int) dialer { return s.dialer() },
		request: func(w, i int) []byte { return get("/page", host(1+(w+i*paceWorkers)%s.vhosts)) }}
}

func pacedSample(srv *server, s site, d time.Duration) (sample, error) {
	return under(srv, func() (outcome, error) { return pacedLoad(s).run(d) })
}

// reloadOnce sends the signal until the change shows: HAProxy's master sometimes misses one that comes while it still ends the last reload.
func reloadOnce(srv *server, s site, p peer, i int, mark string) (err error) {
	for range 6 {
		if err := syscall.Kill(srv.cmd.Process.Pid, p.reload); err != nil {
			return err
		}
		if err = awaitMark(srv, s, i, mark, 10*time.Second); err == nil {
			return nil
		}
	}
	return err
}

// reloadEverySecond changes a file and reloads, until stop; count is of those that showed.
func (r *run) reloadEverySecond(srv *server, s site, stop chan struct{}, count *int) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for k := 0; ; k++ {
		i := 1 + (k*37)%s.vhosts
		mark := fmt.Sprintf("again-%d", k)
		if err := r.peer.change(s, i, mark); err != nil {
			return err
		}
		if err := reloadOnce(srv, s, r.peer, i, mark); err != nil {
			return err
		}
		*count++
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
	}
}
