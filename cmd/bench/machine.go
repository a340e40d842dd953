package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine is what the figures were measured on and with.
type machine struct {
	processor, kernel, ram string
	cores                  int
	commit, command        string
	versions               []string
	files                  uint64
	began                  time.Time
	took                   time.Duration
	load                   string // the load average before
	options                options
}

// describe gathers it; what can't be found out is empty.
func describe(b *bench, o options, began time.Time) machine {
	m := machine{cores: runtime.NumCPU(), files: b.base.files, began: began, took: time.Since(began), options: o,
		kernel: strings.TrimSpace(readText("/proc/sys/kernel/osrelease")), processor: fieldOf("/proc/cpuinfo", "model name"),
		ram: fieldOf("/proc/meminfo", "MemTotal"), commit: commit(), load: b.loadBefore}
	m.command = fmt.Sprintf("go run ./cmd/bench --rounds %d --seconds %d", o.rounds, o.seconds)
	if o.only != "" {
		m.command += " --only " + o.only
	}
	if o.peers != "" {
		m.command += " --peers " + o.peers
	}
	for _, p := range b.peers {
		m.versions = append(m.versions, p.name+": "+p.versionLine())
	}
	wrk, _ := exec.Command("wrk", "-v").CombinedOutput() // it prints its version and exits with 1
	h2load, _ := exec.Command("h2load", "--version").Output()
	m.versions = append(m.versions, "load: "+firstLine(wrk)+"; "+firstLine(h2load)+"; clients of "+runtime.Version()+" in cmd/bench")
	return m
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return string(line)
}

func readText(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

// fieldOf finds a line "name: value".
func fieldOf(file, name string) string {
	for line := range strings.Lines(readText(file)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit is the one checked out, with a mark if files differ from it; the report itself doesn't count.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	text := firstLine(out)
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/benchmarks.md").Output(); err != nil || len(changed) > 0 {
		text += " with changes"
	}
	return text
}

// write writes the end of the report.
func (m machine) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Machine, versions, commands\n\n")
	fmt.Fprintf(b, "- %s, %d cores, %s RAM, Linux %s; load average before the run %s; %d open files a process\n", m.processor, m.cores, m.ram, m.kernel, m.load, m.files)
	fmt.Fprintf(b, "- commit %s\n", m.commit)
	for _, v := range m.versions {
		fmt.Fprintf(b, "- %s\n", v)
	}
	fmt.Fprintf(b, "- `%s`, begun %s, took %v\n", m.command, m.began.UTC().Format("2006-01-02 15:04 UTC"), m.took.Round(time.Second))
	b.WriteString(method)
}

const method = `
## How it is measured

- Everything runs on one machine over loopback: the proxy, an nginx with two servers as its backends, and the clients. In each round, each
  workload, the peers have their turns directly one after the other, and each round begins with another of them.
- Processor time is user and system time of all processes of the proxy (those that a reload ended, too) from /proc, before and after a load. What clients and
  backends use doesn't count, except that they take turns with the proxy on the same cores: rates and latencies depend on that, costs hardly do.
- Memory is the proportional set size of all the processes, after the load: pages that workers share count once.
- Before each load, the proxy has to answer rightly: a sticky cookie with the first answer and none with the next, each cookie its member, X-Forwarded-For, -Host
  and -Server at the backend, a line in the access log; or the rewritten path, the redirect and the field of each virtual host.
- A load that sees an error is no result; it is listed above under "What failed", and the command fails.
- Load comes from wrk (keep-alive, new connections, POST), h2load (HTTP/2), and from clients in cmd/bench (handshakes, downloads, idle connections, tunnels, paced requests).

## What is unfair or uncertain

- Configurations: nginx has two workers, HAProxy two threads, httpd Debian's event MPM with room for 1,600 requests at a time (` + "`ServerLimit`" + `,
  ` + "`MaxRequestWorkers`" + `), as many children from the start as three times the clients need (` + "`StartServers`" + `), none ended for being idle (` + "`MaxSpareThreads`" + `),
  and in g more idle connections a child (` + "`AsyncRequestWorkerFactor 32`" + `). nginx streams bodies (` + "`proxy_request_buffering off`, `proxy_max_temp_file_size 0`" + `),
  HAProxy shares connections to backends and lets the kernel move bodies (` + "`http-reuse always`, `option splice-auto`" + `): what an operator would set, and what the others do by themselves.
- HAProxy has no log files: it sends its log to a socket, which a client here empties at its own cost. httpd, nginx and pinion write a file.
- nginx has no sticky sessions without its commercial modules: a map from the cookie to the member stands in for them. HAProxy's hash and map lookups stand in
  for httpd's vhosts and mounts where an operator would write them so.
- The Go clients offer X25519 alone: pinion would also do the post-quantum X25519MLKEM768, which OpenSSL 3.0 can't. pinion's ciphers can't be set; the
  other three are held to the one that Go chooses with these clients.
- Clients share the cores with the proxy. A peer whose requests cost little gets more of them from the same client, so latencies under full load compare
  whole systems, not proxies alone; h, which is paced, doesn't have this.
- Processor time is counted in ticks of 10 ms and user and system time are split by sampling: their sum is good to about one percent of a load, the split is rougher.
  What costs a few milliseconds (a reload with 100 virtual hosts) is known to a few milliseconds only.
- httpd with 10,000 virtual hosts is measured in the first round only, without a reload: each takes it minutes.
- httpd closes kept connections when all workers of a child are busy, and a client that sends just then sees an error and asks again. Where wrk saw this, the
  column *reopened* says how often; up to 5 in 100 requests are let pass, for any of the four.
- Memory of an idle connection leaves out what the kernel holds for its socket, which is the same for all.
`
