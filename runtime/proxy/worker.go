package proxy

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// Flush is flushpackets=.
type Flush uint8

// The values of flushpackets=.
const (
	FlushOff Flush = iota
	FlushOn
	FlushAuto
)

// Params are a worker's parameters. What was not given holds httpd's default; an Opt knows whether it was.
type Params struct {
	Status       Status // as the file says; E and C only hold at the very start
	LBFactor     int    // loadfactor × 100: 100 to 10000, default 100
	LBSet        int    // 0 to 99
	Route        string
	Redirect     string
	Retry        time.Duration // 60 s
	Min          int           // connections opened ahead
	Max          int           // hard limit of connections; 0: none
	SMax         int           // connections kept beyond TTL; -1: as Max
	TTL          time.Duration // idle time after which connections beyond SMax are closed; 0: never
	Acquire      runtime.Opt[time.Duration]
	Timeout      runtime.Opt[time.Duration] // see Worker.Timeout
	ConnTimeout  runtime.Opt[time.Duration] // connectiontimeout; default: Timeout
	Ping         runtime.Opt[time.Duration]
	KeepAlive    runtime.Opt[bool] // TCP keepalive probes
	DisableReuse runtime.Opt[bool] // of disablereuse and enablereuse; see Worker.Reuse
	AddressTTL   runtime.Opt[int]  // seconds; -1: for ever
	Flush        Flush
	FlushWait    time.Duration    // 10 ms
	IOBuffer     runtime.Opt[int] // bytes, default 8192
	RecvBuffer   runtime.Opt[int] // SO_RCVBUF, bytes; 0: the system's
	FieldSize    runtime.Opt[int] // responsefieldsize, bytes, default 8192
	Upgrade      string           // protocols to upgrade to; "*" for any
	Secret       string
	Flusher      string
	Health       Health
}

// FlagR is what status=+R means, see BalancerFlagR.
type FlagR uint8

// The meanings: a route-only worker takes only requests that carry its route; a hot spare stands in for unusable members.
const (
	RouteOnly FlagR = iota
	HotSpareR
)

func (f FlagR) String() string {
	if f == HotSpareR {
		return "hot-spare"
	}
	return "route-only"
}

// Worker is one origin server as one Graph knows it. Immutable once compiled, but for State, which is safe for
// concurrent use and outlives the Graph.
type Worker struct {
	// Name is the normalized URL, scheme and host in lower case, without the scheme's default port:
	// "http://127.0.0.1:13001" (BALANCER_WORKER_NAME).
	Name     string
	Scheme   string
	Hostname string
	Port     int    // the scheme's default where the URL has none
	Path     string // of the URL, "" for none
	UDS      string // path of a unix socket, for unix:/path|http://…
	Match    bool   // of ProxyPassMatch: Name may hold $n, each standing for any text
	Params
	// FixedAddress is false where $n stands in host or port: then every request has its own address and nothing is reused.
	FixedAddress bool
	FlagR        FlagR
	Balancer     *Balancer          // nil for a worker of ProxyPass
	Section      *runtime.DirConfig // of the <Proxy> it was defined in, nil for none
	Server       *runtime.Server    // that defined it; other vhosts may have inherited it
	Place        parser.Place       // of the line that defined it
	State        *WorkerState
	Added        *Added // who added it while running; nil for a worker of the file
	// Transport is what the scheme's module keeps for the worker, such as its connection pool: set while compiling, in
	// the module's PostServer, and adopted under a key made of Key.
	Transport any

	reuseOff bool         // what DisableReuse is where it is not given
	readR    parser.Place // of the R in status=, for the note on its meaning
}

// Key names the worker among all of a configuration: server, balancer, URL. For keys of runtime.Adopt.
func (w *Worker) Key() string {
	k := ConfOf(w.Server).key
	if w.Balancer != nil {
		k += " " + w.Balancer.Name
	}
	if w.Match {
		k += " match"
	}
	return k + " " + w.DisplayName()
}

// DisplayName is the name with its unix socket: "unix:/run/x.sock|http://localhost".
func (w *Worker) DisplayName() string {
	if w.UDS == "" {
		return w.Name
	}
	return "unix:" + w.UDS + "|" + w.Name
}

// Usable is httpd's PROXY_WORKER_IS_USABLE.
func (w *Worker) Usable() bool { return w.Status().Usable() }

// RouteOnly tells whether the worker only takes requests that carry its own route (status=+R read so).
func (w *Worker) RouteOnly() bool { return w.FlagR == RouteOnly && w.Status().Has(HotSpare) }

// Spare tells whether the worker stands in for unusable ones of its set (status=+R read as httpd does).
func (w *Worker) Spare() bool { return w.FlagR == HotSpareR && w.Status().Has(HotSpare) }

// Fail puts the worker in error as of now, but for one that ignores errors. It tells whether it did.
func (w *Worker) Fail(now time.Time) bool {
	if w.Status().Has(IgnoreErrors) {
		return false
	}
	w.ForceError(now)
	return true
}

// ForceError puts the worker in error as of now, whatever its flags (failonstatus does).
func (w *Worker) ForceError(now time.Time) {
	w.State.failing.Lock()
	defer w.State.failing.Unlock()
	w.errorAt(now)
	w.set(InError)
}

// SetErrorTime notes when the worker was last found failing; its status stays.
func (w *Worker) SetErrorTime(t time.Time) {
	w.State.failing.Lock()
	defer w.State.failing.Unlock()
	w.errorAt(t)
}

