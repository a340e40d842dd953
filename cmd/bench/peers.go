package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is a proxy to measure.
type peer struct {
	name    string
	address string
	conf    string // its configuration file
	text    string
	command []string
}

// modules that httpd is given; the event MPM is what Debian runs.
var httpdModules = []string{"mpm_event", "authz_core", "headers", "proxy", "proxy_http", "proxy_balancer",
	"slotmem_shm", "lbmethod_byrequests"}

func allPeers(dir, binary string, backends []string) []peer {
	path := func(name string) string { return filepath.Join(dir, name) }
	var all []peer
	add := func(name, conf, text string, command ...string) {
		all = append(all, peer{name, freeAddress(), path(conf), text, command})
	}
	body := `Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined
CustomLog ` + path("NAME-access.log") + ` combined
ErrorLog ` + path("NAME-error.log") + `
ServerName bench.test
KeepAlive On
MaxKeepAliveRequests 0
<Proxy balancer://app>
  BalancerMember http://` + backends[0] + ` route=1
  BalancerMember http://` + backends[1] + ` route=2
</Proxy>
ProxyPass / balancer://app/ stickysession=ROUTEID
ProxyPassReverse / balancer://app/
`
	add("pinion", "pinion.conf", "Listen ADDRESS\nPidFile "+path("pinion.pid")+"\n"+strings.ReplaceAll(body, "NAME", "pinion"),
		binary, "-X", "--no-watch", "-f", path("pinion.conf"))
	var load strings.Builder
	for _, m := range httpdModules {
		fmt.Fprintf(&load, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	add("httpd", "httpd.conf", "ServerRoot "+dir+"\n"+load.String()+"Listen ADDRESS\nPidFile "+path("httpd.pid")+"\nUser www-data\nGroup www-data\n"+
		"Mutex sem\nDefaultRuntimeDir "+dir+"\n<Directory />\nRequire all granted\n</Directory>\n"+strings.ReplaceAll(body, "NAME", "httpd"),
		"apache2", "-X", "-f", path("httpd.conf"))
	all[len(all)-1].command = []string{"apache2", "-D", "FOREGROUND", "-f", path("httpd.conf")}
	add("nginx", "nginx.conf", `daemon off; worker_processes 2; pid `+path("nginx.pid")+`; error_log `+path("nginx-error.log")+`;
events { worker_connections 4096; }
http {
  access_log `+path("nginx-access.log")+` combined;
  keepalive_requests 100000000;
  map $cookie_ROUTEID $member { ".1" one; ".2" two; default both; }
  upstream one { server `+backends[0]+`; keepalive 64; keepalive_requests 100000000; }
  upstream two { server `+backends[1]+`; keepalive 64; keepalive_requests 100000000; }
  upstream both { server `+backends[0]+`; server `+backends[1]+`; keepalive 64; keepalive_requests 100000000; }
  map $upstream_addr $route { "`+backends[0]+`" ".1"; default ".2"; }
  map $cookie_ROUTEID $set { "" "ROUTEID=$route; path=/"; default ""; }
  server {
    listen ADDRESS;
    location / {
      proxy_pass http://$member; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Server bench.test; add_header Set-Cookie $set;
    }
  }
}
`, "nginx", "-c", path("nginx.conf"))
	logs, logAddress := logSink()
	_ = logs
	add("haproxy", "haproxy.cfg", `global
  log `+logAddress+` local0
  nbthread 2
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind ADDRESS
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Forwarded-Server bench.test
  default_backend app
backend app
  balance roundrobin
  cookie ROUTEID insert indirect nocache
  server one `+backends[0]+` cookie 1
  server two `+backends[1]+` cookie 2
`, "haproxy", "-db", "-f", path("haproxy.cfg"))
	for i := range all {
		all[i].text = strings.ReplaceAll(all[i].text, "ADDRESS", all[i].address)
	}
	return all
}

// logSink takes HAProxy's log lines, which go to a socket and not to a file, and drops them.
func logSink() (net.PacketConn, string) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, _, err := c.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	return c, c.LocalAddr().String()
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}
