package casefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Target is a server that a case can run against.
type Target struct {
	// Command is the command line; {conf} in an argument becomes the path of
	// the configuration. The process has to stay in the foreground, to serve on
	// the configuration's Listen addresses and to end at SIGTERM.
	Command []string
	// Reference marks httpd itself: what a case says to differ on purpose is
	// not expected of it.
	Reference bool
}

// Paths of Debian's apache2 package.
const (
	httpdBinary    = "/usr/sbin/apache2"
	httpdModules   = "/usr/lib/apache2/modules"
	httpdUser      = "www-data"
	serverTimeout  = 30 * time.Second // for its start and its end
	lenientTimeout = 5 * time.Second  // for the end of httpd
)

// Httpd is the httpd of Debian, the source of the recorded answers.
func Httpd() Target {
	return Target{Command: []string{httpdBinary, "-f", "{conf}", "-X"}, Reference: true}
}

// ParseTarget reads a command line as given to --target: words parted by
// blanks, or "httpd".
func ParseTarget(s string) (Target, error) {
	if s == "httpd" {
		return Httpd(), nil
	}
	t := Target{Command: strings.Fields(s)}
	if len(t.Command) == 0 || !strings.Contains(s, "{conf}") {
		return t, fmt.Errorf("expected a command line with {conf} in it, or httpd, found %q", s)
	}
	return t, nil
}

// A server is a running target.
type server struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  chan struct{}
	err    error
}

// startServer starts the target and waits until it listens on all addresses.
func (t Target) startServer(ctx context.Context, s *stage, environment []string, addresses []string) (*server, error) {
	args := make([]string, len(t.Command))
	for i, a := range t.Command {
		args[i] = strings.ReplaceAll(a, "{conf}", s.conf)
	}
	v := &server{cmd: exec.CommandContext(ctx, args[0], args[1:]...), output: &bytes.Buffer{}, ended: make(chan struct{})}
	v.cmd.Stdout, v.cmd.Stderr = v.output, v.output
	v.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "LANG=C"}, environment...)
	v.cmd.Cancel = func() error { return v.cmd.Process.Signal(syscall.SIGTERM) }
	// A server should not outlive a runner that is killed.
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		v.err = v.cmd.Wait()
		close(v.ended)
	}()
	for _, address := range addresses {
		if err := v.await(address); err != nil {
			v.stop(true)
			log, _ := os.ReadFile(filepath.Join(s.dir, "logs", "error_log"))
			return nil, fmt.Errorf("%s: %w\n%s%s", args[0], err, v.output.String(), log)
		}
	}
	return v, nil
}

// await connects until the server accepts.
func (v *server) await(address string) error {
	deadline := time.NewTimer(serverTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-v.ended:
			return fmt.Errorf("ended before it listened on %s: %v", address, v.err)
		case <-deadline.C:
			return fmt.Errorf("didn't listen on %s in %v", address, serverTimeout)
		case <-tick.C:
		}
	}
}

// stop ends the server and waits for its end. A lenient stop takes any way to
// end: httpd's event MPM, when it runs as one process, now and then crashes or
// hangs while it shuts down.
func (v *server) stop(lenient bool) error {
	patient := serverTimeout
	if lenient {
		patient = lenientTimeout
	}
	v.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-v.ended:
	case <-time.After(patient):
		v.cmd.Process.Kill()
		<-v.ended
		if lenient {
			return nil
		}
		return fmt.Errorf("didn't end in %v after SIGTERM", serverTimeout)
	}
	var exit *exec.ExitError
	if !lenient && errors.As(v.err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		if sig := exit.Sys().(syscall.WaitStatus).Signal(); sig != syscall.SIGTERM {
			return fmt.Errorf("ended by signal %v\n%s", sig, v.output.String())
		}
	}
	return nil
}
