// Package all lists the modules of pinion. It is what cmd and reload hand to the parser and to runtime.Compile.
package all

import (
	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/proxy"
)

// Modules returns every module in httpd's order: where hooks of one phase have the same order, the list decides.
func Modules() []*runtime.Module {
	return []*runtime.Module{
		core.Module, core.HTTP, core.MPM, core.Unixd, core.SO, core.ReqTimeout, core.Version, core.Macro,
		proxy.Module, proxy.Pinion,
	}
}
