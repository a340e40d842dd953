package proxy

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"pinion/runtime"
)

const pool = `
<Proxy balancer://pool>
  BalancerMember http://a:1
  BalancerMember http://b:2
  BalancerMember http://c:3
</Proxy>
ProxyPass / balancer://pool/
`

// TestFailover checks which members are tried, what the client gets and which members are in error afterwards, for what
// the first members' handlers answer.
func TestFailover(t *testing.T) {
	cases := []struct {
		name, conf string
		answers    map[string]runtime.Result // by host; 0 answers with the URL
		tried      string
		status     int
		inError    string
	}{
		{"first answers", pool, nil, "a", 200, ""},
		{"one is down", pool, map[string]runtime.Result{"a": 503}, "a b", 200, "a"},
		{"two are down", pool, map[string]runtime.Result{"a": 503, "b": 503}, "a b c", 200, "a b"},
		{"all are down", pool, map[string]runtime.Result{"a": 503, "b": 503, "c": 503}, "a b c", 503, "a b c"},
		{"502 is final", pool, map[string]runtime.Result{"a": 502}, "a", 502, ""},
		{"504 is final", pool, map[string]runtime.Result{"a": 504}, "a", 504, ""},
		{"500 marks and is final", pool, map[string]runtime.Result{"a": 500}, "a", 500, "a"},
		{"400 is final", pool, map[string]runtime.Result{"a": 400}, "a", 400, ""},
		{"maxattempts=1", strings.Replace(pool, "pool/", "pool/ maxattempts=1", 1), map[string]runtime.Result{"a": 503, "b": 503}, "a b", 503, "a b"},
		{"maxattempts=0", strings.Replace(pool, "pool/", "pool/ maxattempts=0", 1), map[string]runtime.Result{"a": 503}, "a", 503, "a"},
		{"ignore errors", strings.Replace(pool, "http://a:1", "http://a:1 status=+I", 1), map[string]runtime.Result{"a": 503}, "a", 503, ""},
		{"disabled", strings.Replace(pool, "http://a:1", "http://a:1 status=+D", 1), nil, "b", 200, ""},
		{"no members", "ProxyPass / balancer://none/", nil, "", 503, ""},
		{"plain worker", "ProxyPass / http://a:1/", map[string]runtime.Result{"a": 503}, "a", 503, ""},
		{"declined", "ProxyPass / http://a:1/", map[string]runtime.Result{"a": runtime.Declined}, "a", 500, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tried []string
			replaceBackend(t, func(r *runtime.Request, w *Worker, url string) runtime.Result {
				tried = append(tried, w.Hostname)
				if res := c.answers[w.Hostname]; res != 0 {
					return res
				}
				return echoURL(r, w, url)
			})
			told := ""
			postSeen = func(r *runtime.Request, b *Balancer, w *Worker) { told = fmt.Sprint(r.Status, " ", w.Hostname) }
			defer func() { postSeen = func(*runtime.Request, *Balancer, *Worker) {} }()
			g := mustCompile(t, c.conf)
			quiet(g)
			resp, _ := ask(t, serve(t, g), "GET", "/x", "h", "")
			var inError []string
			for _, b := range ConfOf(g.Main).Balancers {
				for _, w := range b.Members {
					if w.Status().Has(InError) {
						inError = append(inError, w.Hostname)
					}
				}
			}
			if got := strings.Join(tried, " "); got != c.tried {
				t.Errorf("tried %q, want %q", got, c.tried)
			}
			if got := strings.Join(inError, " "); got != c.inError {
				t.Errorf("in error %q, want %q", got, c.inError)
			}
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
			if want := fmt.Sprint(c.status, " ", lastWord(c.tried)); strings.Contains(c.conf, "BalancerMember") && told != want {
				t.Errorf("the selector was told %q, want %q", told, want)
			}
		})
	}
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// quiet sends the error log nowhere.
func quiet(g *runtime.Graph) {
	for _, s := range g.Servers {
		s.Errors = &runtime.ErrorLog{Out: io.Discard}
	}
}

