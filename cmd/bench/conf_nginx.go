package main

import (
	"fmt"
	"path/filepath"
)

// nginxFrame holds what every nginx configuration has. Bodies of requests are streamed as the other proxies do, rather
// than written to a file first; answers that the client takes slowly don't go to a file either.
const nginxFrame = `daemon off; master_process on; worker_processes 2; worker_rlimit_nofile {FILES};
user www-data; pid {DIR}/pid; error_log {DIR}/error.log;
events { worker_connections 16384; }
http {
  access_log {DIR}/access.log combined;
  keepalive_requests 100000000; keepalive_timeout 60s;
  client_body_temp_path {DIR}/tmp-body; proxy_temp_path {DIR}/tmp-proxy; fastcgi_temp_path {DIR}/tmp-fastcgi;
  uwsgi_temp_path {DIR}/tmp-uwsgi; scgi_temp_path {DIR}/tmp-scgi;
  proxy_request_buffering off; proxy_max_temp_file_size 0; client_max_body_size 0;
  proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Host $http_host;
  proxy_set_header X-Forwarded-Server bench.test;
{BODY}}
`

// nginxApp is a balancer of two that keeps connections to its members.
const nginxApp = `  upstream app { server {ONE}; server {TWO}; keepalive 512; keepalive_requests 100000000; }
`

// nginxPlain has sticky sessions by a map, which is what nginx without its commercial modules offers.
const nginxPlain = nginxApp + `  upstream one { server {ONE}; keepalive 512; keepalive_requests 100000000; }
  upstream two { server {TWO}; keepalive 512; keepalive_requests 100000000; }
  upstream sockets { server {SOCKETS}; }
  map $cookie_ROUTEID $member { ".1" one; ".2" two; default app; }
  map $upstream_addr $route { "{ONE}" ".1"; default ".2"; }
  map $cookie_ROUTEID $set { "" "ROUTEID=$route; path=/"; default ""; }
  server {
    listen {LISTEN}{TLS} backlog=4096;
    location / { proxy_pass http://$member; add_header Set-Cookie $set; }
    location /ws/ {
      proxy_pass http://sockets/; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
      proxy_read_timeout 600s;
    }
  }
`

const nginxTLS = `  ssl_certificate {CERTS}/cert.pem; ssl_certificate_key {CERTS}/key.pem; ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
`

// nginxVhost is one of the virtual hosts of workload e.
const nginxVhost = `upstream b{N} { server {ONE}; server {TWO}; keepalive 16; keepalive_requests 100000000; }
server {
  listen {LISTEN};
  server_name {HOST} www.{HOST} *.{HOST};
  add_header X-Site {MARK};
  if ($http_user_agent !~ Robot) { rewrite ^/old/(.*)$ /new/$1 redirect; }
  location /a/ { proxy_pass http://b{N}/app-a/; }
  location /b/ { proxy_pass http://b{N}/app-b/; }
  location / { proxy_pass http://b{N}; }
}
`

// configureNginx writes nginx's files and returns its command.
func configureNginx(s site) ([]string, error) {
	body := nginxPlain
	listen := ""
	switch {
	case s.vhosts > 0:
		// Three names a virtual host; nginx asks for these two when its own sizes are too small.
		body = fmt.Sprintf("  server_names_hash_max_size %d; server_names_hash_bucket_size 128;\n  include {DIR}/sites/*.conf;\n",
			max(1024, 4*s.vhosts))
		if err := s.eachVhost(nginxVhost); err != nil {
			return nil, err
		}
	case s.rewrites > 0:
		body = nginxApp + "  server {\n    listen {LISTEN} backlog=4096;\n" +
			lines("    rewrite ^/old{N}/(.*)$ /new/$1 last;\n", s.rewrites) + "    location / { proxy_pass http://app; }\n  }\n"
	case s.mounts > 0:
		body = nginxApp + "  server {\n    listen {LISTEN} backlog=4096;\n" +
			lines("    location /old{N}/ { proxy_pass http://app/new/; }\n", s.mounts) + "  }\n"
	case s.tls:
		body, listen = nginxTLS+body, " ssl http2"
	}
	file := filepath.Join(s.dir, "nginx.conf")
	return []string{"nginx", "-c", file}, s.write(file, expandOnce(nginxFrame, "{BODY}", expandOnce(body, "{TLS}", listen)))
}
