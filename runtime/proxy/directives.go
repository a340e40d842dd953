package proxy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

const everywhere = parser.ServerWide | parser.InDir

func init() {
	Module.Directives = directives
	Module.MergeServer = runtime.Merger(mergeServer)
	Module.MergeDir = runtime.Merger(mergeDir)
	Module.PostServer, Module.PostConfig, Module.Outdated = postServer, postConfig, outdated
	Module.ChildInit = goLive
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.PreTranslateName, Order: runtime.Middle, Run: func(r *runtime.Request) runtime.Result { return translate(r, true) }},
		{Phase: runtime.TranslateName, Order: runtime.First, Run: func(r *runtime.Request) runtime.Result { return translate(r, false) }},
		{Phase: runtime.MapToStorage, Order: runtime.First, Always: true, Run: mapToStorage},
		{Phase: runtime.Fixups, Order: runtime.First, Always: true, Run: CanonURL},
		{Phase: runtime.Handler, Order: runtime.First, Always: true, Run: handle},
	}
	Pinion.Directives = []runtime.Directive{
		{Name: "BalancerFlagR", Args: parser.Take1, In: parser.ServerWide | parser.Proxy, Syntax: "route-only|hot-spare",
			Help: "What status=+R means for the members of balancers", Set: setFlagR},
	}
}

// mapToStorage lays the <Proxy> sections over a proxied request's configuration and keeps the core from looking for a file.
func mapToStorage(r *runtime.Request) runtime.Result {
	if r.Proxy == runtime.ProxyNone || !strings.HasPrefix(r.Filename, proxyPrefix) {
		return runtime.Declined
	}
	r.WalkProxySections(r.Filename[len(proxyPrefix):])
	return runtime.OK
}

