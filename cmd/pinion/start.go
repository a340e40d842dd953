package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// readyVar names the descriptor on which a background process says that it serves.
const readyVar = "PINION_READY_FD"

// start is pinion -k start: it runs pinion in the background and returns when that serves, or with its errors.
func (c *runCmd) start(path string) error {
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
	said := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(bufio.NewReader(stderr))
		said <- string(b)
	}()
	if b, _ := io.ReadAll(r); string(b) == "ready" {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	fmt.Fprint(os.Stderr, <-said)
	if err == nil {
		return fmt.Errorf("%s ended before it served", path)
	}
	return errReported
}

// notifyReady tells the process that started this one in the background that it serves, and lets go of its terminal.
func notifyReady() {
	if os.Getenv(readyVar) == "" {
		return
	}
	os.Unsetenv(readyVar)
	f := os.NewFile(3, "ready")
	io.WriteString(f, "ready")
	f.Close()
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			_ = syscall.Dup3(int(null.Fd()), fd, 0)
		}
		null.Close()
	}
}
