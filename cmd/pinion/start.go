package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"pinion/runtime"
)

// readyVar names the descriptor on which a background process says that it serves.
const readyVar = "PINION_READY_FD"

// start is pinion -k start: it runs pinion in the background and returns when that serves, or with its errors.
func (c *runCmd) start(path string) error {
	if c.alreadyRuns(path) {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var args []string
	for i := 1; i < len(os.Args); i++ {
		switch a := os.Args[i]; {
		case a == "-k":
			i++
		case strings.HasPrefix(a, "-k"):
		default:
			args = append(args, a)
		}
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), readyVar+"=3")
	cmd.ExtraFiles = []*os.File{w}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("could not start in the background: %w", err)
	}
	w.Close()
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.Copy(os.Stderr, stderr)
	}()
	if b, _ := io.ReadAll(r); string(b) == "ready" {
		// It has let go of its standard error; a log program of it may hold it for longer.
		select {
		case <-said:
		case <-time.After(lastWords):
		}
		return cmd.Process.Release()
	}
	<-said
	err = cmd.Wait()
	if err == nil {
		return fmt.Errorf("%s ended before it served", path)
	}
	return errReported
}

// lastWords is how long start waits for the rest of what the background process said, after it said that it serves.
const lastWords = 200 * time.Millisecond

// alreadyRuns tells so where the PidFile names a living process, as httpd does: that is no failure.
func (c *runCmd) alreadyRuns(path string) bool {
	s := c.source(path)
	s.Test = true
	l := s.Load(runtime.NewState())
	if l.Graph != nil {
		l.Graph.Retire()
	}
	pid, status := running(pidPath(l.Tree, path))
	if pid != 0 {
		fmt.Println(status)
	}
	return pid != 0
}

// notifyReady tells the process that started this one in the background that it serves, and lets go of its terminal;
// standard error stays where -E gave it a file.
func notifyReady(keepStderr bool) {
	if os.Getenv(readyVar) == "" {
		return
	}
	os.Unsetenv(readyVar)
	f := os.NewFile(3, "ready")
	defer f.Close()
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			if fd < 2 || !keepStderr {
				_ = syscall.Dup3(int(null.Fd()), fd, 0)
			}
		}
		null.Close()
	}
	io.WriteString(f, "ready")
}
