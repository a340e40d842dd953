package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// server is a running process with its children: a proxy that is measured, or a backend.
type server struct {
	cmd     *exec.Cmd
	address string
	output  *lockedBuffer
	exited  chan struct{} // closed when the process has ended
	started time.Time
	stopped bool
}

// lockedBuffer collects what a process writes while others may look at it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// tail is the end of what was written, for error messages.
func (l *lockedBuffer) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.TrimSpace(l.b.String())
	return s[max(0, len(s)-2000):]
}

// launch starts a process in a process group of its own, by which its children are found. It doesn't wait for it.
func launch(command []string, address string) (*server, error) {
	s := &server{cmd: exec.Command(command[0], command[1:]...), address: address, output: &lockedBuffer{}, exited: make(chan struct{})}
	s.cmd.Stderr, s.cmd.Stdout = s.output, s.output
	// A child that inherits the pipes may outlive its parent by a moment: don't wait for it.
	s.cmd.WaitDelay = time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	s.started = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	return s, nil
}

// await calls try until it returns nil; an error is the last one of try, or that the process has ended.
func (s *server) await(limit, pause time.Duration, try func() error) error {
	until := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended: %s", s.cmd.Path, s.output.tail())
		case <-time.After(pause):
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s: after %v still: %w\n%s", s.cmd.Path, limit, err, s.output.tail())
		}
	}
}

// start launches a server and waits until it listens.
func start(command []string, address string) (*server, error) {
	s, err := launch(command, address)
	if err != nil {
		return nil, err
	}
	err = s.await(20*time.Second, 10*time.Millisecond, func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// stop ends the process and its children, and waits until they are gone. Once is enough, more often does no harm.
func (s *server) stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	group := -s.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
	}
	// Children may survive their parent: httpd's that are busy, HAProxy's from before a reload.
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if err := syscall.Kill(group, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
			break
		}
	}
	<-s.exited
}

// usage is processor time in seconds.
type usage struct{ user, system float64 }

func (u usage) total() float64      { return u.user + u.system }
func (u usage) minus(o usage) usage { return usage{u.user - o.user, u.system - o.system} }

// ticksPerSecond is the unit of times in /proc/PID/stat, the same on every Linux.
const ticksPerSecond = 100

// usage sums up the processor time of the process and its children: those that live, and those that have ended and been
// waited for, so that a reload that replaces workers loses nothing.
func (s *server) usage() usage {
	var u usage
	for _, p := range processes(s.cmd.Process.Pid) {
		u.user += float64(p.times[0]+p.times[2]) / ticksPerSecond
		u.system += float64(p.times[1]+p.times[3]) / ticksPerSecond
	}
	return u
}

// memory is what the processes hold in RAM, in bytes: the proportional set size, which counts a page that workers share
// once, so that servers with several processes aren't charged twice for one page.
func (s *server) memory() (int64, error) {
	var sum int64
	for _, p := range processes(s.cmd.Process.Pid) {
		b, err := os.ReadFile(filepath.Join("/proc", p.pid, "smaps_rollup"))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has just ended
		}
		if err != nil {
			return 0, err
		}
		sum += parsePss(string(b))
	}
	if sum == 0 {
		return 0, fmt.Errorf("%s: no process to take the memory of", s.cmd.Path)
	}
	return sum, nil
}

// parsePss finds the Pss line of a smaps_rollup file, in bytes.
func parsePss(text string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// process is one line of /proc/PID/stat; times are utime, stime, cutime and cstime in ticks.
type process struct {
	pid   string
	group int
	times [4]int64
}

// processes lists those of a process group.
func processes(group int) (found []process) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		if p, ok := parseStat(string(b)); ok && p.group == group {
			found = append(found, p)
		}
	}
	return found
}

// parseStat reads /proc/PID/stat. The name in the second field may hold spaces and parentheses, so fields count from its end.
func parseStat(text string) (p process, ok bool) {
	pid, _, _ := strings.Cut(text, " ")
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return p, false
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 15 {
		return p, false
	}
	p.pid = pid
	p.group, _ = strconv.Atoi(fields[2])
	for i := range p.times {
		p.times[i], _ = strconv.ParseInt(fields[11+i], 10, 64)
	}
	return p, true
}

// calm waits until the processes have used no processor time for 300 ms, so that what a reload costs is all in.
func (s *server) calm(limit time.Duration) error {
	last, since := s.usage(), time.Now()
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if now := s.usage(); now.total() != last.total() {
			last, since = now, time.Now()
		} else if time.Since(since) > 300*time.Millisecond {
			return nil
		}
	}
	return fmt.Errorf("%s is still busy after %v", s.cmd.Path, limit)
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// raiseLimit lets this program and its children open as many files as the system allows, and returns that number.
func raiseLimit() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	const wanted = 65536
	if higher := (syscall.Rlimit{Cur: wanted, Max: wanted}); l.Max < wanted && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
		return wanted, nil
	}
	l.Cur = min(l.Max, wanted)
	return l.Cur, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

// drain reads datagrams and drops them, counting: HAProxy writes its log to a socket, not to a file.
type drain struct {
	conn  net.PacketConn
	lines atomic.Int64
}

func newDrain() (*drain, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &drain{conn: c}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, _, err := c.ReadFrom(buf); err != nil {
				return
			}
			d.lines.Add(1)
		}
	}()
	return d, nil
}
