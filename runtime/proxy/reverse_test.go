package proxy

import (
	"strings"
	"testing"

	"pinion/runtime"
)

// reverseCases are Location values and Set-Cookie values: what the backend sends, what the client gets. They were seen
// with httpd 2.4.71, whose answers testdata/conformance has in proxypassreverse*.txtar.
var reverseCases = []struct{ conf, path, sent, want string }{
	{"ProxyPass /app/ http://b:81/ctx/\nProxyPassReverse /app/ http://b:81/ctx/", "/app/x", "http://b:81/ctx/there?x=1", "http://front.test/app/there?x=1"},
	{"ProxyPass /app/ http://b:81/ctx/\nProxyPassReverse /app/ http://b:81/ctx/", "/app/x", "HTTP://B:81/CTX/there", "http://front.test/app/there"},
	{"ProxyPass /app/ http://b:81/ctx/\nProxyPassReverse /app/ http://b:81/ctx/", "/app/x", "http://elsewhere.test/ctx/there", "http://elsewhere.test/ctx/there"},
	{"ProxyPass /app/ http://b:81/ctx/\nProxyPassReverse /app/ http://b:81/ctx/", "/app/x", "/ctx/there", "/ctx/there"},
	{"ProxyPass /app/ http://b:81/ctx/\nProxyPassReverse /app/ http://b:81/ctx/", "/app/x", "http://b:81/there", "http://b:81/there"},
	{"ProxyPass /app http://b/ctx\nProxyPassReverse /app /ctx", "/app/x", "/ctx/there", "http://front.test/app/there"},
	{"ProxyPass /app http://b/ctx\nProxyPassReverse /app /ctx", "/app/x", "https://any.test/ctx/there", "http://front.test/app/there"},
	{"ProxyPass /app http://b/ctx\nProxyPassReverse http://public.test/app http://b/ctx", "/app/x", "http://b/ctx/there", "http://public.test/app/there"},
	{"<Location /app>\nProxyPass http://b/ctx\nProxyPassReverse http://b/ctx\n</Location>", "/app/x", "http://b/ctx/there", "http://front.test/app/there"},
	{"<Proxy balancer://p>\nBalancerMember http://a/ctx\nBalancerMember http://b/ctx\n</Proxy>\nProxyPass /app balancer://p\nProxyPassReverse /app balancer://p", "/app/x", "http://b/ctx/there", "http://front.test/app/there"},
	{"<Proxy balancer://p>\nBalancerMember http://b/foo/\n</Proxy>\nProxyPass /app balancer://p\nProxyPassReverse /bash balancer://p/bar", "/app/x", "http://b/foo/bar/that", "http://front.test/bash/that"},
	{"<Proxy balancer://p>\nBalancerMember http://b\n</Proxy>\nProxyPass / balancer://p/\nProxyPassReverse / balancer://p/", "/x", "http://b/there", "http://front.test/there"},
	{"SetEnvIf X-Env (.*) T=$1\nProxyPassInterpolateEnv On\nProxyPass /i http://b/${T} interpolate\nProxyPassReverse /i http://b/${T} interpolate", "/i/x", "http://b/blue/y", "http://front.test/i/y"},
	{"SetEnvIf X-Env (.*) T=$1\nProxyPassInterpolateEnv On\nProxyPass /i http://b/${T} interpolate\nProxyPassReverse /i http://b/${T}", "/i/x", "http://b/blue/y", "http://b/blue/y"},
	{"ProxyPass /app http://b\nProxyPassReverseCookieDomain backend.test front.test\nProxyPassReverseCookiePath /ctx /app", "/app/x", "a=1; Path=/ctx; Domain=backend.test; HttpOnly", "a=1; Path=/app; Domain=front.test; HttpOnly"},
	{"ProxyPass /app http://b\nProxyPassReverseCookieDomain backend.test front.test\nProxyPassReverseCookiePath /ctx /app", "/app/x", "b=2; path=/ctx/deep; domain=other.test", "b=2; path=/app; domain=other.test"},
	{"ProxyPass /app http://b\nProxyPassReverseCookieDomain backend.test front.test\nProxyPassReverseCookiePath /ctx /app", "/app/x", "d=4; domain=BACKEND.test;path=/ctx", "d=4; domain=front.test;path=/app"},
	{"ProxyPass /app http://b\nProxyPassReverseCookiePath /ctx /app", "/app/x", "f=6; Path=\"/ctx\"", "f=6; Path=\"/ctx\""},
	{"ProxyPass /app http://b\nProxyPassReverseCookiePath / /app/\nProxyPassReverseCookiePath /deep /never", "/app/x", "b=2; Path=/deep", "b=2; Path=/app/"},
	{"ProxyPass /app http://b\nProxyPassReverseCookiePath / /app/", "/app/x", "e=5", "e=5"},
}

func TestReverse(t *testing.T) {
	for _, c := range reverseCases {
		got := ""
		replaceBackend(t, func(r *runtime.Request, w *Worker, url string) runtime.Result {
			if strings.Contains(c.sent, "=") && !strings.Contains(c.sent, "/there") {
				got = CookieReverseMap(r, c.sent)
			} else {
				got = LocationReverseMap(r, c.sent)
			}
			return echoURL(r, w, url)
		})
		address := serve(t, mustCompile(t, "ServerName front.test\n"+c.conf))
		ask(t, address, "GET", c.path, "front.test", "X-Env: blue\r\n")
		if got != c.want {
			t.Errorf("%q: %q became %q, want %q", c.conf, c.sent, got, c.want)
		}
	}
}

// replaceBackend makes f the handler of http until the test ends.
func replaceBackend(t testing.TB, f SchemeHandler) {
	backendOf = f
	t.Cleanup(func() { backendOf = echoURL })
}

// FuzzCookie checks that nothing but the values of path and domain is changed.
func FuzzCookie(f *testing.F) {
	f.Add("a=1; Path=/ctx; Domain=backend.test")
	f.Add("; ;path=;domain=;path=/c")
	paths := []reverseMap{{fake: "/c", real: "/P"}}
	domains := []reverseMap{{fake: "b", real: "D"}}
	f.Fuzz(func(t *testing.T, cookie string) {
		out := mapCookie(cookie, paths, domains)
		if strings.Count(out, ";") < strings.Count(cookie, ";") {
			t.Fatalf("%q lost an attribute: %q", cookie, out)
		}
		if mapCookie(cookie, nil, nil) != cookie {
			t.Fatalf("%q was changed without a map", cookie)
		}
	})
}
