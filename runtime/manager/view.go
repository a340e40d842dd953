package manager

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
	"pinion/runtime/balancer"
	"pinion/runtime/proxy"
)

// overview is all that the manager shows, as JSON and on the page.
type overview struct {
	Server    string         `json:"server"`
	Time      time.Time      `json:"time"`
	Persist   bool           `json:"persist"` // changes outlive a restart
	Methods   []string       `json:"lbmethods"`
	Balancers []balancerView `json:"balancers"`

	Inherit, PassInherit bool   `json:"-"`
	Action               string `json:"-"`
	Version              string `json:"-"`
}

// balancerView is a balancer. ETag names its settings and its members', not its figures.
type balancerView struct {
	Name          string          `json:"name"` // without balancer://
	ETag          string          `json:"etag"`
	LBMethod      string          `json:"lbmethod"`
	StickySession string          `json:"stickysession"`
	Timeout       int             `json:"timeout"` // seconds
	MaxAttempts   int             `json:"maxattempts"`
	NoFailover    bool            `json:"nofailover"`
	FlagR         string          `json:"flagR"` // what R means: route-only or hot-spare
	MaxMembers    int             `json:"maxMembers"`
	StickyHits    int64           `json:"stickyHits"`
	StickyMisses  int64           `json:"stickyMisses"`
	RouteChanges  int64           `json:"routeChanges"`
	ByHand        []proxy.Setting `json:"byHand"`
	Workers       []workerView    `json:"workers"`

	b            *proxy.Balancer
	used         int // how many members there are, shown or not
	sel          *selection
	Nonce, SName string `json:"-"`
}

// workerView is a member.
type workerView struct {
	Name        string          `json:"name"` // as in the file: "unix:/path|http://…" with a socket
	ETag        string          `json:"etag"`
	State       string          `json:"state"`  // one of states
	Status      string          `json:"status"` // httpd's words
	Flags       string          `json:"flags"`  // the letters of status=
	Usable      bool            `json:"usable"`
	Route       string          `json:"route"`
	Redirect    string          `json:"redirect"`
	LoadFactor  float64         `json:"loadfactor"`
	LBSet       int             `json:"lbset"`
	Elected     int64           `json:"elected"`
	Busy        int64           `json:"busy"`
	LBStatus    int64           `json:"lbstatus"`
	Transferred int64           `json:"transferred"`
	Read        int64           `json:"read"`
	Errors      int64           `json:"errors"`
	Retries     int64           `json:"retries"`
	ErrorTime   *time.Time      `json:"errorTime"`
	OwnRoute    ownRoute        `json:"ownRoute"`
	Leaving     string          `json:"leaving"` // how far its fade-out is; "" for one that takes new sessions
	Recent      []uint32        `json:"recent"`  // elections in each five seconds of the last five minutes, the oldest first
	Health      healthView      `json:"health"`
	ByHand      []proxy.Setting `json:"byHand"`
	Added       *proxy.Added    `json:"added"` // who added it while running

	w *proxy.Worker
	b *balancerView

	Now time.Time `json:"-"`
}

// ownRoute is how many requests carried the member's own route: when none does any more, its sessions are gone.
type ownRoute struct {
	Minute      int64      `json:"minute"`
	FiveMinutes int64      `json:"fiveMinutes"`
	Hour        int64      `json:"hour"`
	Last        *time.Time `json:"last"`
	Since       time.Time  `json:"since"` // when counting began
}

// healthView is a member's health check: how it is asked, and what that found.
type healthView struct {
	healthParams
	Passing int        `json:"passing"` // counts toward hcpasses
	Failing int        `json:"failing"` // counts toward hcfails
	Passed  int64      `json:"passed"`  // since the start
	Failed  int64      `json:"failed"`
	Last    *checkView `json:"last"` // null where none has ended
}

type healthParams struct {
	Method     string `json:"hcmethod"`
	IntervalMS int64  `json:"hcinterval"`
	Passes     int    `json:"hcpasses"`
	Fails      int    `json:"hcfails"`
	URI        string `json:"hcuri"`
	Expr       string `json:"hcexpr"`
}

