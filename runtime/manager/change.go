package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"pinion/runtime"
	"pinion/runtime/balancer"
	"pinion/runtime/proxy"
)

// changing is held by who changes something: so a condition that held when it was asked for still holds when the change is made.
var changing sync.Mutex

// reloadTime is how long a new member may take to be in the configuration.
const reloadTime = 30 * time.Second

func (v *visit) hand() proxy.Hand {
	who := v.User
	if who == "" {
		who = v.ClientIP
	}
	return proxy.Hand{Who: who, When: time.Now().UTC().Truncate(time.Millisecond)}
}

// audit writes who did what, whatever LogLevel says: a change by hand must be found later.
func (v *visit) audit(b *proxy.Balancer, w *proxy.Worker, format string, args ...any) {
	what := b.Name
	if w != nil {
		what += " " + w.DisplayName()
	}
	user := v.User
	if user == "" {
		user = "-"
	}
	v.Server.Errors.Write(&runtime.LogEntry{Time: time.Now(), Module: balancer.Module, Level: runtime.LogNotice, Request: v.Request, Conn: v.Conn, Server: v.Server,
		Message: fmt.Sprintf("balancer-manager: %s: %s, by %s (user %s)", what, fmt.Sprintf(format, args...), v.ClientIP, user)})
}

// setWorker sets a parameter of a worker by hand.
func (v *visit) setWorker(b *proxy.Balancer, w *proxy.Worker, name, value string) error {
	if isTransient(name) {
		return v.setTransient(b, w, name, value)
	}
	wasUsable := w.Usable()
	from, to, err := w.Set(name, value, v.hand())
	if err != nil {
		return fmt.Errorf("%s of %s: %w", name, w.DisplayName(), err)
	}
	if from != to {
		v.audit(b, w, "%s from %q to %q", name, from, to)
	}
	if !wasUsable && w.Usable() {
		b.State.ResetDue.Store(true)
	}
	return nil
}

// isTransient tells whether a flag is one that running sets and clears by itself.
func isTransient(name string) bool { return name == "status.C" || name == "status.E" }

// setTransient sets or clears what running itself sets and clears: an error, or a failed health check.
func (v *visit) setTransient(b *proxy.Balancer, w *proxy.Worker, name, value string) error {
	bit := proxy.StatusOf(name[len(name)-1])
	on := value == "On"
	if !on && value != "Off" {
		return fmt.Errorf("%s of %s: expected On or Off, found %q", name, w.DisplayName(), value)
	}
	was := w.Status()
	w.Operate(bit, on)
	if was.Has(bit) != on {
		v.audit(b, w, "%s from %q to %q", name, onOff(was.Has(bit)), onOff(on))
	}
	if !was.Usable() && w.Usable() {
		b.State.ResetDue.Store(true)
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return "On"
	}
	return "Off"
}

// setBalancer sets a parameter of a balancer by hand.
func (v *visit) setBalancer(b *proxy.Balancer, name, value string) error {
	from, to, err := b.Set(name, value, v.hand())
	if err != nil {
		return fmt.Errorf("%s of %s: %w", name, b.Name, err)
	}
	if from != to {
		v.audit(b, nil, "%s from %q to %q", name, from, to)
		if name == "lbmethod" {
			b.State.ResetDue.Store(false)
		}
	}
	return nil
}

// add adds a member. It is disabled, and in the configuration when this returns.
func (v *visit) add(b *proxy.Balancer, url string) error {
	if err := b.Add(url, v.hand()); err != nil {
		code := "AH10164"
		if errors.Is(err, proxy.ErrBadMember) {
			code = "AH10163"
		}
		v.Logf(balancer.Module, runtime.LogErr, code, "%s: failed to add worker %s", b.Name, url)
		return err
	}
	if err := v.reload(); err != nil {
		b.State.Forget(url)
		v.Logf(balancer.Module, runtime.LogErr, "AH10163", "%s: failed to add worker %s", b.Name, url)
		return fmt.Errorf("the member can't be added now: %w", err)
	}
	v.audit(b, nil, "member %s added, disabled", url)
	if b.State.ResetDue.Swap(false) {
		balancer.Reset(b)
	}
	return nil
}

// remove takes a member away that was added.
func (v *visit) remove(b *proxy.Balancer, w *proxy.Worker) error {
	if w.Added == nil {
		return errors.New("only a member that was added while running can be removed: this one stands in the file")
	}
	if !b.Remove(w) {
		return errors.New("the member has been removed by somebody else")
	}
	if err := v.reload(); err != nil {
		return fmt.Errorf("the member goes as soon as the configuration can be loaded again: %w", err)
	}
	v.audit(b, nil, "member %s removed", w.DisplayName())
	return nil
}

func (v *visit) reload() error {
	ctx, cancel := context.WithTimeout(context.Background(), reloadTime)
	defer cancel()
	return v.Conn.Engine.Reload(ctx, "balancer-manager")
}

// saved keeps what was changed over a restart, where BalancerPersist says so.
func (v *visit) saved() {
	if err := proxy.Persist(v.Conn.Engine.Graph()); err != nil {
		v.LogCausef(balancer.Module, runtime.LogErr, err, "", "BalancerPersist: the change is made, but not saved")
	}
}

// actions are the page's one-click changes: which flags of status= each sets; the others of "NDSHR" it clears.
var actions = map[string]string{"enable": "", "drain": "N", "disable": "D", "stop": "S", "standby": "H", "route-only": "R", "spare": "R"}

func canAct(w *proxy.Worker, action string) error {
	_, ok := actions[action]
	if !ok || (action == "spare" || action == "route-only") && action != rAction(w) {
		return fmt.Errorf("expected the action enable, drain, disable, stop, standby or %s, found %q", rAction(w), action)
	}
	return nil
}

// act does one of actions.
func (v *visit) act(b *proxy.Balancer, w *proxy.Worker, action string) error {
	if err := canAct(w, action); err != nil {
		return err
	}
	flags := actions[action]
	for _, letter := range []string{"N", "D", "S", "H", "R"} {
		if err := v.setWorker(b, w, "status."+letter, onOff(strings.Contains(flags, letter))); err != nil {
			return err
		}
	}
	if action == "enable" && w.Status().Has(proxy.InError) {
		return v.setTransient(b, w, "status.E", "Off")
	}
	return nil
}

// rAction is the action that sets R of the worker.
func rAction(w *proxy.Worker) string {
	if w.FlagR == proxy.HotSpareR {
		return "spare"
	}
	return "route-only"
}
