package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// Balancer is one balancer://name as one Graph knows it. Immutable once compiled, but for State.
type Balancer struct {
	Name    string // "balancer://yourlb", lower case
	Members []*Worker
	BalancerParams
	VPath   string // the path of the ProxyPass that uses it, for the balancer-manager
	Section *runtime.DirConfig
	Server  *runtime.Server // that defined it; other vhosts may have inherited it
	Place   parser.Place
	State   *BalancerState
	// Method is what the balancer's module makes of LBMethod while compiling, in its PostServer.
	Method any
	// FlagR is what status=+R means to its members.
	FlagR FlagR

	flagR   runtime.Opt[FlagR] // of its <Proxy> section
	base    *Balancer          // the main server's, whose members and so whose state it has; nil for none
	dropped []*Worker          // a vhost's own members, for which the main server's stand in
	hand    *byHand[balancerHand]
}

// BalancerParams are a balancer's parameters. What was not given holds httpd's default; an Opt knows whether it was.
type BalancerParams struct {
	LBMethod      runtime.Opt[string] // "byrequests"
	Sticky        string              // cookie name; "" for no stickiness
	StickyPath    string              // name in the URL; as Sticky unless given by A|b
	StickySep     runtime.Opt[byte]   // '.'; 0 for off
	ScolonPathDel runtime.Opt[bool]   // scolonpathdelim
	StickyForce   runtime.Opt[bool]   // nofailover
	ForceRecovery runtime.Opt[bool]   // On
	Timeout       time.Duration       // to wait for a free worker; 0: don't
	MaxAttempts   runtime.Opt[int]
	FailOnStatus  []int
	FailOnTimeout runtime.Opt[bool]
	Nonce         runtime.Opt[string] // "" for none; unset: a random one
	Growth        runtime.Opt[int]
}

// FailsOn tells whether failonstatus names the status.
func (b *Balancer) FailsOn(status int) bool {
	for _, s := range b.FailOnStatus {
		if s == status {
			return true
		}
	}
	return false
}

// Key names the balancer among all of a configuration, for keys of runtime.Adopt.
func (b *Balancer) Key() string { return ConfOf(b.Server).key + " " + b.Name }

// BalancerState is what of a balancer outlives a Graph. Safe for concurrent use.
type BalancerState struct {
	// Mu guards Elections and what they keep: electing a member and accounting for it are one step. It is held for well under a
	// microsecond, by requests of this balancer alone.
	Mu sync.Mutex
	// Elections is what of the elections is kept between requests, by the balancer's module; nil before the first one. Guarded by Mu.
	Elections Elections
	// ByBusy says that the elections go by Busy of the members: each change of it is told to them.
	ByBusy atomic.Bool
	// Changes counts the changes of members' statuses, and of retry times to earlier ones, so that the elections see them.
	Changes atomic.Uint64
	// Tuned counts the changes of what the elections are built from: factors, sets, routes, the method.
	Tuned atomic.Uint64
	// ResetDue says that an operator has made a member usable: the turns begin anew when the next one is added (httpd's need_reset).
	ResetDue atomic.Bool
	// Nonce is the random nonce made at the balancer's first definition.
	Nonce string

	StickyHits   atomic.Int64 // requests that brought a route and went to its member
	StickyMisses atomic.Int64 // requests to a sticky balancer without a route
	RouteChanges atomic.Int64 // elections of another member than the request's route named

	added   atomic.Pointer[[]Added]
	addedMu sync.Mutex // held by who changes added
}

// Elections are how a balancer's module keeps the members' turns.
type Elections interface {
	// Settle writes LBStatus of every member's state. BalancerState.Mu is held.
	Settle()
	// BusyChanged is told that Busy of a member has changed, where ByBusy is set. BalancerState.Mu is held.
	BusyChanged(w *WorkerState)
}

// NewBalancer returns a balancer without members that no configuration defines, with a state of its own.
func NewBalancer(name string) *Balancer {
	return &Balancer{Name: name, State: &BalancerState{}, hand: new(byHand[balancerHand])}
}
