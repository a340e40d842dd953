package proxy

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"pinion/runtime"
)

// Via is ProxyVia.
type Via uint8

// The values of ProxyVia.
const (
	ViaOff Via = iota
	ViaOn
	ViaFull
	ViaBlock
)

// BadHeader is ProxyBadHeader.
type BadHeader uint8

// The values of ProxyBadHeader.
const (
	BadHeaderIsError BadHeader = iota
	BadHeaderIgnore
	BadHeaderStartBody
)

// ServerConf is mod_proxy's configuration of one server. Immutable once compiled.
type ServerConf struct {
	Workers   []*Worker   // of ProxyPass and <Proxy URL>, those of the main server first
	Balancers []*Balancer // those of the main server that this one doesn't define first
	Mounts    []*Mount    // ProxyPass and ProxyPassMatch outside of sections, those of the main server first

	Via           runtime.Opt[Via]
	MaxForwards   runtime.Opt[int64] // negative: the header is not added; default -1
	Timeout       runtime.Opt[time.Duration]
	BadHeader     runtime.Opt[BadHeader]
	IOBuffer      runtime.Opt[int]
	RecvBuffer    runtime.Opt[int]
	SourceAddress runtime.Opt[netip.Addr]
	Status        runtime.Opt[string] // ProxyStatus: "off", "on", "full"
	Inherit       runtime.Opt[bool]   // BalancerInherit
	PassInherit   runtime.Opt[bool]   // ProxyPassInherit
	Growth        runtime.Opt[int]    // BalancerGrowth
	Persist       bool                // BalancerPersist; not inherited
	FlagR         runtime.Opt[FlagR]

	blocks     []blocked     // ProxyBlock
	index      []*mountIndex // of the main server, then of this one
	workers    workerIndex
	balancers  map[string]*Balancer
	reverse    *Worker         // the generic worker; in the main server only
	own        int             // how many of Mounts are the main server's
	runtimeDir string          // what sockets are relative to; in the main server only
	name, key  string          // the latter names the server over reloads: the former, with a number where others have it, too
	saved      *store          // BalancerPersist's; nil where that is Off
	server     *runtime.Server // whose it is, from postServer on: a virtual host that says nothing has the main server's
}

// DirConf is mod_proxy's per-directory configuration. Immutable once compiled.
type DirConf struct {
	PreserveHost  runtime.Opt[bool]
	AddHeaders    runtime.Opt[bool] // ProxyAddHeaders, On
	Continue100   runtime.Opt[bool] // Proxy100Continue, On
	ErrorOverride runtime.Opt[bool]
	OverrideCodes []int // for which ErrorOverride holds; none: for all errors
	Interpolate   runtime.Opt[bool]

	alias         runtime.Opt[*Mount] // ProxyPass in a <Location>
	reverse       []reverseMap
	cookiePaths   []reverseMap
	cookieDomains []reverseMap
	flagR         runtime.Opt[FlagR] // of a <Proxy> section
}

var (
	noServerConf ServerConf
	noDirConf    DirConf
)

// Conf returns the server configuration of r, never nil.
func Conf(r *runtime.Request) *ServerConf { return ConfOf(r.Server) }

// mergeServer lays a vhost's configuration over the main server's (merge_proxy_config).
func mergeServer(base, add *ServerConf) *ServerConf {
	n := *add
	n.Inherit, n.PassInherit = add.Inherit.Over(base.Inherit), add.PassInherit.Over(base.PassInherit)
	n.Mounts = append(base.Mounts[:len(base.Mounts):len(base.Mounts)], add.Mounts...)
	n.own = len(base.Mounts)
	if n.Inherit.Or(true) || n.PassInherit.Or(true) {
		n.Workers = append(base.Workers[:len(base.Workers):len(base.Workers)], add.Workers...)
		n.Balancers = mergeBalancers(base.Balancers, add.Balancers)
	}
	n.Via, n.MaxForwards, n.Timeout = add.Via.Over(base.Via), add.MaxForwards.Over(base.MaxForwards), add.Timeout.Over(base.Timeout)
	n.BadHeader, n.IOBuffer, n.RecvBuffer = add.BadHeader.Over(base.BadHeader), add.IOBuffer.Over(base.IOBuffer), add.RecvBuffer.Over(base.RecvBuffer)
	n.SourceAddress, n.Status = add.SourceAddress.Over(base.SourceAddress), add.Status.Over(base.Status)
	n.saved, n.server, n.name = nil, nil, ""
	n.blocks = append(slices.Clip(base.blocks), add.blocks...)
	n.Growth, n.FlagR = add.Growth.Over(base.Growth), add.FlagR.Over(base.FlagR)
	return &n
}