func TestHandler(t *testing.T) {
	cases := []struct {
		conf, method, target, fields string
		status                       string
		body                         string // "" for any
	}{
		{"ProxyPass / http://a:1/", "GET", "/x", "", "200 OK", "http://a:1/x mf="},
		{"ProxyPass / http://a:1/", "GET", "/x", "Max-Forwards: 5\r\n", "200 OK", "http://a:1/x mf=4"},
		{"ProxyMaxForwards 9\nProxyPass / http://a:1/", "GET", "/x", "", "200 OK", "http://a:1/x mf=9"},
		{"ProxyMaxForwards 9\nProxyPass / http://a:1/", "GET", "/x", "Max-Forwards: 3\r\n", "200 OK", "http://a:1/x mf=2"},
		{"ProxyPass / http://a:1/", "GET", "/x", "Max-Forwards: 0\r\n", "400 Proxy Error", ""},
		{"ProxyPass / http://a:1/", "GET", "/x", "Max-Forwards: -1\r\n", "400 Proxy Error", ""},
		{"ProxyPass / http://a:1/", "GET", "/x", "Max-Forwards: 1x\r\n", "400 Proxy Error", ""},
		{"ProxyPass / http://a:1/", "GET", "/x", "Max-Forwards: 9223372036854775807\r\n", "400 Proxy Error", ""},
		{"ProxyPass / http://a:1/", "OPTIONS", "/x", "Max-Forwards: 0\r\n", "200 OK", "allow=TRACE"},
		{"ProxyPass / http://a:1/", "TRACE", "/x", "X-A: b\r\nMax-Forwards: 0\r\n", "200 OK",
			"TRACE /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-A: b\r\nMax-Forwards: 0\r\n\r\n"},
		{"TraceEnable Off\nProxyPass / http://a:1/", "TRACE", "/x", "", "405 Method Not Allowed", ""},
		{"TraceEnable Off\nProxyPass / http://a:1/", "TRACE", "/x", "Max-Forwards: 0\r\n", "405 Method Not Allowed", ""},
		{"ProxyPass / http://a:1/", "TRACE", "/x", "", "200 OK", "http://a:1/x mf="},
		{"SetHandler proxy:http://a:1", "GET", "/x?q", "", "200 OK", "http://a:1/srv/x?q mf= nokeepalive"},
		{"SetHandler proxy:http://A:80", "GET", "/x%20y", "", "200 OK", "http://a/srv/x%20y mf= nokeepalive"},
		{"SetHandler proxy:unix:/run/s|http:", "GET", "/x", "", "200 OK", "http://localhost/srv/x mf= nokeepalive socket=/run/s"},
		{"SetHandler proxy:unix:/run/s|http://h", "GET", "/x", "", "200 OK", "http://h/srv/x mf= nokeepalive socket=/run/s"},
		{"SetHandler proxy:unix:/run/s|http://", "GET", "/x", "", "200 OK", "http://localhost/srv/x mf= nokeepalive socket=/run/s"},
		{"SetHandler proxy:unix:|http://h", "GET", "/x", "", "400 Bad Request", ""},
		{"SetHandler proxy:nothing", "GET", "/x", "", "400 Bad Request", ""},
		{"SetHandler proxy:http://:80", "GET", "/x", "", "400 Bad Request", ""},
		{"<Proxy http://a:1>\nProxySet retry=1\n</Proxy>\nSetHandler proxy:http://a:1", "GET", "/x", "", "200 OK", "http://a:1/srv/x mf="},
		{"ProxyPassMatch ^/(.*)$ http://$1/", "GET", "/a:81", "", "200 OK", "http://a:81/ mf= nokeepalive"},
		{"ProxyPass / unix:/run/s|http://h/", "GET", "/x", "", "200 OK", "http://h/x mf= uds=/run/s"},
		{"<Proxy *>\nSetHandler none\nProxyPreserveHost On\n</Proxy>\nProxyPass / http://a:1/", "GET", "/x", "", "200 OK", "http://a:1/x mf= preserve"},
		{"<Proxy http://a:1/x>\nProxyPreserveHost On\n</Proxy>\nProxyPass / http://a:1/", "GET", "/y", "", "200 OK", "http://a:1/y mf="},
		{"<ProxyMatch ^http://a:1/(?<what>.)>\nProxyPreserveHost On\n</ProxyMatch>\nProxyPass / http://a:1/", "GET", "/y", "", "200 OK", "http://a:1/y mf= preserve what=y"},
	}
	replaceBackend(t, func(r *runtime.Request, w *Worker, url string) runtime.Result {
		body := url + " mf=" + r.HeadersIn.Get("Max-Forwards")
		if r.Env.Has("proxy-nokeepalive") {
			body += " nokeepalive"
		}
		if s := Of(r).Socket; s != "" {
			body += " socket=" + s
		}
		if w.UDS != "" {
			body += " uds=" + w.UDS
		}
		if Dir(r).PreserveHost.V {
			body += " preserve"
		}
		if v := r.Env.Get("MATCH_WHAT"); v != "" {
			body += " what=" + v
		}
		r.SendText("text/plain", body)
		return runtime.OK
	})
	for _, c := range cases {
		g := mustCompile(t, c.conf)
		quiet(g)
		resp, body := ask(t, serve(t, g), c.method, c.target, "h", c.fields)
		if a := resp.Header.Get("Allow"); a != "" && resp.StatusCode == 200 {
			body = "allow=" + a
		}
		if resp.Status != c.status || c.body != "" && body != c.body {
			t.Errorf("%q: %s %s {%s}: %s %q, want %s %q", c.conf, c.method, c.target, strings.TrimSpace(c.fields), resp.Status, body, c.status, c.body)
		}
	}
}

func TestStatus(t *testing.T) {
	cases := []struct {
		status Status
		want   string
		usable bool
	}{
		{Initialized, "Init Ok ", true},
		{Initialized | IgnoreErrors | Drain, "Init Ign Drn Ok ", true},
		{Initialized | Disabled | InError, "Init Dis Err ", false},
		{Initialized | HotStandby | HotSpare | Free | HCFail, "Init Stby Spar Free HcFl ", false},
		{0, "??? ", false},
	}
	for _, c := range cases {
		if c.status.String() != c.want || c.status.Usable() != c.usable {
			t.Errorf("%#x: %q, usable %v; want %q, %v", uint32(c.status), c.status, c.status.Usable(), c.want, c.usable)
		}
	}
	for i, l := range letters {
		if got := StatusOf(byte(l) | 0x20); got != 1<<i {
			t.Errorf("%c: %#x, want %#x", l, uint32(got), 1<<i)
		}
	}
}
