package core

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

var serverDirectives = []runtime.Directive{
	{Name: "ServerName", Args: parser.Take1, In: inVHost, Syntax: "[scheme://]domain-name|ip-address[:port]",
		Help: "The host name, and port and scheme, that the server calls itself by", Set: setServerName},
	{Name: "ServerAlias", Args: parser.TakeArgv, In: inVHost, Syntax: "hostname [hostname] ...",
		Help: "Other names of a virtual host; * and ? stand for any text and any character", Set: setServerAlias},
	{Name: "ServerAdmin", Args: parser.Take1, In: inVHost, Syntax: "email-address|URL",
		Help: "Whom error pages tell people to write to", Set: func(c *runtime.Cmd) error {
			c.Server.Admin = runtime.Some(c.Arg(0))
			return nil
		}},
	{Name: "ServerPath", Args: parser.Take1, In: inVHost, Syntax: "URL-path",
		Help: "The path that leads browsers without a Host header to this virtual host", Set: func(c *runtime.Cmd) error {
			c.Server.Path = c.Arg(0)
			return nil
		}},
	{Name: "DocumentRoot", Args: parser.Take1, In: inVHost, Syntax: "directory-path",
		Help: "The folder that URLs are looked up in", Set: setDocumentRoot},
	{Name: "ServerTokens", Args: parser.Take1, In: inServer, Syntax: "Major|Minor|Min[imal]|Prod[uctOnly]|OS|Full",
		Help: "How much the Server header says", Set: setServerTokens},
	{Name: "UseCanonicalPhysicalPort", Args: parser.Flag, In: inDirs, Syntax: "On|Off",
		Help: "Whether the connection's own port goes into redirects before a guessed one", Set: func(c *runtime.Cmd) error {
			c.Dir.Core.UseCanonicalPort = runtime.Some(c.Flag())
			return nil
		}},
	{Name: "UseCanonicalName", Args: parser.Take1, In: inDirs, Syntax: "On|Off|DNS",
		Help: "Whether the server calls itself by ServerName or by what the client said", Set: setUseCanonicalName},
	{Name: "HostnameLookups", Args: parser.Take1, In: inDirs, Syntax: "On|Off|Double",
		Help: "Whether client addresses are logged as names; pinion never looks them up for logs", Set: setHostnameLookups},
	{Name: "NameVirtualHost", Args: parser.Take1, In: inServer, Syntax: "addr[:port]",
		Help: "Left over from httpd 2.2", Set: func(c *runtime.Cmd) error {
			c.Warnf("no-effect", "NameVirtualHost has no effect: every address with several virtual hosts is name-based")
			return nil
		}},
	{Name: "Port", Args: parser.Take1, In: inVHost, Syntax: "port", Help: "Left over from httpd 1.3",
		Set: func(c *runtime.Cmd) error {
			return runtime.WithDetail(c.Errorf("unsupported-directive", "Port was replaced with Listen in httpd 2.0"), "use: Listen %s", c.Arg(0))
		}},
	{Name: "DefaultType", Args: parser.Take1, In: anywhere, Syntax: "media-type|none", Help: "Left over from httpd 2.2",
		Set: func(c *runtime.Cmd) error {
			if !runtime.EqualFold(c.Arg(0), "none") && !runtime.EqualFold(c.Arg(0), "off") {
				runtime.WithDetail(c.Warnf("no-effect", "DefaultType is ignored, as by httpd 2.4"), "use ForceType or AddType")
			}
			return nil
		}},
	{Name: "DefaultRuntimeDir", Args: parser.Take1, In: inServer, Syntax: "directory-path",
		Help: "The folder for what is kept while running, and for sockets with a relative name", Set: setRuntimeDir},
	{Name: "TraceEnable", Args: parser.Take1, In: inVHost, Syntax: "[on|off|extended]",
		Help: "Whether TRACE requests are answered", Set: func(c *runtime.Cmd) error {
			v, err := oneOf(c, 0, "on", "off", "extended")
			if err == nil {
				c.Server.Settings.TraceEnable = runtime.Some(v)
			}
			return err
		}},
	{Name: "MergeSlashes", Args: parser.Flag, In: inVHost, Syntax: "ON|OFF",
		Help: "Whether several slashes in a URL count as one", Set: func(c *runtime.Cmd) error {
			c.Server.Settings.MergeSlashes = runtime.Some(c.Flag())
			return nil
		}},
	{Name: "StrictHostCheck", Args: parser.Flag, In: inVHost, Syntax: "ON|OFF",
		Help: "Whether requests for a host that no virtual host names are refused", Set: func(c *runtime.Cmd) error {
			c.Server.Settings.StrictHostCheck = runtime.Some(c.Flag())
			runtime.OwnServerConf[heads](c.Server, HTTP)
			return nil
		}},
	{Name: "HttpProtocolOptions", Args: parser.Iterate, In: inVHost,
		Syntax: "[Strict|Unsafe] [RegisteredMethods|LenientMethods] [Allow0.9|Require1.0]",
		Help:   "How strictly requests are read", Set: setHTTPProtocolOptions},
	{Name: "RegisterHttpMethod", Args: parser.Iterate, In: inServer, Syntax: "method [method [...]]",
		Help: "Methods to know beside the standard ones", Set: process},
	{Name: "Protocols", Args: parser.Iterate, In: inVHost, Syntax: "protocol ...",
		Help: "The protocols to speak: http/1.1, h2, h2c", Set: setProtocols},
	{Name: "ProtocolsHonorOrder", Args: parser.Take1, In: inVHost, Syntax: "On|Off",
		Help: "Whether the server's order of Protocols counts, or the client's", Set: func(c *runtime.Cmd) error {
			v, err := oneOf(c, 0, "on", "off")
			if err == nil {
				c.Server.Settings.ProtocolsHonorOrder = runtime.Some(v == "on")
			}
			return err
		}},
	{Name: "MergeTrailers", Args: parser.Flag, In: inVHost, Syntax: "[on|off]",
		Help: "Whether trailers of a request are merged into its headers; only off", Set: func(c *runtime.Cmd) error {
			if c.Flag() {
				return runtime.WithDetail(c.ArgErrorf(0, "unsupported-value", "MergeTrailers On is not supported"),
					"trailers that pass for headers are a way to smuggle them past access rules")
			}
			return nil
		}},
	{Name: "RegexDefaultOptions", Args: parser.TakeArgv, In: inServer, Syntax: "[none] [+|-]option [[+|-]option] ...",
		Help: "Options of every regular expression; only httpd's default", Set: setRegexDefaultOptions},
}

