// Package subnet reads the addresses and networks of Require ip, -ipmatch and RemoteIPTrustedProxy, in the spellings
// that httpd's apr_ipsubnet_create takes: 10.1.2.3, 10.1, 10.1.0.0/16, 10.1.0.0/255.255.0.0, 2001:db8::/32.
package subnet

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Subnet is a set of addresses: those that agree with an address in the bits of a mask. The zero Subnet holds none.
type Subnet struct {
	addr [16]byte
	mask [16]byte
	v6   bool
	any  bool
}

// ErrNoAddress is a text that doesn't look like an address at all, so that it may be a host name.
var ErrNoAddress = errors.New("expected an IP address or network")

// Parse reads an address with, optionally, a slash and a number of bits (1 to 32 or 128) or an IPv4 netmask.
func Parse(text string) (Subnet, error) {
	addr, mask, hasMask := strings.Cut(text, "/")
	if !looksLikeIP(addr) {
		return Subnet{}, fmt.Errorf("%w, found %q", ErrNoAddress, text)
	}
	var s Subnet
	if err := s.parseAddr(addr); err != nil {
		return Subnet{}, err
	}
	if hasMask {
		if err := s.parseMask(mask); err != nil {
			return Subnet{}, err
		}
	}
	for i := range s.addr {
		s.addr[i] &= s.mask[i]
	}
	s.any = true
	return s, nil
}

// looksLikeIP is what tells a host name from an address.
func looksLikeIP(s string) bool {
	if strings.IndexByte(s, ':') >= 0 {
		return true
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (s *Subnet) parseAddr(text string) error {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		if ip.Is4In6() {
			return fmt.Errorf("expected the IPv4 address %s as such, found it mapped into IPv6: %q", ip.Unmap(), text)
		}
		s.v6 = ip.Is6()
		copy(s.addr[:], ip.AsSlice())
		for i := range s.mask {
			s.mask[i] = 0xff
		}
		return nil
	}
	// The old spelling of networks: 10.1. or 10.1 for 10.1.0.0/16.
	octets := strings.Split(strings.TrimSuffix(text, "."), ".")
	if len(octets) > 4 || len(text) > len("255.255.255.255") {
		return fmt.Errorf("expected an IP address or network, found %q", text)
	}
	for i, o := range octets {
		n, err := strconv.ParseUint(o, 10, 16)
		if err != nil || n > 255 {
			return fmt.Errorf("expected an IP address or network, found %q", text)
		}
		s.addr[i], s.mask[i] = byte(n), 0xff
	}
	return nil
}

func (s *Subnet) parseMask(text string) error {
	bits := 32
	if s.v6 {
		bits = 128
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= bits {
		s.mask = [16]byte{}
		for i := 0; i < n; i++ {
			s.mask[i/8] |= 0x80 >> (i % 8)
		}
		return nil
	}
	if m, err := netip.ParseAddr(text); err == nil && m.Is4() && !s.v6 {
		s.mask = [16]byte{}
		copy(s.mask[:], m.AsSlice())
		return nil
	}
	if s.v6 {
		return fmt.Errorf("expected a number of bits from 1 to 128 after the slash, found %q", text)
	}
	return fmt.Errorf("expected a number of bits from 1 to 32 or a netmask after the slash, found %q", text)
}

// Contains tells whether ip lies in the subnet. An IPv4 address mapped into IPv6 counts as the IPv4 address.
func (s *Subnet) Contains(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !s.any || !ip.IsValid() || ip.Is6() != s.v6 {
		return false
	}
	if s.v6 {
		b := ip.As16()
		for i := range b {
			if b[i]&s.mask[i] != s.addr[i] {
				return false
			}
		}
		return true
	}
	b := ip.As4()
	for i := range b {
		if b[i]&s.mask[i] != s.addr[i] {
			return false
		}
	}
	return true
}
