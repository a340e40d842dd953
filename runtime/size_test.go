package runtime

import "testing"

// TestSizeText holds SizeText to what apr_strfsize writes.
func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{-1: "  - ", 0: "  0 ", 972: "972 ", 973: "1.0K", 1024: "1.0K", 1536: "1.5K", 9 << 10: "9.0K", 10 << 10: " 10K", 972 << 10: "972K", 1 << 20: "1.0M",
		5 << 30: "5.0G", 1<<63 - 1: "8.0E"} {
		if got := SizeText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
