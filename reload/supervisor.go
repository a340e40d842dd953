package reload

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
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
	// Admit, if set, is asked once before the first configuration is served; its error is Run's.
	Admit func(l *Loaded) error
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
	touched  touched
	heap     heapSettings
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

func (st *Stop) grace(g *runtime.Graph) time.Duration {
	if st.GraceOf != nil {
		return st.GraceOf(g)
	}
	return st.Grace
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

// onBehalf is Reload for a module.
func (s *Supervisor) onBehalf(ctx context.Context, reason string) error {
	switch st := s.Reload(ctx, reason, false); {
	case st == nil:
		return ctx.Err()
	case !st.Success:
		return fmt.Errorf("the configuration has %d errors", st.Diags.Count(parser.Error))
	}
	return nil
}

// ErrConfig is the error of a first load that failed: the diagnostics say why.
type ErrConfig struct{ Diags parser.Diagnostics }

// Error implements error.
func (e *ErrConfig) Error() string {
	return "the configuration has " + errorCount(e.Diags)
}

// errorCount is "1 error" or "3 errors".
func errorCount(d parser.Diagnostics) string {
	if n := d.Count(parser.Error); n != 1 {
		return fmt.Sprintf("%d errors", n)
	}
	return "1 error"
}

// Run loads the configuration, serves it and keeps it up to date until stop yields or ctx is done. A first load that
// fails is an *ErrConfig.
func (s *Supervisor) Run(ctx context.Context, stop <-chan Stop) error {
	began := time.Now()
	s.heap.beforeFirst()
	l := s.Source.Load(runtime.NewState())
	s.ls = &listeners{open: map[string]*listener{}, limit: &accepting{}}
	if l.Graph != nil && s.Admit != nil {
		if err := s.Admit(l); err != nil {
			l.Graph.Retire()
			return err
		}
	}
	p := s.open(l)
	s.note(l, "start", p != nil)
	if p == nil {
		return &ErrConfig{l.Diags}
	}
	s.engine = runtime.NewEngine(l.Graph)
	s.engine.OnReload(s.onBehalf)
	s.ls.engine = s.engine
	s.ls.commit(p)
	s.Source.Keep(l)
	w := s.watch(l, began)
	if w != nil {
		defer w.Close()
	}
	if s.Ready != nil {
		s.Ready(s.ls.addresses())
	}
	l = nil
	s.heap.giveBack()
	st := s.loop(ctx, stop, w)
	s.ls.close()
	s.end(ctx, st, stop)
	return nil
}

// end lets running requests finish. Another stop while they do may shorten their time.
func (s *Supervisor) end(ctx context.Context, st Stop, stop <-chan Stop) {
	end, cancel := context.WithTimeout(context.Background(), st.grace(s.engine.Graph()))
	defer cancel()
	done := make(chan struct{})
	var again sync.WaitGroup
	again.Go(func() {
		for {
			select {
			case next := <-stop:
				defer time.AfterFunc(next.grace(s.engine.Graph()), cancel).Stop()
			case <-done:
				return
			}
		}
	})
	s.engine.Stop(end)
	close(done)
	again.Wait()
}

// open opens the listeners of what was loaded. Where it can't, it says why, lets go of the graph and returns nil.
func (s *Supervisor) open(l *Loaded) *plan {
	if l.Graph == nil {
		return nil
	}
	var p *plan
	if len(l.Graph.Listens) == 0 {
		l.Diags = slices.DeleteFunc(l.Diags, func(d *parser.Diagnostic) bool { return d.Code == "no-listen" })
		l.Diags = append(l.Diags, &parser.Diagnostic{Code: "no-listen", Place: parser.Place{File: s.Source.Path},
			Summary: "no listening sockets available: the configuration has no Listen directive", Detail: "add for example: Listen 80"})
	} else {
		var failed parser.Diagnostics
		p, failed = s.ls.prepare(l.Graph)
		l.Diags = append(l.Diags, failed...)
	}
	if p == nil {
		l.Graph.Retire()
		l.Graph = nil
		l.Diags.Sort(l.Tree.Files)
	}
	return p
}

func (s *Supervisor) watch(l *Loaded, began time.Time) *watcher {
	if s.Debounce < 0 {
		return nil
	}
	s.remember(l, nil, began)
	w, err := newWatcher()
	if err == nil {
		_, err = w.Set(s.files, s.globs)
	}
	if err != nil {
		s.logf(runtime.LogWarn, "files can't be watched, only signals reload: %v", err)
	}
	return w
}

// remember notes what the configuration was made from, given the marks from before it was read.
func (s *Supervisor) remember(l *Loaded, before map[string]mark, began time.Time) {
	files, globs := watched(l)
	if l.Graph == nil {
		// A broken configuration is watched too: its repair must be seen, and that may be in any file of the old one.
		files = append(files, s.files...)
		slices.Sort(files)
		files = slices.Compact(files)
		globs = append(globs, s.globs...)
		slices.Sort(globs)
		globs = slices.Compact(globs)
	}
	s.files, s.globs = files, globs
	s.marks = marks(s.files, s.globs)
	doubt(s.marks, before, l.Tree, began)
}

// watched are the files and patterns that the configuration was made from.
func watched(l *Loaded) (files, globs []string) {
	files, globs = append([]string(nil), l.Tree.Files...), append([]string(nil), l.Tree.Globs...)
	if l.Graph != nil {
		files, globs = append(files, l.Graph.Files...), append(globs, l.Graph.Folders...)
	}
	return files, globs
}

// stale tells that something has changed since it was read.
func (s *Supervisor) stale() bool { return !maps.Equal(s.marks, marks(s.files, s.globs)) }

// loop handles events until the end.
func (s *Supervisor) loop(ctx context.Context, stop <-chan Stop, w *watcher) Stop {
	quiet := s.Debounce
	if quiet == 0 {
		quiet = DefaultDebounce
	}
	timer := time.NewTimer(quiet) // something may have changed before it was watched
	defer timer.Stop()
	var since time.Time // the first change that is waited with; zero for none
	wait := func() {
		now := time.Now()
		if since.IsZero() {
			since = now
		}
		// Files that never are quiet must not put a reload off for ever.
		timer.Reset(max(0, min(quiet, patience*quiet-now.Sub(since))))
	}
	events := w.events()
	s.touched.unsure = true
	for {
		select {
		case <-ctx.Done():
			return Stop{}
		case st := <-stop:
			return st
		case req := <-s.requests:
			if !s.reload(w, req.reason, req.reopen) {
				s.touched.unsure = true
				wait()
			}
			req.done <- s.Status()
		case e := <-events.changes:
			if w.Concerns(e) {
				s.touched.add(e, s.marks)
				wait()
			}
		case err := <-events.errors:
			// Events may have been lost: look whether something changed.
			s.logf(runtime.LogWarn, "watching files: %v", err)
			s.touched.unsure = true
			wait()
		case <-timer.C:
			since = time.Time{}
			if w != nil && !s.catchUp(w) {
				s.touched.unsure = true
				wait()
			}
		}
	}
}

// catchUp reloads what has changed. It tells whether that is settled; else it is to be called again after a quiet time.
func (s *Supervisor) catchUp(w *watcher) (settled bool) {
	if !s.touched.unsure {
		now := s.touched.take()
		return !s.differ(now) || s.reloadTouched(w, now, "file", false)
	}
	s.touched.take()
	if s.stale() {
		s.reloadAll(w, "file", false)
		return false
	}
	// A folder may be another one, of the same content. What happened to it before it was watched must be seen.
	return !s.rewatch(w) || !s.stale()
}

// rewatch watches what there is to watch now. It tells whether that is something else than before.
func (s *Supervisor) rewatch(w *watcher) (changed bool) {
	changed, err := w.Set(s.files, s.globs)
	if err != nil {
		s.logf(runtime.LogWarn, "watching files: %v", err)
	}
	return changed
}

// patience is for how many quiet times a reload may be put off by files that go on changing.
const patience = 20

// reload loads and swaps, whatever has changed; a failure of any kind leaves everything as it is. It tells whether all is remembered
// as it is then.
func (s *Supervisor) reload(w *watcher, reason string, reopen bool) (settled bool) {
	switch {
	case w == nil:
		l, ok := s.loadAndSwap(reopen)
		s.note(l, reason, ok)
		return true
	case s.touched.unsure:
		s.reloadAll(w, reason, reopen)
		return false
	}
	return s.reloadTouched(w, s.touched.take(), reason, reopen)
}

// reloadAll reloads where anything may have changed.
func (s *Supervisor) reloadAll(w *watcher, reason string, reopen bool) {
	began, before := time.Now(), marks(s.files, s.globs)
	l, ok := s.loadAndSwap(reopen)
	s.rememberAll(w, l, before, began)
	s.note(l, reason, ok)
}

func (s *Supervisor) loadAndSwap(reopen bool) (l *Loaded, ok bool) {
	state := s.engine.Graph().State
	l = s.Source.Load(state)
	p := s.open(l)
	if p == nil {
		return l, false
	}
	s.engine.Swap(l.Graph)
	s.ls.commit(p)
	s.Source.Keep(l)
	if l.whole {
		s.heap.giveBack()
	}
	if reopen {
		state.Reopen(func(err error) { s.logf(runtime.LogErr, "reopening a log: %v", err) })
	}
	return l, true
}

// rememberAll is remember, and watches what there is to watch then.
func (s *Supervisor) rememberAll(w *watcher, l *Loaded, before map[string]mark, began time.Time) {
	s.remember(l, before, began)
	s.rewatch(w)
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
			if d.Detail != "" {
				s.logf(runtime.LogErr, "%s: hint: %s", d.Place, d.Detail)
			}
		}
	}
	s.logf(runtime.LogErr, "the new configuration was refused (%s), %s goes on serving", errorCount(st.Diags), st.Hash)
}

func (s *Supervisor) logf(l runtime.Level, format string, args ...any) {
	if s.engine == nil {
		fmt.Fprintf(os.Stderr, "pinion: "+format+"\n", args...)
		return
	}
	s.engine.Graph().Main.Logf(nil, l, "", format, args...)
}
