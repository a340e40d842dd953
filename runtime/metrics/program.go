package metrics

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	goruntime "runtime"
)

// Reload is how the last load of the configuration went: what reload.Status knows, which this package must not.
type Reload struct {
	Success             bool
	Time                time.Time // when it ended
	Took                time.Duration
	Hash                string // of the configuration in force; "" before the first
	Successes, Failures int    // so far, this one included
}

// reported is the last Reload and the time of the last good one.
type reported struct {
	Reload
	good time.Time
}

var (
	lastReload atomic.Pointer[reported]
	reportMu   sync.Mutex // held by Report alone, so that good follows the order of the reports
	version    atomic.Pointer[string]
)

// Report tells of a load of the process's configuration. Safe for concurrent use.
func Report(r Reload) {
	reportMu.Lock()
	defer reportMu.Unlock()
	next := &reported{Reload: r}
	if old := lastReload.Load(); old != nil {
		next.good = old.good
	}
	if r.Success {
		next.good = r.Time
	}
	lastReload.Store(next)
}

// SetVersion tells the program's version, for pinion_build_info. Safe for concurrent use.
func SetVersion(v string) { version.Store(&v) }

// revision is the commit that the program was built from, "" where the build doesn't know.
var revision = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
})

// program puts what concerns the process as a whole.
func (o output) program() {
	v := ""
	if p := version.Load(); p != nil {
		v = *p
	}
	o.put(buildInfo, 1, v, revision(), goruntime.Version())
	r := lastReload.Load()
	if r == nil {
		return
	}
	o.put(reloads, float64(r.Successes), "success")
	o.put(reloads, float64(r.Failures), "failure")
	o.flag(reloadOK, r.Success)
	o.put(reloadTime, unix(r.Time))
	if !r.good.IsZero() {
		o.put(reloadOKTime, unix(r.good))
	}
	o.put(reloadTook, r.Took.Seconds())
	if r.Hash != "" {
		o.put(configInfo, 1, clean(r.Hash))
	}
}

func unix(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
