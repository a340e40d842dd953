package runtime

import (
	"slices"
	"strings"
)

// knownMethods are the methods that httpd registers by itself.
const knownMethods = " GET HEAD PUT POST DELETE CONNECT OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK " +
	"VERSION-CONTROL CHECKOUT UNCHECKOUT CHECKIN UPDATE LABEL REPORT MKWORKSPACE MKACTIVITY BASELINE-CONTROL MERGE "

// KnownMethod tells whether httpd knows the method by itself or RegisterHttpMethod names it.
func (g *Graph) KnownMethod(name string) bool {
	return strings.Contains(knownMethods, " "+name+" ") || slices.Contains(g.Process["registerhttpmethod"], name)
}

// Allow is the value of an Allow header: AllowedMethods, and TRACE where it is enabled (httpd's make_allow).
func (r *Request) Allow() string {
	methods := r.AllowedMethods
	if !EqualFold(r.Server.Settings.TraceEnable.Or("on"), "off") {
		methods = append(methods[:len(methods):len(methods)], "TRACE")
	}
	return strings.Join(methods, ",")
}
