package runtime

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ParseAddrs reads the address in argument i of Listen or <VirtualHost>: "80", "*:80", "_default_", "[::1]:443",
// "host:80". A name that stands for several addresses yields each. Offline, a name yields an address nobody has.
func (c *Cmd) ParseAddrs(i int, text string) ([]ListenAddr, error) {
	host, portText := text, ""
	if allDigits(text) && text != "" {
		host, portText = "*", text
	} else if j := strings.LastIndexByte(text, ':'); j >= 0 && strings.IndexByte(text[j:], ']') < 0 && (text[0] == '[' || strings.Count(text, ":") == 1) {
		host, portText = text[:j], text[j+1:]
	}
	a := ListenAddr{Place: c.Node.Place, Host: strings.ToLower(strings.Trim(host, "[]"))}
	if portText == "*" {
		portText = "0"
	}
	if portText != "" {
		n, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return nil, c.ArgErrorf(i, "bad-address", "expected a port from 1 to 65535, found %q", portText)
		}
		a.Port = uint16(n)
	}
	switch {
	case host == "*":
		return []ListenAddr{a}, nil
	case EqualFold(host, "_default_"):
		a.Default = true
		return []ListenAddr{a}, nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a.IP = ip.Unmap()
		return []ListenAddr{a}, nil
	}
	if c.Offline {
		a.IP = netip.MustParseAddr("192.0.2.0")
		return []ListenAddr{a}, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil || len(ips) == 0 {
		if EqualFold(c.Node.Name, "VirtualHost") {
			c.Warnf("bad-address", "could not resolve host name %q: no request comes to this virtual host by it", host)
			return nil, nil
		}
		return nil, WithDetail(c.ArgErrorf(i, "bad-address", "could not resolve host name %q", host),
			"use an IP address, or * and ServerName")
	}
	var all []ListenAddr
	for _, ip := range ips {
		if n, ok := netip.AddrFromSlice(ip); ok {
			a.IP = n.Unmap()
			all = append(all, a)
		}
	}
	return all, nil
}
