package reload

import (
	"context"
	"slices"
	"strings"
)

// What may happen to a member in a step; what follows stands for nothing.
const (
	dies        = 1 + iota
	resetsAll   // its requests
	cutsAll     // its answers
	says503All  // to each request
	diesBusy    // while requests wait for it
	answersLate //
	failsChecks // of byCheck, while requests are answered
	allDie      = 100
)

// What may be done to pinion meanwhile.
const (
	acts = iota
	loads
	loadsAnother
	loadsBroken
	setsFactor
	addsOrRemoves
)

func (w *world) harm(i, harm int, over func() bool, meanwhile func()) {
	m := w.members[i]
	switch harm {
	case dies:
		w.die(i)
	case resetsAll:
		m.turn(resets)
	case cutsAll:
		m.turn(cuts)
	case says503All:
		m.turn(says503)
	case diesBusy, answersLate:
		m.turn(stalls)
		held := 0
		until(w.t, "a request to stall, or the clients to be done", func() bool { _, held, _ = m.count(); return held > 0 || over() })
		if b := w.worker(i).Busy; b < int64(held) {
			w.t.Errorf("%d requests wait for %s, and it is busy with %d", held, m.route, b)
		}
		meanwhile()
		if harm == diesBusy {
			w.die(i)
		} else {
			m.turn(answers)
		}
		return
	case failsChecks:
		w.sicken()
	case allDie:
		for i := range w.members {
			w.die(i)
		}
	}
	meanwhile()
}

// die lets a member die. Each of its connections, and one that each client's request has just made, may take a request with it.
func (w *world) die(i int) {
	w.died[i] = true
	w.dying += w.members[i].die() + chaosClients
}

// sicken lets a member's health check fail: from then on no session goes there.
func (w *world) sicken() {
	m := w.members[byCheck]
	m.turn(sick)
	until(w.t, m.route+" to be taken out of use", func() bool { return strings.Contains(w.worker(byCheck).Flags, "C") })
	if o := w.askOnce(m.route); o.member == m.route {
		w.t.Errorf("%+v: went to a member that failed its health check", o)
	}
}

func (w *world) admin(i, admin int, act string) {
	switch admin {
	case acts:
		w.post(i, map[string]any{"action": act})
		w.op[i] = act
	case loads, loadsAnother:
		w.n++
		w.rename("httpd.conf", w.conf(w.n))
		if st := w.sv.Reload(context.Background(), "signal", true); !st.Success {
			w.t.Error(st.Diags)
		}
	case loadsBroken:
		w.rename("httpd.conf", w.conf(w.n)+"ProxyPas /\n")
		if st := w.sv.Reload(context.Background(), "signal", true); st.Success {
			w.t.Error("a broken file was loaded")
		}
		w.rename("httpd.conf", w.conf(w.n))
	case setsFactor:
		w.post(i, map[string]any{"set": map[string]any{"loadfactor": 1 + w.rng.IntN(5)}})
	case addsOrRemoves:
		if w.op[guest] != "" {
			w.post(guest, map[string]any{"remove": true})
			w.op[guest] = ""
			return
		}
		w.send(map[string]any{"balancer": "app", "add": "http://" + w.members[guest].addr})
		w.elected[guest] = w.worker(guest).Elected
		w.post(guest, map[string]any{"set": map[string]any{"route": w.members[guest].route}, "action": "enable"})
		w.op[guest] = "enable"
	}
}

// recover brings members back, by chance or so that one is there; at last all of them.
func (w *world) recover(last bool) {
	firm := false
	for i := range fileMembers {
		firm = firm || w.sure[i] && w.op[i] == "enable"
	}
	for i, m := range w.members {
		must := !firm || last
		back := w.rng.IntN(2) == 0
		if w.op[i] == "" || !must && !back && !w.coming[i] {
			continue
		}
		if !w.coming[i] && !w.sure[i] {
			w.revive(i)
		}
		if must || w.op[i] == "disable" {
			w.enable(i)
		}
		if last {
			w.waitFor(i)
		}
		w.sure[i] = w.worker(i).Usable
		if w.coming[i] = !w.sure[i]; w.coming[i] && i != byRetry {
			w.t.Fatalf("%s came back and is not usable: %+v", m.route, w.worker(i))
		}
	}
	w.remember()
}

// revive lets a member live, and ends its error in its own way.
func (w *world) revive(i int) {
	m := w.members[i]
	m.live()
	switch i {
	case byCheck:
		// A check that began while the member was dead or sick may not have told yet. They come one after the other.
		probes := m.probed()
		until(w.t, "a health check of "+m.route, func() bool { return m.probed() > probes && w.worker(i).inUse() })
	case byRetry:
	default:
		w.post(i, map[string]any{"set": map[string]any{"status.E": false}})
	}
}

// enable makes the operator's word on a member "enable", without ending its error.
func (w *world) enable(i int) {
	off := map[string]any{}
	for _, letter := range []string{"N", "D", "S", "H", "R"} {
		off["status."+letter] = false
	}
	w.post(i, map[string]any{"set": off})
	w.op[i] = "enable"
}

// waitFor sends requests until the retry time of a member in error is over.
func (w *world) waitFor(i int) {
	until(w.t, "the retry time of "+w.members[i].route+" to be over", func() bool {
		if !w.worker(i).Usable {
			w.askOnce(w.members[i].route)
		}
		return w.worker(i).Usable
	})
}

// restart stops pinion and starts another one in its place: what it knew of the members it knows again.
func (w *world) restart() {
	var was, is [allMembers]workerFigures
	for i := range w.members {
		if w.op[i] != "" {
			was[i] = w.worker(i)
		}
	}
	w.hangUp()
	w.end()
	for _, x := range w.tunnels {
		x.ended(w.t)
		was[x.member].Transferred += x.sent // what it moved counts when it ends
		was[x.member].Read += x.sent
	}
	w.tunnels = nil
	for _, m := range w.members {
		until(w.t, "connections to "+m.route+" to be closed after the stop", func() bool { _, _, open := m.count(); return open == 0 })
	}
	w.sv, w.end = w.run()
	w.total.restarts++
	for i, m := range w.members {
		if w.op[i] == "" {
			continue
		}
		is[i] = w.worker(i)
		if a, b := was[i].kept(i == byCheck), is[i].kept(i == byCheck); a != b {
			w.t.Errorf("%s before the stop %+v, after the start %+v", m.route, a, b)
		}
		if !slices.EqualFunc(was[i].ByHand, is[i].ByHand, func(a, b setByHand) bool { return a == b }) {
			w.t.Errorf("%s: set by hand before the stop %v, after the start %v", m.route, was[i].ByHand, is[i].ByHand)
		}
	}
}
