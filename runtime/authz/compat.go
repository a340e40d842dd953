package authz

import (
	"errors"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/subnet"
)

var compatDirectives = []runtime.Directive{
	{Name: "Order", Args: parser.Take1, In: inDirs, Syntax: "allow,deny|deny,allow|mutual-failure",
		Help: "Which of Allow and Deny is read first; the last word counts", Set: setOrder},
	{Name: "Allow", Args: parser.Iterate2, In: inDirs, Syntax: "from all|host|env=[!]env-variable [host|env=[!]env-variable] ...",
		Help: "Whom to let in, in httpd 2.2's way", Set: setAllowDeny},
	{Name: "Deny", Args: parser.Iterate2, In: inDirs, Syntax: "from all|host|env=[!]env-variable [host|env=[!]env-variable] ...",
		Help: "Whom to keep out, in httpd 2.2's way", Set: setAllowDeny},
	{Name: "Satisfy", Args: parser.Take1, In: inDirs, Syntax: "Any|All",
		Help: "Whether the address or the user suffices, or both are needed", Set: setSatisfy},
}

// compat is the access control of one section, httpd 2.2's way. A section with any of it replaces that of the
// sections before as a whole.
type compat struct {
	orders        []order
	allows, denys []entry
	any           []satisfy
}

// order is one Order line; of several for one method the last counts.
type order struct {
	methods methods
	kind    orderKind
}

type orderKind uint8

const (
	denyAllow orderKind = iota
	allowDeny
	mutualFailure
)

type satisfy struct {
	methods methods
	any     bool
}

// entry is one word of Allow or Deny.
type entry struct {
	methods methods
	match   func(*runtime.Request) bool
}

func compatOf(c *runtime.Cmd) *compat {
	conf := runtime.OwnDirConf[compat](c.Dir, Compat)
	c.Dir.Core.SatisfyAny = conf.satisfiesAny
	return conf
}

func (conf *compat) satisfiesAny(r *runtime.Request) (any bool) {
	for i := range conf.any {
		if conf.any[i].methods.has(r.Method) {
			any = conf.any[i].any
		}
	}
	return any
}

func setOrder(c *runtime.Cmd) error {
	kind, ok := map[string]orderKind{"deny,allow": denyAllow, "allow,deny": allowDeny, "mutual-failure": mutualFailure}[lower(c.Arg(0))]
	if !ok {
		return c.ArgErrorf(0, "bad-value", "Order takes allow,deny or deny,allow or mutual-failure, found %q", c.Arg(0))
	}
	conf := compatOf(c)
	conf.orders = append(conf.orders, order{methodsOf(c), kind})
	return nil
}

func setSatisfy(c *runtime.Cmd) error {
	v := lower(c.Arg(0))
	if v != "any" && v != "all" {
		return c.ArgErrorf(0, "bad-value", "Satisfy takes Any or All, found %q", c.Arg(0))
	}
	conf := compatOf(c)
	conf.any = append(conf.any, satisfy{methodsOf(c), v == "any"})
	return nil
}

func setAllowDeny(c *runtime.Cmd) error {
	name := c.Node.Def.Name
	if !runtime.EqualFold(c.Arg(0), "from") {
		return c.ArgErrorf(0, "bad-value", "%s must be followed by from, found %q", name, c.Arg(0))
	}
	conf := compatOf(c)
	for i := 1; i < len(c.Node.Args); i++ {
		match, err := parseFrom(c, i)
		if err != nil {
			return err
		}
		e := entry{methodsOf(c), match}
		if name == "Allow" {
			conf.allows = append(conf.allows, e)
		} else {
			conf.denys = append(conf.denys, e)
		}
	}
	return nil
}

func parseFrom(c *runtime.Cmd, i int) (func(*runtime.Request) bool, error) {
	where := c.Arg(i)
	low := lower(where)
	switch {
	case strings.HasPrefix(low, "env=!"):
		return func(r *runtime.Request) bool { return !r.Env.Has(where[5:]) }, nil
	case strings.HasPrefix(low, "env="):
		return func(r *runtime.Request) bool { return r.Env.Has(where[4:]) }, nil
	case low == "all":
		return func(*runtime.Request) bool { return true }, nil
	}
	s, err := subnet.Parse(where)
	switch {
	case err == nil:
		return func(r *runtime.Request) bool { return s.Contains(clientAddr(r)) }, nil
	case !errors.Is(err, subnet.ErrNoAddress) || strings.Contains(where, "/"):
		return nil, c.ArgErrorf(i, "bad-address", "%v", err)
	case strings.Contains(where, "#"):
		return nil, c.ArgErrorf(i, "bad-value", "no comments are allowed here, found %q", where)
	}
	return func(r *runtime.Request) bool {
		host := clientHost(r)
		return host != "" && inDomain(where, host)
	}, nil
}

func matchAny(r *runtime.Request, all []entry) bool {
	for i := range all {
		if all[i].methods.has(r.Method) && all[i].match(r) {
			return true
		}
	}
	return false
}

// checkAddress is mod_access_compat's check_dir_access.
func checkAddress(r *runtime.Request) runtime.Result {
	conf := runtime.DirConf[compat](r.Dir, Compat)
	if conf == nil {
		return runtime.OK
	}
	kind := denyAllow
	for i := range conf.orders {
		if conf.orders[i].methods.has(r.Method) {
			kind = conf.orders[i].kind
		}
	}
	var ok bool
	switch kind {
	case allowDeny, mutualFailure:
		ok = matchAny(r, conf.allows) && !matchAny(r, conf.denys)
	case denyAllow:
		ok = !matchAny(r, conf.denys) || matchAny(r, conf.allows)
	}
	if ok {
		return runtime.OK
	}
	prefix, name := what(r)
	r.Logf(Compat, runtime.LogErr, "AH01797", "client denied by server configuration: %s%s", prefix, name)
	return 403
}
