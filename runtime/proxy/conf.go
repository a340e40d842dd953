package proxy

import (
	"net/netip"
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

	index mountIndex
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

// serverKey names a server over reloads: its name and first address; the file's order doesn't matter.
func serverKey(s *runtime.Server) string {
	if s.Main {
		return "main"
	}
	k := s.ServerName
	for _, a := range s.Addrs {
		k += "," + a.IP.String() + ":" + strconv.Itoa(int(a.Port))
	}
	return k
}
