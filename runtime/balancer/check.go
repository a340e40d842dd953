package balancer

import (
	"fmt"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/proxy"
)

// facts are what a server's directives say of sticky sessions. They are kept, as a later Graph may take the server over without
// its directives.
type facts struct {
	set     []string   // names of cookies that something sets
	edits   []string   // what Header edit Set-Cookie makes
	cookies []cookie   // whose values are known
	sticky  []stickyAt // where the stickysession of a balancer stands; the last one counts
}

type stickyAt struct {
	balancer string
	place    parser.Place
}

// known keeps the facts apart from what requests see.
var known = runtime.Define(runtime.Module{Name: "balancer_facts"})

// gather notes the facts of the servers that are compiled.
func gather(c *runtime.Compiler) {
	for _, s := range c.Compiled() {
		var f facts
		c.Directives(s, f.directive)
		if f.set != nil || f.edits != nil || f.sticky != nil {
			*runtime.OwnServerConf[facts](s, known) = f
		}
	}
}

// check warns of what surprises people about sticky sessions.
func check(c *runtime.Compiler) {
	gather(c)
	k := &checker{Compiler: c, routes: map[string]map[string]bool{}, set: map[string]bool{}}
	for _, s := range c.Graph.Servers {
		if f := runtime.ServerConf[facts](s, known); f != nil {
			for _, name := range f.set {
				k.set[name] = true
			}
			k.edits = append(k.edits, f.edits...)
			k.cookies = append(k.cookies, f.cookies...)
		}
	}
	compiled := map[*runtime.Server]bool{}
	for _, s := range c.Compiled() {
		compiled[s] = true
	}
	for _, s := range c.Graph.Servers {
		for _, b := range proxy.ConfOf(s).Balancers {
			if b.Server != s || b.BalancerParams.Sticky == "" {
				continue
			}
			if len(k.cookies) > 0 {
				k.addRoutes(b)
			}
			if compiled[s] {
				c.For(s, func() { k.checkRoutes(b) })
			}
			k.checkCookie(b)
		}
	}
	for _, x := range k.cookies {
		k.checkValue(x)
	}
}

// checker looks through the whole configuration once, so that many vhosts with a balancer each take no longer than their number.
type checker struct {
	*runtime.Compiler
	routes  map[string]map[string]bool // of the balancers with that stickysession
	set     map[string]bool            // facts.set of all servers
	edits   []string                   // facts.edits
	cookies []cookie                   // facts.cookies
}

// cookie is one that the configuration sets to a value that is known.
type cookie struct {
	name, value string
	place       parser.Place
}

func (k *checker) addRoutes(b *proxy.Balancer) {
	all := k.routes[b.BalancerParams.Sticky]
	if all == nil {
		all = map[string]bool{}
		k.routes[b.BalancerParams.Sticky] = all
	}
	for _, w := range b.Members {
		route := w.Params.Route
		if sep := b.BalancerParams.StickySep.Or('.'); sep != 0 {
			route = string(sep) + route
		}
		all[route] = true
	}
}

func warn(c *runtime.Compiler, at parser.Place, code, format string, args ...any) *parser.Diagnostic {
	d := &parser.Diagnostic{Severity: parser.Warning, Code: code, Summary: fmt.Sprintf(format, args...), Place: at}
	c.Report(d)
	return d
}

// checkRoutes looks for routes that two members share, that a member lacks, and that a redirect names in vain.
func (k *checker) checkRoutes(b *proxy.Balancer) {
	c := k.Compiler
	first := map[string]*proxy.Worker{}
	for _, w := range b.Members {
		if w.Params.Route == "" {
			continue
		}
		other := first[w.Params.Route]
		if other == nil {
			first[w.Params.Route] = w
			continue
		}
		if (w.Params.Status^other.Params.Status)&proxy.HotStandby != 0 {
			continue // a standby for the other's sessions
		}
		d := warn(c, w.Place, "shared-route", "members %s and %s of %s have the same route %q", other.DisplayName(), w.DisplayName(), b.Name, w.Params.Route)
		d.Detail = "sessions with this route all go to the first of them as long as it is usable"
		d.Also = []parser.Related{{Summary: "the first member with this route", Place: other.Place}}
	}
	if len(b.Members) > 1 && len(first) == 0 {
		warn(c, k.place(b), "no-route", "%s has stickysession=%s, but no member has a route: no session sticks", b.Name, b.BalancerParams.Sticky).
			Detail = "give each BalancerMember its own route="
	} else if len(b.Members) > 1 {
		for _, w := range b.Members {
			if w.Params.Route == "" {
				warn(c, w.Place, "no-route", "member %s of the sticky %s has no route: no session sticks to it", w.DisplayName(), b.Name).
					Detail = "give it a route= of its own"
			}
		}
	}
	for _, w := range b.Members {
		if w.Params.Redirect != "" && first[w.Params.Redirect] == nil {
			warn(c, w.Place, "unknown-route", "redirect=%s of member %s names a route that no member of %s has", w.Params.Redirect, w.DisplayName(), b.Name)
		}
	}
}

