package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// haproxyFrame holds what every HAProxy configuration has. http-reuse always shares connections to backends between
// clients from their first request on, as the other proxies do; splice-auto lets the kernel move bodies, as pinion does;
// strict-limits are off because maxconn counts a connection to a backend for each client, which idle clients don't have.
const haproxyFrame = `global
  log {LOGS} local0
  nbthread 2
  maxconn 12000
  no strict-limits
  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 600s
  timeout http-keep-alive 60s
frontend front
  bind {LISTEN}{TLS} backlog 4096
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Forwarded-Server bench.test
{BODY}`

const haproxyServers = `  balance roundrobin
  server one {ONE}
  server two {TWO}
`

const haproxyPlain = `  use_backend sockets if { path_beg /ws/ }
  default_backend app
backend sockets
  http-request replace-path ^/ws/(.*)$ /\1
  server one {SOCKETS}
backend app
  balance roundrobin
  cookie ROUTEID insert indirect nocache
  server one {ONE} cookie .1
  server two {TWO} cookie .2
`

// haproxyByHost finds the backend of a request by two maps: of whole names, and of what follows the first label for the
// wildcards, so that neither depends on the number of names.
const haproxyByHost = `  http-request set-var(txn.host) req.hdr(Host),field(1,:),lower
  http-request set-var(txn.be) var(txn.host),map_str({DIR}/hosts.map)
  http-request set-var(txn.be) var(txn.host),regsub(^[^.]+,),map_str({DIR}/wildcards.map) if !{ var(txn.be) -m found }
  use_backend %[var(txn.be)]
`

// haproxyVhost is one of the virtual hosts of workload e.
const haproxyVhost = `backend b{N}
  http-request redirect location /new/%[path,regsub(^/old/,)] code 302 if { path_beg /old/ } !{ req.hdr(User-Agent) -m sub Robot }
  http-request replace-path ^/a/(.*)$ /app-a/\1 if { path_beg /a/ }
  http-request replace-path ^/b/(.*)$ /app-b/\1 if { path_beg /b/ }
  http-response set-header X-Site {MARK}
` + haproxyServers

// configureHAProxy writes HAProxy's files and returns its command.
func configureHAProxy(s site) ([]string, error) {
	file := filepath.Join(s.dir, "haproxy.cfg")
	command := []string{"haproxy", "-db", "-f", file}
	body, tls := haproxyPlain, ""
	switch {
	case s.vhosts > 0:
		body = haproxyByHost
		command = []string{"haproxy", "-W", "-db", "-f", file, "-f", filepath.Join(s.dir, "sites")}
		if err := haproxyVhosts(s); err != nil {
			return nil, err
		}
	case s.rewrites > 0:
		body = lines("  http-request replace-path ^/old{N}/(.*)$ /new/\\1 if { path_beg /old{N}/ }\n", s.rewrites) +
			"  default_backend app\nbackend app\n" + haproxyServers
	case s.mounts > 0:
		if err := haproxyMounts(s); err != nil {
			return nil, err
		}
		body = "  http-request set-var(txn.to) path,map_beg({DIR}/mounts.map)\n" +
			"  http-request replace-path ^/[^/]*/(.*)$ %[var(txn.to)]\\1 if { var(txn.to) -m found }\n" +
			"  use_backend app if { var(txn.to) -m found }\nbackend app\n" + haproxyServers
	case s.tls:
		tls = " ssl crt {CERTS}/both.pem alpn h2,http/1.1"
	}
	return command, s.write(file, expandOnce(expandOnce(haproxyFrame, "{BODY}", body), "{TLS}", tls))
}

// haproxyGroup is how many backends of virtual hosts are in a file: HAProxy hands the list of its files to itself in one
// variable of the environment, which has no room for the names of 10,000.
const haproxyGroup = 100

// haproxyFile is the file with the backend of virtual host i.
func haproxyFile(s site, i int) string {
	return filepath.Join(s.dir, "sites", fmt.Sprintf("%05d.cfg", (i-1)/haproxyGroup*haproxyGroup+1))
}

// haproxyGroupText is the text of the file with virtual host i, which gets the mark.
func haproxyGroupText(s site, i int, mark string) string {
	var b strings.Builder
	first := (i-1)/haproxyGroup*haproxyGroup + 1
	for k := first; k < first+haproxyGroup && k <= s.vhosts; k++ {
		m := firstMark
		if k == i {
			m = mark
		}
		b.WriteString(s.vhostText(haproxyVhost, k, m))
	}
	return b.String()
}

// haproxyVhosts writes the backends into a folder, which HAProxy reads in order, and the maps that lead to them.
func haproxyVhosts(s site) error {
	if err := os.MkdirAll(filepath.Join(s.dir, "sites"), 0o755); err != nil {
		return err
	}
	for i := 1; i <= s.vhosts; i += haproxyGroup {
		if err := os.WriteFile(haproxyFile(s, i), []byte(haproxyGroupText(s, i, firstMark)), 0o644); err != nil {
			return err
		}
	}
	var hosts, wildcards strings.Builder
	for i := 1; i <= s.vhosts; i++ {
		fmt.Fprintf(&hosts, "%[1]s b%05[2]d\nwww.%[1]s b%05[2]d\n", host(i), i)
		fmt.Fprintf(&wildcards, ".%s b%05d\n", host(i), i)
	}
	if err := s.write(filepath.Join(s.dir, "wildcards.map"), wildcards.String()); err != nil {
		return err
	}
	return s.write(filepath.Join(s.dir, "hosts.map"), hosts.String())
}

func haproxyMounts(s site) error {
	return s.write(filepath.Join(s.dir, "mounts.map"), lines("/old{N}/ /new/\n", s.mounts))
}
