package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
)

// pidFile is the file that holds the process's number; it follows a changed PidFile directive.
type pidFile struct{ path string }

// pidPath is PidFile, or a file in the folder for temporary files that belongs to the configuration's path. It is found
// in a broken configuration, too: that must not keep anyone from stopping the server.
func pidPath(t *parser.Tree, config string) string {
	path := ""
	for _, n := range t.Root.Children {
		if strings.EqualFold(n.Name, "PidFile") && len(n.Args) == 1 {
			path = n.Args[0]
		}
	}
	switch {
	case path == "":
		sum := sha256.Sum256([]byte(config))
		return filepath.Join(os.TempDir(), "pinion-"+hex.EncodeToString(sum[:6])+".pid")
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	}
	return filepath.Join(t.ServerRoot, path)
}

func (p *pidFile) move(to string) {
	if to == p.path {
		return
	}
	if err := writePid(to); err != nil {
		fmt.Fprintf(os.Stderr, "pinion: could not write PidFile: %v\n", err)
		return
	}
	p.remove()
	p.path = to
}

// writePid writes this process's number so that no reader ever sees a part of it. Nothing is followed or written to
// that others may have put there: the folder may be everybody's.
func writePid(path string) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	return err
}

func (p *pidFile) remove() {
	if p.path != "" && readPid(p.path) == os.Getpid() {
		os.Remove(p.path)
	}
}

// readPid returns the number in the file, 0 where there is none.
func readPid(path string) int {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && filepath.Dir(path) == filepath.Clean(os.TempDir()) && sys.Uid != 0 && int(sys.Uid) != os.Geteuid() {
		return 0 // anybody can put a file there, to have a process of their choice signalled
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// running returns the number of the pinion that the PidFile names, 0 where none runs, and what to say about it in
// httpd's words.
func running(path string) (pid int, status string) {
	pid = readPid(path)
	switch {
	case pid == 0:
		return 0, "pinion (no pid file) not running"
	case pid == os.Getpid() || !isPinion(pid):
		// In a container it may be this process's own number, from the last run.
		return 0, fmt.Sprintf("pinion (pid %d?) not running", pid)
	}
	return pid, fmt.Sprintf("pinion (pid %d) already running", pid)
}

// isPinion tells that the process lives and is no other program that has got an old number.
func isPinion(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && err != syscall.EPERM {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		return true
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The process has ended and waits for its parent, unless there is no /proc at all.
		_, err := os.Stat("/proc/self/exe")
		return err != nil
	case err != nil:
		return true
	}
	name := filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	return name == filepath.Base(self) || strings.Contains(name, "pinion")
}

// control is pinion -k without start: it sends the signal to the process whose number the configuration's PidFile
// holds. A broken configuration is not sent for a reload, as httpd doesn't; it can be stopped all the same. Not done is
// what httpd makes of a reload when nothing runs: a start.
func control(s reload.Source, what string) (done bool, err error) {
	s.Test = true
	l := s.Load(runtime.NewState())
	reloads := what == "graceful" || what == "restart"
	if l.Graph != nil {
		l.Graph.Retire()
	} else if reloads {
		printDiagnostics(os.Stderr, "text", l, false)
		return true, errReported
	}
	pid, status := running(pidPath(l.Tree, s.Path))
	switch {
	case pid == 0 && reloads:
		fmt.Println("pinion not running, trying to start")
		return false, nil
	case pid == 0:
		fmt.Println(status)
		return true, nil
	}
	sig := map[string]syscall.Signal{"graceful": syscall.SIGUSR1, "restart": syscall.SIGHUP, "stop": syscall.SIGTERM, "graceful-stop": syscall.SIGWINCH}[what]
	if err := syscall.Kill(pid, sig); err != nil {
		return true, fmt.Errorf("could not signal process %d: %w", pid, err)
	}
	if what == "stop" {
		for end := time.Now().Add(2 * promptStop); isPinion(pid); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				return true, fmt.Errorf("process %d has not ended yet", pid)
			}
		}
	}
	return true, nil
}
