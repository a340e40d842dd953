package subnet_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"pinion/runtime/subnet"
)

// A Set says what its subnets say one by one, at their edges and elsewhere.
func TestSet(t *testing.T) {
	texts := []string{"10.0.0.0/9", "10.128.0.0/9", "10.1.2.3", "11.0.0.0", "255.255.255.0/24", "0.0.0.0/8", "1.2.3.4/255.0.255.0",
		"192.168.0.0/0.0.0.255", "2001:db8::/32", "2001:db9::/32", "::1", "::/16", "ffff::/16", "fe80::/10", "128.0/12", "2001:db8::/127"}
	for i := range 200 { // near each other, so that they overlap and touch
		texts = append(texts, fmt.Sprintf("20.%d.%d.0/%d", rand.IntN(3), rand.IntN(256), 16+rand.IntN(17)),
			fmt.Sprintf("2002::%x:0/%d", i, 100+rand.IntN(29)))
	}
	var all []subnet.Subnet
	var probes []netip.Addr
	for _, text := range texts {
		s, err := subnet.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		if p, err := netip.ParsePrefix(text); err == nil {
			first := p.Masked().Addr()
			probes = append(probes, first, first.Prev(), first.Next(), netip.AddrFrom16(first.As16()))
			last := first.AsSlice()
			for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
				last[bit/8] |= 0x80 >> (bit % 8)
			}
			a, _ := netip.AddrFromSlice(last)
			probes = append(probes, a, a.Next(), a.Prev())
		}
	}
	for range 5000 {
		probes = append(probes, netip.AddrFrom4([4]byte{byte(rand.IntN(256)), byte(rand.IntN(4)), byte(rand.IntN(256)), byte(rand.IntN(256))}),
			netip.AddrFrom4([4]byte{20, byte(rand.IntN(4)), byte(rand.IntN(256)), byte(rand.IntN(256))}),
			netip.AddrFrom4([4]byte{1, 9, 3, byte(rand.IntN(256))}))
	}
	probes = append(probes, netip.Addr{}, netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::1%eth0"), netip.MustParseAddr("ff02::1%1"))
	for n := 0; n <= len(all); n += 8 {
		set := subnet.NewSet(all[:n])
		for _, ip := range probes {
			want := false
			for i := range all[:n] {
				want = want || all[i].Contains(ip)
			}
			if set.Contains(ip) != want {
				t.Fatalf("%s in %v: expected %v", ip, texts[:n], want)
			}
		}
	}
	var none subnet.Set
	if none.Contains(netip.MustParseAddr("0.0.0.0")) {
		t.Error("the zero Set holds an address")
	}
}