var directives = []runtime.Directive{
	{Name: "ProxyPass", Args: parser.TakeArgv, In: parser.ServerWide | parser.Location,
		Syntax: "[path] !|url [key=value [key=value ...]] [nocanon] [interpolate] [noquery]",
		Help:   "Sends requests for a path to another server or to a balancer", Set: setPass},
	{Name: "ProxyPassMatch", Args: parser.TakeArgv, In: parser.ServerWide | parser.Location,
		Syntax: "[regex] !|url [key=value [key=value ...]]",
		Help:   "Sends requests whose path matches a regular expression to another server or to a balancer", Set: setPass},
	{Name: "ProxyPassReverse", Args: parser.Take123, In: everywhere &^ (parser.Directory | parser.Files | parser.If), Syntax: "[path] url [interpolate]",
		Help: "Puts this server's address into the redirects of another server", Set: setPassReverse},
	{Name: "ProxyPassReverseCookiePath", Args: parser.Take23, In: everywhere, Syntax: "internal-path public-path [interpolate]",
		Help: "Changes the paths of the cookies that another server sets",
		Set: func(c *runtime.Cmd) error {
			return cookieMap(c, &runtime.OwnDirConf[DirConf](c.Dir, Module).cookiePaths)
		}},
	{Name: "ProxyPassReverseCookieDomain", Args: parser.Take23, In: everywhere, Syntax: "internal-domain public-domain [interpolate]",
		Help: "Changes the domains of the cookies that another server sets",
		Set: func(c *runtime.Cmd) error {
			return cookieMap(c, &runtime.OwnDirConf[DirConf](c.Dir, Module).cookieDomains)
		}},
	{Name: "ProxyPassInterpolateEnv", Args: parser.Flag, In: everywhere, Syntax: "On|Off",
		Help: "Puts environment variables into mounts marked with interpolate", Set: dirFlag(func(d *DirConf) *runtime.Opt[bool] { return &d.Interpolate })},
	{Name: "ProxyPassInherit", Args: parser.Flag, In: parser.ServerWide, Syntax: "On|Off",
		Help: "Whether a vhost has the workers of the main server", Set: serverFlag(func(s *ServerConf) *runtime.Opt[bool] { return &s.PassInherit })},
	{Name: "Proxy", Section: true, Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "wildcard-url [key=value ...]",
		Help: "Directives for requests that are sent to a URL; defines a balancer", Set: openProxy},
	{Name: "ProxyMatch", Section: true, Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "regex",
		Help: "Directives for requests that are sent to a URL that a regular expression matches", Set: openProxy},
	{Name: "ProxySet", Args: parser.TakeArgv, In: everywhere, Syntax: "[url] key=value [key=value ...]",
		Help: "Sets parameters of a balancer or worker", Set: setProxySet},
	{Name: "BalancerMember", Args: parser.TakeArgv, In: parser.ServerWide | parser.Proxy, Syntax: "[balancerurl] url [key=value [key=value ...]]",
		Help: "Adds a server to a balancer", Set: setMember},
	{Name: "BalancerInherit", Args: parser.Flag, In: parser.ServerWide, Syntax: "On|Off",
		Help: "Whether a vhost has the balancers of the main server", Set: serverFlag(func(s *ServerConf) *runtime.Opt[bool] { return &s.Inherit })},
	{Name: "BalancerGrowth", Args: parser.Take1, In: parser.ServerWide, Syntax: "#",
		Help: "How many balancers may be added while running", Set: setInt(func(s *ServerConf) *runtime.Opt[int] { return &s.Growth }, 0, 1000)},
	{Name: "BalancerPersist", Args: parser.Flag, In: parser.ServerWide, Syntax: "On|Off",
		Help: "Whether what is changed in the balancer-manager outlives a restart",
		Set: func(c *runtime.Cmd) error {
			runtime.OwnServerConf[ServerConf](c.Server, Module).Persist = c.Flag()
			return nil
		}},

	{Name: "ProxyPreserveHost", Args: parser.Flag, In: everywhere, Syntax: "On|Off",
		Help: "Sends the client's Host header on", Set: dirFlag(func(d *DirConf) *runtime.Opt[bool] { return &d.PreserveHost })},
	{Name: "ProxyAddHeaders", Args: parser.Flag, In: everywhere, Syntax: "Off|On",
		Help: "Adds X-Forwarded-For, X-Forwarded-Host and X-Forwarded-Server", Set: dirFlag(func(d *DirConf) *runtime.Opt[bool] { return &d.AddHeaders })},
	{Name: "Proxy100Continue", Args: parser.Flag, In: everywhere, Syntax: "Off|On",
		Help: "Sends Expect: 100-continue on", Set: dirFlag(func(d *DirConf) *runtime.Opt[bool] { return &d.Continue100 })},
	{Name: "ProxyErrorOverride", Args: parser.Iterate, In: everywhere, Syntax: "Off|On [code ...]",
		Help: "Answers with pages of this server where the other one answers with an error", Set: setErrorOverride},
	{Name: "ProxyVia", Args: parser.Take1, In: parser.ServerWide, Syntax: "On|Off|Full|Block",
		Help: "What to do with the Via header", Set: setChoice(func(s *ServerConf) *runtime.Opt[Via] { return &s.Via }, "Off", "On", "Full", "Block")},
	{Name: "ProxyBadHeader", Args: parser.Take1, In: parser.ServerWide, Syntax: "IsError|Ignore|StartBody",
		Help: "What to do with a header line that has no colon", Set: setChoice(func(s *ServerConf) *runtime.Opt[BadHeader] { return &s.BadHeader }, "IsError", "Ignore", "StartBody")},
	{Name: "ProxyStatus", Args: parser.Take1, In: parser.ServerWide, Syntax: "Off|On|Full",
		Help: "Shows balancers in server-status", Set: setStatusShown},
	{Name: "ProxyTimeout", Args: parser.Take1, In: parser.ServerWide, Syntax: "time-interval[s]",
		Help: "How long to wait for another server", Set: setTimeout},
	{Name: "ProxyMaxForwards", Args: parser.Take1, In: parser.ServerWide, Syntax: "number",
		Help: "How many proxies a request may pass, where it doesn't say so itself", Set: setMaxForwards},
	{Name: "ProxyIOBufferSize", Args: parser.Take1, In: parser.ServerWide, Syntax: "bytes",
		Help: "Size of the buffers between client and server: checked, without effect", Set: setIOBuffer},
	{Name: "ProxyReceiveBufferSize", Args: parser.Take1, In: parser.ServerWide, Syntax: "bytes",
		Help: "Size of the kernel's buffer for what another server sends", Set: setBuffer(func(s *ServerConf) *runtime.Opt[int] { return &s.RecvBuffer }, 0)},
	{Name: "ProxySourceAddress", Args: parser.Take1, In: parser.ServerWide, Syntax: "address",
		Help: "The local address that connections to other servers come from", Set: setSourceAddress},
	{Name: "ProxyRequests", Args: parser.Flag, In: parser.ServerWide, Syntax: "On|Off",
		Help: "Forward proxying, which pinion doesn't do: only Off is accepted", Set: setRequests},

	{Name: "ProxyRemote", Args: parser.Take23, In: parser.ServerWide, Syntax: "match remote-server [username:password]",
		Help: "A further proxy between this server and the others", Unsupported: "pinion connects to the servers directly: put the address of the further proxy into ProxyPass if it is a reverse proxy"},
	{Name: "ProxyRemoteMatch", Args: parser.Take23, In: parser.ServerWide, Syntax: "regex remote-server [username:password]",
		Help: "A further proxy between this server and the others", Unsupported: "pinion connects to the servers directly: put the address of the further proxy into ProxyPass if it is a reverse proxy"},
	{Name: "ProxyBlock", Args: parser.Iterate, In: parser.ServerWide, Syntax: "*|hostname|partial-hostname [hostname|partial-hostname]...",
		Help: "Servers that requests are never sent to", Set: setBlock},
	{Name: "NoProxy", Args: parser.Iterate, In: parser.ServerWide, Syntax: "host [host] ...",
		Help: "Servers that ProxyRemote doesn't hold for", NoEffect: "there is no ProxyRemote it could make an exception from: every server is connected to directly"},
	{Name: "ProxyDomain", Args: parser.Take1, In: parser.ServerWide, Syntax: "Domain",
		Help: "The domain of host names without one", NoEffect: "it serves clients that use a forward proxy, which pinion is not"},
}

