package runtime

import "strings"

// Allow is the value of an Allow header: AllowedMethods, and TRACE where it is enabled (httpd's make_allow).
func (r *Request) Allow() string {
	methods := r.AllowedMethods
	if !EqualFold(r.Server.Settings.TraceEnable.Or("on"), "off") {
		methods = append(methods[:len(methods):len(methods)], "TRACE")
	}
	return strings.Join(methods, ",")
}
