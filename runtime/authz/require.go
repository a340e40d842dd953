package authz

import (
	"slices"
	"sync"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/subnet"
)

var requireDirectives = []runtime.Directive{
	{Name: "Require", Args: parser.TakeArgv, In: inDirs | parser.Require, Syntax: "[not] entity-name [entity-name] ...",
		Help: "Whom to let in: all granted, ip, host, env, method, expr, user, …", Set: setRequire},
	{Name: "RequireAll", Section: true, Args: parser.NoArgs, In: inDirs | parser.Require,
		Help: "Rules none of which may fail and one of which must pass", Set: openRequire},
	{Name: "RequireAny", Section: true, Args: parser.NoArgs, In: inDirs | parser.Require,
		Help: "Rules one of which must pass", Set: openRequire},
	{Name: "RequireNone", Section: true, Args: parser.NoArgs, In: inDirs | parser.Require,
		Help: "Rules none of which may pass", Set: openRequire},
	{Name: "AuthMerging", Args: parser.Take1, In: inDirs, Syntax: "Off | And | Or",
		Help: "How the rules here are combined with those of the section before", Set: setMerging},
	{Name: "AuthzSendForbiddenOnFailure", Args: parser.Flag, In: inDirs, Syntax: "On|Off",
		Help: "Whether a user who may not is answered 403 rather than 401", Set: func(c *runtime.Cmd) error {
			rulesOf(c).forbidden = runtime.Some(c.Flag())
			return nil
		}},
	{Name: "AuthzProviderAlias", Section: true, Args: parser.TakeArgv, In: parser.Server, Syntax: "baseProvider Alias Require-Parameters",
		Help: "A name for a rule with its own settings", Unsupported: "write the rule itself where the alias is required"},
}

// verdict is what a rule says of a request, httpd's authz_status.
type verdict uint8

const (
	denied verdict = iota
	granted
	neutral
	failed // the rule can't be judged: 500
	deniedNoUser
)

func (v verdict) String() string {
	return [...]string{"denied", "granted", "neutral", "neutral", "denied (no authenticated user yet)"}[v]
}

// logic is how rules are combined.
type logic uint8

const (
	unset logic = iota
	off         // AuthMerging Off
	and
	or
)

// rule is one Require, or a section of them. Immutable once compiled.
type rule struct {
	check    func(*runtime.Request) verdict // of a Require; nil for a section
	text     string                         // as the log names it
	op       logic                          // of a section
	negate   bool
	methods  methods // of a Require
	children []*rule

	// Of a Require ip that isn't negated, for all methods, in a section one of whose rules must pass: those alike that
	// come right after it are judged with it, at once.
	nets   []subnet.Subnet
	first  *rule   // the first of those that stand side by side
	beside []*rule // of the first: the others
	all    func() *subnet.Set
}

// add puts c under n.
func (n *rule) add(c *rule) {
	n.children = append(n.children, c)
	if n.op != or || c.nets == nil || c.methods.names != nil {
		return
	}
	c.first = c
	if k := len(n.children) - 2; k >= 0 && n.children[k].first != nil {
		c.first = n.children[k].first
		c.first.beside = append(c.first.beside, c)
	}
	c.all = sync.OnceValue(func() *subnet.Set {
		nets := slices.Clone(c.nets)
		for _, other := range c.beside {
			nets = append(nets, other.nets...)
		}
		return subnet.NewSet(nets)
	})
}

// limitedTo tells whether the rule speaks of the method at all.
func (n *rule) speaksOf(method string) bool {
	if n.check != nil {
		return n.methods.has(method)
	}
	for _, c := range n.children {
		if c.speaksOf(method) {
			return true
		}
	}
	return false
}

// rules is the authorization of one section of the configuration.
type rules struct {
	top       *rule
	op        logic // AuthMerging
	forbidden runtime.Opt[bool]
	place     parser.Place
	open      *rule // while compiling: the innermost <RequireAll> or its like
}