func dirFlag(field func(*DirConf) *runtime.Opt[bool]) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		*field(runtime.OwnDirConf[DirConf](c.Dir, Module)) = runtime.Some(c.Flag())
		return nil
	}
}

func serverFlag(field func(*ServerConf) *runtime.Opt[bool]) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		*field(runtime.OwnServerConf[ServerConf](c.Server, Module)) = runtime.Some(c.Flag())
		return nil
	}
}

// setPassReverse compiles ProxyPassReverse (add_pass_reverse).
func setPassReverse(c *runtime.Cmd) error {
	args := c.Node.Args
	m := reverseMap{fake: c.Path()}
	isWord := func(i int) bool { return i < len(args) && runtime.EqualFold(args[i], "interpolate") }
	if m.fake == "" {
		if len(args) < 2 || isWord(1) {
			return c.Errorf("wrong-arguments", "ProxyPassReverse needs a path and a URL outside of <Location>")
		}
		m.fake, args = args[0], args[1:]
	} else if len(args) > 1 && !isWord(1) {
		return runtime.WithDetail(c.ArgErrorf(0, "wrong-arguments", "ProxyPassReverse has no path of its own inside of a section"),
			"the section's path %s is what it maps to: leave %q out", m.fake, args[0])
	}
	m.real, m.interpolate = args[0], len(args) > 1
	d := runtime.OwnDirConf[DirConf](c.Dir, Module)
	d.reverse = append(d.reverse, m)
	return nil
}

func cookieMap(c *runtime.Cmd, maps *[]reverseMap) error {
	*maps = append(*maps, reverseMap{c.Arg(0), c.Arg(1), len(c.Node.Args) > 2})
	return nil
}

func setErrorOverride(c *runtime.Cmd) error {
	d := runtime.OwnDirConf[DirConf](c.Dir, Module)
	for i, a := range c.Node.Args {
		switch {
		case runtime.EqualFold(a, "off"):
			d.ErrorOverride = runtime.Some(false)
		case runtime.EqualFold(a, "on"):
			d.ErrorOverride = runtime.Some(true)
		case !d.ErrorOverride.Set:
			return c.ArgErrorf(i, "bad-value", "expected On or Off, found %q", a)
		case !d.ErrorOverride.V:
			return c.ArgErrorf(i, "bad-value", "statuses may stand behind On only, found %q", a)
		default:
			n, rest, bad := leadingInt(a)
			if bad || rest == a || n < 400 || n >= 600 {
				return c.ArgErrorf(i, "bad-value", "expected a status from 400 to 599, found %q", a)
			}
			d.OverrideCodes = append(d.OverrideCodes, n)
		}
	}
	return nil
}

// setChoice sets a field to the position of the argument among names.
func setChoice[T ~uint8](field func(*ServerConf) *runtime.Opt[T], names ...string) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		i := slices.IndexFunc(names, func(n string) bool { return runtime.EqualFold(n, c.Arg(0)) })
		if i < 0 {
			return c.ArgErrorf(0, "bad-value", "%s must be one of %s, found %q", c.Node.Name, strings.Join(names, ", "), c.Arg(0))
		}
		*field(runtime.OwnServerConf[ServerConf](c.Server, Module)) = runtime.Some(T(i))
		return nil
	}
}

