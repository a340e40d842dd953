package remoteip

import (
	"net/netip"
	"strings"

	"pinion/runtime"
)

// modify is post_read_request: it makes the client of the request whom the proxies in front name.
func modify(r *runtime.Request) runtime.Result {
	if r.Conn.Announced.IsValid() {
		r.Client, r.ClientIP = r.Conn.Announced, r.Conn.AnnouncedIP
		return runtime.OK
	}
	conf := runtime.ServerConf[config](r.Server, Module)
	if conf == nil || conf.header == "" {
		return runtime.Declined
	}
	value, ok := r.HeadersIn.Lookup(conf.header)
	if !ok {
		return runtime.OK
	}
	// The proxies of the header are tried from the last to the first, as long as the one before is believed.
	h := hops{conf: conf, r: r, client: r.Client.Addr(), ip: r.ClientIP, internal: conf.proxies != nil, rest: value, more: true}
	for h.more && h.believed() && h.step() {
	}
	if h.taken == 0 {
		return runtime.OK
	}
	if h.more {
		r.HeadersIn.Set(conf.header, h.rest)
	} else {
		r.HeadersIn.Del(conf.header)
	}
	if h.proxies != "" {
		r.Notes.Set("remoteip-proxy-ip-list", h.proxies)
		if conf.proxiesHeader != "" {
			r.HeadersIn.Set(conf.proxiesHeader, h.proxies)
		}
	}
	r.Client, r.ClientIP = netip.AddrPortFrom(h.client, 0), h.ip
	return runtime.OK
}

// hops is a walk through the proxies that a header names.
type hops struct {
	conf     *config
	r        *runtime.Request
	client   netip.Addr // who is taken for the client so far, and its text
	ip       string
	internal bool // all proxies so far were internal ones
	rest     string
	more     bool // rest is to be looked at, and to stay in the header where it isn't taken
	taken    int
	proxies  string // those that were no internal ones
}

// believed tells whether the client of the step before is a proxy whose word counts. Without a list all are.
func (h *hops) believed() bool {
	for i := range h.conf.proxies {
		if p := &h.conf.proxies[i]; p.Contains(h.client) {
			// An internal proxy may stand behind an external one, not the other way round.
			h.internal = h.internal && p.internal
			return true
		}
	}
	return len(h.conf.proxies) == 0
}

// step takes the last address of rest for the client, unless it is none that counts.
func (h *hops) step() bool {
	from := strings.LastIndexByte(h.rest, ',')
	text := strings.Trim(h.rest[from+1:], " ")
	keep := h.rest
	switch {
	case from < 0:
		keep = text
	case text != "":
		keep = strings.TrimRight(h.rest, " ")
	}
	ip, err := netip.ParseAddr(text)
	ip = ip.Unmap()
	if text == "" || err != nil || ip.Zone() != "" {
		if text != "" {
			h.r.Logf(Module, runtime.LogDebug, "AH01568", "RemoteIP: Header %s value of %s cannot be parsed as a client IP", h.conf.header, text)
		}
		h.rest = keep
		return false
	}
	if !h.internal && !public(ip) {
		h.r.Logf(Module, runtime.LogDebug, "AH01569", "RemoteIP: Header %s value of %s appears to be a private IP or nonsensical.  Ignored", h.conf.header, text)
		h.rest = keep
		return false
	}
	if !h.internal {
		if h.proxies != "" {
			h.proxies += ", "
		}
		h.proxies += h.ip
	}
	h.client, h.ip = ip, ip.String()
	h.taken++
	h.more = from >= 0
	h.rest = h.rest[:max(from, 0)]
	return true
}

// public tells whether a proxy that isn't internal may name the address: an IPv4 one that is not private, or a global
// unicast one of IPv6 (2000::/3).
func public(ip netip.Addr) bool {
	if !ip.Is4() {
		return ip.As16()[0]&0xe0 == 0x20
	}
	switch b := ip.As4(); b[0] {
	case 10, 127:
		return false
	case 169:
		return b[1] != 254
	case 172:
		return b[1]&0xf0 != 16
	case 192:
		return b[1] != 168
	}
	return true
}
