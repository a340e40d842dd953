package autoindex

import (
	"strings"
	"testing"

	"pinion/runtime"
)

func FuzzQuery(f *testing.F) {
	f.Add("C=N;O=D&F=2;V=1;P=*.txt", "a.txt")
	f.Add("P=%5B%5C&C=X", ".hidden")
	f.Fuzz(func(t *testing.T, args, name string) {
		l := &listing{dirConf: &none, r: &runtime.Request{Args: args}, key: 'N', order: 'A'}
		l.readQuery()
		if strings.IndexByte("NMSD", l.key) < 0 || l.order != 'A' && l.order != 'D' {
			t.Fatalf("key %q, order %q", l.key, l.order)
		}
		if strings.ContainsAny(l.args, "\"<> \r\n\x00") {
			t.Fatalf("the links of the columns get %q", l.args)
		}
		if l.pattern != "" && name != "" {
			l.wanted(name)
		}
		l.cutDescription(name, 12)
		natural(args, name, true)
	})
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{-1: "  - ", 0: "  0 ", 972: "972 ", 973: "1.0K", 1500: "1.5K", 9999: "9.8K", 10240: " 10K", 123456: "121K",
		9999999: "9.5M", 1 << 40: "1.0T", 1<<63 - 1: "8.0E"} {
		if got := runtime.SizeText(n); got != want {
			t.Errorf("SizeText(%d) = %q, expected %q", n, got, want)
		}
	}
}

func TestNatural(t *testing.T) {
	sorted := []string{"a1", "a2", "a10", "a10b", "b", "b01", "b1", "pic 5", "pic5a"}
	for i := 1; i < len(sorted); i++ {
		if natural(sorted[i-1], sorted[i], false) > 0 || natural(sorted[i], sorted[i-1], false) < 0 {
			t.Errorf("%q and %q are in the wrong order", sorted[i-1], sorted[i])
		}
	}
	if natural("A2", "a10", true) >= 0 || natural("A2", "a2", true) != 0 {
		t.Error("case is not ignored")
	}
}
