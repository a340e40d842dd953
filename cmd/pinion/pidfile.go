package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pinion/reload"
	"pinion/runtime"
)

// pidFile is the file that holds the process's number; it follows a changed PidFile directive.
type pidFile struct{ path string }

// pidPath is PidFile, or a file in the folder for temporary files that belongs to the configuration's path.
func pidPath(l *reload.Loaded, config string) string {
	if v := l.Graph.Process["pidfile"]; len(v) > 0 {
		p := v[0]
		if !filepath.IsAbs(p) {
			p = filepath.Join(l.Tree.ServerRoot, p)
		}
		return p
	}
	sum := sha256.Sum256([]byte(config))
	return filepath.Join(os.TempDir(), "pinion-"+hex.EncodeToString(sum[:6])+".pid")
}

func (p *pidFile) move(to string) {
	if to == p.path {
		return
	}
	p.remove()
	tmp := to + ".new"
	err := os.WriteFile(tmp, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	if err == nil {
		err = os.Rename(tmp, to)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "pinion: could not write PidFile: %v\n", err)
		return
	}
	p.path = to
}

func (p *pidFile) remove() {
	if p.path != "" && readPid(p.path) == os.Getpid() {
		os.Remove(p.path)
	}
}

// readPid returns the number in the file, 0 where there is none.
func readPid(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n <= 1 {
		return 0
	}
	return n
}

// control is pinion -k: it sends the signal to the process whose number the configuration's PidFile holds. A broken
// configuration is not sent for a reload, as apachectl doesn't.
func control(s reload.Source, what string) error {
	s.Test = true
	l := s.Load(runtime.NewState())
	if l.Graph == nil {
		printDiagnostics(os.Stderr, "text", l, false)
		return errReported
	}
	defer l.Graph.Retire()
	path := pidPath(l, s.Path)
	pid := readPid(path)
	if pid == 0 || syscall.Kill(pid, 0) != nil {
		return fmt.Errorf("expected the number of a running pinion in %s, found none", path)
	}
	sig := map[string]syscall.Signal{"graceful": syscall.SIGUSR1, "restart": syscall.SIGHUP, "stop": syscall.SIGTERM, "graceful-stop": syscall.SIGWINCH}[what]
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("could not signal process %d: %w", pid, err)
	}
	if what == "stop" {
		for end := time.Now().Add(2 * promptStop); syscall.Kill(pid, 0) == nil; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("process %d has not ended yet", pid)
			}
		}
	}
	return nil
}
