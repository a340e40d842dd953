package try

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// The program under test: named here so that go test takes no result of an earlier state of it from its cache.
	_ "pinion/reload"
	_ "pinion/runtime/all"
)

// patience is how long a test waits for something before it fails. Nothing that works takes a fraction of it.
const patience = 30 * time.Second

var binary string

// Main is the body of an example's TestMain: it runs the tests with the pinion that the environment variable PINION
// names, or with one built from the source.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary = os.Getenv("PINION"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "pinion-example-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "pinion")
	if out, err := exec.Command("go", "build", "-o", binary, "pinion/cmd/pinion").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Process is a program that a test has started. What it writes is kept.
type Process struct {
	t   testing.TB
	cmd *exec.Cmd
	out *output
	// done is closed when the program has ended; err is then what Wait said.
	done chan struct{}
	err  error
}

// Start runs a program in the site's folder until the test ends.
func (s *Site) Start(name string, args ...string) *Process {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	p := &Process{t: s.t, cmd: cmd, out: &output{seen: map[string]int{}, changed: make(chan struct{})}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	// A group of its own, so that its children end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	s.t.Cleanup(func() {
		p.Stop()
		if s.t.Failed() {
			s.t.Logf("%s wrote:\n%s", filepath.Base(name), p.out)
		}
	})
	return p
}

// Pinion serves the site's configuration until the test ends; it returns when pinion serves.
func (s *Site) Pinion(conf string, args ...string) *Process {
	s.t.Helper()
	p := s.Start(binary, append([]string{"-f", filepath.Join(s.Dir, conf)}, args...)...)
	p.Await("pinion: serving ")
	return p
}

// Run runs pinion to its end and returns what it wrote and its exit status.
func (s *Site) Run(args ...string) (output string, status int) {
	s.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// Binary is the path of the pinion under test.
func Binary() string { return binary }

// Stop ends the program with SIGTERM, or with SIGKILL if it doesn't listen, and waits for its end.
func (p *Process) Stop() {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
		select {
		case <-p.done:
			return
		case <-time.After(patience / 3):
			p.t.Errorf("%s did not end at signal %v", p.cmd.Path, sig)
		}
	}
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Running tells whether the program has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Await waits until the program writes text, and returns the line that holds it. Lines that Await has returned for the
// same text don't count again, nor do those before them.
func (p *Process) Await(text string) string {
	p.t.Helper()
	late := time.After(patience)
	for {
		line, changed := p.out.find(text)
		if line != "" {
			return line
		}
		select {
		case <-changed:
		case <-p.done:
			if line, _ := p.out.find(text); line != "" {
				return line
			}
			p.t.Fatalf("%s ended (%v) before it wrote %q", p.cmd.Path, p.err, text)
		case <-late:
			p.t.Fatalf("%s did not write %q", p.cmd.Path, text)
		}
	}
}

// output gathers what a program writes. Safe for concurrent use.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	seen    map[string]int // up to here a text has been found
	changed chan struct{}  // closed at the next Write
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// find returns the next whole line with text in it, or "" and a channel that is closed when there is more to look at.
func (o *output) find(text string) (line string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at := o.seen[text]; ; {
		rest := o.text.String()[at:]
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			return "", o.changed
		}
		at += end + 1
		if line := rest[:end]; strings.Contains(line, text) {
			o.seen[text] = at
			return line, nil
		}
	}
}
