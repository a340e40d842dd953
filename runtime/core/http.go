package core

import "pinion/runtime"

// heads marks the servers whose requests' heads are looked at again, by StrictHostCheck and RegisteredMethods: the
// others have no hook for it.
type heads struct{}

func checkHead(r *runtime.Request) runtime.Result {
	s := r.Server
	if s.Settings.RegisteredMethods.Or(false) && !r.Graph.KnownMethod(r.Method) {
		r.Logf(nil, runtime.LogDebug, "AH02423", "HTTP Request Line; Unrecognized HTTP method: '%s' (disallowed by RegisteredMethods)", r.Method)
		return 501
	}
	// Where no virtual host has the name, the first one of the address was taken, or the main server.
	if s.Settings.StrictHostCheck.Or(false) && r.Hostname != "" && !s.Called(r.Hostname) {
		if s.Main {
			r.Logf(nil, runtime.LogWarn, "AH10156", "Requested hostname '%s' did not match any ServerName/ServerAlias in the global server configuration ", r.Hostname)
		} else {
			r.Logf(nil, runtime.LogWarn, "AH10157", "Requested hostname '%s' did not match any ServerName/ServerAlias in the matching virtual host "+
				"(default vhost for current connection is %s:%d)", r.Hostname, s.Place.File, s.Place.Range.Start.Line)
		}
		return 400
	}
	return runtime.OK
}

// traceAndOptions answers what http_core answers by itself: TRACE, and OPTIONS of the server as a whole.
func traceAndOptions(r *runtime.Request) runtime.Result {
	switch {
	case r.Method == "OPTIONS" && r.URI == "*":
		r.SkipOutputHead()
		return runtime.Done
	case r.Method == "TRACE":
		return r.SendTrace()
	}
	return runtime.Declined
}
