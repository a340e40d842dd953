package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// PersistFile is the name of the file that BalancerPersist keeps the states in: in DefaultRuntimeDir, else beside the PidFile, else in
// ServerRoot.
const PersistFile = "pinion-balancers.json"

const (
	persistFormat = 1
	maxPersist    = 64 << 20 // bytes; a worker takes some 500
	persistEvery  = 30 * time.Second
)

// savedStates is what the file holds.
type savedStates struct {
	Program   string                   `json:"program"`
	Format    int                      `json:"format"`
	Written   time.Time                `json:"written"`
	Balancers map[string]savedBalancer `json:"balancers"`
	Workers   map[string]savedWorker   `json:"workers"`
}

type savedBalancer struct {
	ByHand       []Setting `json:"byHand,omitempty"`
	Added        []Added   `json:"added,omitempty"`
	StickyHits   int64     `json:"stickyHits"`
	StickyMisses int64     `json:"stickyMisses"`
	RouteChanges int64     `json:"routeChanges"`
}

type savedWorker struct {
	ByHand      []Setting `json:"byHand,omitempty"`
	Run         string    `json:"run,omitempty"` // letters of what running has set
	ErrorTime   int64     `json:"errorTime,omitempty"`
	Retries     int64     `json:"retries"`
	Errors      int64     `json:"errors"`
	Elected     int64     `json:"elected"`
	LBStatus    int64     `json:"lbstatus"`
	Transferred int64     `json:"transferred"`
	Read        int64     `json:"read"`
}

// store keeps the states of the servers with BalancerPersist in one file. It refers to states, never to a Graph.
type store struct {
	path string
	old  savedStates // what the file held at the start; nothing once a graph serves: what comes later is new

	mu   sync.Mutex // guards what follows, and the writing
	live bool
	from []savedFrom
	logf func(format string, args ...any)
	end  chan struct{}
	done sync.WaitGroup
}

// savedFrom is one balancer to save, or the workers of ProxyPass of a server.
type savedFrom struct {
	key     string // "" for workers without a balancer
	state   *BalancerState
	hand    *byHand[balancerHand]
	workers map[string]*WorkerState
}

// openStore returns the store of the configuration's file, read at the start. What it can't read it sets aside, with a warning.
func openStore(c *runtime.Compiler) *store {
	if c.Test || c.Offline {
		return nil
	}
	path := persistPath(c)
	st := runtime.AdoptNew(c, "proxy.persist "+path, func() *store {
		st := &store{path: path}
		if err := st.read(); err != nil {
			c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "persist-unreadable", Place: c.Graph.Main.Place,
				Summary: fmt.Sprintf("the states that BalancerPersist kept are not used: %v", err), Detail: st.setAside()})
		}
		if err := writable(filepath.Dir(path)); err != nil {
			c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "persist-unwritable", Place: c.Graph.Main.Place,
				Summary: fmt.Sprintf("BalancerPersist can't keep states in %s: %v", path, err)})
		}
		return st
	})
	return st
}

func persistPath(c *runtime.Compiler) string {
	if d := c.Graph.Process["defaultruntimedir"]; len(d) > 0 {
		return filepath.Join(c.ServerPath(d[0]), PersistFile)
	}
	if p := c.Graph.Process["pidfile"]; len(p) > 0 {
		return filepath.Join(filepath.Dir(c.ServerPath(p[0])), PersistFile)
	}
	return c.ServerPath(PersistFile)
}

func (st *store) read() error {
	f, err := os.Open(st.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPersist+1))
	if err != nil {
		return err
	}
	st.old, err = parseSaved(b)
	if err != nil {
		return fmt.Errorf("%s: %w", st.path, err)
	}
	return nil
}

// parseSaved reads the file's content.
func parseSaved(b []byte) (s savedStates, err error) {
	if len(b) > maxPersist {
		return s, fmt.Errorf("expected at most %d bytes", maxPersist)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return savedStates{}, err
	}
	if s.Program != "pinion" || s.Format != persistFormat {
		return savedStates{}, fmt.Errorf("expected states of pinion in format %d, found program %q, format %d", persistFormat, s.Program, s.Format)
	}
	return s, nil
}

// setAside renames a file that is of no use, so that it is neither lost nor read again. It says what became of it.
func (st *store) setAside() string {
	aside := st.path + "." + time.Now().Format("20060102T150405.000000") + ".bad"
	if err := os.Rename(st.path, aside); err != nil {
		return fmt.Sprintf("it can't be set aside either: %v", err)
	}
	return "it was set aside as " + aside
}

// good leaves out what no version of this program writes.
func good(all []Setting, check func(name, value string) error) (settings []Setting) {
	for _, s := range all {
		if check(s.Param, s.File) == nil && check(s.Param, s.Value) == nil {
			settings = put(settings, s)
		}
	}
	return settings
}

// balancerSettings restores what was set by hand of b.
func (st *store) balancerSettings(b *Balancer, h *byHand[balancerHand]) {
	if st != nil {
		st.old.Balancers[b.Key()].restoreHand(b, h)
	}
}

func (st *store) balancer(b *Balancer, to *BalancerState) {
	if st != nil {
		st.old.Balancers[b.Key()].restore(b, to)
	}
}

func (st *store) worker(w *Worker, to *WorkerState) {
	if st == nil {
		return
	}
	if s, ok := st.old.Workers[w.Key()]; ok {
		s.restore(w, to)
	}
}

