package balancer

import (
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// Info is what a balancer is doing at one moment.
type Info struct {
	*proxy.Balancer
	MethodName   string // "byrequests"
	StickyHits   int64  // requests that went to the member their route names
	StickyMisses int64  // requests without a route, where there is a stickysession
	RouteChanges int64  // elections of another member than the route names
	Workers      []WorkerInfo
}

// WorkerInfo is what a member is doing at one moment. Its figures are counted one by one and may be a request apart.
type WorkerInfo struct {
	*proxy.Worker
	StatusNow   proxy.Status
	Elected     int64
	Busy        int64
	LBStatus    int64
	Transferred int64 // bytes sent to it
	ReadBytes   int64 // bytes of its answers
	Retries     int64
	Errors      int64     // times that it was put in error
	ErrorTime   time.Time // of the last error; zero for none
	OwnRoute    proxy.OwnRoute
	Recent      []uint32 // elections in each five seconds of the last five minutes, the oldest first
}

// List returns the balancers of a graph, each once, server by server in the order of the file. It is safe at any time.
func List(g *runtime.Graph) (all []Info) {
	for _, s := range g.Servers {
		for _, b := range proxy.ConfOf(s).Balancers {
			if b.Server == s {
				all = append(all, Look(b))
			}
		}
	}
	return all
}

// Look returns what one balancer is doing. It is safe at any time.
func Look(b *proxy.Balancer) Info {
	st := b.State
	now := time.Now()
	routed, recent := make([]proxy.OwnRoute, len(b.Members)), make([][]uint32, len(b.Members))
	st.Mu.Lock()
	if st.Elections != nil {
		st.Elections.Settle()
	}
	for i, w := range b.Members {
		routed[i], recent[i] = w.State.OwnRoute(now), w.State.Elections(now)
	}
	st.Mu.Unlock()
	x := Info{Balancer: b, MethodName: b.LBMethod(), StickyHits: st.StickyHits.Load(), StickyMisses: st.StickyMisses.Load(),
		RouteChanges: st.RouteChanges.Load(), Workers: make([]WorkerInfo, 0, len(b.Members))}
	for n, w := range b.Members {
		i := WorkerInfo{Worker: w, StatusNow: w.Status(), Elected: w.State.Elected.Load(), Busy: w.State.Busy.Load(), LBStatus: w.State.LBStatus.Load(),
			Transferred: w.State.Transferred.Load(), ReadBytes: w.State.Read.Load(), Retries: w.State.Retries.Load(), Errors: w.State.Errors.Load(),
			ErrorTime: w.State.ErrorTime(), OwnRoute: routed[n], Recent: recent[n]}
		x.Workers = append(x.Workers, i)
	}
	return x
}
