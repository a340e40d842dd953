// Package env is mod_env: it sets variables of requests.
package env

import (
	"os"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/table"
)

// Module is env_module.
var Module = runtime.Define(runtime.Module{Name: "env_module", File: "mod_env.c", MergeDir: runtime.Merger(merge)})

// What follows refers to Module, so that it can't stand in its definition.
func init() {
	const in = parser.Anywhere | parser.HTAccess
	Module.Directives = []runtime.Directive{
		{Name: "SetEnv", Args: parser.Take12, In: in, Syntax: "env-variable [value]",
			Help: "Sets a variable", Set: setEnv},
		{Name: "PassEnv", Args: parser.Iterate, In: in, Syntax: "env-variable [env-variable] ...",
			Help: "Sets variables to what they are in the server's own environment", Set: passEnv},
		{Name: "UnsetEnv", Args: parser.Iterate, In: in, Syntax: "env-variable [env-variable] ...",
			Help: "Takes back what SetEnv and PassEnv say about variables", Set: unsetEnv},
	}
	Module.Hooks = []runtime.Hook{{Phase: runtime.Fixups, Order: runtime.Middle, Run: fixup}}
}

// config is one section's variables.
type config struct {
	vars  table.Table
	unset []string
}

func merge(base, add *config) *config {
	m := &config{}
	m.vars.CopyFrom(&base.vars)
	for _, name := range add.unset {
		m.vars.Del(name)
	}
	for _, f := range add.vars.Fields() {
		m.vars.Set(f.Key, f.Value)
	}
	return m
}

func setEnv(c *runtime.Cmd) error {
	name := c.Arg(0)
	if before, after, ok := strings.Cut(name, "="); ok {
		c.Warnf("bad-name", "the name of the variable has a \"=\" in it: is \"SetEnv %s %s\" meant?", before, after)
	}
	runtime.OwnDirConf[config](c.Dir, Module).vars.Set(name, c.Arg(1))
	return nil
}

func passEnv(c *runtime.Cmd) error {
	conf := runtime.OwnDirConf[config](c.Dir, Module)
	for _, name := range c.Node.Args {
		if v, ok := os.LookupEnv(name); ok {
			conf.vars.Set(name, v)
		} else {
			c.Warnf("unset-variable", "PassEnv variable %s was undefined", name)
		}
	}
	return nil
}

// unsetEnv takes back what stands above it in its section and what the section inherits.
func unsetEnv(c *runtime.Cmd) error {
	conf := runtime.OwnDirConf[config](c.Dir, Module)
	for _, name := range c.Node.Args {
		conf.unset = append(conf.unset, name)
		conf.vars.Del(name)
	}
	return nil
}

// fixup puts the variables behind those that are there. As in httpd both stay, so that one that SetEnvIf or a rewrite
// has set is the one that is found.
func fixup(r *runtime.Request) runtime.Result {
	if c := runtime.DirConf[config](r.Dir, Module); c != nil {
		r.Env.AppendAll(&c.vars)
	}
	return runtime.OK
}
