package status

import (
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pinion/runtime"
)

// report is all that is shown, of one moment.
type report struct {
	name, via, version, built    string
	now                          time.Time
	uptime                       int64 // seconds
	generation                   int64
	load                         [3]string
	requests, bytes              int64
	duration                     time.Duration
	user, system, cuser, csystem float64 // seconds of processor time: of the process, of programs it has run
	slots                        []slot  // by the connections' numbers
	busy, graceful, idle         int
	stopping                     bool
}

// slot is one client connection.
type slot struct {
	id    uint64
	mode  byte // as in httpd's scoreboard
	port  uint16
	score runtime.ScoreRecord
}

func newReport(r *runtime.Request) *report {
	rep := &report{name: r.ServerName(), via: r.Conn.LocalIP, version: r.Graph.Banner, built: built(), now: time.Now(), generation: generation.Load()}
	if rep.version == "" {
		rep.version = "Apache"
	}
	rep.uptime = int64(rep.now.Sub(started) / time.Second)
	rep.load = loadAverages()
	rep.user, rep.system = processorTime(unix.RUSAGE_SELF)
	rep.cuser, rep.csystem = processorTime(unix.RUSAGE_CHILDREN)
	if c := runtime.ServerConf[conf](r.Server, Module); c != nil {
		rep.requests, rep.bytes, rep.duration = c.totals.read()
	}
	if e := r.Conn.Engine; e != nil {
		rep.stopping = e.Stopping()
		rep.connections(e)
	}
	return rep
}

func (rep *report) connections(e *runtime.Engine) {
	e.EachConnection(func(c *runtime.Conn, state runtime.ConnState) {
		s := slot{id: c.ID, port: c.Local.Port(), score: c.Score.Read()}
		s.mode = mode(state, s.score.Active > 0, c.ALPN == "h2", c.Ending())
		if s.score.Client == "" {
			s.score.Client = c.RemoteIP
		}
		rep.slots = append(rep.slots, s)
	})
	sort.Slice(rep.slots, func(i, j int) bool { return rep.slots[i].id < rep.slots[j].id })
	for _, s := range rep.slots {
		switch s.mode {
		case '_':
			rep.idle++
		case 'G':
			rep.graceful++
		default:
			rep.busy++
		}
	}
}

// mode is the letter of a connection: _ waits for a request, R reads its head, W answers it or is a tunnel, G does so for the last time.
func mode(state runtime.ConnState, active, http2, ending bool) byte {
	idle := state == runtime.ConnIdle || state == runtime.ConnBusy && !active && http2
	switch {
	case idle:
		return '_'
	case ending:
		return 'G'
	case state == runtime.ConnTunnel || active:
		return 'W'
	}
	return 'R'
}

// board is the scoreboard: one letter a connection.
func (rep *report) board() []byte {
	b := make([]byte, len(rep.slots))
	for i, s := range rep.slots {
		b[i] = s.mode
	}
	return b
}

// loadAverages are the system's; zeros where it doesn't tell.
func loadAverages() [3]string {
	load := [3]string{"0.00", "0.00", "0.00"}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		copy(load[:], strings.Fields(string(text)))
	}
	return load
}

// processorTime is in seconds, to the hundredth as httpd's clock ticks.
func processorTime(who int) (user, system float64) {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		return 0, 0
	}
	ticks := func(t unix.Timeval) float64 { return float64(t.Nano()/10_000_000) / 100 }
	return ticks(u.Utime), ticks(u.Stime)
}

func built() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// clock writes a time as httpd does.
func clock(t time.Time) string { return t.Format("Monday, 02-Jan-2006 15:04:05 MST") }

// span writes seconds as " 1 day 2 hours", each part with a blank before it; nothing for none (show_time).
func span(seconds int64) string {
	var b strings.Builder
	for _, u := range []struct {
		n    int64
		name string
	}{{seconds / 86400, "day"}, {seconds / 3600 % 24, "hour"}, {seconds / 60 % 60, "minute"}, {seconds % 60, "second"}} {
		if u.n == 0 {
			continue
		}
		b.WriteString(" " + strconv.FormatInt(u.n, 10) + " " + u.name)
		if u.n != 1 {
			b.WriteByte('s')
		}
	}
	return b.String()
}

// figure writes a number as APR's %g: six digits at most, no zero before the point.
func figure(v float64) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	if strings.HasPrefix(s, "0.") {
		return s[1:]
	}
	return s
}
