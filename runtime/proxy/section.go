package proxy

import (
	"strings"

	"pinion/runtime"
	"pinion/runtime/pcre"
)

// openProxy compiles <Proxy> and <ProxyMatch>: directives for requests that are sent to a URL, and the definition of a
// balancer or worker (proxysection).
func openProxy(c *runtime.Cmd) error {
	match := runtime.EqualFold(c.Node.Name, "ProxyMatch")
	if len(c.Node.Args) == 0 {
		return c.Errorf("wrong-arguments", "<%s> needs a URL, as in <%s balancer://name>", c.Node.Name, c.Node.Name)
	}
	path := c.Arg(0)
	if hasPrefixFold(path, proxyPrefix) {
		path = path[len(proxyPrefix):]
	}
	s := &runtime.Section{Kind: runtime.ProxySection, Path: path, Config: c.NewDir(), Place: c.Node.Place}
	if match {
		re, err := c.RegexpIn(0, len(c.Arg(0))-len(path), path, pcre.Default)
		if err != nil {
			return err
		}
		s.Regex, s.Env = re, envNames(re)
	} else {
		s.Glob = runtime.HasWildcard(path)
	}
	c.Children(s.Config, s)
	c.Server.ProxySects = append(c.Server.ProxySects, s)
	if err := proxyArgs(c, s, match); err != nil {
		return err
	}
	if !match && isBalancer(path) {
		conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
		if b := conf.balancer(path); b != nil {
			if d := runtime.DirConf[DirConf](s.Config, Module); d != nil && d.flagR.Set {
				b.flagR = d.flagR
			}
			if b.Section == nil {
				b.Section = s.Config
			}
		}
	}
	return nil
}

// envNames are the env variables of a regular expression's named groups, nil for none.
func envNames(re *pcre.Regexp) []string {
	names := re.Names()
	env := make([]string, len(names))
	some := false
	for i, n := range names {
		if n != "" {
			env[i] = "MATCH_" + strings.ToUpper(n)
			some = true
		}
	}
	if !some {
		return nil
	}
	return env
}

// proxyArgs reads the parameters behind the section's URL.
func proxyArgs(c *runtime.Cmd, s *runtime.Section, match bool) error {
	if len(c.Node.Args) == 1 {
		return nil
	}
	switch {
	case match:
		return c.ArgErrorf(1, "wrong-arguments", "<ProxyMatch> takes one argument, found %d", len(c.Node.Args))
	case s.Glob || !strings.Contains(s.Path, ":"):
		return c.ArgErrorf(1, "wrong-arguments", "<Proxy> takes parameters for the URL of a balancer or worker only, found them behind %q", s.Path)
	}
	b, w, err := subject(c, 0, s.Path, false, true)
	if err != nil {
		return err
	}
	if w != nil && w.Section == nil {
		w.Section = s.Config
	}
	all, err := inTurn(c, 1)
	if err != nil {
		return err
	}
	return apply(all, w, b, false)
}

// subject finds the balancer or worker of a URL; define makes it where there is none.
func subject(c *runtime.Cmd, arg int, url string, match, define bool) (*Balancer, *Worker, error) {
	conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
	if isBalancer(url) {
		if b := conf.balancer(url); b != nil || !define {
			return b, nil, nil
		}
		b, err := defineBalancer(c, arg, url)
		return b, nil, err
	}
	if !define {
		_, origin, _ := unixURL(url)
		return nil, findWorker(conf.Workers, origin, prefixWorkers|matchWorkers), nil
	}
	w, _, err := ownWorker(c, arg, url, match)
	return nil, w, err
}

// setProxySet compiles ProxySet: in <Proxy> for its balancer or worker, elsewhere for that of the URL that comes first
// (set_proxy_param).
func setProxySet(c *runtime.Cmd) error {
	from, arg, url, match := 1, 0, c.Arg(0), false
	inProxy := c.Section != nil && c.Section.Kind == runtime.ProxySection
	if inProxy {
		from, arg, url, match = 0, wholeLine, c.Section.Path, c.Section.Regex != nil
	}
	if len(c.Node.Args) == 0 && !inProxy {
		return c.Errorf("wrong-arguments", "ProxySet needs a URL and key=value outside of <Proxy>")
	}
	b, w, err := subject(c, arg, url, match, inProxy)
	if err != nil {
		return err
	}
	if b == nil && w == nil {
		return runtime.WithDetail(c.ArgErrorf(arg, "unknown-worker", "no balancer or worker %q has been defined before this line", url),
			"put ProxySet behind the ProxyPass or inside of the <Proxy> that defines it")
	}
	all, err := inTurn(c, from)
	if err != nil {
		return err
	}
	return apply(all, w, b, false)
}
