package proxy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pinion/runtime"
)

// Added is a member that an operator added to a balancer while running. The next Graph has it; see runtime.Engine.Reload.
type Added struct {
	URL  string    `json:"url"`
	Who  string    `json:"who"`
	When time.Time `json:"when"`
}

// ErrNoRoom is the error for a member that growth= leaves no place for.
var ErrNoRoom = errors.New("the balancer's growth= leaves no place for another member")

// ErrBadMember is wrapped by the error for a URL that no member can be made of.
var ErrBadMember = errors.New("no URL of a member")

// MaxMembers is how many members there may be: those of the file, and growth= more.
func (b *Balancer) MaxMembers() int {
	n := b.Growth.Or(0)
	for _, w := range b.Members {
		if w.Added == nil {
			n++
		}
	}
	return n
}

// FindMember returns the member that serves the URL, nil for none (ap_proxy_get_worker).
func (b *Balancer) FindMember(url string) *Worker {
	_, origin, _ := unixURL(url)
	return findWorker(b.Members, origin, anyWorkers)
}

// Add notes a member for the next Graph: disabled, with the default parameters. The URL is as in BalancerMember.
func (b *Balancer) Add(url string, by Hand) error {
	w, err := b.newMember(url)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadMember, err)
	}
	if have := findWorker(b.Members, w.Name, anyWorkers); have != nil {
		return fmt.Errorf("expected a new member, found one that serves %s: %s", w.Name, have.DisplayName())
	}
	st := b.State
	st.addedMu.Lock()
	defer st.addedMu.Unlock()
	all := st.AddedMembers()
	if len(b.Members) >= b.MaxMembers() || len(all) >= b.Growth.Or(0) {
		return ErrNoRoom
	}
	all = append(slices.Clip(all), Added{url, by.Who, by.When})
	st.added.Store(&all)
	return nil
}

// Remove notes that the next Graph is to be without a member that was added. It tells whether there was one. What was set of it by
// hand goes at once: so it takes no new request, and is a new member should it be added again while requests still use it.
func (b *Balancer) Remove(w *Worker) bool {
	if w.Added == nil {
		return false
	}
	if !b.State.removeAdded(func(a Added) bool { return a == *w.Added }) {
		return false
	}
	w.State.hand.change(compileWorkerHand, func([]Setting) []Setting { return nil })
	w.retuned()
	w.changed()
	return true
}

// Forget takes back what Add noted.
func (st *BalancerState) Forget(url string) {
	st.removeAdded(func(a Added) bool { return a.URL == url })
}

// AddedMembers returns what was added, in the order it was.
func (st *BalancerState) AddedMembers() []Added {
	if p := st.added.Load(); p != nil {
		return *p
	}
	return nil
}

func (st *BalancerState) removeAdded(is func(Added) bool) bool {
	st.addedMu.Lock()
	defer st.addedMu.Unlock()
	all := st.AddedMembers()
	rest := slices.DeleteFunc(slices.Clone(all), is)
	st.added.Store(&rest)
	return len(rest) < len(all)
}

// newMember makes a member of a URL that doesn't come from the file.
func (b *Balancer) newMember(url string) (*Worker, error) {
	if _, err := checkText(256)(url); err != nil {
		return nil, err
	}
	socket, origin, ok := unixURL(url)
	if !ok {
		return nil, fmt.Errorf("expected a URL after the bar of unix:, found %q", url)
	}
	u, err := parseWorkerURL(origin)
	if err != nil {
		return nil, err
	}
	if schemeHandlers[u.scheme] == nil && len(schemeHandlers) > 0 {
		return nil, fmt.Errorf("backends by %s:// are not supported", u.scheme)
	}
	w := &Worker{Name: u.name, Scheme: u.scheme, Hostname: u.host, Port: u.port, Path: u.path, UDS: socket, Params: defaultParams(),
		FixedAddress: true, Balancer: b, Section: b.Section, Server: b.Server, Place: b.Place}
	w.Params.Status = Disabled
	return w, nil
}

// addMembers appends the members that were added, but for those that the file has by now.
func (b *Balancer) addMembers(conf *ServerConf) {
	for _, a := range b.State.AddedMembers() {
		w, err := b.newMember(a.URL)
		if err != nil || findWorker(b.Members, w.Name, anyWorkers) != nil {
			continue
		}
		w.Params.Timeout, w.RecvBuffer, w.IOBuffer = conf.Timeout, conf.RecvBuffer, conf.IOBuffer
		w.Added = &a
		b.Members = append(slices.Clip(b.Members), w)
	}
}

// goLive forgets what operators set where the file has overruled it, and says so.
func goLive(g *runtime.Graph) {
	for _, s := range g.Fresh {
		conf := ConfOf(s)
		for _, b := range conf.Balancers {
			if b.Server != s || b.State == nil {
				continue
			}
			for _, x := range dropStale(b, b.hand, b.FileValue, compileBalancerHand) {
				logOverruled(s, b.Name, x)
				b.retuned()
			}
			if b.base == nil {
				b.goLive(s)
			}
		}
	}
	if own := runtime.GraphConf[graphConf](g, Module); own != nil && own.store != nil {
		own.store.goLive(g)
	}
}

// outdated tells whether a balancer of s would have other members if it were compiled again, as some were added or removed by hand.
func outdated(s *runtime.Server) bool {
	for _, b := range ConfOf(s).Balancers {
		if b.Server != s || b.State == nil || b.base != nil {
			continue
		}
		if len(b.State.AddedMembers()) == 0 && !slices.ContainsFunc(b.Members, func(w *Worker) bool { return w.Added != nil }) {
			continue
		}
		var have, want []Added
		var fixed []*Worker
		for _, w := range b.Members {
			if w.Added != nil {
				have = append(have, *w.Added)
			} else {
				fixed = append(fixed, w)
			}
		}
		for _, a := range b.State.AddedMembers() {
			if w, err := b.newMember(a.URL); err == nil && findWorker(fixed, w.Name, anyWorkers) == nil {
				want = append(want, a)
			}
		}
		if !slices.Equal(have, want) {
			return true
		}
	}
	return false
}

func (b *Balancer) goLive(s *runtime.Server) {
	for _, w := range b.Members {
		for _, x := range dropStale(w, &w.State.hand, w.FileValue, compileWorkerHand) {
			logOverruled(s, b.Name+" "+w.DisplayName(), x)
		}
	}
	b.State.removeAdded(func(a Added) bool {
		w := b.FindMember(a.URL)
		inFile := w != nil && w.Added == nil
		if inFile {
			s.Logf(Module, runtime.LogNotice, "", "%s: member %s, which %s added by hand, is in the file now: the file holds", b.Name, a.URL, a.Who)
		}
		return inFile
	})
}

func logOverruled(s *runtime.Server, what string, x Setting) {
	s.Logf(Module, runtime.LogNotice, "", "%s: %s %q, which %s set by hand when the file said %q, no longer holds: the file has changed it",
		what, x.Param, x.Value, x.Who, x.File)
}
