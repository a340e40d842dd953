package byterange

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		header string
		want   []Range
		ok     bool
	}{
		{"bytes=0-0", []Range{{0, 0}}, true},
		{"BYTES=2-4", []Range{{2, 4}}, true},
		{"bytes=-3", []Range{{7, 9}}, true},
		{"bytes=-30", []Range{{0, 9}}, true},
		{"bytes=5-", []Range{{5, 9}}, true},
		{"bytes=0-", []Range{{0, 9}}, true},
		{"bytes=3-4,0-,7-8", []Range{{0, 9}}, true},
		{"bytes=0-1,4-5", []Range{{0, 1}, {4, 5}}, true},
		{"bytes=0-1,,4-5,", []Range{{0, 1}, {4, 5}}, true},
		{"bytes=0-1,2-3", []Range{{0, 3}}, true},
		{"bytes=4-5,2-3", []Range{{2, 5}}, true},
		{"bytes=50-60,1-2", []Range{{1, 2}}, true},
		{"bytes=8-99", []Range{{8, 9}}, true},
		{"bytes=50-60", nil, false},
		{"bytes=10-", nil, false},
		{"bytes=,0-1", nil, true},
		{"bytes=4-2", nil, true},
		{"bytes=-0", nil, true},
		{"bytes=-", nil, true},
		{"bytes=x", nil, true},
		{"bytes= 0-1", nil, true},
		{"bytes=0-1-2", nil, true},
		{"bytes=+1-2", nil, true},
		{"bytes=99999999999999999999-", nil, true},
		{"lines=0-1", nil, true},
		{"bytes=", nil, true},
		{"", nil, true},
		{"bytes=0-8,1-9,0-8", []Range{{0, 9}}, true},
	} {
		got, ok := Parse(c.header, 10, DefaultLimits)
		if !slices.Equal(got, c.want) || ok != c.ok {
			t.Errorf("Parse(%q) = %v, %v, expected %v, %v", c.header, got, ok, c.want, c.ok)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		header string
		limits Limits
		whole  bool
	}{
		{"bytes=0-0,2-2,4-4", Limits{3, -1, -1}, false},
		{"bytes=0-0,2-2,4-4", Limits{2, -1, -1}, true},
		{"bytes=0-0", Limits{0, -1, -1}, true},
		{"bytes=0-1,1-2,2-3", Limits{-1, 2, -1}, false},
		{"bytes=0-1,1-2,2-3", Limits{-1, 1, -1}, true},
		{"bytes=6-7,4-5,2-3", Limits{-1, -1, 2}, false},
		{"bytes=6-7,4-5,2-3", Limits{-1, -1, 1}, true},
	} {
		if got, ok := Parse(c.header, 10, c.limits); (len(got) == 0) != c.whole || !ok {
			t.Errorf("Parse(%q, %+v) = %v, %v", c.header, c.limits, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, h := range []string{"bytes=0-1", "bytes=-5,7-", "bytes=0-", "bytes=1-1,0-0,3-9", "bytes=9223372036854775807-", "lines=1"} {
		f.Add(h, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, length int64) {
		ranges, ok := Parse(header, length, DefaultLimits)
		if !ok && len(ranges) > 0 {
			t.Fatal("ranges of a header that can't be satisfied")
		}
		sum := int64(0)
		for _, r := range ranges {
			if r.Start < 0 || r.End < r.Start || r.End >= length {
				t.Fatalf("range %v of %d bytes", r, length)
			}
			sum += r.End - r.Start + 1
		}
		if len(ranges) > 0 && sum > length || sum < 0 || len(ranges) > DefaultLimits.Ranges {
			t.Fatalf("%d ranges of together %d bytes, of %d", len(ranges), sum, length)
		}
	})
}
