package heartbeat

import (
	"errors"
	"io"
	"strconv"
	"time"

	"pinion/runtime"
	"pinion/runtime/table"
)

// handlerName is what SetHandler calls the monitor.
const handlerName = "heartbeat"

// handle takes a heartbeat that was posted (hm_handler): of the address that the connection comes from, whatever headers say.
func handle(r *runtime.Request) runtime.Result {
	if r.Handler != handlerName {
		return runtime.Declined
	}
	if r.Method != "POST" {
		return 405
	}
	c := runtime.ServerConf[monitorConf](r.Graph.Main, Monitor)
	if c == nil || c.monitor == nil {
		r.Logf(Monitor, runtime.LogErr, "AH10561", "Heartbeat monitoring not active")
		return 503
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMessage))
	var bad *runtime.BodyError
	switch {
	case errors.As(err, &bad):
		return runtime.Result(bad.Status)
	case err != nil:
		return 400
	}
	b, ok := posted(r, string(body))
	if !ok {
		r.Logf(Monitor, runtime.LogErr, "AH10563", "Missing required parameters: busy and/or ready")
		return 400
	}
	if limit := c.limit(); !c.monitor.heard.post(r.Conn.RemoteIP, b, time.Now(), limit) {
		r.Logf(Monitor, runtime.LogDebug, "", "%s is one server more than HeartbeatMaxServers allows (%d)", r.Conn.RemoteIP, limit)
	}
	c.monitor.store()
	// A client that is gone is none of our business.
	_ = r.SendText("text/plain", "OK")
	return runtime.OK
}

// posted reads what was posted; unlike a datagram it needs no v=, and a figure that is none counts as 0.
func posted(r *runtime.Request, text string) (b Beat, ok bool) {
	b.Port = defaultPort
	hasReady, hasBusy := false, false
	pairs(text, func(key, value string) {
		n, err := strconv.Atoi(value)
		valid := err == nil || value == "" || errors.Is(err, strconv.ErrRange)
		switch {
		case table.EqualFold(key, "ready"):
			b.Ready, hasReady = min(max(n, 0), maxFigure), true
			if !valid {
				r.Logf(Monitor, runtime.LogWarn, "AH10566", "Invalid ready value: %s, using 0", value)
			}
		case table.EqualFold(key, "busy"):
			b.Busy, hasBusy = min(max(n, 0), maxFigure), true
			if !valid {
				r.Logf(Monitor, runtime.LogWarn, "AH10565", "Invalid busy value: %s, using 0", value)
			}
		case table.EqualFold(key, "port"):
			if b.Port = n; n < 1 || n > 65535 {
				b.Port = defaultPort
				r.Logf(Monitor, runtime.LogWarn, "AH10564", "Invalid port value: %s, using default 80", value)
			}
		}
	})
	return b, hasReady && hasBusy
}
