// Package core holds the directives of httpd's core and of the modules that every httpd has built in (http_core, the
// MPM, unixd, so, reqtimeout): what sets up addresses, names, limits and the settings that the engine itself obeys.
// The sections (<VirtualHost>, <Directory>, …) are package runtime's.
package core

import (
	"pinion/parser"
	"pinion/runtime"
)

// The modules, under httpd's names, so that <IfModule> finds them.
var (
	// Module is httpd's core.
	Module = runtime.Define(runtime.Module{Name: "core", File: "core.c", PostServer: nameServer, PostConfig: finish})
	// HTTP is http_core: the settings of connections.
	HTTP = runtime.Define(runtime.Module{Name: "http_module", File: "http_core.c", Directives: httpDirectives})
	// MPM is the event MPM, which pinion's way to serve is closest to.
	MPM = runtime.Define(runtime.Module{Name: "mpm_event_module", File: "event.c", Directives: mpmDirectives})
	// Unixd is mod_unixd: whom the process runs as.
	Unixd = runtime.Define(runtime.Module{Name: "unixd_module", File: "mod_unixd.c", Directives: unixdDirectives})
	// SO is mod_so: LoadModule, which has nothing to load here.
	SO = runtime.Define(runtime.Module{Name: "so_module", File: "mod_so.c", Directives: soDirectives})
	// ReqTimeout is mod_reqtimeout: how long a client may take to send a request.
	ReqTimeout = runtime.Define(runtime.Module{Name: "reqtimeout_module", File: "mod_reqtimeout.c", Directives: reqTimeoutDirectives})
	// Version and Macro are modules whose directives the parser works off.
	Version = runtime.Define(runtime.Module{Name: "version_module", File: "mod_version.c"})
	Macro   = runtime.Define(runtime.Module{Name: "macro_module", File: "mod_macro.c"})
)

// Modules returns the package's modules, in the order that httpd has them built in.
func Modules() []*runtime.Module {
	return []*runtime.Module{Module, SO, HTTP, Version, Unixd, MPM, ReqTimeout, Macro}
}

const (
	inServer    = parser.Server                     // httpd's GLOBAL_ONLY
	inVHost     = parser.ServerWide                 // NOT_IN_DIR_CONTEXT
	inDirs      = parser.ServerWide | parser.InDir  // RSRC_CONF|ACCESS_CONF
	anywhere    = parser.Anywhere | parser.HTAccess // OR_*
	foldersOnly = parser.InDir                      // ACCESS_CONF
)

// init breaks the circles of the modules and what uses them.
func init() {
	for _, rows := range [][]runtime.Directive{serverDirectives, limitDirectives, dirDirectives} {
		Module.Directives = append(Module.Directives, rows...)
	}
	HTTP.Hooks = []runtime.Hook{
		{Phase: runtime.PostReadRequest, Order: runtime.ReallyFirst, Run: checkHead},
		{Phase: runtime.MapToStorage, Order: runtime.Middle, Always: true, Run: traceAndOptions},
	}
}

// finish reports what only the whole configuration shows.
func finish(c *runtime.Compiler) {
	g := c.Graph
	if g.Banner == "" {
		g.Banner = banner("full")
	}
	if len(g.Listens) == 0 && !c.Offline {
		c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "no-listen", Place: c.Tree.Root.Place,
			Summary: "no Listen directive: there is no address to serve at",
			Detail:  "httpd starts no server without one; add for example: Listen 80"})
	}
}
