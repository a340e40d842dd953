// Package proxyhttp is mod_proxy_http and mod_proxy_wstunnel: it sends requests to origin servers over HTTP/1.1, by TCP,
// TLS or unix sockets, relays their answers, and turns upgraded connections into tunnels.
//
// This is the hot path. A plain request costs one write and one read on either side; what httpd logs or keeps per request is
// made only where someone asks for it.
package proxyhttp

import (
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/proxy"
)

// Module is mod_proxy_http.
var Module = runtime.Define(runtime.Module{Name: "proxy_http_module", File: "mod_proxy_http.c", PostServer: bind, PostConfig: warnNoTLS})

// WSTunnel is mod_proxy_wstunnel. Since httpd 2.4.47 it leaves ws: and wss: to mod_proxy_http unless it is told not to.
var WSTunnel = runtime.Define(runtime.Module{
	Name: "proxy_wstunnel_module", File: "mod_proxy_wstunnel.c",
	Directives: []runtime.Directive{{
		Name: "ProxyWebsocketFallbackToProxyHttp", Args: parser.Flag, In: parser.Anywhere,
		Syntax: "On|Off",
		Help:   "whether ws: and wss: URLs also take requests that ask for no upgrade, as plain HTTP (On)",
		Set: func(c *runtime.Cmd) error {
			runtime.OwnDirConf[wsConf](c.Dir, wsTunnel()).fallback = runtime.Some(c.Flag())
			return nil
		},
	}},
	MergeDir: runtime.Merger(func(base, add *wsConf) *wsConf { return &wsConf{add.fallback.Over(base.fallback)} }),
})

// wsTunnel is WSTunnel for its own table of directives, which can't name it.
var wsTunnel func() *runtime.Module

// wsConf is mod_proxy_wstunnel's per-directory configuration.
type wsConf struct{ fallback runtime.Opt[bool] }

func init() {
	wsTunnel = func() *runtime.Module { return WSTunnel }
	for _, scheme := range []string{"http", "https", "ws", "wss"} {
		proxy.HandleScheme(scheme, serve)
	}
	proxy.CheckTrans(wanted)
}

func fallback(r *runtime.Request) bool {
	if c := runtime.DirConf[wsConf](r.Dir, WSTunnel); c != nil {
		return c.fallback.Or(true)
	}
	return true
}

// wanted is proxy_wstunnel_check_trans: without the fallback a ws: mount is passed over by requests without Upgrade.
func wanted(r *runtime.Request, url string) bool {
	return fallback(r) || !isWebSocket(url) || r.HeadersIn.Has("Upgrade")
}

func isWebSocket(url string) bool {
	return len(url) > 3 && (runtime.EqualFold(url[:3], "ws:") || len(url) > 4 && runtime.EqualFold(url[:4], "wss:"))
}