// errorAt tells the elections where that makes the retry time come sooner: they don't look before the soonest that they know of.
func (w *Worker) errorAt(t time.Time) {
	at := t.UnixNano()
	if was := w.State.errorTime.Swap(at); at < was {
		w.changed()
	}
}

// Retry takes the worker out of error when its retry time is over, or when it ignores errors (ap_proxy_retry_worker).
// It tells whether the worker is not in error any more; a stopped worker in error is never retried.
func (w *Worker) Retry(now time.Time) bool {
	if s := w.Status(); !s.Has(InError) {
		return true
	} else if now.UnixNano() <= w.retryAt(s) {
		return false // without the lock: an error that is being noted now only makes the time a later one
	}
	w.State.failing.Lock()
	defer w.State.failing.Unlock()
	s := w.Status()
	if !s.Has(InError) {
		return true
	}
	if now.UnixNano() <= w.retryAt(s) {
		return false
	}
	w.State.Retries.Add(1)
	w.clear(InError)
	return true
}

// RetryAt is the Unix time in nanoseconds after which Retry takes the worker out of error; math.MaxInt64 for never, and for a worker
// that isn't in error. BalancerState.Changes is raised when it becomes an earlier one.
func (w *Worker) RetryAt() int64 {
	if s := w.Status(); s.Has(InError) {
		return w.retryAt(s)
	}
	return math.MaxInt64
}

func (w *Worker) retryAt(s Status) int64 {
	switch {
	case s.Has(Stopped):
		return math.MaxInt64
	case s.Has(IgnoreErrors):
		return math.MinInt64
	}
	return w.State.errorTime.Load() + int64(w.Params.Retry)
}

// Connected notes that the worker can be connected to: its last error is over. It tells whether the worker may be used. One that
// another request has put in error meanwhile stays so, and the request is to go elsewhere, as in httpd: without the time of its
// error the worker would be tried again at once.
func (w *Worker) Connected() bool {
	st := w.State
	if st.errorTime.Load() == 0 && st.Retries.Load() == 0 {
		return true
	}
	st.failing.Lock()
	defer st.failing.Unlock()
	if !w.Usable() {
		return false
	}
	st.Retries.Store(0)
	st.errorTime.Store(0)
	return true
}

// Recover takes the worker out of error whatever its retry time (forcerecovery).
func (w *Worker) Recover() {
	w.State.Retries.Add(1)
	w.clear(InError)
}

// SetHCFail notes the outcome of a health check.
func (w *Worker) SetHCFail(failed bool) {
	if failed {
		w.set(HCFail)
	} else {
		w.clear(HCFail)
	}
}

// Reuse tells whether connections may be kept for a next request.
func (w *Worker) Reuse() bool { return w.FixedAddress && !w.DisableReuse.Or(w.reuseOff) }

// Timeout is how long one read from the backend or write to it may take: timeout=, else ProxyTimeout, else
// Timeout of the server that r runs in.
func (w *Worker) Timeout(r *runtime.Request) time.Duration {
	if w.Params.Timeout.Set {
		return w.Params.Timeout.V
	}
	return Conf(r).Timeout.Or(r.Server.Settings.Timeout.Or(60 * time.Second))
}

// ConnectTimeout is how long connecting may take: connectiontimeout=, else Timeout.
func (w *Worker) ConnectTimeout(r *runtime.Request) time.Duration {
	if w.ConnTimeout.Set {
		return w.ConnTimeout.V
	}
	return w.Timeout(r)
}

// WorkerState is what of a worker outlives a Graph. Safe for concurrent use.
type WorkerState struct {
	Retries     atomic.Int64
	Errors      atomic.Int64 // times that the worker was put in error
	Elected     atomic.Int64
	LBStatus    atomic.Int64 // as of the last time the balancer's elections were asked for it, see BalancerState.Elections
	Transferred atomic.Int64 // bytes sent to the backend
	Read        atomic.Int64 // bytes read from the backend
	Busy        atomic.Int64
	Health      HealthStats
	// Turn is the place of the member in BalancerState.Elections, for them to find it by. Guarded by BalancerState.Mu.
	Turn int32

	routed, elections Recent // guarded by BalancerState.Mu
	since             time.Time

	errorTime atomic.Int64 // see ErrorTime; 0: none

	// failing makes an error and its time one, for who decides by both: the order of two stores can't, as each of the two is
	// looked at first somewhere. Only a worker that has failed takes it. BalancerState.Mu may be held.
	failing sync.Mutex
	run     atomic.Uint32 // the transient bits
	hand    byHand[workerHand]
}

// ErrorTime is when the worker last failed; zero for never, or not since it could be connected to.
func (s *WorkerState) ErrorTime() time.Time {
	if t := s.errorTime.Load(); t != 0 {
		return time.Unix(0, t)
	}
	return time.Time{}
}

func (w *Worker) set(bits Status) {
	old := Status(w.State.run.Or(uint32(bits)))
	if bits.Has(InError) && !old.Has(InError) {
		w.State.Errors.Add(1)
	}
	if old&bits != bits {
		w.changed()
	}
}

func (w *Worker) clear(bits Status) {
	if old := w.State.run.And(^uint32(bits)); old&uint32(bits) != 0 {
		w.changed()
	}
}

// changed tells the balancer's elections that a status is another one now.
func (w *Worker) changed() {
	if w.Balancer != nil && w.Balancer.State != nil {
		w.Balancer.State.Changes.Add(1)
	}
}