func rulesOf(c *runtime.Cmd) *rules {
	known := runtime.DirConf[rules](c.Dir, Module) != nil
	conf := runtime.OwnDirConf[rules](c.Dir, Module)
	if !known {
		conf.place = c.Node.Place
		all := runtime.OwnGraphConf[registered](c.Graph, Module)
		all.rules = append(all.rules, conf)
	}
	return conf
}

// parent returns the rule that new ones go under.
func (conf *rules) parent() *rule {
	if conf.open != nil {
		return conf.open
	}
	if conf.top == nil {
		conf.top = &rule{op: or, text: "<RequireAny>"}
	}
	return conf.top
}

// mergeRules lays the rules of a section over those before (merge_authz_core_dir_config).
func mergeRules(base, add *rules) *rules {
	n := *add
	switch {
	case add.op == unset && add.top == nil && base.top != nil:
		n = *base
	case add.op == off || add.op == unset || base.top == nil && add.top == nil:
	case base.top == nil:
	case add.top == nil:
		n.top = base.top
	default:
		text := "AuthMerging Any"
		if add.op == and {
			text = "AuthMerging All"
		}
		n.top = &rule{op: add.op, text: text, children: []*rule{base.top, add.top}}
	}
	n.forbidden = add.forbidden.Over(base.forbidden)
	return &n
}

func setMerging(c *runtime.Cmd) error {
	op, ok := map[string]logic{"off": off, "and": and, "or": or}[lower(c.Arg(0))]
	if !ok {
		return c.ArgErrorf(0, "bad-value", "AuthMerging must be Off, And or Or, found %q", c.Arg(0))
	}
	rulesOf(c).op = op
	return nil
}

func setRequire(c *runtime.Cmd) error {
	n, err := parseRequire(c)
	if err != nil {
		return err
	}
	n.methods = methodsOf(c)
	parent := rulesOf(c).parent()
	if n.negate && parent.op == or {
		return runtime.WithDetail(c.Errorf("bad-value", "a negative Require has no effect in %s", parent.text),
			"put it into <RequireAll> together with what lets people in")
	}
	parent.add(n)
	return nil
}

func openRequire(c *runtime.Cmd) error {
	name := c.Node.Def.Name
	n := &rule{op: or, text: "<" + name + ">"}
	switch name {
	case "RequireAll":
		n.op = and
	case "RequireNone":
		n.negate = true
	}
	conf := rulesOf(c)
	outer := conf.open
	conf.open = n
	c.Children(c.Dir, nil)
	conf.open = outer
	if len(n.children) == 0 {
		return c.Errorf("no-rules", "%s holds no authorization directives", n.text)
	}
	parent := conf.parent()
	if n.negate && parent.op == or {
		return runtime.WithDetail(c.Errorf("bad-value", "%s has no effect in %s", n.text, parent.text),
			"put it into <RequireAll> together with what lets people in")
	}
	if !n.negate && n.op == parent.op {
		parent.children = append(parent.children, n.children...)
		return nil
	}
	parent.children = append(parent.children, n)
	return nil
}

// checkRules refuses rules that can only say no: nobody could ever pass.
func checkRules(c *runtime.Compiler) {
	for _, conf := range runtime.OwnGraphConf[registered](c.Graph, Module).rules {
		if conf.top == nil {
			continue
		}
		if bad := onlyNegative(conf.top); bad != nil {
			what := bad.text
			if bad == conf.top {
				what = "a section of the configuration"
			}
			c.Report(&parser.Diagnostic{Code: "only-negative", Place: conf.place,
				Summary: what + " holds only negative authorization directives",
				Detail:  "nobody could pass; add what lets people in, for example Require all granted"})
		}
	}
}

func onlyNegative(n *rule) *rule {
	all := true
	for _, c := range n.children {
		if len(c.children) > 0 {
			if bad := onlyNegative(c); bad != nil {
				return bad
			}
		}
		all = all && c.negate
	}
	if all {
		return n
	}
	return nil
}
