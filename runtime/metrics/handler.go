package metrics

import (
	"bytes"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"pinion/runtime"
)

// handlerName is what SetHandler calls this module.
const handlerName = "prometheus"

// handle answers with the metrics as text, whatever the client accepts: a scraper takes text always.
func handle(r *runtime.Request) runtime.Result {
	if r.Handler != handlerName {
		return runtime.Declined
	}
	if r.Method != "GET" && r.Method != "HEAD" {
		r.AllowedMethods = []string{"GET", "HEAD"}
		return 405
	}
	var body bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	if err := write(&body, format, Gatherer(r.Conn.Engine)); err != nil {
		r.LogCausef(Module, runtime.LogErr, err, "", "collecting metrics")
		if body.Len() == 0 {
			return 500
		}
	}
	// A client that is gone is none of our business.
	_ = r.SendText(string(format), body.String())
	return runtime.OK
}

// write encodes what could be gathered; an error tells of what could not.
func write(w *bytes.Buffer, format expfmt.Format, from prometheus.Gatherer) error {
	families, err := from.Gather()
	enc := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if e := enc.Encode(f); e != nil {
			return e
		}
	}
	return err
}
