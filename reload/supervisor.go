package reload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// DefaultDebounce is how long files must be quiet before a change of them is taken in.
const DefaultDebounce = 100 * time.Millisecond

// Status is how the last reload went. It is immutable.
type Status struct {
	Success   bool
	Time      time.Time // when it ended
	Took      time.Duration
	Hash      string // of the configuration in force
	Reason    string // "start", "file", "signal", …
	Successes int
	Failures  int
	Diags     parser.Diagnostics // what the last attempt had to say
}

// Supervisor runs a configuration: New, then Run once.
type Supervisor struct {
	Source   Source
	Debounce time.Duration // 0 is DefaultDebounce; negative watches no files
	// Report, if set, is told of each attempt, the first one included, after it. It must not block.
	Report func(l *Loaded, s *Status)
	// Ready, if set, is called once when every listener is open.
	Ready func(addresses []net.Addr)

	engine   *runtime.Engine
	ls       *listeners
	status   atomic.Pointer[Status]
	requests chan request
	files    []string
	globs    []string
	marks    map[string]mark
}

type request struct {
	reason string
	reopen bool
	done   chan *Status
}

// Stop tells Run how to end.
type Stop struct {
	// Grace is how long running requests may take; then they are cut.
	Grace time.Duration
	// GraceOf, if set, takes it from the configuration in force instead.
	GraceOf func(*runtime.Graph) time.Duration
}

// New prepares a supervisor.
func New(s Source) *Supervisor {
	return &Supervisor{Source: s, requests: make(chan request)}
}

// Status returns how the last attempt went; nil before the first. Safe for concurrent use.
func (s *Supervisor) Status() *Status { return s.status.Load() }

// Engine returns the engine; nil before Run has loaded the first graph.
func (s *Supervisor) Engine() *runtime.Engine { return s.engine }

// Reload loads the configuration again and waits for the outcome. reopen makes log files be opened anew, as a signal
// does. It returns nil when ctx is done first. Safe for concurrent use while Run runs.
func (s *Supervisor) Reload(ctx context.Context, reason string, reopen bool) *Status {
	req := request{reason, reopen, make(chan *Status, 1)}
	select {
	case s.requests <- req:
	case <-ctx.Done():
		return nil
	}
	select {
	case st := <-req.done:
		return st
	case <-ctx.Done():
		return nil
	}
}

// ErrConfig is the error of a first load that failed: the diagnostics say why.
type ErrConfig struct{ Diags parser.Diagnostics }

// Error implements error.
func (e *ErrConfig) Error() string {
	return fmt.Sprintf("the configuration has %d errors", e.Diags.Count(parser.Error))
}

// Run loads the configuration, serves it and keeps it up to date until stop yields or ctx is done. A first load that
// fails is an *ErrConfig.
func (s *Supervisor) Run(ctx context.Context, stop <-chan Stop) error {
	state := runtime.NewState()
	l := s.Source.Load(state)
	s.note(l, "start", l.Graph != nil)
	if l.Graph == nil {
		return &ErrConfig{l.Diags}
	}
	if len(l.Graph.Listens) == 0 {
		return errors.New("no listening sockets available: the configuration has no Listen directive")
	}
	s.engine = runtime.NewEngine(l.Graph)
	s.ls = &listeners{engine: s.engine, open: map[string]*listener{}, limit: &accepting{}}
	p, err := s.ls.prepare(l.Graph)
	if err != nil {
		l.Graph.Retire()
		return err
	}
	s.ls.commit(p)
	w := s.watch(l)
	if w != nil {
		defer w.Close()
	}
	if s.Ready != nil {
		s.Ready(s.ls.addresses())
	}
	grace := s.loop(ctx, stop, w)
	s.ls.close()
	if grace.GraceOf != nil {
		grace.Grace = grace.GraceOf(s.engine.Graph())
	}
	end, cancel := context.WithTimeout(context.Background(), grace.Grace)
	defer cancel()
	s.engine.Stop(end)
	return nil
}

func (s *Supervisor) watch(l *Loaded) *watcher {
	s.remember(l)
	if s.Debounce < 0 {
		return nil
	}
	w, err := newWatcher()
	if err == nil {
		err = w.Set(s.files, s.globs)
	}
	if err != nil {
		s.logf(runtime.LogWarn, "files can't be watched, only signals reload: %v", err)
	}
	return w
}

