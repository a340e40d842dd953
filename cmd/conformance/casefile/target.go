package casefile

import (
	"bytes"
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
	httpdBinary   = "/usr/sbin/apache2"
	httpdModules  = "/usr/lib/apache2/modules"
	httpdUser     = "www-data"
	serverTimeout = 30 * time.Second // for its start and its end
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

// standardModules are loaded for every case; the section modules adds others
// and takes away those that it names with a minus.
var standardModules = []string{
	"mpm_event", "authz_core", "authz_host", "slotmem_shm", "socache_shmcb", "filter", "mime", "dir",
	"alias", "env", "setenvif", "headers", "rewrite", "reqtimeout", "status", "ssl", "http2",
	"proxy", "proxy_http", "proxy_wstunnel", "proxy_balancer", "lbmethod_byrequests", "lbmethod_bytraffic", "lbmethod_bybusyness",
}

// prelude is what stands before each case's own configuration.
func prelude(c *Case, root bool) string {
	modules := append([]string{}, standardModules...)
	for _, word := range strings.Fields(c.section(sectionModules)) {
		if name, ok := strings.CutPrefix(word, "-"); ok {
			kept := modules[:0]
			for _, m := range modules {
				if m != name {
					kept = append(kept, m)
				}
			}
			modules = kept
			continue
		}
		modules = append(modules, word)
	}
	var b strings.Builder
	for _, m := range modules {
		file := m
		fmt.Fprintf(&b, "LoadModule %s_module %s/mod_%s.so\n", m, httpdModules, file)
	}
	if root {
		fmt.Fprintf(&b, "User %s\nGroup %s\n", httpdUser, httpdUser)
	}
	b.WriteString(`ServerRoot "${DIR}"
DefaultRuntimeDir "${DIR}/run"
PidFile "${DIR}/run/httpd.pid"
ErrorLog "${DIR}/logs/error_log"
ServerName example.test
DocumentRoot "${DIR}/htdocs"
TypesConfig "${DIR}/mime.types"
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
Listen 127.0.0.1:${PORT}
`)
	if c.usesSecondPort() {
		b.WriteString("Listen 127.0.0.1:${PORT2}\n")
	}
	return b.String()
}

// usesSecondPort tells whether the case speaks of a second front port.
func (c *Case) usesSecondPort() bool {
	return strings.Contains(c.section(sectionConfig), "${PORT2}") || strings.Contains(c.section(sectionRequests), "PORT2")
}

const defaultTypes = "text/html html htm\ntext/plain txt\ntext/css css\nimage/png png\napplication/json json\napplication/javascript js\n"

// fileTime is the modification time of all files of a case, so that
// Last-Modified and ETag are the same in each run.
var fileTime = time.Date(2020, time.January, 2, 3, 4, 5, 0, time.UTC)

// A stage is the folder in which a server runs a case.
type stage struct {
	dir  string
	conf string
}

// newStage writes the case's files below a new folder.
func newStage(c *Case, expand func(string) string, dir string) (*stage, error) {
	s := &stage{dir: dir, conf: filepath.Join(dir, "httpd.conf")}
	for _, d := range []string{"htdocs", "logs", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	files := c.files()
	if !c.has("mime.types") {
		files = append(files, Section{"mime.types", defaultTypes})
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(expand(f.Data)), 0o644); err != nil {
			return nil, err
		}
	}
	text := prelude(c, os.Geteuid() == 0) + "\n" + c.section(sectionConfig)
	if err := os.WriteFile(s.conf, []byte(expand(text)), 0o644); err != nil {
		return nil, err
	}
	// The folders' times too: a listing shows them.
	return s, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, fileTime, fileTime)
	})
}

// A server is a running target.
type server struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
	ended  chan struct{}
	err    error
}

// startServer starts the target and waits until it listens on all addresses.
func (t Target) startServer(s *stage, environment []string, addresses []string) (*server, error) {
	args := make([]string, len(t.Command))
	for i, a := range t.Command {
		args[i] = strings.ReplaceAll(a, "{conf}", s.conf)
	}
	v := &server{cmd: exec.Command(args[0], args[1:]...), output: &bytes.Buffer{}, ended: make(chan struct{})}
	v.cmd.Stdout, v.cmd.Stderr = v.output, v.output
	v.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "LANG=C"}, environment...)
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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
// end: httpd's event MPM, when it runs as one process, now and then crashes
// while it shuts down.
func (v *server) stop(lenient bool) error {
	v.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-v.ended:
	case <-time.After(serverTimeout):
		v.cmd.Process.Kill()
		<-v.ended
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
