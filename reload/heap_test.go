package reload

import "testing"

// TestPercentFor: a small heap may double, a large one grows by half, and there is no jump in between.
func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 5 << 20: 100, 32 << 20: 100, 48 << 20: 75, 64 << 20: 50, 1 << 40: 50} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes: %d percent, want %d", live, got, want)
		}
	}
}

// TestHeapIsTheEnvironments: with GOGC set nothing is changed.
func TestHeapIsTheEnvironments(t *testing.T) {
	t.Setenv("GOGC", "70")
	var h heapSettings
	h.beforeFirst()
	if !h.off {
		t.Error("GOGC is set, and the collector is adapted all the same")
	}
	h.giveBack()
	if h.running.Load() {
		t.Error("GOGC is set, and memory is given back")
	}
}
