// Package logfile writes log files and piped logs: lines are gathered for a moment and written together, files are
// opened anew after a rotation, programs are started again when they end.
package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// delay is how long a line may wait for others to be written with. Someone who watches a log doesn't see it; a busy
// server saves nine writes of ten.
const delay = 20 * time.Millisecond

// Bounds of what is gathered: at wake the writer is called at once, at full those who log must wait for it, as
// they do for httpd's write when a disk or a program stands still.
const (
	wake = 64 << 10
	full = 4 << 20
)

// Log is one log file or piped program. Safe for concurrent use.
type Log struct {
	spec  string
	delay time.Duration

	// mu guards what follows; a line holds it for the time of one copy.
	mu      sync.Mutex
	room    *sync.Cond // signalled when buf has been taken
	buf     []byte
	pending bool // the writer knows of buf
	closed  bool

	kick chan bool // true: now; false: after delay
	done chan struct{}

	// out guards the sink, held while writing or opening.
	out  sync.Mutex
	sink io.WriteCloser
}

// Open opens spec: a file's path, or "|program" ("||program" is the same, "|$program" goes through the shell).
// gather says that lines may wait a moment to be written together; without it each Write is a write of the sink.
func Open(spec string, gather bool) (*Log, error) {
	l := &Log{spec: spec}
	l.room = sync.NewCond(&l.mu)
	var err error
	if l.sink, err = open(spec); err != nil {
		return nil, err
	}
	if gather {
		l.delay = delay
		l.kick = make(chan bool, 2)
		l.done = make(chan struct{})
		go l.run()
	}
	return l, nil
}

func open(spec string) (io.WriteCloser, error) {
	if command, ok := strings.CutPrefix(spec, "|"); ok {
		return startProgram(command)
	}
	f, err := os.OpenFile(spec, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("could not open log file: %s: %w", spec, cause(err))
	}
	return f, nil
}

// Check tells why Open would fail, without making a file or starting a program.
func Check(spec string) error {
	if command, ok := strings.CutPrefix(spec, "|"); ok {
		cmd, err := programOf(command)
		if err != nil {
			return err
		}
		if cmd.Err != nil {
			return fmt.Errorf("could not start the log program %q: %w", command, cmd.Err)
		}
		if _, err := exec.LookPath(cmd.Path); err != nil {
			return fmt.Errorf("could not start the log program %q: %w", command, cause(err))
		}
		return nil
	}
	for _, p := range []string{spec, filepath.Dir(spec)} {
		info, err := os.Stat(p)
		switch {
		case err != nil && p == spec && errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("could not open log file: %s: %w", p, cause(err))
		case (p == spec) == info.IsDir():
			return fmt.Errorf("could not open log file: expected a file in a folder, found another thing: %s", p)
		}
		return nil
	}
	return nil
}

// cause is an error without "fork/exec PATH:" and the like, which is about pinion's insides.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Hint says what to do about an error of Open or Check; "" where that is plain.
func Hint(spec string, err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission) && !strings.HasPrefix(spec, "|"):
		return "let the user that pinion runs as write in " + filepath.Dir(spec)
	case strings.HasPrefix(spec, "|") && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound)):
		return "install the program, or name it with its full path"
	case errors.Is(err, fs.ErrNotExist):
		return "make the folder: mkdir -p " + filepath.Dir(spec)
	}
	return ""
}

// Write takes one or more whole lines. It never keeps p. The error is that of an earlier write where lines gather.
func (l *Log) Write(p []byte) (int, error) {
	if l.delay == 0 {
		return l.write(p)
	}
	l.mu.Lock()
	for len(l.buf) >= full && !l.closed {
		l.room.Wait()
	}
	if l.closed {
		l.mu.Unlock()
		return 0, os.ErrClosed
	}
	l.buf = append(l.buf, p...)
	now := len(l.buf) >= wake && len(l.buf)-len(p) < wake
	if !l.pending || now {
		l.pending = true
		select {
		case l.kick <- now:
		default: // it has enough to wake for already
		}
	}
	l.mu.Unlock()
	return len(p), nil
}

// run is the writer of a gathering log.
func (l *Log) run() {
	defer close(l.done)
	var spare []byte
	for now := range l.kick {
		if !now {
			timer := time.NewTimer(l.delay)
			select {
			case <-timer.C:
			case <-l.kick:
			}
			timer.Stop()
		}
		spare = l.flush(spare)
	}
	l.flush(spare)
}

// flush writes what has gathered; spare is the buffer that is gathered into meanwhile, and the result the next spare.
func (l *Log) flush(spare []byte) []byte {
	l.mu.Lock()
	out := l.buf
	l.buf, l.pending = spare[:0], false
	l.room.Broadcast()
	l.mu.Unlock()
	if len(out) > 0 {
		// Where logging fails there is nowhere left to say so.
		_, _ = l.write(out)
	}
	if cap(out) > 4*wake {
		return nil
	}
	return out
}

func (l *Log) write(p []byte) (int, error) {
	l.out.Lock()
	defer l.out.Unlock()
	if l.sink == nil {
		return 0, os.ErrClosed
	}
	n, err := l.sink.Write(p)
	if err == nil || !strings.HasPrefix(l.spec, "|") {
		return n, err
	}
	// A program that has ended is started again, as httpd does; the lines that it had not read are lost.
	l.sink.Close()
	sink, again := open(l.spec)
	if again != nil {
		l.sink = nil
		return n, errors.Join(err, again)
	}
	l.sink = sink
	return l.sink.Write(p)
}

// Reopen opens the file anew, after a rotation has moved it, or starts the program again where it has ended for good.
func (l *Log) Reopen() error {
	if strings.HasPrefix(l.spec, "|") {
		return nil
	}
	sink, err := open(l.spec)
	if err != nil {
		return err
	}
	l.out.Lock()
	old := l.sink
	l.sink = sink
	l.out.Unlock()
	if old != nil {
		old.Close()
	}
	return nil
}

// Close writes what has gathered and closes; a program gets the end of its input and a moment to finish.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.room.Broadcast()
	if l.kick != nil {
		close(l.kick) // under mu: a Write sends only while closed is false
	}
	l.mu.Unlock()
	if l.done != nil {
		<-l.done
	}
	l.out.Lock()
	defer l.out.Unlock()
	sink := l.sink
	l.sink = nil
	if sink == nil {
		return nil
	}
	return sink.Close()
}

// program is a started command that reads its standard input.
type program struct {
	io.WriteCloser
	cmd *exec.Cmd
}

// programOf makes the command of what stands behind "|".
func programOf(command string) (*exec.Cmd, error) {
	command = strings.TrimPrefix(command, "|")
	if shell, ok := strings.CutPrefix(command, "$"); ok {
		return exec.Command("/bin/sh", "-c", shell), nil
	}
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, errors.New("expected a program after \"|\", found none")
	}
	return exec.Command(words[0], words[1:]...), nil
}

func startProgram(command string) (io.WriteCloser, error) {
	cmd, err := programOf(command)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("could not start the log program %q: %w", command, cause(err))
	}
	return &program{in, cmd}, nil
}

// patience is how long a program may take to end after its input has.
const patience = 3 * time.Second

// Close ends the program's input, waits for it, and kills it where it doesn't end.
func (p *program) Close() error {
	err := p.WriteCloser.Close()
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(err, p.cmd.Wait())
}