// remember notes what the configuration was made from.
func (s *Supervisor) remember(l *Loaded) {
	files := append([]string(nil), l.Tree.Files...)
	if l.Graph != nil {
		files = append(files, l.Graph.Files...)
	}
	s.files, s.globs = files, l.Tree.Globs
	s.marks = marks(s.files, s.globs)
}

// loop handles events until the end.
func (s *Supervisor) loop(ctx context.Context, stop <-chan Stop, w *watcher) Stop {
	quiet := s.Debounce
	if quiet == 0 {
		quiet = DefaultDebounce
	}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	events := w.events()
	for {
		select {
		case <-ctx.Done():
			return Stop{}
		case st := <-stop:
			return st
		case req := <-s.requests:
			timer.Stop()
			s.reload(w, req.reason, req.reopen)
			req.done <- s.Status()
		case e := <-events.changes:
			if w.Concerns(e) {
				timer.Reset(quiet)
			}
		case err := <-events.errors:
			// Events may have been lost: look whether something changed.
			s.logf(runtime.LogWarn, "watching files: %v", err)
			timer.Reset(quiet)
		case <-timer.C:
			if !reflect.DeepEqual(s.marks, marks(s.files, s.globs)) {
				s.reload(w, "file", false)
			} else if err := w.Set(s.files, s.globs); err != nil {
				s.logf(runtime.LogWarn, "watching files: %v", err)
			}
		}
	}
}

// reload loads and swaps; a failure of any kind leaves everything as it is.
func (s *Supervisor) reload(w *watcher, reason string, reopen bool) {
	state := s.engine.Graph().State
	l := s.Source.Load(state)
	ok := l.Graph != nil
	if ok && len(l.Graph.Listens) == 0 {
		l.Diags = append(l.Diags, &parser.Diagnostic{Code: "no-listen", Summary: "no listening sockets available: the configuration has no Listen directive",
			Place: parser.Place{File: s.Source.Path}})
		ok = false
	}
	if ok {
		p, err := s.ls.prepare(l.Graph)
		if err != nil {
			l.Diags = append(l.Diags, &parser.Diagnostic{Code: "no-listener", Summary: err.Error(), Place: parser.Place{File: s.Source.Path}})
			ok = false
		} else {
			s.engine.Swap(l.Graph)
			s.ls.commit(p)
		}
	}
	if !ok && l.Graph != nil {
		l.Graph.Retire()
		l.Graph = nil
	}
	if ok && reopen {
		state.Reopen(func(err error) { s.logf(runtime.LogErr, "reopening a log: %v", err) })
	}
	// A broken configuration is watched too: its repair must be seen.
	if l.Tree != nil {
		old := s.files
		s.remember(l)
		if !ok {
			s.files = append(s.files, old...)
			s.marks = marks(s.files, s.globs)
		}
	}
	if w != nil {
		if err := w.Set(s.files, s.globs); err != nil {
			s.logf(runtime.LogWarn, "watching files: %v", err)
		}
	}
	s.note(l, reason, ok)
}

// note keeps the outcome and tells it.
func (s *Supervisor) note(l *Loaded, reason string, ok bool) {
	old := s.Status()
	st := &Status{Success: ok, Time: time.Now(), Took: l.Took, Reason: reason, Diags: l.Diags}
	if old != nil {
		st.Successes, st.Failures, st.Hash = old.Successes, old.Failures, old.Hash
	}
	if ok {
		st.Successes++
		st.Hash = l.Graph.Hash
	} else {
		st.Failures++
	}
	s.status.Store(st)
	if s.engine != nil {
		s.logOutcome(st)
	}
	if s.Report != nil {
		s.Report(l, st)
	}
}

func (s *Supervisor) logOutcome(st *Status) {
	if st.Success {
		s.logf(runtime.LogNotice, "configuration %s is live (%s, %s)", st.Hash, st.Reason, st.Took.Round(time.Millisecond))
		return
	}
	for _, d := range st.Diags {
		if d.Severity == parser.Error {
			s.logf(runtime.LogErr, "%s", strings.TrimSpace(d.String()))
		}
	}
	s.logf(runtime.LogErr, "the new configuration was refused (%d errors), %s goes on serving", st.Diags.Count(parser.Error), st.Hash)
}

func (s *Supervisor) logf(l runtime.Level, format string, args ...any) {
	if s.engine == nil {
		fmt.Fprintf(os.Stderr, "pinion: "+format+"\n", args...)
		return
	}
	s.engine.Graph().Main.Logf(nil, l, "", format, args...)
}
