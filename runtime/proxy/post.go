package proxy

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// graphConf is what mod_proxy keeps of a whole Graph.
type graphConf struct {
	keys  map[*ServerConf]string // while compiling: those of the servers that are compiled
	store *store                 // BalancerPersist's; nil where no server has it
}

// postServer binds what a server defines itself to its state, before the modules of schemes and balancers look at it in their own
// PostServer.
func postServer(c *runtime.Compiler, s *runtime.Server) {
	conf := runtime.ServerConf[ServerConf](s, Module)
	if s.Main {
		conf = runtime.OwnServerConf[ServerConf](s, Module)
		conf.runtimeDir = runtimeDir(c)
	}
	if conf == nil || conf.server != nil {
		return // none of its own
	}
	conf.server, conf.key = s, keys(c)[conf]
	if conf.Persist {
		conf.saved = openStore(c)
	}
	conf.complete(c, s, ConfOf(c.Graph.Main))
	if s.Main {
		w := &Worker{Name: "proxy:reverse", Scheme: "*", Hostname: "*", Params: defaultParams(), Server: s, reuseOff: true}
		w.Params.Status = IgnoreErrors | Generic
		adoptWorker(c, w, nil)
		conf.reverse = w
	}
}

// keys names the servers over reloads: by name and address; of several that are alike each further one gets a number. Where that
// makes a server another one that was taken over from the graph before, all are compiled again.
func keys(c *runtime.Compiler) map[*ServerConf]string {
	own := runtime.OwnGraphConf[graphConf](c.Graph, Module)
	if own.keys != nil {
		return own.keys
	}
	own.keys = map[*ServerConf]string{}
	if c.SameNames() && replacedKeys(c, own.keys) {
		return own.keys
	}
	count := make(map[string]int, len(c.Graph.Servers))
	for _, v := range c.Graph.Servers {
		conf := runtime.ServerConf[ServerConf](v, Module)
		if conf == nil || own.keys[conf] != "" || conf.server != nil && conf.server != v {
			continue // none of its own
		}
		if conf.name == "" {
			conf.name = serverKey(v)
		}
		key := conf.name
		if count[key]++; count[key] > 1 {
			key += "#" + strconv.Itoa(count[key])
		}
		if conf.server == nil {
			own.keys[conf] = key
		} else if conf.key != key {
			c.Outdate()
		}
	}
	return own.keys
}

// replacedKeys takes the keys of the servers that others stand for now. It tells whether those had any.
func replacedKeys(c *runtime.Compiler, keys map[*ServerConf]string) bool {
	for _, s := range c.Compiled() {
		conf, was := runtime.ServerConf[ServerConf](s, Module), runtime.ServerConf[ServerConf](c.Replaced(s), Module)
		switch own := was != nil && was.server == c.Replaced(s); {
		case conf == nil || conf.server != nil:
			if own {
				return false // its number is free now
			}
		case !own:
			return false
		default:
			conf.name, keys[conf] = was.name, was.key
		}
	}
	return true
}

// postConfig looks whether servers that are taken over from the graph before still have their keys, and finds what BalancerPersist
// saves.
func postConfig(c *runtime.Compiler) {
	keys(c)
	own := runtime.OwnGraphConf[graphConf](c.Graph, Module)
	for _, s := range c.Graph.Servers {
		if conf := ConfOf(s); conf.saved != nil {
			own.store = conf.saved
		}
	}
	own.keys = nil
}

// runtimeDir is what relative paths of sockets are relative to.
func runtimeDir(c *runtime.Compiler) string {
	if d := c.Graph.Process["defaultruntimedir"]; len(d) > 0 {
		if filepath.IsAbs(d[0]) {
			return d[0]
		}
		return filepath.Join(c.Tree.ServerRoot, d[0])
	}
	return c.Tree.ServerRoot
}

// complete binds what the server defines itself to its state, and builds the indexes.
func (conf *ServerConf) complete(c *runtime.Compiler, s *runtime.Server, main *ServerConf) {
	for _, w := range conf.Workers {
		if w.Server == s {
			adoptWorker(c, w, conf.saved)
			w.noteR(c)
		}
	}
	for i, b := range conf.Balancers {
		if b.Server != s {
			continue
		}
		conf.Balancers[i].bind(c, conf)
	}
	conf.balancers = make(map[string]*Balancer, len(conf.Balancers))
	for _, b := range conf.Balancers {
		conf.balancers[b.Name] = b
	}
	conf.workers = indexWorkers(conf.Workers)
	if conf.own > 0 && conf != main && len(main.index) > 0 {
		conf.index = append(conf.index, main.index[0])
	}
	conf.index = append(conf.index, indexMounts(conf.Mounts[conf.own:]))
	conf.warnShadowed(c)
}

