// Package setenvif is mod_setenvif: it sets variables of requests after what the request looks like.
package setenvif

import (
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/expr"
	"pinion/runtime/pcre"
)

// Module is setenvif_module.
var Module = runtime.Define(runtime.Module{
	Name: "setenvif_module", File: "mod_setenvif.c", MergeServer: runtime.Merger(merge), MergeDir: runtime.Merger(merge)})

// What follows refers to Module, so that it can't stand in its definition.
func init() {
	const in = parser.Anywhere | parser.HTAccess
	const vars = " [!]env-variable[=value] ..."
	Module.Directives = []runtime.Directive{
		{Name: "SetEnvIf", Args: parser.TakeArgv, In: in, Syntax: "attribute regex" + vars,
			Help: "Sets variables if a header or another attribute of the request matches", Set: setEnvIf},
		{Name: "SetEnvIfNoCase", Args: parser.TakeArgv, In: in, Syntax: "attribute regex" + vars,
			Help: "Sets variables if an attribute of the request matches in whatever case", Set: setEnvIf},
		{Name: "SetEnvIfExpr", Args: parser.TakeArgv, In: in, Syntax: "expression" + vars,
			Help: "Sets variables if an expression is true", Set: setEnvIfExpr},
		{Name: "BrowserMatch", Args: parser.TakeArgv, In: in, Syntax: "regex" + vars,
			Help: "Sets variables if the User-Agent matches", Set: browserMatch},
		{Name: "BrowserMatchNoCase", Args: parser.TakeArgv, In: in, Syntax: "regex" + vars,
			Help: "Sets variables if the User-Agent matches in whatever case", Set: browserMatch},
	}
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.PostReadRequest, Order: runtime.Middle, Run: func(r *runtime.Request) runtime.Result {
			return match(r, runtime.ServerConf[config](r.Server, Module))
		}},
		{Phase: runtime.HeaderParser, Order: runtime.Middle, Run: func(r *runtime.Request) runtime.Result {
			return match(r, runtime.DirConf[config](r.Dir, Module))
		}},
	}
}

// config is the directives of a server, which post_read_request obeys, or of a section, for header_parser.
type config struct{ entries []*entry }

func merge(base, add *config) *config {
	return &config{append(base.entries[:len(base.entries):len(base.entries)], add.entries...)}
}

// entry is one directive.
type entry struct {
	name    string // of the attribute; "" for an expression
	value   func(*runtime.Request) string
	sameAs  bool // the attribute is that of the entry before in this section, whose value is used again
	literal string
	isText  bool // look for literal, not for regex
	noCase  bool
	regex   *pcre.Regexp
	cond    *expr.Cond[*runtime.Request]
	sets    []setting
}

// setting is one variable to set, or to unset.
type setting struct {
	name, value string
	unset       bool
}

func setEnvIf(c *runtime.Cmd) error {
	if len(c.Node.Args) < 3 {
		return c.Errorf("wrong-arguments", "%s needs an attribute, a regular expression and a variable, found %d arguments", c.Node.Name, len(c.Node.Args))
	}
	return addEntry(c, c.Arg(0), 1)
}

func browserMatch(c *runtime.Cmd) error {
	if len(c.Node.Args) < 2 {
		return c.Errorf("wrong-arguments", "%s needs a regular expression and a variable, found %d arguments", c.Node.Name, len(c.Node.Args))
	}
	return addEntry(c, "User-Agent", 0)
}

// own is the configuration that the directive belongs to: the server's outside of sections, else the section's.
func own(c *runtime.Cmd) *config {
	if c.Dir == c.Server.Dir {
		return runtime.OwnServerConf[config](c.Server, Module)
	}
	return runtime.OwnDirConf[config](c.Dir, Module)
}

