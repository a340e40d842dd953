package authz

import (
	"net/netip"
	"strings"

	"pinion/runtime"
	"pinion/runtime/subnet"
)

func lower(s string) string { return strings.ToLower(s) }

// provider compiles what follows the name of a rule; from is the index of its first word, args the text as written.
type provider func(c *runtime.Cmd, from int, args string) (func(*runtime.Request) verdict, error)

var providers map[string]provider

// elsewhere are the rules of modules that pinion doesn't have.
var elsewhere = map[string]string{
	"file-owner": "mod_authz_owner", "file-group": "mod_authz_owner", "dbm-group": "mod_authz_dbm", "dbm-file-group": "mod_authz_dbm",
	"dbd-group": "mod_authz_dbd", "dbd-login": "mod_authz_dbd", "dbd-logout": "mod_authz_dbd", "ldap-user": "mod_authnz_ldap",
	"ldap-group": "mod_authnz_ldap", "ldap-dn": "mod_authnz_ldap", "ldap-attribute": "mod_authnz_ldap",
	"ldap-filter": "mod_authnz_ldap", "ldap-search": "mod_authnz_ldap", "claim": "mod_auth_openidc", "ssl": "mod_ssl",
	"ssl-verify-client": "mod_ssl",
}

func init() {
	providers = map[string]provider{
		"all": requireAll, "env": requireEnv, "method": requireMethod, "expr": requireExpr,
		"ip": requireIP, "local": requireLocal, "host": requireHost, "forward-dns": requireForwardDNS,
		"valid-user": requireValidUser, "user": requireUser, "group": requireGroup,
	}
}

// parseRequire reads a Require line. The text behind the rule's name is kept as written: the log shows it.
func parseRequire(c *runtime.Cmd) (*rule, error) {
	n := &rule{}
	from, text := 0, c.Node.Raw
	if runtime.EqualFold(c.Arg(0), "not") {
		n.negate, from, text = true, 1, after(text)
	}
	if from >= len(c.Node.Args) {
		return nil, c.Errorf("wrong-arguments", "Require needs what to require, for example: Require ip 192.0.2.0/24")
	}
	name := c.Arg(from)
	args := after(text)
	p := providers[name]
	if p == nil {
		if module := elsewhere[name]; module != "" {
			return nil, runtime.WithDetail(c.ArgErrorf(from, "unsupported-rule", "Require %s (%s) is not supported", name, module),
				"let the backend decide, or use Require user, group, ip or expr")
		}
		return nil, runtime.WithDetail(c.ArgErrorf(from, "unknown-rule", "unknown rule %q of Require", name),
			"known are all, env, expr, forward-dns, group, host, ip, local, method, user and valid-user")
	}
	n.text = "Require "
	if n.negate {
		n.text += "not "
	}
	n.text += name + " " + args
	check, err := p(c, from+1, args)
	if err != nil {
		return nil, err
	}
	n.check = check
	if name == "ip" && !n.negate {
		n.nets, err = subnetsOf(c, from+1)
	}
	return n, err
}

// after returns the text behind its first word.
func after(text string) string {
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
			return strings.TrimLeft(text[end+2:], " \t")
		}
	}
	if end := strings.IndexAny(text, " \t"); end >= 0 {
		return strings.TrimLeft(text[end:], " \t")
	}
	return ""
}

func answer(yes bool) verdict {
	if yes {
		return granted
	}
	return denied
}

func requireAll(c *runtime.Cmd, from int, args string) (func(*runtime.Request) verdict, error) {
	switch lower(args) {
	case "granted":
		return func(*runtime.Request) verdict { return granted }, nil
	case "denied":
		return func(*runtime.Request) verdict { return denied }, nil
	}
	return nil, c.ArgErrorf(from, "bad-value", "Require all takes granted or denied, found %q", args)
}

func requireEnv(c *runtime.Cmd, from int, _ string) (func(*runtime.Request) verdict, error) {
	names := words(c, from)
	return func(r *runtime.Request) verdict {
		for _, n := range names {
			if r.Env.Has(n) {
				return granted
			}
		}
		return denied
	}, nil
}

// words returns the arguments from the index on, up to the first empty one, where httpd stops.
func words(c *runtime.Cmd, from int) []string {
	args := c.Node.Args[min(from, len(c.Node.Args)):]
	for i, a := range args {
		if a == "" {
			return args[:i]
		}
	}
	return args
}

