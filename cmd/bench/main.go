// Command bench measures pinion beside Debian's httpd, nginx and HAProxy: the same work, in turns, in one run, several
// rounds. What counts are the ratios of pinion's costs to those of the others, taken round by round: absolute figures
// drift from run to run and machine to machine, ratios hardly do.
//
// Processor time is that of the proxy's processes, from /proc; clients and backends don't count. It needs Linux and the
// packages nginx, haproxy, apache2, wrk and nghttp2-client, and sends nothing but over loopback.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rounds, seconds int
	only, peers     string
	binary, write   string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "how often everything is measured; the median counts")
	flag.IntVar(&o.seconds, "seconds", 2, "how long a load takes")
	flag.StringVar(&o.only, "only", "", "workloads to measure, by letter, separated by commas (default: all, a to h)")
	flag.StringVar(&o.peers, "peers", "", "proxies to measure beside pinion: httpd,nginx,haproxy (default: all)")
	flag.StringVar(&o.binary, "pinion", "bin/pinion", "the pinion to measure")
	flag.StringVar(&o.write, "write", "", "write the report to this file as well; only if everything was measured")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errPartial refuses to replace a whole report by less.
var errPartial = errors.New("--write is for runs of everything, without --only and --peers, with all peers installed")

func (o options) run() error {
	chosen, err := o.workloads()
	if err != nil {
		return err
	}
	peers, err := o.choosePeers()
	if err != nil {
		return err
	}
	if o.rounds < 1 || o.seconds < 1 {
		return fmt.Errorf("expected at least one round and one second, got %d and %d", o.rounds, o.seconds)
	}
	if o.write != "" && (len(chosen) < len(allWorkloads()) || len(peers) < len(allPeers(o.binary))) {
		return errPartial
	}
	dir, err := os.MkdirTemp("", "pinion-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cleanUp(dir)
	// Workers of nginx and httpd run as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	b := &bench{dir: dir, rounds: o.rounds, slot: time.Duration(o.seconds) * time.Second, peers: peers, results: newResults(), out: os.Stderr}
	stop, err := b.prepare()
	if err != nil {
		return err
	}
	defer stop()
	began := time.Now()
	b.all(chosen)
	return o.finish(b, chosen, describe(b, o, began))
}

// cleanUp removes the folder when the program is interrupted; the servers get a signal from the kernel when it ends.
func cleanUp(dir string) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		os.RemoveAll(dir)
		os.Exit(130)
	}()
}

// finish prints the report, and writes it if it was asked for and is whole.
func (o options) finish(b *bench, chosen []workload, m machine) error {
	text := report(b.results, chosen, b.peers, m)
	fmt.Print(text)
	if missing := b.results.missing(chosen, b.peers); len(missing) > 0 {
		return fmt.Errorf("not measured: %s", strings.Join(missing, "; "))
	}
	if o.write != "" {
		if err := os.WriteFile(o.write, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if n := len(b.results.failed); n > 0 {
		return fmt.Errorf("%d measurements failed; the report lists them", n)
	}
	return nil
}

// workloads are those of --only.
func (o options) workloads() (chosen []workload, err error) {
	all := allWorkloads()
	if o.only == "" {
		return all, nil
	}
	for id := range strings.SplitSeq(o.only, ",") {
		i := slices.IndexFunc(all, func(w workload) bool { return w.id == id })
		if i < 0 {
			return nil, fmt.Errorf("expected letters from a to %s after --only, got %q", all[len(all)-1].id, id)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// choosePeers are pinion and those of --peers that are installed.
func (o options) choosePeers() (chosen []peer, err error) {
	for _, tool := range []string{"wrk", "h2load", "nginx"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("expected %s, found none: apt-get install nginx haproxy apache2 wrk nghttp2-client", tool)
		}
	}
	all := allPeers(o.binary)
	for name := range strings.SplitSeq(o.peers, ",") {
		if name != "" && !slices.ContainsFunc(all, func(p peer) bool { return p.name == name }) {
			return nil, fmt.Errorf("expected httpd, nginx, haproxy after --peers, got %q", name)
		}
	}
	for _, p := range all {
		if o.peers != "" && p.name != "pinion" && !slices.Contains(strings.Split(o.peers, ","), p.name) {
			continue
		}
		if _, err := exec.LookPath(p.program); err != nil {
			if p.name == "pinion" {
				return nil, fmt.Errorf("expected pinion: %w (make build)", err)
			}
			fmt.Fprintf(os.Stderr, "bench: %s is not installed, it is left out\n", p.name)
			continue
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}
