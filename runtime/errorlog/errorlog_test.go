package errorlog

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
)

var entry = &runtime.LogEntry{Time: time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC), Module: &runtime.Module{Name: "proxy_module"}, Level: runtime.LogErr,
	ID: "AH00957", Message: "went\nwrong", Server: &runtime.Server{ServerName: "s.test"},
	Conn: &runtime.Conn{ID: 7, RemoteIP: "127.0.0.1", Remote: netip.MustParseAddrPort("127.0.0.1:99")}}

func TestFormat(t *testing.T) {
	for format, want := range map[string]string{
		`[%t] [%l] %M`:                     `[Fri Jan  2 03:04:05 2026] [error] AH00957: went\nwrong`,
		`[%{u}t] [%-m:%l] [client\ %a] %M`: `[Fri Jan 02 03:04:05.000678 2026] [proxy:error] [client 127.0.0.1:99] AH00957: went\nwrong`,
		`%{cu}t %{%H-%M}t %v %M`:           `2026-01-02 03:04:05.000678 03-04 s.test AH00957: went\nwrong`,
		// A field without a value goes with all that belongs to it, or is a hyphen.
		`a user=%{U}e b %-{U}e %M`: `a b - AH00957: went\nwrong`,
		// A level as condition: only for lines that are at least so detailed.
		`%7F: %M %%`: `AH00957: went\nwrong %`,
	} {
		f, _, err := compile(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got := strings.TrimLeft(string(f(nil, entry)), " "); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

func TestFormatMistakes(t *testing.T) {
	for format, at := range map[string]int{"no message": 0, "%M %Q": 3, "%M %{open": 3, "%M %": 3, "%+M": 0, "%99M": 0} {
		if _, where, err := compile(format); err == nil || where != at {
			t.Errorf("%q: at %d, %v; expected %d", format, where, err, at)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(`[%{u}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\ %a] %M% ,\ referer\ %{Referer}i`)
	f.Fuzz(func(t *testing.T, format string) {
		if line, _, err := compile(format); err == nil {
			line(nil, entry)
		}
	})
}
