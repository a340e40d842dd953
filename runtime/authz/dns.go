package authz

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"pinion/runtime"
)

// resolver is what names are looked up with; tests have one of their own.
var resolver interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
} = net.DefaultResolver

// dnsTimeout bounds a lookup that a request waits for; httpd waits as long as the system's resolver does, 10 s by default.
const dnsTimeout = 10 * time.Second

func lookupHost(name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dnsTimeout)
	defer cancel()
	all, err := resolver.LookupNetIP(ctx, "ip", name)
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all, err
}

// client is what was found out about the client of one request.
type client struct {
	asked bool
	ip    string
	host  string
}

// clientHost is the client's host name, "" unless the name's addresses hold the client's own: else whoever owns the
// reverse zone of an address could claim any name. It is looked up once in a request.
func clientHost(r *runtime.Request) string {
	known := runtime.RequestConf[client](r, Host)
	if known != nil && known.asked && known.ip == r.ClientIP {
		return known.host
	}
	known = &client{asked: true, ip: r.ClientIP, host: reverse(clientAddr(r).Unmap())}
	runtime.SetRequestConf(r, Host, known)
	return known.host
}

func reverse(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), dnsTimeout)
	defer cancel()
	names, err := resolver.LookupAddr(ctx, ip.String())
	if err != nil || len(names) == 0 {
		return ""
	}
	name := strings.ToLower(strings.TrimSuffix(names[0], "."))
	all, err := lookupHost(name)
	if err != nil {
		return ""
	}
	for _, a := range all {
		if a == ip {
			return name
		}
	}
	return ""
}
