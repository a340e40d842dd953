package subnet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// Set is the union of subnets, made to be asked often: it costs a binary search, however many there are. The zero Set holds no address.
// It is immutable and safe for concurrent use.
type Set struct {
	ranges []addrRange // sorted, apart from each other; IPv4 before IPv6
	odd    []Subnet    // those whose mask has gaps
}

// addrRange is from first to last, both included.
type addrRange struct{ first, last netip.Addr }

// NewSet returns the union of all.
func NewSet(all []Subnet) *Set {
	set := &Set{}
	var ranges []addrRange
	for i := range all {
		if r, ok := all[i].addrRange(); ok {
			ranges = append(ranges, r)
		} else {
			set.odd = append(set.odd, all[i])
		}
	}
	slices.SortFunc(ranges, func(a, b addrRange) int { return a.first.Compare(b.first) })
	for _, r := range ranges {
		n := len(set.ranges)
		if n == 0 || !set.ranges[n-1].reaches(r.first) {
			set.ranges = append(set.ranges, r)
		} else if before := &set.ranges[n-1]; before.last.Less(r.last) {
			before.last = r.last
		}
	}
	return set
}

// reaches tells whether a, which is no lower than the range's first, lies in it or comes right after. The last address of IPv4
// has none after it.
func (r *addrRange) reaches(a netip.Addr) bool { return a.Compare(r.last) <= 0 || a == r.last.Next() }

// addrRange returns the subnet's addresses; ok is false where they are no range.
func (s *Subnet) addrRange() (r addrRange, ok bool) {
	last := s.addr
	for i, m := range s.mask {
		last[i] |= ^m
	}
	switch {
	case !s.any:
		return r, false
	case s.v6:
		high, low := binary.BigEndian.Uint64(s.mask[:8]), binary.BigEndian.Uint64(s.mask[8:])
		ok = contiguous(high) && contiguous(low) && (low == 0 || ^high == 0)
		return addrRange{netip.AddrFrom16(s.addr), netip.AddrFrom16(last)}, ok
	}
	ok = contiguous(uint64(binary.BigEndian.Uint32(s.mask[:4])) << 32)
	return addrRange{netip.AddrFrom4([4]byte(s.addr[:4])), netip.AddrFrom4([4]byte(last[:4]))}, ok
}

// contiguous tells whether all ones come before all zeros.
func contiguous(mask uint64) bool { return bits.LeadingZeros64(^mask) == bits.OnesCount64(mask) }

// Contains tells whether ip lies in one of the subnets. An IPv4 address mapped into IPv6 counts as the IPv4 address, and a
// zone counts for nothing.
func (s *Set) Contains(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return false
	}
	// The first range that doesn't end before ip.
	i, _ := slices.BinarySearchFunc(s.ranges, ip, func(r addrRange, ip netip.Addr) int { return r.last.Compare(ip) })
	if i < len(s.ranges) && s.ranges[i].first.Compare(ip) <= 0 {
		return true
	}
	for j := range s.odd {
		if s.odd[j].Contains(ip) {
			return true
		}
	}
	return false
}