// mergeBalancers puts the balancers of the main server that the vhost doesn't define before the vhost's. One that both
// define has the main server's members and the vhost's parameters, those not given there filled in (merge_balancers).
func mergeBalancers(base, add []*Balancer) []*Balancer {
	var all []*Balancer
	own := append([]*Balancer(nil), add...)
	for _, b := range base {
		i := slices.IndexFunc(own, func(o *Balancer) bool { return o.Name == b.Name })
		if i < 0 {
			all = append(all, b)
			continue
		}
		own[i] = own[i].over(b)
	}
	return append(all, own...)
}

// over is the vhost's balancer v where the main server has base.
func (v *Balancer) over(base *Balancer) *Balancer {
	n := *v
	n.Members, n.Section = base.Members, base.Section
	n.dropped, n.base = v.Members, base
	p, of := &n.BalancerParams, &base.BalancerParams
	if p.Sticky == "" {
		p.Sticky, p.StickyPath = of.Sticky, of.StickyPath
	}
	if p.Timeout == 0 {
		p.Timeout = of.Timeout
	}
	n.StickySep, n.MaxAttempts, n.Nonce = v.StickySep.Over(base.StickySep), v.MaxAttempts.Over(base.MaxAttempts), v.Nonce.Over(base.Nonce)
	p.StickyForce, n.ScolonPathDel = p.StickyForce.Over(of.StickyForce), v.ScolonPathDel.Over(base.ScolonPathDel)
	n.ForceRecovery, n.Growth = v.ForceRecovery.Over(base.ForceRecovery), v.Growth.Over(base.Growth)
	n.FailOnTimeout = v.FailOnTimeout.Over(base.FailOnTimeout)
	n.FailOnStatus = append(slices.Clip(v.FailOnStatus), base.FailOnStatus...)
	return &n
}

func mergeDir(base, add *DirConf) *DirConf {
	n := &DirConf{
		PreserveHost: add.PreserveHost.Over(base.PreserveHost), AddHeaders: add.AddHeaders.Over(base.AddHeaders),
		Continue100: add.Continue100.Over(base.Continue100), ErrorOverride: add.ErrorOverride.Over(base.ErrorOverride),
		Interpolate: add.Interpolate.Over(base.Interpolate), alias: add.alias.Over(base.alias), flagR: add.flagR.Over(base.flagR),
		OverrideCodes: append(slices.Clip(base.OverrideCodes), add.OverrideCodes...),
		reverse:       append(slices.Clip(base.reverse), add.reverse...),
		cookiePaths:   append(slices.Clip(base.cookiePaths), add.cookiePaths...),
		cookieDomains: append(slices.Clip(base.cookieDomains), add.cookieDomains...),
	}
	return n
}

// ConfOf returns the configuration of s, never nil.
func ConfOf(s *runtime.Server) *ServerConf {
	if c := runtime.ServerConf[ServerConf](s, Module); c != nil {
		return c
	}
	return &noServerConf
}

// Dir returns the per-directory configuration of r, never nil.
func Dir(r *runtime.Request) *DirConf {
	if d := runtime.DirConf[DirConf](r.Dir, Module); d != nil {
		return d
	}
	return &noDirConf
}

// Overrides tells whether the answer of that status is replaced by this server's own error page (ap_proxy_should_override).
func (d *DirConf) Overrides(status int) bool {
	if !d.ErrorOverride.Or(false) {
		return false
	}
	if len(d.OverrideCodes) == 0 {
		return status >= 400 && status < 600
	}
	for _, c := range d.OverrideCodes {
		if c == status {
			return true
		}
	}
	return false
}

// serverKey names a server over reloads: by its name and addresses, as the file's order may change. Of several with the same
// name and addresses each further one gets a number.
func serverKey(s *runtime.Server) string {
	if s.Main {
		return "main"
	}
	k := lower(s.ServerName)
	for _, a := range s.Addrs {
		k += "," + a.IP.String() + ":" + strconv.Itoa(int(a.Port))
	}
	return k
}
