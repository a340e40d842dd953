package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// outcome is what a load client saw.
type outcome struct {
	requests      float64
	seconds       float64
	p50, p99      float64 // µs
	p999, longest float64 // µs
	reopened      float64 // kept connections that the server closed under the client, which opened others
	errors        []string
}

// err is nil if all went well: a measurement with errors is none.
func (o outcome) err() error {
	switch {
	case len(o.errors) > 0:
		return fmt.Errorf("the load saw errors: %s", strings.Join(o.errors, ", "))
	case o.requests == 0:
		return fmt.Errorf("no request was answered")
	}
	return nil
}

// latencies are the metrics that every load has.
func (o outcome) latencies() sample {
	s := sample{rate: o.requests / o.seconds, p50: o.p50, p99: o.p99, p999: o.p999, latest: o.longest}
	if o.reopened > 0 {
		s[reopened] = o.reopened
	}
	return s
}

// plan is what wrk sends. The zero plan is GET /page with a sticky cookie, as a client sends after its first answer.
type plan struct {
	connections int
	scheme      string // "" is http
	path        string // "" is /page
	headers     []string
	body        int // bytes to POST; 0 is a GET
}

// wrkScript makes wrk print one line that a program can read. Its count "status" is of answers above 399.
const wrkScript = `
local body = tonumber(os.getenv("BENCH_BODY"))
if body > 0 then wrk.method = "POST"; wrk.body = string.rep("x", body) end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT requests %d us %d connect %d read %d write %d status %d timeout %d p50 %d p99 %d p999 %d max %d\n",
    summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
`

// wrk runs the load. script is the file that wrkScript was written to.
func wrk(script, address string, p plan, d time.Duration) (outcome, error) {
	scheme, path := p.scheme, p.path
	if scheme == "" {
		scheme = "http"
	}
	if path == "" {
		path = "/page"
	}
	args := []string{"-t1", "-c" + strconv.Itoa(p.connections), "-d" + strconv.Itoa(max(1, int(d.Seconds()))) + "s", "--timeout", "10s", "-s", script,
		"-H", "Cookie: ROUTEID=.1"}
	for _, h := range p.headers {
		args = append(args, "-H", h)
	}
	cmd := exec.Command("wrk", append(args, scheme+"://"+address+path)...)
	cmd.Env = append(os.Environ(), "BENCH_BODY="+strconv.Itoa(p.body))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(string(out))
}

// parseWrk reads the line that wrkScript prints.
func parseWrk(out string) (outcome, error) {
	_, line, found := strings.Cut(out, "RESULT ")
	line, _, _ = strings.Cut(line, "\n")
	fields := strings.Fields(line)
	if !found || len(fields)%2 != 0 {
		return outcome{}, fmt.Errorf("wrk: expected a line RESULT with names and numbers, got %q", out)
	}
	n := map[string]float64{}
	for i := 0; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i+1], 64)
		if err != nil {
			return outcome{}, fmt.Errorf("wrk: expected a number for %s: %w", fields[i], err)
		}
		n[fields[i]] = v
	}
	o := outcome{requests: n["requests"], seconds: n["us"] / 1e6, p50: n["p50"], p99: n["p99"], p999: n["p999"], longest: n["max"]}
	// A server may close a kept connection at any time; wrk opens another and counts a read error. httpd does when all
	// workers of a child are busy, up to 3 in 100 requests on a busy machine. Up to 5 are shown, not taken for a failure.
	if n["read"] <= n["requests"]/20 {
		o.reopened = n["read"]
		delete(n, "read")
	}
	for _, kind := range []string{"connect", "read", "write", "status", "timeout"} {
		if n[kind] > 0 {
			o.errors = append(o.errors, fmt.Sprintf("%.0f %s", n[kind], kind))
		}
	}
	return o, o.err()
}
