package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// h2load runs HTTP/2 over TLS with so many connections of so many streams. Times of requests come from its log, for its
// own report has no percentiles.
func h2load(dir, address string, connections, streams int, d time.Duration) (outcome, error) {
	log := filepath.Join(dir, "h2load.log")
	defer os.Remove(log)
	cmd := exec.Command("h2load", "-c", strconv.Itoa(connections), "-m", strconv.Itoa(streams), "-t", "1",
		"-D", strconv.Itoa(max(1, int(d.Seconds()))), "--log-file="+log, "-H", "Cookie: ROUTEID=.1", "https://"+address+"/page")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("h2load: %w: %s", err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		return outcome{}, fmt.Errorf("h2load: %w", err)
	}
	o, err := parseH2load(string(out))
	if err != nil {
		return o, err
	}
	return o, o.addLog(string(b))
}

var (
	h2loadTime     = regexp.MustCompile(`finished in ([0-9.]+)(ms|s|us)`)
	h2loadRequests = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2loadStatus   = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
	h2loadProtocol = regexp.MustCompile(`Application protocol: (\S+)`)
)

// parseH2load reads h2load's report.
func parseH2load(out string) (outcome, error) {
	t, requests, status := h2loadTime.FindStringSubmatch(out), h2loadRequests.FindStringSubmatch(out), h2loadStatus.FindStringSubmatch(out)
	if t == nil || requests == nil || status == nil {
		return outcome{}, fmt.Errorf("h2load: expected a report with times, requests and status codes, got %q", out)
	}
	var o outcome
	unit := map[string]float64{"us": 1e-6, "ms": 1e-3, "s": 1}[t[2]]
	seconds, err := strconv.ParseFloat(t[1], 64)
	if err != nil {
		return o, fmt.Errorf("h2load: expected a time: %w", err)
	}
	o.seconds = seconds * unit
	o.requests, _ = strconv.ParseFloat(requests[1], 64)
	for i, kind := range []string{"failed", "errored", "timeout"} {
		if n := requests[i+2]; n != "0" {
			o.errors = append(o.errors, n+" "+kind)
		}
	}
	for i, kind := range []string{"3xx", "4xx", "5xx"} {
		if n := status[i+2]; n != "0" {
			o.errors = append(o.errors, n+" "+kind)
		}
	}
	if p := h2loadProtocol.FindStringSubmatch(out); p == nil || p[1] != "h2" {
		o.errors = append(o.errors, "the protocol is not h2")
	}
	return o, o.err()
}

// addLog reads percentiles from h2load's log: start time, status and duration in µs of each request.
func (o *outcome) addLog(log string) error {
	var times []float64
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return fmt.Errorf("h2load: expected three fields in a line of the log, got %q", line)
		}
		us, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return fmt.Errorf("h2load: expected a duration: %w", err)
		}
		times = append(times, us)
	}
	o.setTimes(times)
	return nil
}

// setTimes computes the percentiles of durations in µs, which it sorts.
func (o *outcome) setTimes(times []float64) {
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	o.p50, o.p99, o.p999, o.longest = quantile(times, 0.5), quantile(times, 0.99), quantile(times, 0.999), times[len(times)-1]
}