// directive finds the cookies that Header, RewriteRule and user tracking set, and where each stickysession stands.
func (f *facts) directive(n *parser.Node) {
	switch args := n.Args; strings.ToLower(n.Name) {
	case "proxypass", "proxyset", "proxy":
		f.stickySession(n)
	case "header":
		f.header(n, args)
	case "rewriterule":
		if len(n.Words) > 2 {
			f.rule(n, n.Words[2].Text)
		}
	case "cookiename", "sessioncookiename", "sessioncookiename2", "sessiondbdcookiename", "sessiondbdcookiename2":
		if len(args) > 0 {
			f.set = append(f.set, args[0])
		}
	}
}

func (f *facts) header(n *parser.Node, args []string) {
	edit := false
	for i, arg := range args {
		switch {
		case runtime.EqualFold(arg, "edit") || runtime.EqualFold(arg, "edit*"):
			edit = true
		case i > 0 && i+1 < len(args) && runtime.EqualFold(strings.TrimSuffix(arg, ":"), "Set-Cookie"):
			if edit {
				f.edits = append(f.edits, strings.Join(args[i+1:], " "))
				break
			}
			name, value, _ := strings.Cut(args[i+1], "=")
			value, _, _ = strings.Cut(value, ";")
			f.add(strings.TrimSpace(name), value, n)
		}
	}
}

func (f *facts) add(name, value string, n *parser.Node) {
	f.set = append(f.set, name)
	if !strings.ContainsAny(value, "%$") {
		f.cookies = append(f.cookies, cookie{name, value, n.Place})
	}
}

// rule reads the CO= flags of a RewriteRule: name:value:domain…, or with a ";" in front, name;value;domain….
func (f *facts) rule(n *parser.Node, flags string) {
	for _, flag := range strings.Split(strings.Trim(flags, "[]"), ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(flag), "=")
		if !ok || !runtime.EqualFold(key, "CO") && !runtime.EqualFold(key, "cookie") {
			continue
		}
		sep := ":"
		if rest, ok := strings.CutPrefix(value, ";"); ok {
			sep, value = ";", rest
		}
		name, rest, _ := strings.Cut(value, sep)
		value, _, _ = strings.Cut(rest, sep)
		f.add(name, value, n)
	}
}

// stickySession notes where the parameter stands, for the balancer that the line or its section names.
func (f *facts) stickySession(n *parser.Node) {
	args := n.Args
	if n.Parent != nil {
		args = append(args[:len(args):len(args)], n.Parent.Args...)
	}
	for i, arg := range n.Args {
		if len(arg) < len("stickysession=") || !runtime.EqualFold(arg[:len("stickysession=")], "stickysession=") {
			continue
		}
		at := n.Place
		if i < len(n.Words) {
			at.Range = n.Words[i].Range
		}
		for _, a := range args {
			if rest, ok := strings.CutPrefix(strings.ToLower(a), "balancer://"); ok {
				name, _, _ := strings.Cut(rest, "/")
				f.sticky = append(f.sticky, stickyAt{"balancer://" + name, at})
				break
			}
		}
	}
}

// place is where the balancer's stickysession stands, or the balancer itself where that can't be told.
func (k *checker) place(b *proxy.Balancer) parser.Place {
	if f := runtime.ServerConf[facts](b.Server, known); f != nil {
		for i := len(f.sticky) - 1; i >= 0; i-- {
			if f.sticky[i].balancer == b.Name {
				return f.sticky[i].place
			}
		}
	}
	return b.Place
}

// checkCookie looks for who sets the balancer's cookie.
func (k *checker) checkCookie(b *proxy.Balancer) {
	if k.set[b.BalancerParams.Sticky] {
		return
	}
	for _, text := range k.edits {
		if strings.Contains(text, b.BalancerParams.Sticky) {
			return
		}
	}
	if runtime.EqualFold(b.BalancerParams.Sticky, "JSESSIONID") {
		d := warn(k.Compiler, k.place(b), "sticky-by-backend", "nothing here sets the cookie %s of %s: the servlet containers must, with the member's route in it", b.BalancerParams.Sticky, b.Name)
		d.Severity = parser.Note
		d.Detail = "set jvmRoute (Tomcat) of each backend to the route= of its BalancerMember"
		return
	}
	warn(k.Compiler, k.place(b), "sticky-unset", "nothing here sets the cookie %s that %s looks for", b.BalancerParams.Sticky, b.Name).
		Detail = fmt.Sprintf("unless the backends set it with a dot and the member's route at its end, add: "+
		`Header add Set-Cookie "%s=.%%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED`, b.BalancerParams.Sticky)
}

// checkValue looks whether a sticky cookie is set to a route that there is. Which balancer will read it is not known here: any
// with that cookie will do. An empty value deletes the cookie.
func (k *checker) checkValue(x cookie) {
	routes := k.routes[x.name]
	if routes == nil || x.value == "" || routes[x.value] {
		return
	}
	for i := range len(x.value) {
		// The route is what stands behind the first separator, whichever character that is.
		if routes[x.value[i:]] && strings.IndexByte(x.value, x.value[i]) == i {
			return
		}
	}
	warn(k.Compiler, x.place, "unknown-route", "the cookie %s is set to %q, which holds no route that a member has", x.name, x.value).
		Detail = "the route is what stands behind the first dot (stickysessionsep) of the value"
}
