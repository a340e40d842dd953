package main

import (
	"fmt"
	"os"

	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/metrics"
)

// exporter is what --metrics asks for; empty without the flag.
type exporter struct{ server *metrics.Server }

// listenMetrics serves metrics at the address of --metrics; "" is nowhere.
func listenMetrics(address string) (exporter, error) {
	if address == "" {
		return exporter{}, nil
	}
	s, err := metrics.Listen(address)
	return exporter{s}, err
}

// serve says that the engine serves from now on.
func (x exporter) serve(e *runtime.Engine) {
	if x.server != nil {
		x.server.SetEngine(e)
		fmt.Fprintf(os.Stderr, "pinion: metrics at %s\n", x.server.URL())
	}
}

func (x exporter) close() {
	if x.server != nil {
		_ = x.server.Close() // the process ends: there is nothing left to do about it
	}
}

// reportMetrics tells the metrics how a load of the configuration went.
func reportMetrics(st *reload.Status) {
	metrics.SetVersion(version)
	metrics.Report(metrics.Reload{Success: st.Success, Time: st.Time, Took: st.Took, Hash: st.Hash, Successes: st.Successes, Failures: st.Failures})
}
