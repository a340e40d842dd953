package proxy

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pinion/runtime"
)

// blocked is one word of ProxyBlock: a part of a host's name, and the addresses that it had when the configuration was read.
type blocked struct {
	name  string
	addrs []netip.Addr
}

// lookupTime is how long a configuration waits for the addresses of one name.
const lookupTime = 5 * time.Second

// setBlock compiles ProxyBlock (set_proxy_exclude). A name that can't be resolved counts as a part of a name alone.
func setBlock(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[ServerConf](c.Server, Module)
	for _, word := range c.Node.Args {
		if slices.ContainsFunc(conf.blocks, func(b blocked) bool { return runtime.EqualFold(b.name, word) }) {
			continue
		}
		b := blocked{name: word}
		if a, err := netip.ParseAddr(word); err == nil {
			b.addrs = []netip.Addr{a}
		} else if !c.Offline && word != "" && word[0] != '*' {
			b.addrs, _ = resolve(word)
		}
		conf.blocks = append(conf.blocks, b)
	}
	return nil
}

func resolve(name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// Blocks tells whether there is a ProxyBlock to ask Blocked for.
func (c *ServerConf) Blocks() bool { return len(c.blocks) > 0 }

// Blocked tells whether ProxyBlock forbids the host, in lower case, with these addresses, and logs why (ap_proxy_checkproxyblock2).
func (c *ServerConf) Blocked(r *runtime.Request, host string, addrs []netip.Addr) bool {
	for _, b := range c.blocks {
		if strings.Contains(host, b.name) || strings.HasPrefix(b.name, "*") {
			r.Logf(Module, runtime.LogWarn, "AH00916", "connect to remote machine %s blocked: name %s matched", host, b.name)
			return true
		}
		for _, a := range b.addrs {
			if slices.Contains(addrs, a) {
				r.Logf(Module, runtime.LogWarn, "AH00917", "connect to remote machine %s blocked: IP %s matched", host, a)
				return true
			}
		}
	}
	return false
}