// addEntry compiles a directive whose regular expression is the i-th argument.
func addEntry(c *runtime.Cmd, name string, i int) error {
	e := &entry{name: name, noCase: strings.HasSuffix(strings.ToLower(c.Node.Name), "nocase")}
	flags := pcre.Default
	if e.noCase {
		flags |= pcre.ICase
	}
	if c.Arg(0) == "" || c.Arg(i) == "" {
		return c.Errorf("wrong-arguments", "%s needs an attribute and a regular expression that are not empty", c.Node.Name)
	}
	var err error
	if e.value, err = attribute(c, name, flags); err != nil {
		return err
	}
	if e.literal, e.isText = plainText(c.Arg(i)); !e.isText {
		if e.regex, err = c.Regexp(i, flags); err != nil {
			return err
		}
	}
	if e.sets, err = settings(c, i+1); err != nil {
		return err
	}
	conf := own(c)
	if n := len(conf.entries); n > 0 {
		e.sameAs = runtime.EqualFold(conf.entries[n-1].name, name)
	}
	conf.entries = append(conf.entries, e)
	return nil
}

func setEnvIfExpr(c *runtime.Cmd) error {
	if len(c.Node.Args) < 2 {
		return c.Errorf("wrong-arguments", "%s needs an expression and a variable, found %d arguments", c.Node.Name, len(c.Node.Args))
	}
	e := &entry{}
	var err error
	if e.cond, err = c.Condition(c.Arg(0), false); err != nil {
		return err
	}
	if e.sets, err = settings(c, 1); err != nil {
		return err
	}
	conf := own(c)
	conf.entries = append(conf.entries, e)
	return nil
}

// settings reads the variables from the i-th argument on. "name" alone sets 1, "!name" unsets, and so does a value
// that begins with "!". More than one "=" counts as one.
func settings(c *runtime.Cmd, i int) ([]setting, error) {
	var all []setting
	for ; i < len(c.Node.Args) && c.Arg(i) != ""; i++ {
		name, value, _ := strings.Cut(c.Arg(i), "=")
		value = strings.TrimLeft(value, "=")
		switch {
		case value != "":
			all = append(all, setting{name, value, value[0] == '!'})
		case strings.HasPrefix(name, "!"):
			all = append(all, setting{name[1:], "", true})
		default:
			all = append(all, setting{name, "1", false})
		}
	}
	if len(all) == 0 {
		return nil, c.Errorf("wrong-arguments", "%s needs at least one variable to set", c.Node.Name)
	}
	return all, nil
}

// attribute finds what the name stands for: an attribute, a header or variable, or the headers that a regular
// expression matches.
func attribute(c *runtime.Cmd, name string, flags pcre.Flags) (func(*runtime.Request) string, error) {
	switch strings.ToLower(name) {
	case "remote_addr":
		return func(r *runtime.Request) string { return r.ClientIP }, nil
	case "remote_host":
		get, _ := runtime.Variable("REMOTE_HOST")
		return get, nil
	case "server_addr":
		return func(r *runtime.Request) string { return r.Conn.LocalIP }, nil
	case "request_uri":
		return func(r *runtime.Request) string { return r.URI }, nil
	case "request_method":
		return func(r *runtime.Request) string { return r.Method }, nil
	case "request_protocol":
		return func(r *runtime.Request) string { return r.Protocol }, nil
	}
	if !isHeaderName(name) {
		re, err := c.Regexp(0, flags)
		if err != nil {
			return nil, err
		}
		return func(r *runtime.Request) (value string) {
			for _, f := range r.HeadersIn.Fields() {
				if re.MatchString(f.Key) {
					value = f.Value // the last one counts
				}
			}
			return value
		}, nil
	}
	return func(r *runtime.Request) string {
		if v, ok := r.HeadersIn.Lookup(name); ok {
			return v
		}
		return r.Env.Get(name)
	}, nil
}

// isHeaderName tells a plain name from a regular expression.
func isHeaderName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// plainText returns the text that a regular expression without special characters looks for. httpd then searches for
// the text alone, and neither resolves $1 nor backslashes in the values.
func plainText(pattern string) (string, bool) {
	text := make([]byte, 0, len(pattern))
	escaped := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		special := strings.IndexByte("^.$|()[]*+?{}", c) >= 0
		switch {
		case c == '\\' && !escaped:
			escaped = true
			continue
		case c != '\\' && special != escaped:
			return "", false
		}
		escaped = false
		text = append(text, c)
	}
	return string(text), true
}
