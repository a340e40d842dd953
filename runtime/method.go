package runtime

import (
	"strings"

	"pinion/runtime/table"
)

// httpMethods are the methods that httpd registers by itself.
const httpMethods = " GET HEAD PUT POST DELETE CONNECT OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK VERSION-CONTROL CHECKOUT " +
	"UNCHECKOUT CHECKIN UPDATE LABEL REPORT MKWORKSPACE MKACTIVITY BASELINE-CONTROL MERGE "

// KnownMethod tells whether the method, whose case counts, is one of httpd's or of RegisterHttpMethod's so far.
func (g *Graph) KnownMethod(method string) bool {
	if !strings.Contains(method, " ") && strings.Contains(httpMethods, " "+method+" ") {
		return true
	}
	for _, m := range g.Process["registerhttpmethod"] {
		if m == method {
			return true
		}
	}
	return false
}

// Called tells whether ServerName, ServerAlias or an address of <VirtualHost> is host, which is in lower case.
func (s *Server) Called(host string) bool {
	if table.EqualFold(s.ServerName, host) {
		return true
	}
	for _, a := range s.Aliases {
		if wildMatch(strings.ToLower(a), host) {
			return true
		}
	}
	for _, a := range s.Addrs {
		if a.IP.IsValid() && a.IP.String() == strings.Trim(host, "[]") {
			return true
		}
	}
	return false
}
