package strftime

import (
	"testing"
	"time"
)

// TestAppend holds what C's strftime writes in the C locale, taken from date(1).
func TestAppend(t *testing.T) {
	at := time.Date(2026, 1, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	cases := map[string]string{
		"%d/%b/%Y:%T %z":       "04/Jan/2026:05:06:07 +0100",
		"%a %A %h %B":          "Sun Sunday Jan January",
		"%e|%k|%l|%I|%p":       " 4| 5| 5|05|AM",
		"%j %u %w %U %V %W %C": "004 7 0 01 01 00 20",
		"%s %% %n%t.":          "1767499567 % \n\t.",
		"%Ey %Od %Q %":         "26 04 %Q %",
		"%G %g %D %F %R %y":    "2026 26 01/04/26 2026-01-04 05:06 26",
	}
	for format, want := range cases {
		if got := string(Append(nil, at, format)); got != want {
			t.Errorf("%q: got %q, want %q", format, got, want)
		}
	}
}
