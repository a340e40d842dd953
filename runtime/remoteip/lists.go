package remoteip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/subnet"
)

// lookupTimeout bounds how long a host name in the configuration is looked up.
const lookupTimeout = 10 * time.Second

// maxList is how many bytes a list of proxies may have.
const maxList = 16 << 20

func setProxies(internal bool) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		conf := runtime.OwnServerConf[config](c.Server, Module)
		for i, text := range c.Node.Args {
			nets, err := networks(c, text)
			if err != nil {
				return c.ArgErrorf(i, "bad-address", "%v", err)
			}
			conf.add(nets, internal)
		}
		return nil
	}
}

// add makes a list even of nothing: once there is one, a proxy that isn't in it is not believed.
func (conf *config) add(nets []subnet.Subnet, internal bool) {
	if conf.proxies == nil {
		conf.proxies = []proxy{}
	}
	for _, n := range nets {
		conf.proxies = append(conf.proxies, proxy{n, internal})
	}
}

// networks reads an address, a network, or a host name, which may have several addresses. Offline a name has none.
func networks(c *runtime.Cmd, text string) ([]subnet.Subnet, error) {
	n, err := subnet.Parse(text)
	if err == nil {
		return []subnet.Subnet{n}, nil
	}
	if !errors.Is(err, subnet.ErrNoAddress) || strings.Contains(text, "/") || c.Offline {
		if c.Offline && errors.Is(err, subnet.ErrNoAddress) && !strings.Contains(text, "/") {
			return nil, nil
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", text)
	if err != nil {
		return nil, err
	}
	var nets []subnet.Subnet
	for _, ip := range all {
		if n, err = subnet.Parse(ip.Unmap().WithZone("").String()); err != nil {
			return nil, err
		}
		nets = append(nets, n)
	}
	return nets, nil
}

func setList(internal bool) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		path := c.ServerPath(c.Arg(0))
		c.Watch(path)
		conf := runtime.OwnServerConf[config](c.Server, Module)
		conf.add(nil, internal)
		if c.Offline {
			return nil
		}
		text, err := readList(path)
		if err != nil {
			return c.ArgErrorf(0, "no-file", "could not read the list: %v", err)
		}
		for i, line := range strings.Split(text, "\n") {
			for _, w := range grammar.SplitArgs(line) {
				if strings.HasPrefix(w.Text, "#") {
					break
				}
				nets, err := networks(c, w.Text)
				if err != nil {
					return c.ArgErrorf(0, "bad-address", "%s:%d: %v", path, i+1, err)
				}
				conf.add(nets, internal)
			}
		}
		return nil
	}
}

func readList(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err == nil && len(b) > maxList {
		err = errors.New("expected at most 16 MiB")
	}
	return string(b), err
}

// protocol is RemoteIPProxyProtocol: which addresses expect the header. Each server keeps what it says; what counts is what all of
// them say together, as httpd has no such setting of a virtual host.
type protocol struct {
	addrs      []address
	exceptions []subnet.Subnet
}

// address is one that RemoteIPProxyProtocol spoke of last.
type address struct {
	runtime.ListenAddr
	on    bool
	place parser.Place
}

// own keeps the settings apart, as no server inherits them.
var own = runtime.Define(runtime.Module{Name: "remoteip_proxy_protocol"})

func setProxyProtocol(c *runtime.Cmd) error {
	p := runtime.OwnServerConf[protocol](c.Server, own)
	addrs := c.Server.Addrs
	if c.Server.Main {
		addrs = []runtime.ListenAddr{{}} // every address
	}
	for _, a := range addrs {
		p.addrs = append(p.addrs, address{a, c.Flag(), c.Node.Place})
	}
	return nil
}

// protocolOf is what all servers say.
func protocolOf(c *runtime.Compiler) *protocol {
	p := &protocol{}
	for _, s := range c.Graph.Servers {
		if q := runtime.ServerConf[protocol](s, own); q != nil {
			for _, a := range q.addrs {
				p.set(c, a)
			}
			p.exceptions = append(p.exceptions, q.exceptions...)
		}
	}
	return p
}

// set lets the last word on an address count.
func (p *protocol) set(c *runtime.Compiler, a address) {
	for i := range p.addrs {
		old := &p.addrs[i]
		if old.IP != a.IP || old.Port != a.Port {
			continue
		}
		if old.on != a.on {
			c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "proxy-protocol-conflict", Place: a.place,
				Summary: fmt.Sprintf("RemoteIPProxyProtocol of this address was set the other way at %s:%d", old.place.File, old.place.Range.Start.Line),
				Detail:  "an address expects the PROXY protocol or it doesn't, for all of its virtual hosts; the last setting counts"})
		}
		*old = a
		return
	}
	p.addrs = append(p.addrs, a)
}

func setExceptions(c *runtime.Cmd) error {
	if len(c.Node.Args) == 0 {
		return c.Errorf("wrong-arguments", "RemoteIPProxyProtocolExceptions needs an address or a network")
	}
	p := runtime.OwnServerConf[protocol](c.Server, own)
	for i, text := range c.Node.Args {
		n, err := subnet.Parse(text)
		if err != nil {
			return c.ArgErrorf(i, "bad-address", "%v", err)
		}
		p.exceptions = append(p.exceptions, n)
	}
	return nil
}
