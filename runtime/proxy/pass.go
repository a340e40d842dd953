package proxy

import (
	"strings"

	"pinion/runtime"
	"pinion/runtime/pcre"
)

// wholeLine is the position of an argument that stands elsewhere: errors about it mark the whole directive.
const wholeLine = 1 << 30

// setPass compiles ProxyPass and ProxyPassMatch (add_pass).
func setPass(c *runtime.Cmd) error {
	regex := runtime.EqualFold(c.Node.Name, "ProxyPassMatch")
	args := c.Node.Args
	m := &Mount{Place: c.Node.Place, Path: c.Path()}
	i := 0
	inSection := m.Path != ""
	if !inSection {
		for i < len(args) && args[i] == "~" && !regex {
			regex = true
			i++
		}
		if i < len(args) {
			m.Path = args[i]
			i++
		}
	}
	pathArg, urlArg := i-1, i
	if inSection {
		pathArg = wholeLine
	}
	if i >= len(args) {
		d := c.Errorf("wrong-arguments", "%s needs a path and a URL outside of <Location>", c.Node.Name)
		return runtime.WithDetail(d, "as in %s /path http://backend:port/path", c.Node.Name)
	}
	if inSection && runtime.HasWildcard(m.Path) {
		regex = true
	}
	url := args[urlArg]
	socket, origin, ok := unixURL(url)
	if !ok {
		return c.ArgErrorf(urlArg, "bad-url", "expected a URL after the bar of unix:, as in unix:/path|http://localhost, found %q", url)
	}
	m.URL = origin
	rest, err := m.keywords(c, urlArg+1, inSection)
	if err != nil {
		return err
	}
	if regex {
		if err := m.compile(c, pathArg); err != nil {
			return err
		}
	}
	conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
	if inSection {
		runtime.OwnDirConf[DirConf](c.Dir, Module).alias = runtime.Some(m)
	} else {
		conf.Mounts = append(conf.Mounts, m)
		m.checkPath(c, pathArg)
	}
	if m.URL == "!" && socket == "" {
		return nil
	}
	return m.target(c, urlArg, url, regex, rest)
}

// checkPath warns of a path that matches no request.
func (m *Mount) checkPath(c *runtime.Cmd, arg int) {
	if m.regex == nil && !m.interpolate && !strings.HasPrefix(m.Path, "/") {
		d := c.ArgErrorf(arg, "never-matches", "path %q matches no request: it doesn't begin with a slash", m.Path)
		c.Report(warning(d))
	}
}

// compile reads the path as a regular expression, which is the section's where arg is wholeLine.
func (m *Mount) compile(c *runtime.Cmd, arg int) (err error) {
	if arg != wholeLine {
		m.regex, err = c.Regexp(arg, pcre.Default)
	} else if m.regex, err = pcre.Compile(m.Path, pcre.Default); err != nil {
		err = runtime.WithDetail(c.Errorf("bad-regex", "the section's path %q is no regular expression: %v", m.Path, err),
			"in a section whose path holds *, ? or [ %s reads that path as a regular expression, as httpd does", c.Node.Name)
	}
	m.plain = !strings.ContainsAny(m.URL, `$\`)
	return err
}

// keywords reads what stands behind the URL and returns the positions of what is left for worker or balancer.
func (m *Mount) keywords(c *runtime.Cmd, from int, inSection bool) (rest []int, err error) {
	for i := from; i < len(c.Node.Args); i++ {
		word := c.Node.Args[i]
		switch strings.ToLower(word) {
		case "nocanon":
			m.NoCanon = true
			continue
		case "interpolate":
			m.interpolate = true
			continue
		case "noquery":
			m.NoQuery = true
			continue
		}
		key, val, ok := strings.Cut(word, "=")
		switch {
		case !ok && inSection && strings.HasPrefix(c.Arg(from-1), "/"):
			return nil, runtime.WithDetail(c.ArgErrorf(from-1, "wrong-arguments", "%s has no path of its own inside of a section", c.Node.Name),
				"the section's path %s is what it mounts: leave %q out", m.Path, c.Arg(from-1))
		case !ok:
			return nil, notAParameter(c, i)
		case !runtime.EqualFold(key, "mapping"):
			rest = append(rest, i)
		case runtime.EqualFold(val, "encoded"):
			m.Encoded = true
		case runtime.EqualFold(val, "servlet"):
			m.Encoded, m.Servlet = true, true
		default:
			s := setting{c, i, key, val}
			return nil, runtime.WithDetail(s.errorf("bad-value", "unknown mapping %q", val), "known are encoded and servlet")
		}
	}
	return rest, nil
}

// target defines the balancer or worker that the URL names and sets its parameters.
func (m *Mount) target(c *runtime.Cmd, arg int, url string, regex bool, rest []int) error {
	all, err := settings(c, rest)
	if err != nil {
		return err
	}
	if isBalancer(url) {
		b, err := defineBalancer(c, arg, url)
		if err != nil {
			return err
		}
		if !regex {
			b.VPath = m.Path
		}
		return apply(all, nil, b, false)
	}
	w, shared, err := ownWorker(c, arg, url, regex)
	if err != nil {
		return err
	}
	if runtime.EqualFold(w.Scheme, "balancer") || schemePorts[w.Scheme] == 0 && schemeHandlers[w.Scheme] == nil {
		c.Report(warning(c.ArgErrorf(arg, "unknown-scheme", "no module handles URLs of scheme %q: requests will be answered with 500", w.Scheme)))
	}
	return apply(all, w, nil, shared)
}

// setMember compiles BalancerMember (add_member).
func setMember(c *runtime.Cmd) error {
	balancer, balancerArg, nameArg := c.Path(), wholeLine, -1
	var rest []int
	for i, word := range c.Node.Args {
		switch {
		case strings.Contains(word, "="):
			rest = append(rest, i)
		case balancer == "":
			balancer, balancerArg = word, i
		case nameArg < 0:
			nameArg = i
		case c.Path() != "":
			return c.ArgErrorf(i, "wrong-arguments", "BalancerMember takes no balancer's name inside of <Proxy>, found %q", c.Arg(nameArg))
		default:
			return notAParameter(c, i)
		}
	}
	if balancer == "" {
		return c.Errorf("wrong-arguments", "BalancerMember needs a balancer's name outside of <Proxy>, as in BalancerMember balancer://name http://host:port")
	}
	if nameArg < 0 {
		return c.Errorf("wrong-arguments", "BalancerMember needs the URL of a server, as in http://host:port")
	}
	if !isBalancer(balancer) {
		return c.ArgErrorf(balancerArg, "bad-url", "expected a balancer's name such as balancer://name, found %q", balancer)
	}
	b, err := defineBalancer(c, balancerArg, balancer)
	if err != nil {
		return err
	}
	url := c.Arg(nameArg)
	_, origin, _ := unixURL(url)
	w := findWorker(b.Members, origin, anyWorkers)
	shared := w != nil
	if !shared {
		if w, err = newWorker(c, nameArg, url, false, b); err != nil {
			return err
		}
		if c.Path() != "" {
			w.Section = c.Dir
		}
		b.Members = append(b.Members, w)
	}
	all, err := settings(c, rest)
	if err != nil {
		return err
	}
	return apply(all, w, nil, shared)
}
