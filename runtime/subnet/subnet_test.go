package subnet_test

import (
	"errors"
	"net/netip"
	"testing"

	"pinion/runtime/subnet"
)

func TestContains(t *testing.T) {
	for _, c := range []struct {
		net, ip string
		want    bool
	}{
		{"10.1.2.3", "10.1.2.3", true}, {"10.1.2.3", "10.1.2.4", false},
		{"10.1", "10.1.200.3", true}, {"10.1.", "10.2.0.1", false}, {"10", "10.9.9.9", true},
		{"10.1.0.0/16", "10.1.255.255", true}, {"10.1.2.3/16", "10.1.255.255", true}, {"10.1.0.0/16", "10.2.0.0", false},
		{"10.1/8", "10.200.0.1", true}, {"192.168.1.0/255.255.255.128", "192.168.1.127", true}, {"192.168.1.0/255.255.255.128", "192.168.1.128", false},
		{"10.0.0.1/32", "10.0.0.1", true}, {"128.0.0.0/1", "200.1.1.1", true},
		{"10.1.2.3", "::ffff:10.1.2.3", true}, {"10.1.2.3", "2001:db8::1", false},
		{"2001:db8::/32", "2001:db8:1::1", true}, {"2001:db8::/32", "2001:db9::1", false}, {"::1", "::1", true}, {"::/1", "10.0.0.1", false},
		{"2001:db8::/128", "2001:db8::", true},
	} {
		s, err := subnet.Parse(c.net)
		if err != nil {
			t.Errorf("%s: %v", c.net, err)
			continue
		}
		if got := s.Contains(netip.MustParseAddr(c.ip)); got != c.want {
			t.Errorf("%s in %s: got %v", c.ip, c.net, got)
		}
	}
	var none subnet.Subnet
	if none.Contains(netip.MustParseAddr("0.0.0.0")) || none.Contains(netip.Addr{}) {
		t.Error("the zero Subnet holds an address")
	}
}

func TestErrors(t *testing.T) {
	for text, name := range map[string]bool{
		"": true, "host.example.org": true, "a": true, "/8": true,
		"10.0.0.0/0": false, "10.0.0.0/33": false, "10.0.0.0/": false, "10.0.0.0/x": false, "10.0.0.0/ffff::": false,
		"256.1.1.1": false, "1.2.3.4.5": false, "1..2": false, ".1": false, "::ffff:1.2.3.4": false, "2001:db8::/129": false, "2001:db8::/255.0.0.0": false,
		"fe80::1%eth0": false, "10.0.0.0/8/8": false, ":": false, ".": false,
	} {
		_, err := subnet.Parse(text)
		if err == nil || errors.Is(err, subnet.ErrNoAddress) != name {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"10.1/8", "2001:db8::/32", "1.2.3.4/255.0.0.0", "::ffff:1.2.3.4", "a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := subnet.Parse(text)
		if ip, e := netip.ParseAddr(text); err == nil && e == nil && !s.Contains(ip) {
			t.Errorf("%s doesn't contain itself", text)
		}
	})
}
