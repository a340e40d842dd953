package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// httpdModules are those that the sites need; the event MPM is what Debian runs.
var httpdModules = []string{"mpm_event", "authz_core", "headers", "rewrite", "proxy", "proxy_http", "proxy_balancer",
	"slotmem_shm", "lbmethod_byrequests", "socache_shmcb", "ssl", "http2"}

// httpdOwn are the lines that only httpd gets: Debian's event MPM. When all workers of a child are busy, the MPM closes
// kept connections, which is an error for a client that sends just then. So as many children are started as the clients
// of the load need, and none are ended while it runs; there is room for 1,600 requests and for 10,000 idle connections.
const httpdOwn = `ServerRoot {DIR}
DefaultRuntimeDir {DIR}
User www-data
Group www-data
Mutex sem
StartServers {CHILDREN}
MinSpareThreads 25
MaxSpareThreads 1600
ThreadLimit 64
ThreadsPerChild 25
ServerLimit 64
MaxRequestWorkers 1600
AsyncRequestWorkerFactor {FACTOR}
ListenBackLog 4096
<Directory />
Require all granted
</Directory>
`

// httpdCommon is what pinion and httpd are both given.
const httpdCommon = `Listen {LISTEN}
PidFile {DIR}/pid
ServerName bench.test
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined
CustomLog {DIR}/access.log combined
ErrorLog {DIR}/error.log
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
`

const httpdTLS = `SSLEngine on
SSLProtocol TLSv1.3
SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256
SSLCertificateFile {CERTS}/cert.pem
SSLCertificateKeyFile {CERTS}/key.pem
Protocols h2 http/1.1
`

const httpdBalancer = `<Proxy balancer://app>
  BalancerMember http://{ONE} route=1
  BalancerMember http://{TWO} route=2
</Proxy>
`

const httpdPlain = `Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED
` + httpdBalancer + `ProxyPass /ws/ http://{SOCKETS}/ upgrade=websocket
ProxyPass / balancer://app/ stickysession=ROUTEID
ProxyPassReverse / balancer://app/
`

// httpdVhost is one of the virtual hosts of workload e.
const httpdVhost = `<VirtualHost {LISTEN}>
  ServerName {HOST}
  ServerAlias www.{HOST} *.{HOST}
  <Proxy balancer://b{N}>
    BalancerMember http://{ONE}
    BalancerMember http://{TWO}
  </Proxy>
  RewriteEngine On
  RewriteCond %{HTTP_USER_AGENT} !Robot
  RewriteRule ^/old/(.*)$ /new/$1 [R=302,L]
  Header set X-Site {MARK}
  ProxyPass /a/ balancer://b{N}/app-a/
  ProxyPass /b/ balancer://b{N}/app-b/
  ProxyPass / balancer://b{N}/
</VirtualHost>
`

// httpdBody is the part of the configuration that does the work; what goes into files of its own is written.
func httpdBody(s site) (string, error) {
	switch {
	case s.vhosts > 0:
		return "Include {DIR}/sites/*.conf\n", s.eachVhost(httpdVhost)
	case s.rewrites > 0:
		return httpdBalancer + "RewriteEngine On\n" + lines("RewriteRule ^/old{N}/(.*)$ /new/$1 [PT]\n", s.rewrites) +
			"ProxyPass / balancer://app/\n", nil
	case s.mounts > 0:
		return httpdBalancer + lines("ProxyPass /old{N}/ balancer://app/new/\n", s.mounts), nil
	case s.tls:
		return httpdTLS + httpdPlain, nil
	default:
		return httpdPlain, nil
	}
}

// httpdChildren is how many children of 25 threads are enough for so many clients, which don't spread over them evenly.
func httpdChildren(clients int) int { return max(2, (clients*3+24)/25) }

// configureHttpd writes httpd's files and returns its command.
func configureHttpd(s site) ([]string, error) {
	body, err := httpdBody(s)
	if err != nil {
		return nil, err
	}
	var load strings.Builder
	for _, m := range httpdModules {
		fmt.Fprintf(&load, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	factor := 2 // httpd's default; it limits how many connections a child takes
	if s.idle {
		factor = 32
	}
	own := expandOnce(expandOnce(httpdOwn, "{CHILDREN}", strconv.Itoa(httpdChildren(s.clients))), "{FACTOR}", strconv.Itoa(factor))
	file := filepath.Join(s.dir, "httpd.conf")
	return []string{"apache2", "-D", "FOREGROUND", "-f", file}, s.write(file, own+load.String()+httpdCommon+body)
}

// configurePinion writes pinion's files, which are httpd's, and returns the command.
func configurePinion(binary string, flags ...string) func(site) ([]string, error) {
	return func(s site) ([]string, error) {
		body, err := httpdBody(s)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(s.dir, "pinion.conf")
		return append([]string{binary, "-X", "-f", file}, flags...), s.write(file, httpdCommon+body)
	}
}