func setStatusShown(c *runtime.Cmd) error {
	v := lower(c.Arg(0))
	if v != "off" && v != "on" && v != "full" {
		return c.ArgErrorf(0, "bad-value", "ProxyStatus must be one of Off, On, Full, found %q", c.Arg(0))
	}
	runtime.OwnServerConf[ServerConf](c.Server, Module).Status = runtime.Some(v)
	return nil
}

// argNumber reads the first argument as C's atoi does, with a warning where that isn't all of it.
func argNumber(c *runtime.Cmd) (int, error) {
	n, rest, bad := leadingInt(c.Arg(0))
	if bad {
		return 0, c.ArgErrorf(0, "bad-value", "expected a smaller number, found %q", c.Arg(0))
	}
	if rest != "" {
		c.Report(warning(c.ArgErrorf(0, "not-a-number", "%s expects a whole number, found %q: read as %d, as httpd does", c.Node.Name, c.Arg(0), n)))
	}
	return n, nil
}

func setInt(field func(*ServerConf) *runtime.Opt[int], from, to int) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		n, err := argNumber(c)
		if err == nil && (n < from || n > to) {
			err = c.ArgErrorf(0, "bad-value", "%s must be from %d to %d, found %q", c.Node.Name, from, to, c.Arg(0))
		}
		*field(runtime.OwnServerConf[ServerConf](c.Server, Module)) = runtime.Some(n)
		return err
	}
}

func setBuffer(field func(*ServerConf) *runtime.Opt[int], def int) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		n, err := argNumber(c)
		if err == nil && n != 0 && n < 512 {
			err = c.ArgErrorf(0, "bad-value", "%s must be at least 512 bytes, or 0 for the default, found %q", c.Node.Name, c.Arg(0))
		}
		if n == 0 {
			n = def
		}
		*field(runtime.OwnServerConf[ServerConf](c.Server, Module)) = runtime.Some(n)
		return err
	}
}

func setIOBuffer(c *runtime.Cmd) error {
	c.Notef("no-effect", "ProxyIOBufferSize has no effect: %s", ownBuffers)
	return setBuffer(func(s *ServerConf) *runtime.Opt[int] { return &s.IOBuffer }, 8192)(c)
}

func setTimeout(c *runtime.Cmd) error {
	n, err := argNumber(c)
	if err == nil && n < 1 {
		err = c.ArgErrorf(0, "bad-value", "ProxyTimeout must be at least one second, found %q", c.Arg(0))
	}
	runtime.OwnServerConf[ServerConf](c.Server, Module).Timeout = runtime.Some(time.Duration(n) * time.Second)
	return err
}

func setMaxForwards(c *runtime.Cmd) error {
	n, err := argNumber(c)
	runtime.OwnServerConf[ServerConf](c.Server, Module).MaxForwards = runtime.Some(int64(n))
	return err
}

// setSourceAddress reads an address, or a name, whose first address counts.
func setSourceAddress(c *runtime.Cmd) error {
	ip, err := netip.ParseAddr(strings.Trim(c.Arg(0), "[]"))
	if err != nil && c.Offline {
		return nil
	}
	if err != nil {
		addrs, err := resolve(c.Arg(0))
		if err != nil || len(addrs) == 0 {
			return runtime.WithDetail(c.ArgErrorf(0, "bad-address", "expected an address of this machine, found %q", c.Arg(0)), "a name must have an address when the file is read")
		}
		ip = addrs[0]
	}
	runtime.OwnServerConf[ServerConf](c.Server, Module).SourceAddress = runtime.Some(ip)
	return nil
}

func setRequests(c *runtime.Cmd) error {
	if c.Flag() {
		return runtime.WithDetail(c.ArgErrorf(0, "unsupported", "forward proxying is not supported: ProxyRequests must be Off"),
			"a reverse proxy (ProxyPass, RewriteRule with [P]) needs no ProxyRequests; it is Off by default")
	}
	return nil
}

func setFlagR(c *runtime.Cmd) error {
	v := RouteOnly
	switch lower(c.Arg(0)) {
	case "route-only":
	case "hot-spare":
		v = HotSpareR
	default:
		return c.ArgErrorf(0, "bad-value", "BalancerFlagR must be route-only or hot-spare, found %q", c.Arg(0))
	}
	if c.Section == nil {
		runtime.OwnServerConf[ServerConf](c.Server, Module).FlagR = runtime.Some(v)
		return nil
	}
	if !isBalancer(c.Path()) {
		return c.Errorf("wrong-section", "BalancerFlagR in a section needs <Proxy balancer://name>, found <Proxy %s>", c.Path())
	}
	runtime.OwnDirConf[DirConf](c.Dir, Module).flagR = runtime.Some(v)
	return nil
}