func (s savedBalancer) restoreHand(b *Balancer, h *byHand[balancerHand]) {
	if all := good(s.ByHand, b.Check); len(all) > 0 {
		h.now.Store(&handSet[balancerHand]{all, compileBalancerHand(all)})
	}
}

// maxAdded bounds the members that are restored: growth= allows no more.
const maxAdded = 100

func (s savedBalancer) restore(b *Balancer, to *BalancerState) {
	to.StickyHits.Store(max(s.StickyHits, 0))
	to.StickyMisses.Store(max(s.StickyMisses, 0))
	to.RouteChanges.Store(max(s.RouteChanges, 0))
	var added []Added
	for _, a := range s.Added {
		if _, err := b.newMember(a.URL); err == nil && len(added) < maxAdded {
			added = append(added, a)
		}
	}
	to.added.Store(&added)
}

func (s savedWorker) restore(w *Worker, to *WorkerState) {
	to.errorTime.Store(max(s.ErrorTime, 0))
	to.Retries.Store(max(s.Retries, 0))
	to.Errors.Store(max(s.Errors, 0))
	to.Elected.Store(max(s.Elected, 0))
	to.Transferred.Store(max(s.Transferred, 0))
	to.Read.Store(max(s.Read, 0))
	to.LBStatus.Store(s.LBStatus)
	var run Status
	for i := range len(s.Run) {
		run |= StatusOf(s.Run[i])
	}
	to.run.Store(uint32(run & (InError | HCFail)))
	if all := good(s.ByHand, w.Check); len(all) > 0 {
		to.hand.now.Store(&handSet[workerHand]{all, compileWorkerHand(all)})
	}
}

// goLive makes the store save what g serves with, from now on.
func (st *store) goLive(g *runtime.Graph) {
	var from []savedFrom
	for _, s := range g.Servers {
		conf := ConfOf(s)
		if conf.saved == nil {
			continue
		}
		own := savedFrom{workers: map[string]*WorkerState{}}
		for _, w := range conf.Workers {
			if w.Server == s {
				own.workers[w.Key()] = w.State
			}
		}
		from = append(from, own)
		for _, b := range conf.Balancers {
			if b.Server != s {
				continue
			}
			x := savedFrom{key: b.Key(), state: b.State, hand: b.hand, workers: map[string]*WorkerState{}}
			for _, w := range b.Members {
				x.workers[w.Key()] = w.State
			}
			from = append(from, x)
		}
	}
	errors, levels := g.Main.Errors, g.Main.Dir
	st.old = savedStates{}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.from = from
	st.logf = func(format string, args ...any) {
		(&runtime.Server{Errors: errors, Dir: levels}).Logf(Module, runtime.LogErr, "", format, args...)
	}
	if !st.live {
		st.live, st.end = true, make(chan struct{})
		st.done.Go(st.run)
	}
}

// run saves the counters from time to time, for the case that the process is killed.
func (st *store) run() {
	t := time.NewTicker(persistEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := st.save(); err != nil {
				st.logf("BalancerPersist: %v", err)
			}
		case <-st.end:
			return
		}
	}
}

// Close saves for the last time.
func (st *store) Close() error {
	st.mu.Lock()
	live := st.live
	st.live = false
	st.mu.Unlock()
	if !live {
		return nil // it never served: what is in the file stays
	}
	close(st.end)
	st.done.Wait()
	err := st.save()
	if err != nil {
		st.logf("BalancerPersist: %v", err)
	}
	return err
}

// Persist saves the states of g's servers with BalancerPersist now; without any it does nothing.
func Persist(g *runtime.Graph) error {
	if own := runtime.GraphConf[graphConf](g, Module); own != nil && own.store != nil {
		return own.store.save()
	}
	return nil
}

// save writes the file: whole or not at all, also where the machine fails meanwhile.
func (st *store) save() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := json.MarshalIndent(st.collect(), "", " ")
	if err != nil {
		return err
	}
	return writeWhole(st.path, append(b, '\n'))
}

func (st *store) collect() *savedStates {
	s := &savedStates{Program: "pinion", Format: persistFormat, Written: time.Now().UTC(),
		Balancers: map[string]savedBalancer{}, Workers: map[string]savedWorker{}}
	for _, x := range st.from {
		if x.state != nil {
			s.Balancers[x.key] = savedBalancer{ByHand: x.hand.settings(), Added: x.state.AddedMembers(), StickyHits: x.state.StickyHits.Load(),
				StickyMisses: x.state.StickyMisses.Load(), RouteChanges: x.state.RouteChanges.Load()}
			x.state.Mu.Lock()
			if x.state.Elections != nil {
				x.state.Elections.Settle()
			}
			x.state.Mu.Unlock()
		}
		for key, w := range x.workers {
			s.Workers[key] = w.saved()
		}
	}
	return s
}

func (s *WorkerState) saved() savedWorker {
	s.failing.Lock()
	defer s.failing.Unlock()
	return savedWorker{Run: Status(s.run.Load()).Letters(), ByHand: s.hand.settings(), ErrorTime: s.errorTime.Load(), Retries: s.Retries.Load(), Errors: s.Errors.Load(), Elected: s.Elected.Load(),
		LBStatus: s.LBStatus.Load(), Transferred: s.Transferred.Load(), Read: s.Read.Load()}
}

// writable tells why no file can be written in the folder, nil where one can.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".pinion-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// writeWhole replaces the file by one with that content.
func writeWhole(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in the folder last.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
