package authz

import (
	"pinion/parser"
	"pinion/runtime"
)

var allowMethodsDirectives = []runtime.Directive{
	{Name: "AllowMethods", Args: parser.TakeArgv, In: parser.InDir, Syntax: "reset|HTTP-method [HTTP-method] ...",
		Help: "The methods to let in; others are answered 405", Set: setAllowMethods},
}

// allowed is mod_allowmethods' configuration. A section with any replaces that of the sections before; no names are
// every method, which is what reset says.
type allowed struct{ names map[string]bool }

func setAllowMethods(c *runtime.Cmd) error {
	if len(c.Node.Args) == 0 {
		return c.Errorf("wrong-arguments", "AllowMethods needs a method, or reset")
	}
	conf := runtime.OwnDirConf[allowed](c.Dir, AllowMethods)
	if len(c.Node.Args) == 1 && runtime.EqualFold(c.Arg(0), "reset") {
		conf.names = nil
		return nil
	}
	if conf.names == nil {
		conf.names = map[string]bool{}
	}
	for i, m := range c.Node.Args {
		if !c.Graph.KnownMethod(m) {
			return c.ArgErrorf(i, "bad-value", "unknown method %q", m)
		}
		conf.names[canonical(m)] = true
	}
	return nil
}

// checkMethod is mod_allowmethods' am_check_access.
func checkMethod(r *runtime.Request) runtime.Result {
	conf := runtime.DirConf[allowed](r.Dir, AllowMethods)
	if conf == nil || conf.names == nil || conf.names[canonical(r.Method)] {
		return runtime.Declined
	}
	prefix, name := what(r)
	r.Logf(AllowMethods, runtime.LogErr, "AH01623", "client method denied by server configuration: '%s' to %s%s", r.Method, prefix, name)
	return 405
}