func (b *Balancer) bind(c *runtime.Compiler, conf *ServerConf) {
	b.FlagR = b.flagR.Or(conf.FlagR.Or(RouteOnly))
	b.hand = runtime.AdoptNew(c, "proxy.byhand "+conf.key+" "+b.Name, func() *byHand[balancerHand] {
		h := new(byHand[balancerHand])
		conf.saved.balancerSettings(b, h)
		return h
	})
	if b.base != nil {
		b.State, b.Members = b.base.State, b.base.Members
		b.warnDropped(c)
		return
	}
	b.State = runtime.AdoptNew(c, "proxy.balancer "+conf.key+" "+b.Name, func() *BalancerState {
		st := &BalancerState{Nonce: newNonce()}
		conf.saved.balancer(b, st)
		return st
	})
	b.addMembers(conf)
	for _, w := range b.Members {
		w.FlagR = b.FlagR
		adoptWorker(c, w, conf.saved)
		w.noteR(c)
	}
}

// warnDropped says that members are ignored.
func (b *Balancer) warnDropped(c *runtime.Compiler) {
	if len(b.dropped) > 0 {
		c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "members-ignored", Place: b.dropped[0].Place,
			Summary: fmt.Sprintf("the members of %s given here are ignored: the main server defines a balancer of that name, whose members the vhost inherits", b.Name),
			Detail:  "give the balancer another name here, or put BalancerInherit Off and ProxyPassInherit Off into this vhost"})
	}
}

func adoptWorker(c *runtime.Compiler, w *Worker, saved *store) {
	w.State = runtime.AdoptNew(c, "proxy.worker "+w.Key(), func() *WorkerState {
		st := &WorkerState{since: time.Now()}
		// The file's E and C hold from the start until a request or a health check finds otherwise.
		st.run.Store(uint32(w.Params.Status & transient))
		saved.worker(w, st)
		return st
	})
}

// noteR says what the R in a status= means.
func (w *Worker) noteR(c *runtime.Compiler) {
	if w.readR.Range.Start.Line == 0 || !w.Params.Status.Has(HotSpare) {
		return
	}
	d := &parser.Diagnostic{Severity: parser.Note, Code: "route-only-flag", Place: w.readR,
		Summary: "R is read as route-only: this worker takes requests that carry its own route and no others",
		Detail:  "BalancerFlagR hot-spare gives R the meaning of httpd 2.4.34 and later: to stand in for members that are unusable"}
	if w.Balancer == nil {
		d.Summary, d.Detail = "R has no effect: this worker is no member of a balancer", ""
	} else if w.FlagR == HotSpareR {
		d.Summary = "R is read as hot spare: this worker stands in for members that are unusable"
		d.Detail = "BalancerFlagR route-only gives R the other meaning: to take requests that carry the worker's own route and no others"
	}
	c.Report(d)
}

func newNonce() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// warnShadowed warns of mounts of this server that no request reaches, as an earlier one takes all that they would match.
func (conf *ServerConf) warnShadowed(c *runtime.Compiler) {
	own := conf.Mounts[conf.own:]
	last := len(conf.index) - 1
	for i, m := range own {
		if m.regex != nil || m.interpolate || m.Servlet {
			continue
		}
		for n, x := range conf.index {
			before := len(x.mounts)
			if n == last {
				before = i
			}
			if by := x.shadows(m, before); by != nil {
				c.Report(shadowed(m, by))
				break
			}
		}
	}
}

// shadows returns the mount before position before that takes every path that m matches, nil for none.
func (x *mountIndex) shadows(m *Mount, before int) *Mount {
	for _, i := range x.candidates(m.Path, nil) {
		by := x.mounts[i]
		if i < before && by.regex == nil && !by.interpolate && !by.Servlet && by.Encoded == m.Encoded && by.Path != "" {
			return by
		}
	}
	return nil
}

func shadowed(m, by *Mount) *parser.Diagnostic {
	d := &parser.Diagnostic{Severity: parser.Warning, Place: m.Place, Also: []parser.Related{{Summary: "the first that matches", Place: by.Place}}}
	switch {
	case m.URL == "!":
		d.Code = "late-exception"
		d.Summary = fmt.Sprintf("this exception has no effect: the earlier mount of %s takes all requests for %s", by.Path, m.Path)
		d.Detail = "the first mount that matches counts: put the exception before it"
	case by.URL == "!":
		d.Code = "shadowed-mount"
		d.Summary = fmt.Sprintf("no request reaches this mount: the earlier exception of %s covers %s", by.Path, m.Path)
		d.Detail = "the first mount that matches counts, not the longest"
	default:
		d.Code = "shadowed-mount"
		d.Summary = fmt.Sprintf("no request reaches this mount: the earlier one of %s takes all requests for %s", by.Path, m.Path)
		d.Detail = "the first mount that matches counts, not the longest: put the longer path first"
	}
	return d
}
