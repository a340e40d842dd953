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
	ErrorTime   time.Time // of the last error; zero for none
}

// List returns the balancers of a graph, each once, server by server in the order of the file. It is safe at any time.
func List(g *runtime.Graph) (all []Info) {
	for _, s := range g.Servers {
		for _, b := range proxy.ConfOf(s).Balancers {
			if b.Server == s {
				all = append(all, infoOf(b))
			}
		}
	}
	return all
}

func infoOf(b *proxy.Balancer) Info {
	st := b.State
	st.Mu.Lock()
	if st.Elections != nil {
		st.Elections.Settle()
	}
	st.Mu.Unlock()
	x := Info{Balancer: b, MethodName: b.LBMethod(), StickyHits: st.StickyHits.Load(), StickyMisses: st.StickyMisses.Load(),
		RouteChanges: st.RouteChanges.Load(), Workers: make([]WorkerInfo, 0, len(b.Members))}
	for _, w := range b.Members {
		i := WorkerInfo{Worker: w, StatusNow: w.Status(), Elected: w.State.Elected.Load(), Busy: w.State.Busy.Load(), LBStatus: w.State.LBStatus.Load(),
			Transferred: w.State.Transferred.Load(), ReadBytes: w.State.Read.Load(), Retries: w.State.Retries.Load()}
		if t := w.State.ErrorTime.Load(); t != 0 {
			i.ErrorTime = time.Unix(0, t)
		}
		x.Workers = append(x.Workers, i)
	}
	return x
}
