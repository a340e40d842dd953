// Package hcheck is mod_proxy_hcheck: it asks the members of balancers whether they are well, in the background, takes those that
// fail out of use and brings back those that pass. One goroutine keeps the time for all; each check that runs has one of its own.
package hcheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/expr"
	"pinion/runtime/proxy"
)

// Module is mod_proxy_hcheck.
var Module = runtime.Define(runtime.Module{Name: "proxy_hcheck_module", File: "mod_proxy_hcheck.c"})

func init() {
	Module.Directives = []runtime.Directive{
		{Name: "ProxyHCExpr", Args: parser.Raw, In: parser.Anywhere, Syntax: "name {ap_expr expression}",
			Help: "Names a condition that the answer to a health check has to meet", Set: setExpr},
		{Name: "ProxyHCTemplate", Args: parser.TakeArgv, In: parser.Anywhere, Syntax: "name parameter=setting [...]",
			Help: "Names a set of health check parameters, for hctemplate=", Set: setTemplate},
		{Name: "ProxyHCTPsize", Args: parser.Take1, In: parser.Server, Syntax: "size",
			Help:     "How many threads httpd has for health checks",
			NoEffect: "health checks have no threads: up to 256 run at one time"},
	}
	Module.PostConfig = postConfig
	Module.ChildInit = childInit
	proxy.HookHealth(proxy.HealthHooks{Template: findTemplate, Expr: findExpr, Exprs: exprsOf, Changed: changed})
	runtime.AddExprLookup(runtime.ExprLookup{Var: lookupVar, Func: lookupFunc})
}

// conf is the configuration of one server. Virtual hosts don't inherit names: what a server doesn't define it doesn't know.
// Immutable once compiled.
type conf struct {
	exprs     map[string]*condition // by name in lower case; the last definition counts
	templates []template            // the first of a name counts
}

// graphConf is what a Graph has checked.
type graphConf struct {
	schedule *schedule
	members  []*proxy.Worker // of all balancers
}

type condition struct {
	name string // as written
	text string
	cond *expr.Cond[*runtime.Request]
}

type template struct {
	name   string
	health proxy.Health
}

// setExpr reads a name and an expression, which may stand in braces (set_hc_condition).
func setExpr(c *runtime.Cmd) error {
	words := grammar.SplitArgs(c.Node.Raw)
	if len(words) < 2 {
		return runtime.WithDetail(c.Errorf("wrong-arguments", "expected a name and an expression, found %d arguments", len(words)),
			"such as: ProxyHCExpr ok234 {%%{REQUEST_STATUS} =~ /^[234]/}")
	}
	name := words[0].Text
	if len(name) > 15 {
		return c.ArgErrorf(0, "bad-value", "expected a name of at most 15 characters, found %d", len(name))
	}
	text, rest := words[1].Text, c.Node.Raw[words[1].Range.End.Offset:]
	if c.Node.Raw[words[1].Range.Start.Offset] == '{' {
		text, rest = inBraces(c.Node.Raw[words[1].Range.Start.Offset+1:])
	}
	cond, err := c.Condition(text, true)
	if err != nil {
		return err
	}
	if rest = strings.TrimSpace(rest); rest != "" {
		return runtime.WithDetail(c.Errorf("wrong-arguments", "expected nothing after the expression, found %q", rest), "put braces around the whole expression")
	}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	if conf.exprs == nil {
		conf.exprs = map[string]*condition{}
	}
	conf.exprs[strings.ToLower(name)] = &condition{name, text, cond}
	return nil
}

// inBraces returns what stands before the brace that closes, and what follows it (ap_getword_conf2).
func inBraces(s string) (text, rest string) {
	depth := 1
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '{':
			depth++
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\\':
			i++
		case s[i] == '}':
			if depth--; depth == 0 {
				return strings.ReplaceAll(s[:i], `\\`, `\`), s[i+1:]
			}
		}
	}
	return strings.ReplaceAll(s, `\\`, `\`), ""
}

// setTemplate is set_hc_template.
func setTemplate(c *runtime.Cmd) error {
	if len(c.Node.Args) == 0 {
		return c.Errorf("wrong-arguments", "expected a name and parameters, found nothing")
	}
	t := template{c.Arg(0), proxy.DefaultHealth()}
	t.health.Method = "TCP"
	for i := 1; i < len(c.Node.Args); i++ {
		if err := proxy.SetHealth(c, i, &t.health); err != nil {
			return err
		}
	}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	if _, ok := conf.template(t.name); ok {
		c.Warnf("repeated-template", "a template %s is defined before: this one is never used", t.name)
	}
	conf.templates = append(conf.templates, t)
	return nil
}

func (conf *conf) template(name string) (proxy.Health, bool) {
	for _, t := range conf.templates {
		if runtime.EqualFold(t.name, name) {
			return t.health, true
		}
	}
	return proxy.Health{}, false
}

func findTemplate(c *runtime.Cmd, name string) (proxy.Health, bool) {
	if conf := runtime.ServerConf[conf](c.Server, Module); conf != nil {
		return conf.template(name)
	}
	return proxy.Health{}, false
}

func findExpr(c *runtime.Cmd, name string) bool {
	conf := runtime.ServerConf[conf](c.Server, Module)
	return conf != nil && conf.exprs[strings.ToLower(name)] != nil
}

// exprsOf are what hcexpr= may name in a server.
func exprsOf(s *runtime.Server) (all []proxy.HealthExpr) {
	if conf := runtime.ServerConf[conf](s, Module); conf != nil {
		for _, key := range slices.Sorted(maps.Keys(conf.exprs)) {
			all = append(all, proxy.HealthExpr{Name: conf.exprs[key].name, Text: conf.exprs[key].text})
		}
	}
	return all
}

// changed makes what an operator set take effect. The worker may be of an older graph than the one in force.
func changed(w *proxy.Worker) {
	if retune := w.State.Health.Retune.Load(); retune != nil {
		(*retune)()
	}
}

// postConfig lists the members that may want to be checked. Nothing is checked before the graph serves: see childInit.
func postConfig(c *runtime.Compiler) {
	s, err := runtime.Adopt(c, "hcheck", func() (*schedule, error) { return newSchedule(), nil })
	if err != nil {
		c.Report(&parser.Diagnostic{Code: "internal", Summary: err.Error(), Place: c.Graph.Main.Place})
		return
	}
	own := runtime.OwnGraphConf[graphConf](c.Graph, Module)
	own.schedule = s
	for _, v := range c.Graph.Servers {
		pc := proxy.ConfOf(v)
		for _, w := range pc.Workers {
			if w.Health.Method != "NONE" && w.Server == v {
				c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "unchecked-worker", Place: w.Place,
					Summary: fmt.Sprintf("the health of %s is not checked: only members of balancers are", w.DisplayName()),
					Detail:  "make it the BalancerMember of a <Proxy balancer://…>"})
			}
		}
		for _, b := range pc.Balancers {
			for _, w := range b.Members {
				// A balancer that virtual hosts inherit is checked once.
				if w.State != nil && w.Server == v {
					own.members = append(own.members, w)
				}
			}
		}
	}
}

// childInit makes the members of the graph, and nothing else, be checked from now on, as their parameters say.
func childInit(g *runtime.Graph) {
	if conf := runtime.GraphConf[graphConf](g, Module); conf != nil {
		conf.schedule.serve(g, conf.members)
	}
}
