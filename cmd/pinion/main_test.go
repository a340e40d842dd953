package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pinion": func() { os.Exit(run(os.Args[1:])) }})
}

// TestScripts runs testdata/script: the command line as people use it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "untouched": // Debian's configuration of apache2 is as the package leaves it
				changed, err := exec.Command("dpkg", "--verify", "apache2").Output()
				sites, _ := filepath.Glob("/etc/apache2/sites-enabled/*")
				return err == nil && len(changed) == 0 && len(sites) == 1, nil
			case "apache2":
				_, err := os.Stat("/usr/lib/apache2/modules/mod_mpm_event.so")
				if err == nil {
					_, err = exec.LookPath("apache2")
				}
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"port": port, "serves": serves, "signal": sendSignal, "waitfor": waitFor, "gone": gone,
			"expand": expand, "wrongline": wrongLineCmd, "comparable": comparable, "stranger": stranger,
		},
	})
}

// patient is how long a slow machine may take; nothing waits for it to pass.
const patient = 20 * time.Second

func until(ts *testscript.TestScript, what string, done func() bool) {
	for end := time.Now().Add(patient); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// port NAME... gives each variable the number of a free port.
func port(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		ts.Setenv(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
}

// serves PORT [pattern] waits until an answer at the port has a head that matches; ! serves waits until nobody accepts.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	address := "127.0.0.1:" + args[0]
	until(ts, fmt.Sprintf("serves %v, not %v", args, neg), func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return neg
		}
		defer c.Close()
		if neg {
			return false
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(c, "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		b, _ := io.ReadAll(c)
		return len(b) > 0 && (len(args) < 2 || regexp.MustCompile(args[1]).Match(b))
	})
}

var signals = map[string]syscall.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "TERM": syscall.SIGTERM,
	"INT": syscall.SIGINT, "WINCH": syscall.SIGWINCH}

// signal NAME pidfile sends a signal to the process that the file names.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// waitfor file pattern waits until the file has text that matches.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile(args[1])
	until(ts, strings.Join(args, " to have "), func() bool {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		return re.Match(b)
	})
}

// gone file waits until the file is no more.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, args[0]+" to be gone", func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return os.IsNotExist(err)
	})
}

// expand from to N puts the variables and a generation's number in.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	text := strings.ReplaceAll(ts.ReadFile(args[0]), "GENERATION", args[2])
	text = os.Expand(text, ts.Getenv)
	// As a careful editor does it, so that nobody reads a half.
	to := ts.MkAbs(args[1])
	ts.Check(os.WriteFile(to+"~", []byte(text), 0o644))
	ts.Check(os.Rename(to+"~", to))
}

// wrongline args... runs pinion and expects exit status 2.
func wrongLineCmd(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("pinion", args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		ts.Fatalf("pinion %v: expected exit status 2, found %v", args, err)
	}
}

// comparable from to writes what httpd's -S and pinion's have both: not its locks, nor who nobody is.
func comparable(ts *testscript.TestScript, neg bool, args []string) {
	var lines []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if !strings.HasPrefix(line, "Mutex") && !strings.HasPrefix(line, "Define") && !strings.Contains(line, `name="#-1"`) {
			lines = append(lines, line)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(lines, "")), 0o644))
}

// stranger pidfile writes the number of the script's background program into the file.
func stranger(ts *testscript.TestScript, neg bool, args []string) {
	cmds := ts.BackgroundCmds()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strconv.Itoa(cmds[len(cmds)-1].Process.Pid)), 0o644))
}
