// Package dir is mod_dir: the index of a folder, the slash behind its name, and what is served where nothing is.
package dir

import (
	"strconv"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// Module is mod_dir.
var Module = runtime.Define(runtime.Module{Name: "dir_module", File: "mod_dir.c", MergeDir: runtime.Merger(merge)})

const anywhere = parser.Anywhere | parser.HTAccess // httpd's DIR_CMD_PERMS

type dirConf struct {
	index        runtime.Opt[[]string]
	slash        runtime.Opt[bool]
	checkHandler runtime.Opt[bool]
	redirect     runtime.Opt[int] // the status of DirectoryIndexRedirect, 0 for Off
	fallback     runtime.Opt[string]
}

func merge(base, add *dirConf) *dirConf {
	return &dirConf{add.index.Over(base.index), add.slash.Over(base.slash), add.checkHandler.Over(base.checkHandler),
		add.redirect.Over(base.redirect), add.fallback.Over(base.fallback)}
}

func init() {
	Module.Hooks = []runtime.Hook{{Phase: runtime.Fixups, Order: runtime.Last, Always: true, Run: fixup}}
	flag := func(name, help string, field func(*dirConf) *runtime.Opt[bool]) runtime.Directive {
		return runtime.Directive{Name: name, Args: parser.Flag, In: anywhere, Syntax: "On|Off", Help: help, Set: func(c *runtime.Cmd) error {
			*field(runtime.OwnDirConf[dirConf](c.Dir, Module)) = runtime.Some(c.Flag())
			return nil
		}}
	}
	Module.Directives = []runtime.Directive{
		{Name: "DirectoryIndex", Args: parser.TakeArgv, In: anywhere, Syntax: "disabled | local-url [local-url] ...",
			Help: "What to serve for a folder: the first of these that exists", Set: setIndex},
		flag("DirectorySlash", "Whether a folder's URL without a slash at its end is redirected", func(d *dirConf) *runtime.Opt[bool] { return &d.slash }),
		flag("DirectoryCheckHandler", "Whether a folder with a handler of its own gets no index", func(d *dirConf) *runtime.Opt[bool] { return &d.checkHandler }),
		{Name: "DirectoryIndexRedirect", Args: parser.Take1, In: anywhere, Syntax: "On|Off|permanent|temp|seeother|3xx-code",
			Help: "Whether clients are sent to the index instead of served it", Set: setRedirect},
		{Name: "FallbackResource", Args: parser.Take1, In: anywhere, Syntax: "disabled|local-url",
			Help: "What to serve where there is no file", Set: func(c *runtime.Cmd) error {
				runtime.OwnDirConf[dirConf](c.Dir, Module).fallback = runtime.Some(c.Arg(0))
				return nil
			}},
	}
}

// setIndex adds to what lines before it in the same section say; "disabled" alone clears it.
func setIndex(c *runtime.Cmd) error {
	d := runtime.OwnDirConf[dirConf](c.Dir, Module)
	if len(c.Node.Args) == 1 && runtime.EqualFold(c.Arg(0), "disabled") {
		d.index = runtime.Some([]string{})
		return nil
	}
	d.index = runtime.Some(append(d.index.V, c.Node.Args...))
	return nil
}

func setRedirect(c *runtime.Cmd) error {
	status := 0
	switch arg := strings.ToLower(c.Arg(0)); arg {
	case "on", "temp":
		status = 302
	case "off":
	case "permanent":
		status = 301
	case "seeother":
		status = 303
	default:
		var err error
		if status, err = strconv.Atoi(arg); err != nil || status < 300 || status > 399 {
			return c.ArgErrorf(0, "bad-value", "expected On, Off, permanent, temp, seeother or a status from 300 to 399, found %q", c.Arg(0))
		}
	}
	runtime.OwnDirConf[dirConf](c.Dir, Module).redirect = runtime.Some(status)
	return nil
}