func requireMethod(c *runtime.Cmd, from int, _ string) (func(*runtime.Request) verdict, error) {
	allowed := map[string]bool{}
	for i, m := range words(c, from) {
		if !c.Graph.KnownMethod(m) {
			return nil, c.ArgErrorf(from+i, "bad-value", "unknown method %q", m)
		}
		allowed[canonical(m)] = true
	}
	return func(r *runtime.Request) verdict { return answer(allowed[canonical(r.Method)]) }, nil
}

func requireExpr(c *runtime.Cmd, _ int, args string) (func(*runtime.Request) verdict, error) {
	if n := len(args); n >= 2 && args[0] == '"' && args[n-1] == '"' {
		args = args[1 : n-1]
	}
	cond, err := c.Condition(args, false)
	if err != nil {
		return nil, err
	}
	no := denied
	if strings.Contains(strings.ToUpper(args), "REMOTE_USER") {
		// An expression on the user may become true once there is one.
		no = deniedNoUser
	}
	return func(r *runtime.Request) verdict {
		ok, err := cond.True(r, nil)
		switch {
		case err != nil:
			r.Logf(Module, runtime.LogErr, "AH02320", "Error evaluating expression in 'Require expr': %v", err)
			return failed
		case ok:
			return granted
		}
		return no
	}, nil
}

func parseSubnet(c *runtime.Cmd, i int) (subnet.Subnet, error) {
	s, err := subnet.Parse(c.Arg(i))
	if err != nil {
		return s, c.ArgErrorf(i, "bad-address", "%v", err)
	}
	return s, nil
}

func requireIP(c *runtime.Cmd, from int, _ string) (func(*runtime.Request) verdict, error) {
	all, err := subnetsOf(c, from)
	if err != nil {
		return nil, err
	}
	set := subnet.NewSet(all)
	return func(r *runtime.Request) verdict { return answer(set.Contains(clientAddr(r))) }, nil
}

// subnetsOf reads the arguments from the index on.
func subnetsOf(c *runtime.Cmd, from int) (all []subnet.Subnet, err error) {
	for i := range words(c, from) {
		s, err := parseSubnet(c, from+i)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, c.Errorf("wrong-arguments", "Require ip needs an address or network")
	}
	return all, nil
}

// clientAddr is httpd's useragent_addr. No subnet holds an invalid one.
func clientAddr(r *runtime.Request) netip.Addr { return r.Client.Addr() }

func requireLocal(*runtime.Cmd, int, string) (func(*runtime.Request) verdict, error) {
	return func(r *runtime.Request) verdict {
		ip := clientAddr(r).Unmap()
		return answer(ip.IsValid() && (ip.IsLoopback() || ip == r.Conn.Local.Addr().Unmap()))
	}, nil
}

func requireHost(c *runtime.Cmd, from int, args string) (func(*runtime.Request) verdict, error) {
	names, err := c.StringExpr(from, args)
	if err != nil {
		return nil, err
	}
	return func(r *runtime.Request) verdict {
		host := clientHost(r)
		if host == "" {
			r.Logf(Host, runtime.LogErr, "AH01753", "access check of '%s' to %s failed, reason: unable to get the remote host name", args, r.URI)
			return denied
		}
		list, _, _ := strings.Cut(names(r), "#")
		for _, n := range strings.Fields(list) {
			if inDomain(n, host) {
				return granted
			}
		}
		return denied
	}, nil
}

func requireForwardDNS(c *runtime.Cmd, from int, args string) (func(*runtime.Request) verdict, error) {
	names, err := c.StringExpr(from, args)
	if err != nil {
		return nil, err
	}
	return func(r *runtime.Request) verdict {
		list, _, _ := strings.Cut(names(r), "#")
		ip := clientAddr(r).Unmap()
		for _, n := range strings.Fields(list) {
			addrs, err := lookupHost(n)
			if err != nil {
				r.Logf(Host, runtime.LogWarn, "AH03356", "No sockaddr info for \"%s\"", n)
			}
			for _, a := range addrs {
				if a == ip {
					return granted
				}
			}
		}
		return denied
	}, nil
}

// inDomain tells whether host is the domain or lies below it.
func inDomain(domain, host string) bool {
	if len(domain) > len(host) || domain == "" || !runtime.EqualFold(domain, host[len(host)-len(domain):]) {
		return false
	}
	return len(domain) == len(host) || domain[0] == '.' || host[len(host)-len(domain)-1] == '.'
}
