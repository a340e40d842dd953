package rewrite

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"pinion/runtime"
)

// program is a prg: map: a process that answers each line with a line. It starts at the first look-up and outlives
// graphs; one that ended, or that broke the protocol, is started again.
type program struct {
	path  string
	args  []string
	owner *syscall.Credential // whom it runs as; nil for who runs this process

	mu      sync.Mutex // one look-up at a time, as in httpd
	running *process
	closed  bool
}

// process is one run of a program.
type process struct {
	cmd  *exec.Cmd
	in   *os.File
	out  *os.File
	from *bufio.Reader
}

// maxAnswer bounds a line that a program answers with, in bytes.
const maxAnswer = 64 << 10

// errClosed is a look-up in a program whose configuration is gone.
var errClosed = errors.New("the program was stopped")

func openProgram(c *runtime.Cmd, name, source string) (*program, error) {
	argv := strings.Fields(source)
	if len(argv) == 0 {
		return nil, c.ArgErrorf(1, "bad-value", "RewriteMap: bad path to prg map: ")
	}
	p := &program{path: c.ServerPath(argv[0]), args: argv[1:]}
	if _, err := os.Stat(p.path); err != nil && !c.Offline {
		return nil, runtime.WithDetail(c.ArgErrorf(1, "missing-file", "RewriteMap: file for map %s not found:%s", name, p.path), "%v", err)
	}
	if len(c.Node.Args) > 2 && !c.Offline {
		var err error
		if p.owner, err = credential(c.Arg(2)); err != nil {
			return nil, c.ArgErrorf(2, "bad-value", "RewriteMap: %v", err)
		}
	}
	// Each server has its own program, as in httpd.
	key := fmt.Sprintf("rewrite program %s %s %q %q", serverKey(c), name, argv, c.Arg(2))
	return runtime.Adopt(c.Compiler, key, func() (*program, error) { return p, nil })
}

// serverKey names the server over reloads: by its file, and its place among the file's servers.
func serverKey(c *runtime.Cmd) string {
	if c.Server.Main {
		return "main"
	}
	file, n := c.Server.Place.File, 0
	for i := len(c.Graph.Servers) - 1; i > 0 && c.Graph.Servers[i].Place.File == file; i-- {
		n++
	}
	return file + " " + strconv.Itoa(n)
}

// credential reads user:group.
func credential(text string) (*syscall.Credential, error) {
	name, group, _ := strings.Cut(text, ":")
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("expected user:group, found '%s': %w", text, err)
	}
	gid := u.Gid
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, fmt.Errorf("expected user:group, found '%s': %w", text, err)
		}
		gid = g.Gid
	}
	uidN, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gidN, err := strconv.ParseUint(gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uidN), Gid: uint32(gidN)}, nil
}

// lookup asks the program. An answer of NULL is none.
func (p *program) lookup(r *runtime.Request, key []byte) (string, bool) {
	// A newline would put all later questions and answers out of step.
	if bytes.IndexByte(key, '\n') >= 0 {
		return "", false
	}
	timeout := r.Server.Settings.Timeout.Or(runtime.DefaultTimeout)
	p.mu.Lock()
	answer, err := p.ask(key, timeout)
	p.mu.Unlock()
	if err != nil {
		r.Logf(Module, runtime.LogErr, "AH00654", "mod_rewrite: could not use RewriteMap program %s: %v", p.path, err)
		return "", false
	}
	if runtime.EqualFold(answer, "NULL") {
		return "", false
	}
	return answer, true
}

// ask sends one line and reads one, with p.mu held. After an error the process is gone: it could be out of step.
func (p *program) ask(key []byte, timeout time.Duration) (string, error) {
	if p.closed {
		return "", errClosed
	}
	if p.running == nil {
		proc, err := p.start()
		if err != nil {
			return "", err
		}
		p.running = proc
	}
	answer, err := p.running.ask(key, timeout)
	if err != nil {
		p.running.stop()
		p.running = nil
	}
	return answer, err
}

func (p *program) start() (*process, error) {
	inRead, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, outWrite, err := os.Pipe()
	if err != nil {
		inRead.Close()
		in.Close()
		return nil, err
	}
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = filepath.Dir(p.path)
	// As in httpd the program gets no environment.
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inRead, outWrite, os.Stderr
	if p.owner != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	}
	err = cmd.Start()
	inRead.Close()
	outWrite.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return &process{cmd: cmd, in: in, out: out, from: bufio.NewReaderSize(out, maxAnswer)}, nil
}

func (p *process) ask(key []byte, timeout time.Duration) (string, error) {
	// Where the system has no deadlines for pipes the look-up waits as long as httpd's, which has none.
	deadline := time.Now().Add(timeout)
	_ = p.in.SetWriteDeadline(deadline)
	_ = p.out.SetReadDeadline(deadline)
	line := append(append(make([]byte, 0, len(key)+1), key...), '\n')
	if _, err := p.in.Write(line); err != nil {
		return "", err
	}
	answer, err := p.from.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", fmt.Errorf("expected a line of at most %d bytes, found a longer one", maxAnswer)
	case err == io.EOF:
		return "", errors.New("the program ended")
	case err != nil:
		return "", err
	}
	return string(answer[:len(answer)-1]), nil
}

// stopAfter is how long a program may take to end by itself.
const stopAfter = 3 * time.Second

// stop ends the process: its input closes, then SIGTERM, then SIGKILL (APR_KILL_AFTER_TIMEOUT).
func (p *process) stop() {
	p.in.Close()
	p.out.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(stopAfter, func() { _ = p.cmd.Process.Kill() })
	// It ends as it likes: nobody asks for its status.
	_ = p.cmd.Wait()
	kill.Stop()
}

// Close ends the program: no graph has it any more.
func (p *program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.running != nil {
		p.running.stop()
		p.running = nil
	}
	return nil
}