// oneOf returns the i-th argument in lower case when it is one of the words.
func oneOf(c *runtime.Cmd, i int, words ...string) (string, error) {
	for _, w := range words {
		if runtime.EqualFold(c.Arg(i), w) {
			return w, nil
		}
	}
	return "", c.ArgErrorf(i, "bad-value", "%s must be one of %s, found %q", c.Node.Def.Name, strings.Join(words, ", "), c.Arg(i))
}

func setServerName(c *runtime.Cmd) error {
	arg := c.Arg(0)
	if runtime.HasWildcard(arg) {
		return runtime.WithDetail(c.ArgErrorf(0, "bad-value", "a ServerName has no wildcards, found %q", arg),
			"use ServerAlias to set multiple server names")
	}
	name, scheme, port := arg, "", 0
	if s, rest, ok := strings.Cut(arg, "://"); ok {
		name, scheme = rest, strings.ToLower(s)
	}
	// httpd cuts at the first colon, also of an IPv6 address.
	if host, p, ok := strings.Cut(name, ":"); ok {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return c.ArgErrorf(0, "bad-value", "expected a port from 1 to 65535 in ServerName, found %q", p)
		}
		name, port = host, n
	}
	c.Server.ServerName = name
	if scheme != "" {
		c.Server.Scheme = scheme
	}
	c.Server.Port = port
	return nil
}

func setServerAlias(c *runtime.Cmd) error {
	if c.Server.Main {
		return c.Errorf("wrong-context", "ServerAlias is only used in <VirtualHost>")
	}
	c.Server.Aliases = append(c.Server.Aliases, c.Node.Args...)
	return nil
}

func setDocumentRoot(c *runtime.Cmd) error {
	dir := absolute(c, c.Arg(0))
	c.Server.DocRoot = runtime.Some(dir)
	if c.Offline {
		return nil
	}
	// httpd refuses a missing one outside of a <VirtualHost>. A proxy often has none, so it is a warning in both places.
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		d := c.ArgErrorf(0, "no-directory", "DocumentRoot %q is not a folder, or is not readable", dir)
		d.Severity = parser.Warning
		c.Report(d)
	}
	return nil
}

// banner is what ServerTokens makes the Server header. The version is httpd's that pinion behaves as: clients, monitors
// and proxied applications see the header that they saw before. The platform is that of an httpd built from source.
func banner(tokens string) string {
	const product, version = "Apache", "2.4.71"
	switch tokens {
	case "prod":
		return product
	case "major":
		return product + "/2"
	case "minor":
		return product + "/2.4"
	case "min":
		return product + "/" + version
	}
	return product + "/" + version + " (Unix)"
}

func setServerTokens(c *runtime.Cmd) error {
	v, err := oneOf(c, 0, "full", "os", "min", "minimal", "minor", "major", "prod", "productonly")
	if err != nil {
		return err
	}
	switch v {
	case "minimal":
		v = "min"
	case "productonly":
		v = "prod"
	}
	c.Graph.Banner = banner(v)
	return nil
}

func setUseCanonicalName(c *runtime.Cmd) error {
	v, err := oneOf(c, 0, "on", "off", "dns")
	if err != nil {
		return err
	}
	if v == "dns" {
		d := c.ArgErrorf(0, "not-as-httpd", "UseCanonicalName DNS is taken as On: pinion makes no DNS query for a request")
		d.Severity, d.Detail = parser.Warning, "the name comes from ServerName"
		c.Report(d)
		v = "on"
	}
	c.Dir.Core.UseCanonicalName = runtime.Some(v)
	return nil
}

