// Command bench measures pinion beside Debian's httpd, nginx and HAProxy: the same work, in turns, in one run. What it
// prints are processor microseconds a request of the proxy's processes, from /proc, and their ratio to pinion's:
// absolute figures drift from run to run and machine to machine, ratios hardly do.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 3, "how often each peer is measured; the median counts")
	seconds := flag.Int("seconds", 3, "how long each measurement takes")
	connections := flag.Int("connections", 64, "keep-alive connections of the load")
	only := flag.String("only", "", "peers to measure, separated by commas (default: all that are installed)")
	binary := flag.String("pinion", "bin/pinion", "the pinion to measure")
	flag.Parse()
	if err := run(*rounds, *seconds, *connections, *only, *binary); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds, seconds, connections int, only, binary string) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return fmt.Errorf("expected wrk, found none: apt-get install wrk nginx haproxy apache2")
	}
	dir, err := os.MkdirTemp("", "pinion-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	backends, stop, err := startBackends(dir)
	if err != nil {
		return err
	}
	defer stop()
	peers, err := choosePeers(dir, binary, only, backends)
	if err != nil {
		return err
	}
	results := map[string][]sample{}
	for round := range rounds {
		for _, p := range peers {
			s, err := measure(p, connections, time.Duration(seconds)*time.Second)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %-8s %7.0f requests a second, %5.1f µs\n", round+1, p.name, s.rate, s.user+s.system)
			results[p.name] = append(results[p.name], s)
		}
	}
	report(peers, results, connections)
	return nil
}

// report prints medians and ratios. The ratios are taken round by round, so that what drifts between rounds cancels out.
func report(peers []peer, results map[string][]sample, connections int) {
	fmt.Printf("\n256-byte answers, %d keep-alive connections, sticky balancer of two, X-Forwarded-*, access log on\n\n", connections)
	fmt.Println("| peer | requests/s | µs/request (user + system) | ratio to pinion (spread) | p50 | p99 | resident |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	own := results["pinion"]
	for _, p := range peers {
		rs := results[p.name]
		cost := func(s sample) float64 { return s.user + s.system }
		var ratios []float64
		for i := range rs {
			if i < len(own) {
				ratios = append(ratios, cost(rs[i])/cost(own[i]))
			}
		}
		sort.Float64s(ratios)
		spread := "-"
		if len(ratios) > 0 {
			spread = fmt.Sprintf("%.2f (%.2f–%.2f)", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
		}
		fmt.Printf("| %s | %.0f | %.1f (%.1f + %.1f) | %s | %s | %s | %d MB |\n", p.name, median(rs, func(s sample) float64 { return s.rate }),
			median(rs, cost), median(rs, func(s sample) float64 { return s.user }), median(rs, func(s sample) float64 { return s.system }), spread,
			rs[len(rs)/2].p50, rs[len(rs)/2].p99, rs[len(rs)-1].memory>>20)
	}
}

func median(rs []sample, of func(sample) float64) float64 {
	var v []float64
	for _, s := range rs {
		v = append(v, of(s))
	}
	sort.Float64s(v)
	return v[len(v)/2]
}

func choosePeers(dir, binary, only string, backends []string) ([]peer, error) {
	var chosen []peer
	for _, p := range allPeers(dir, binary, backends) {
		if only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		if _, err := exec.LookPath(p.command[0]); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s is not installed, it is left out\n", p.name)
			continue
		}
		if err := os.WriteFile(p.conf, []byte(p.text), 0o644); err != nil {
			return nil, err
		}
		chosen = append(chosen, p)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("nothing to measure")
	}
	return chosen, nil
}
