package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sample is one measurement. Costs are processor microseconds a request of all the proxy's processes.
type sample struct {
	rate, user, system float64
	p50, p99           string
	memory             int64 // bytes resident at the end, of all processes
}

// startBackends runs nginx with two servers that answer 256 bytes.
func startBackends(dir string) (addresses []string, stop func(), err error) {
	addresses = []string{freeAddress(), freeAddress()}
	body := strings.Repeat("x", 256)
	conf := filepath.Join(dir, "backends.conf")
	text := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/backends.pid; error_log %[1]s/backends-error.log;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  server { listen %[2]s; listen %[3]s; location / { default_type text/plain; return 200 "%[4]s"; } } }
`, dir, addresses[0], addresses[1], body)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, nil, err
	}
	cmd, err := start([]string{"nginx", "-c", conf}, addresses[0])
	if err != nil {
		return nil, nil, fmt.Errorf("backends: %w", err)
	}
	return addresses, func() { end(cmd) }, nil
}

// start runs a server and waits until it listens.
func start(command []string, address string) (*exec.Cmd, error) {
	cmd := exec.Command(command[0], command[1:]...)
	var out bytes.Buffer
	cmd.Stderr, cmd.Stdout = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return cmd, nil
		}
	}
	end(cmd)
	return nil, fmt.Errorf("%s did not listen on %s: %s", command[0], address, out.String())
}

func end(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

var (
	rateLine    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	totalLine   = regexp.MustCompile(`(\d+) requests in`)
	p50Line     = regexp.MustCompile(`50%\s+(\S+)`)
	p99Line     = regexp.MustCompile(`99%\s+(\S+)`)
	failureLine = regexp.MustCompile(`(Non-2xx.*)`)
)

// measure runs the load against a fresh process of the peer, after a second to warm up.
func measure(p peer, connections int, d time.Duration) (sample, error) {
	cmd, err := start(p.command, p.address)
	if err != nil {
		return sample{}, err
	}
	defer end(cmd)
	if _, err := load(p.address, connections, time.Second); err != nil {
		return sample{}, err
	}
	u0, s0 := processorTime(cmd.Process.Pid)
	out, err := load(p.address, connections, d)
	if err != nil {
		return sample{}, err
	}
	u1, s1 := processorTime(cmd.Process.Pid)
	if m := failureLine.FindString(out); m != "" {
		return sample{}, fmt.Errorf("the load saw errors: %s", m)
	}
	n, _ := strconv.ParseFloat(first(totalLine, out), 64)
	if n == 0 {
		return sample{}, fmt.Errorf("no request was answered:\n%s", out)
	}
	rate, _ := strconv.ParseFloat(first(rateLine, out), 64)
	return sample{rate: rate, user: u1.sub(u0) / n, system: s1.sub(s0) / n, p50: first(p50Line, out), p99: first(p99Line, out),
		memory: resident(cmd.Process.Pid)}, nil
}

func first(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

// load sends requests with the sticky cookie, as a client does after its first answer.
func load(address string, connections int, d time.Duration) (string, error) {
	out, err := exec.Command("wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(int(d.Seconds()))+"s", "--latency",
		"-H", "Cookie: ROUTEID=.1", "http://"+address+"/page").CombinedOutput()
	return string(out), err
}

// ticks is processor time in clock ticks, of which Linux counts 100 a second.
type ticks int64

func (t ticks) sub(o ticks) float64 { return float64(t-o) * 10000 }

// processorTime sums up the times of the process group of pid: a master and its workers.
func processorTime(group int) (user, system ticks) {
	eachProcess(group, func(stat []string, _ string) {
		u, _ := strconv.ParseInt(stat[11], 10, 64)
		s, _ := strconv.ParseInt(stat[12], 10, 64)
		user += ticks(u)
		system += ticks(s)
	})
	return user, system
}

func resident(group int) (bytes int64) {
	eachProcess(group, func(stat []string, _ string) {
		pages, _ := strconv.ParseInt(stat[21], 10, 64)
		bytes += pages * int64(os.Getpagesize())
	})
	return bytes
}

// eachProcess calls f with the fields of /proc/PID/stat after the name, for each process of the group.
func eachProcess(group int, f func(stat []string, pid string)) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) > 21 && fields[2] == strconv.Itoa(group) {
			f(fields, filepath.Base(filepath.Dir(p)))
		}
	}
}