// checkView is one health check.
type checkView struct {
	Time   time.Time `json:"time"` // when it ended
	TookMS float64   `json:"took"`
	Passed bool      `json:"passed"`
	Why    string    `json:"why"`
}

// Ended is when the check ended, for ago.
func (c *checkView) Ended() *time.Time { return &c.Time }

// Text says what the check found and how long that took.
func (c *checkView) Text() string {
	return fmt.Sprintf("%s, in %s ms", c.Why, strconv.FormatFloat(c.TookMS, 'g', 3, 64))
}

func viewHealth(w *proxy.Worker) healthView {
	hc, stats := w.HealthNow(), &w.State.Health
	x := healthView{healthParams: healthParams{hc.Method, hc.Interval.Milliseconds(), hc.Passes, hc.Fails, hc.URI, hc.Expr}, Passed: stats.Passed.Load(), Failed: stats.Failed.Load()}
	if l := stats.Last.Load(); l != nil && hc.Method != "NONE" {
		x.Passing, x.Failing = l.Passes, l.Fails
		x.Last = &checkView{Time: l.Ended.UTC().Truncate(time.Millisecond), TookMS: float64(l.Took.Microseconds()) / 1000, Passed: l.Passed, Why: l.Why}
	}
	return x
}

func (v *visit) overview() *overview {
	conf := proxy.ConfOf(v.Server)
	o := &overview{Server: v.ServerName(), Time: time.Now().UTC().Truncate(time.Millisecond), Persist: conf.Persist, Methods: proxy.LBMethods(),
		Inherit: conf.Inherit.Or(true), PassInherit: conf.PassInherit.Or(true), Action: v.URI, Version: v.Graph.Banner, Balancers: []balancerView{}}
	for _, b := range v.balancers {
		o.Balancers = append(o.Balancers, viewBalancer(b, o.Time))
	}
	return o
}

func viewBalancer(b *proxy.Balancer, now time.Time) balancerView {
	info := balancer.Look(b)
	x := balancerView{Name: strings.TrimPrefix(b.Name, "balancer://"), LBMethod: info.MethodName, StickySession: b.StickyText(), Timeout: int(b.Timeout() / time.Second),
		MaxAttempts: b.Attempts(), NoFailover: b.StickyForce(), FlagR: b.FlagR.String(), MaxMembers: b.MaxMembers(), StickyHits: info.StickyHits,
		StickyMisses: info.StickyMisses, RouteChanges: info.RouteChanges, ByHand: orEmpty(b.ByHand()), Workers: []workerView{},
		b: b, used: len(b.Members), Nonce: nonceOf(b), SName: shortName(b)}
	for _, i := range info.Workers {
		x.Workers = append(x.Workers, viewWorker(&i, now))
	}
	h := sha256.New()
	for _, name := range balancerParams {
		value, _ := x.value(name)
		fmt.Fprintf(h, "%s=%q ", name, value)
	}
	for _, w := range x.Workers {
		io.WriteString(h, w.Name+w.ETag)
	}
	x.ETag = tag(h.Sum(nil))
	return x
}

// bind lets the members know their balancer.
func (x *balancerView) bind(now time.Time) {
	for k := range x.Workers {
		x.Workers[k].b, x.Workers[k].Now = x, now
	}
}

// balancerParams are what can be set by hand of a balancer.
var balancerParams = []string{"lbmethod", "stickysession", "timeout", "maxattempts", "nofailover"}

// value is a parameter that is in force, as text.
func (x *balancerView) value(name string) (string, bool) {
	switch name {
	case "lbmethod":
		return x.LBMethod, true
	case "stickysession":
		return x.StickySession, true
	case "timeout":
		return fmt.Sprint(x.Timeout), true
	case "maxattempts":
		return fmt.Sprint(x.MaxAttempts), true
	case "nofailover":
		return onOff(x.NoFailover), true
	}
	return "", false
}

