package balancer_test

import (
	"fmt"
	"strings"
	"testing"

	"pinion/runtime/all"
	"pinion/runtime/balancer"
	"pinion/runtime/runtimetest"
)

// TestWarnings compiles configurations with every module and compares the codes of what is said about stickiness.
func TestWarnings(t *testing.T) {
	cases := []struct{ name, conf, want string }{
		{"all is well", `Header add Set-Cookie "R=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b route=b
ProxySet stickysession=R
</Proxy>`, ""},
		{"no stickysession, no warnings", "<Proxy balancer://x>\nBalancerMember http://a\nBalancerMember http://b\n</Proxy>", ""},
		{"shared route", `Header add Set-Cookie "R=.%{BALANCER_WORKER_ROUTE}e"
<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b route=a
BalancerMember http://c route=a status=+H
ProxySet stickysession=R
</Proxy>`, "4 shared-route"},
		{"no route in one", `Header add Set-Cookie "R=.%{BALANCER_WORKER_ROUTE}e"
<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b
ProxySet stickysession=R
</Proxy>`, "4 no-route"},
		{"no route at all", `Header add Set-Cookie "R=.%{BALANCER_WORKER_ROUTE}e"
<Proxy balancer://x>
BalancerMember http://a
BalancerMember http://b
ProxySet stickysession=R
</Proxy>`, "5 no-route"},
		{"redirect to nobody", `Header add Set-Cookie "R=.%{BALANCER_WORKER_ROUTE}e"
<Proxy balancer://x>
BalancerMember http://a route=a redirect=c
BalancerMember http://b route=b redirect=a
ProxySet stickysession=R
</Proxy>`, "3 unknown-route"},
		{"nobody sets it", `<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b route=b
ProxySet stickysession=BALANCEID
</Proxy>`, "4 sticky-unset"},
		{"Tomcat sets it", `<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b route=b
ProxySet stickysession=JSESSIONID|jsessionid
</Proxy>`, "4 sticky-by-backend"},
		{"a rewrite rule sets it", `RewriteEngine On
RewriteRule ^ - [CO=BALANCEID:balancer.a:.example.com]
RewriteRule ^/x - [L,CO=BALANCEID:balancer.nobody:.example.com]
<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b route=b
ProxySet stickysession=BALANCEID
</Proxy>`, "3 unknown-route"},
		{"an edit sets it", `Header edit Set-Cookie ^(SID=[^;]*) $1.a
<Proxy balancer://x>
BalancerMember http://a route=a
BalancerMember http://b route=b
ProxySet stickysession=SID
</Proxy>`, ""},
		{"two vhosts with balancers of one name", `<VirtualHost *:80>
ServerName one.test
ProxyPass / balancer://x/ stickysession=A
<Proxy balancer://x>
BalancerMember http://a route=a
</Proxy>
</VirtualHost>
<VirtualHost *:80>
ServerName two.test
<Proxy balancer://X stickysession=B>
BalancerMember http://a route=a
</Proxy>
</VirtualHost>`, "3 sticky-unset, 10 sticky-unset"},
	}
	codes := "shared-route no-route unknown-route sticky-unset sticky-by-backend"
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, diags := runtimetest.Compile(t, "ServerName x\n"+c.conf, all.Modules()...)
			var got []string
			for _, d := range diags {
				if strings.Contains(codes, d.Code) {
					got = append(got, fmt.Sprint(d.Place.Range.Start.Line-1, " ", d.Code))
				}
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

func TestList(t *testing.T) {
	g, diags := runtimetest.Compile(t, `ServerName x
<Proxy balancer://shared>
BalancerMember http://a status=+D
</Proxy>
<VirtualHost *:80>
<Proxy balancer://own>
BalancerMember http://b
BalancerMember http://c status=+H
ProxySet lbmethod=bytraffic
</Proxy>
</VirtualHost>`, all.Modules()...)
	if g == nil {
		t.Fatal(diags)
	}
	var got []string
	for _, b := range balancer.List(g) {
		got = append(got, b.Name+" "+b.MethodName)
		for _, w := range b.Workers {
			got = append(got, w.Name+" "+w.StatusNow.String())
		}
	}
	want := "balancer://shared byrequests,http://a Init Dis ,balancer://own bytraffic,http://b Init Ok ,http://c Init Stby Ok "
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
