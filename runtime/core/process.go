package core

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

var mpmDirectives = []runtime.Directive{
	{Name: "Listen", Args: parser.TakeArgv, In: inServer, Syntax: "[IP-address:]portnumber [protocol]",
		Help: "An address and port to serve at", Set: setListen},
	{Name: "PidFile", Args: parser.Take1, In: inServer, Syntax: "filename",
		Help: "The file that holds the number of the server's process", Set: processPath},
	{Name: "GracefulShutdownTimeout", Args: parser.Take1, In: inServer, Syntax: "seconds",
		Help: "How long a graceful stop waits for running requests; 0 is without end", Set: processNumber},
	{Name: "ListenBackLog", Args: parser.Take1, In: inServer, Syntax: "backlog",
		Help: "The length of the queue of new connections", NoEffect: "the kernel's own limit, net.core.somaxconn, is used"},
}

var unixdDirectives = []runtime.Directive{
	{Name: "User", Args: parser.Take1, In: inServer, Syntax: "unix-userid", Help: "The user that httpd runs as; pinion runs as who starts it", Set: setUser},
	{Name: "Group", Args: parser.Take1, In: inServer, Syntax: "unix-group", Help: "The group that httpd runs as; pinion runs as who starts it", Set: setGroup},
	{Name: "ChrootDir", Args: parser.Take1, In: inServer, Syntax: "/path/to/directory", Help: "The folder to lock the process into",
		Unsupported: "run pinion in a container or with systemd's RootDirectory="},
	{Name: "Suexec", Args: parser.Flag, In: inServer, Syntax: "On|Off", Help: "Whether CGI programs run as another user",
		NoEffect: "pinion runs no CGI programs"},
}

var soDirectives = []runtime.Directive{
	{Name: "LoadModule", Args: parser.Take2, In: inVHost, Syntax: "module filename",
		Help: "Names a module; pinion's are all built in", Set: loadModule},
	{Name: "LoadFile", Args: parser.Iterate, In: inVHost, Syntax: "filename [filename] ...",
		Help: "Loads a library for a module", NoEffect: "pinion's modules are built in and need no library"},
}

// process keeps the arguments in Graph.Process, added to those of earlier ones.
func process(c *runtime.Cmd) error {
	key := strings.ToLower(c.Node.Def.Name)
	c.Graph.Process[key] = append(c.Graph.Process[key], c.Node.Args...)
	return nil
}

func setProcess(c *runtime.Cmd, value string) error {
	c.Graph.Process[strings.ToLower(c.Node.Def.Name)] = []string{value}
	return nil
}

func processPath(c *runtime.Cmd) error { return setProcess(c, absolute(c, c.Arg(0))) }

func processNumber(c *runtime.Cmd) error {
	if _, err := number(c, 0); err != nil {
		return err
	}
	return setProcess(c, c.Arg(0))
}

// setRuntimeDir is DefaultRuntimeDir. httpd stops where there is no such folder; here little needs it.
func setRuntimeDir(c *runtime.Cmd) error {
	path := absolute(c, c.Arg(0))
	if !c.Offline {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			c.Warnf("no-directory", "DefaultRuntimeDir must be a directory, absolute or relative to ServerRoot, found %q", path)
		}
	}
	return setProcess(c, path)
}

// absolute is a path relative to ServerRoot.
func absolute(c *runtime.Cmd, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(c.Tree.ServerRoot, path)
}

func setUser(c *runtime.Cmd) error {
	name := c.Arg(0)
	if !strings.HasPrefix(name, "#") && !c.Offline {
		if _, err := user.Lookup(name); err != nil {
			return c.ArgErrorf(0, "bad-value", "unknown user %q", name)
		}
	}
	notSwitched(c)
	return setProcess(c, name)
}

func setGroup(c *runtime.Cmd) error {
	name := c.Arg(0)
	if !strings.HasPrefix(name, "#") && !c.Offline {
		if _, err := user.LookupGroup(name); err != nil {
			return c.ArgErrorf(0, "bad-value", "unknown group %q", name)
		}
	}
	notSwitched(c)
	return setProcess(c, name)
}

// notSwitched says that the process stays what it was started as; to root, who counts on the change, it is a warning.
func notSwitched(c *runtime.Cmd) {
	d := c.Notef("not-as-httpd", "%s %s has no effect: pinion runs as the user who starts it", c.Node.Name, c.Arg(0))
	d.Detail = "start it as that user; systemd's User= and AmbientCapabilities=CAP_NET_BIND_SERVICE do so and give it the low ports"
	if os.Geteuid() == 0 && !c.Offline {
		d.Severity = parser.Warning
	}
}

func setListen(c *runtime.Cmd) error {
	if n := len(c.Node.Args); n < 1 || n > 2 {
		return c.Errorf("wrong-arguments", "Listen takes an address and perhaps a protocol, found %d arguments", n)
	}
	addrs, err := c.ParseAddrs(0, c.Arg(0))
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if a.Port == 0 || a.Default {
			return c.ArgErrorf(0, "bad-address", "Listen needs a port from 1 to 65535, found %q", c.Arg(0))
		}
		a.Protocol = strings.ToLower(c.Arg(1))
		if a.Protocol == "" && a.Port == 443 {
			a.Protocol = "https"
		}
		for _, have := range c.Graph.Listens {
			if have.IP == a.IP && have.Port == a.Port {
				// Offline every host name has one address, so two names may seem to be the same.
				if c.Offline && !strings.ContainsAny(c.Arg(0), "*[") {
					continue
				}
				if have.Place.File == a.Place.File && have.Place.Range == a.Place.Range {
					return runtime.WithDetail(c.ArgErrorf(0, "duplicate-listen", "%q is listened at already", c.Arg(0)),
						"this very line was read before: look for an Include that reads its file again")
				}
				return runtime.WithDetail(c.ArgErrorf(0, "duplicate-listen", "%q is listened at already", c.Arg(0)),
					"already defined at %s:%d", have.Place.File, have.Place.Range.Start.Line)
			}
		}
		c.Graph.Listens = append(c.Graph.Listens, a)
	}
	return nil
}

// loadModule says what becomes of a module that pinion doesn't have: its directives are judged one by one where they
// stand, but a module that httpd doesn't ship may guard a server without any directive of its own.
func loadModule(c *runtime.Cmd) error {
	name := c.Arg(0)
	c.Graph.Process["loadmodule"] = append(c.Graph.Process["loadmodule"], name)
	switch {
	case c.Module(name) != nil:
		c.Notef("no-effect", "LoadModule %s has no effect: the module is built in", name)
	case isHTTPDModule(name):
		c.Notef("no-effect", "LoadModule %s has no effect: pinion has no such module, and its directives are errors", name)
	default:
		d := c.ArgErrorf(0, "unknown-module", "pinion has no module %s and can't load one", name)
		d.Severity, d.Detail = parser.Warning, "what it did, guarding access perhaps, is not done; <IfModule "+name+"> is false"
		c.Report(d)
	}
	return nil
}
