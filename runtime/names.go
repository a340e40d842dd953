package runtime

import "strconv"

// AdminAddress is ServerAdmin, or httpd's placeholder for none.
func (s *Server) AdminAddress() string { return s.Admin.Or("[no address given]") }

// ServerName is the name this request goes by, as UseCanonicalName chooses (ap_get_server_name).
func (r *Request) ServerName() string {
	if r.Dir.Core.UseCanonicalName.Or("off") == "on" || r.Hostname == "" {
		return r.Server.ServerName
	}
	return r.Hostname
}

// ServerPort is the port this request goes by (ap_get_server_port).
func (r *Request) ServerPort() int {
	d := &r.Dir.Core
	canonical := d.UseCanonicalName.Or("off") == "on"
	physical := d.UseCanonicalPort.Or(false)
	local := int(r.Conn.Local.Port())
	switch {
	case !canonical && r.HostPort != 0:
		return r.HostPort
	case !canonical && physical && local != 0:
		return local
	case r.Server.Port != 0:
		return r.Server.Port
	case canonical && physical && local != 0:
		return local
	}
	return r.DefaultPort()
}

// SchemeName is "https" on a TLS connection or where ServerName says so, else "http" (ap_http_scheme).
func (r *Request) SchemeName() string { return schemeOf(r.Server, r.Conn) }

func schemeOf(s *Server, c *Conn) string {
	switch {
	case s.Scheme != "":
		return s.Scheme
	case c.Secure:
		return "https"
	}
	return "http"
}

// DefaultPort is the scheme's.
func (r *Request) DefaultPort() int {
	if r.SchemeName() == "https" {
		return 443
	}
	return 80
}

// ConstructURL makes an absolute URL of this server from a path (ap_construct_url).
func (r *Request) ConstructURL(path string) string {
	host, port := r.ServerName(), r.ServerPort()
	for i := 0; i < len(host); i++ {
		if host[i] == ':' {
			host = "[" + host + "]"
			break
		}
	}
	if port == r.DefaultPort() {
		return r.SchemeName() + "://" + host + path
	}
	return r.SchemeName() + "://" + host + ":" + strconv.Itoa(port) + path
}
