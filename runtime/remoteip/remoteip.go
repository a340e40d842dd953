// Package remoteip is mod_remoteip: requests that come through proxies are taken for those of the client behind them, by
// a header of the request or by the PROXY protocol.
package remoteip

import (
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/subnet"
)

// Module is remoteip_module.
var Module = runtime.Define(runtime.Module{Name: "remoteip_module", File: "mod_remoteip.c", MergeServer: runtime.Merger(merge)})

const list = "name of a file with addresses, networks and host names; # begins a comment"

func init() {
	Module.Directives = []runtime.Directive{
		{Name: "RemoteIPHeader", Args: parser.Take1, In: parser.ServerWide, Syntax: "header",
			Help: "The request's header that names the client, such as X-Forwarded-For", Set: func(c *runtime.Cmd) error {
				runtime.OwnServerConf[config](c.Server, Module).header = c.Arg(0)
				return nil
			}},
		{Name: "RemoteIPProxiesHeader", Args: parser.Take1, In: parser.ServerWide, Syntax: "header",
			Help: "The request's header that is to list the proxies on the way", Set: func(c *runtime.Cmd) error {
				runtime.OwnServerConf[config](c.Server, Module).proxiesHeader = c.Arg(0)
				return nil
			}},
		{Name: "RemoteIPInternalProxy", Args: parser.Iterate, In: parser.ServerWide, Syntax: "address|network|host ...",
			Help: "Proxies that may name any client, private addresses included", Set: setProxies(true)},
		{Name: "RemoteIPTrustedProxy", Args: parser.Iterate, In: parser.ServerWide, Syntax: "address|network|host ...",
			Help: "Proxies that may name clients with public addresses", Set: setProxies(false)},
		{Name: "RemoteIPInternalProxyList", Args: parser.Take1, In: parser.ServerWide, Syntax: list,
			Help: "A file of what RemoteIPInternalProxy takes", Set: setList(true)},
		{Name: "RemoteIPTrustedProxyList", Args: parser.Take1, In: parser.ServerWide, Syntax: list,
			Help: "A file of what RemoteIPTrustedProxy takes", Set: setList(false)},
		{Name: "RemoteIPProxyProtocol", Args: parser.Flag, In: parser.ServerWide, Syntax: "On|Off",
			Help: "Whether connections to these addresses begin with a header of the PROXY protocol", Set: setProxyProtocol},
		{Name: "RemoteIPProxyProtocolExceptions", Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "network ...",
			Help: "Peers whose connections begin without a header of the PROXY protocol", Set: setExceptions},
	}
	Module.Hooks = []runtime.Hook{{Phase: runtime.PostReadRequest, Order: runtime.First, Always: true, Run: modify}}
	Module.PostConfig = setPreface
}

// config is one server's directives.
type config struct {
	header        string
	proxiesHeader string
	proxies       []proxy
}

// proxy is a network of proxies that are believed.
type proxy struct {
	subnet.Subnet
	internal bool
}

func merge(base, add *config) *config {
	n := *add
	if n.header == "" {
		n.header = base.header
	}
	if n.proxiesHeader == "" {
		n.proxiesHeader = base.proxiesHeader
	}
	if n.proxies == nil {
		n.proxies = base.proxies
	}
	return &n
}