func viewWorker(i *balancer.WorkerInfo, now time.Time) workerView {
	w := i.Worker
	x := workerView{Name: w.DisplayName(), State: stateOf(w, i.StatusNow), Status: i.StatusNow.String(), Flags: i.StatusNow.Letters(), Usable: i.StatusNow.Usable(),
		Route: w.Route(), Redirect: w.Redirect(), LoadFactor: float64(w.LBFactor()) / 100, LBSet: w.LBSet(), Elected: i.Elected, Busy: i.Busy, LBStatus: i.LBStatus,
		Transferred: i.Transferred, Read: i.ReadBytes, Errors: i.Errors, Retries: i.Retries, Recent: i.Recent, ByHand: orEmpty(w.ByHand()), Added: w.Added,
		OwnRoute: ownRoute{Minute: i.OwnRoute.Minute, FiveMinutes: i.OwnRoute.FiveMinutes, Hour: i.OwnRoute.Hour, Last: timeOrNull(i.OwnRoute.Last), Since: i.OwnRoute.Since.UTC().Truncate(time.Second)},
		Health:   viewHealth(w), w: w}
	x.Leaving = x.leaving(now)
	x.ErrorTime = timeOrNull(i.ErrorTime)
	h := sha256.New()
	// What running sets by itself is no setting: an operator's condition doesn't fail by it.
	fmt.Fprintf(h, "%d %v %d %q %q %v", i.StatusNow&^(proxy.InError|proxy.HCFail), x.LoadFactor, x.LBSet, x.Route, x.Redirect, x.Health.healthParams)
	x.ETag = tag(h.Sum(nil))
	return x
}

func tag(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:12]) }

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func orEmpty(all []proxy.Setting) []proxy.Setting {
	if all == nil {
		return []proxy.Setting{}
	}
	return all
}

// states are what a member is, the gravest first, and what it means.
var states = []struct {
	name, words, meaning string
	is                   func(w *proxy.Worker, s proxy.Status) bool
}{
	{"stopped", "Stopped", "takes no requests and is not tried again", has(proxy.Stopped)},
	{"disabled", "Disabled", "takes no requests", has(proxy.Disabled)},
	{"error", "Error", "failed, and is tried again when its retry time is over", has(proxy.InError)},
	{"failed-check", "Failed check", "fails its health check", has(proxy.HCFail)},
	{"drain", "Draining", "takes requests of its own sessions only", has(proxy.Drain)},
	{"route-only", "Route-only", "takes requests that carry its own route only", func(w *proxy.Worker, s proxy.Status) bool {
		return s.Has(proxy.HotSpare) && w.FlagR == proxy.RouteOnly
	}},
	{"spare", "Spare", "stands in for members that are unusable", has(proxy.HotSpare)},
	{"standby", "Standby", "takes requests when no other member is usable", has(proxy.HotStandby)},
	{"ok", "Enabled", "takes requests", func(*proxy.Worker, proxy.Status) bool { return true }},
}

func has(bit proxy.Status) func(*proxy.Worker, proxy.Status) bool {
	return func(_ *proxy.Worker, s proxy.Status) bool { return s.Has(bit) }
}

func stateOf(w *proxy.Worker, s proxy.Status) string {
	for _, x := range states {
		if x.is(w, s) {
			return x.name
		}
	}
	return "ok"
}

// shortName is what httpd shows in brackets: the server's id and the balancer's name in letters and digits.
func shortName(b *proxy.Balancer) string {
	sum := sha256.Sum256([]byte(b.Key()))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.TrimPrefix(b.Name, "balancer://"))
	return fmt.Sprintf("p%x_%s", sum[:4], name)
}

// noStore keeps caches from keeping what shows nonces and changes every second.
func (v *visit) noStore() {
	v.HeadersOut.Set("Cache-Control", "no-store")
	v.HeadersOut.Set("X-Content-Type-Options", "nosniff")
}

// sent is the handler's result after an answer; a client that is gone is nobody's fault.
func sent(error) runtime.Result { return runtime.Done }