func setHostnameLookups(c *runtime.Cmd) error {
	v, err := oneOf(c, 0, "on", "off", "double")
	if err == nil && v != "off" {
		runtime.WithDetail(c.Warnf("no-effect", "HostnameLookups %s has no effect: logs show addresses", c.Arg(0)),
			"Require host and Allow from a name look the name up all the same")
	}
	return err
}

func setHTTPProtocolOptions(c *runtime.Cmd) error {
	s := &c.Server.Settings
	for i, a := range c.Node.Args {
		var flag *runtime.Opt[bool]
		var v bool
		switch strings.ToLower(a) {
		case "strict", "unsafe":
			flag, v = &s.Unsafe, runtime.EqualFold(a, "unsafe")
		case "registeredmethods", "lenientmethods":
			flag, v = &s.RegisteredMethods, runtime.EqualFold(a, "registeredmethods")
			runtime.OwnServerConf[heads](c.Server, HTTP)
		case "allow0.9", "require1.0":
			flag, v = &s.HTTP09, runtime.EqualFold(a, "allow0.9")
		default:
			return c.ArgErrorf(i, "bad-value", "expected Strict, Unsafe, RegisteredMethods, LenientMethods, Allow0.9 or Require1.0, found %q", a)
		}
		if flag.Set && flag.V != v {
			return c.ArgErrorf(i, "bad-value", "HttpProtocolOptions %s and its opposite exclude each other", a)
		}
		*flag = runtime.Some(v)
		if flag == &s.Unsafe && v {
			d := c.ArgErrorf(i, "not-as-httpd", "HttpProtocolOptions Unsafe has no effect: pinion reads requests strictly")
			d.Severity, d.Detail = parser.Warning, "what Unsafe lets through can be read in two ways, and so smuggle requests past this server's rules"
			c.Report(d)
		}
	}
	return nil
}

func setProtocols(c *runtime.Cmd) error {
	p := &c.Server.Settings.Protocols
	list := p.V[:len(p.V):len(p.V)]
	for i, a := range c.Node.Args {
		switch a {
		case "http/1.1", "h2", "acme-tls/1":
		case "h2c":
			c.Notef("not-as-httpd", "Protocols h2c has no effect: HTTP/2 is spoken over TLS only, as h2")
		default:
			d := c.ArgErrorf(i, "unknown-protocol", "unknown protocol %q is ignored", a)
			d.Severity, d.Detail = parser.Warning, "known are http/1.1, h2 and h2c"
			c.Report(d)
		}
		list = append(list, a)
	}
	*p = runtime.Some(list)
	return nil
}

func setRegexDefaultOptions(c *runtime.Cmd) error {
	dotall, dollar := true, true
	for i, a := range c.Node.Args {
		on := !strings.HasPrefix(a, "-")
		switch strings.ToUpper(strings.TrimLeft(a, "+-")) {
		case "NONE":
			dotall, dollar = false, false
		case "DOTALL":
			dotall = on
		case "DOLLAR_ENDONLY":
			dollar = on
		case "ICASE", "EXTENDED":
			if on {
				return c.ArgErrorf(i, "unsupported-value", "RegexDefaultOptions %s is not supported: write (?i) or (?x) in the expression", a)
			}
		default:
			return c.ArgErrorf(i, "bad-value", "expected ICASE, EXTENDED, DOTALL or DOLLAR_ENDONLY, found %q", a)
		}
	}
	if len(c.Node.Args) > 0 && !(dotall && dollar) {
		return runtime.WithDetail(c.Errorf("unsupported-value", "only the default DOTALL DOLLAR_ENDONLY is supported"),
			"remove the directive, and write (?-s) in the expressions that need it")
	}
	return nil
}

// nameServer gives a server without ServerName the name that httpd would (ap_fini_vhost_config): that of the main server, or
// for addresses of its own the first one's. Only this machine's own (127.0.0.1 and the like) is looked up: DNS is not asked.
func nameServer(c *runtime.Compiler, s *runtime.Server) {
	if s.ServerName != "" {
		return
	}
	if !s.Main {
		s.ServerName = c.Graph.Main.ServerName
		if name := loopbackName(s.Addrs); name != "" && !c.Offline {
			s.ServerName = name
		}
		return
	}
	host, err := os.Hostname()
	if err != nil || c.Offline {
		host = "127.0.0.1"
	}
	s.ServerName = host
	c.Report(&parser.Diagnostic{Severity: parser.Note, Code: "no-server-name", Place: c.Tree.Root.Place,
		Summary: "no ServerName outside of every <VirtualHost>: the server calls itself " + strconv.Quote(host),
		Detail:  "set ServerName globally"})
}

// loopbackName returns the name of a virtual host's first address, "" if that is not this machine's own or any is a wildcard.
func loopbackName(addrs []runtime.ListenAddr) string {
	for _, a := range addrs {
		if !a.IP.IsValid() || a.IP.IsUnspecified() {
			return ""
		}
	}
	if len(addrs) == 0 || !addrs[0].IP.IsLoopback() {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	names, err := net.DefaultResolver.LookupAddr(ctx, addrs[0].IP.String())
	if err != nil || len(names) == 0 {
		return ""
	}
	return strings.TrimSuffix(names[0], ".")
}
