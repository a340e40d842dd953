// Package alias is mod_alias: it maps URLs to folders outside of DocumentRoot, and redirects them.
package alias

import (
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/pcre"
)

// Module is mod_alias.
var Module = runtime.Define(runtime.Module{Name: "alias_module", File: "mod_alias.c",
	MergeServer: runtime.Merger(mergeServer), MergeDir: runtime.Merger(mergeDir)})

const (
	sections = parser.ServerWide | parser.InDir  // httpd's RSRC_CONF|ACCESS_CONF
	anywhere = parser.Anywhere | parser.HTAccess // OR_FILEINFO
	noCGI    = "pinion runs no CGI programs; ProxyPass to an application, or use fcgi:// to a FastCGI server"
	statuses = "permanent|temp|seeother|gone|status"
)

func init() {
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.TranslateName, Order: runtime.Middle, Run: translate},
		{Phase: runtime.Fixups, Order: runtime.Middle, Run: fixup},
	}
	flag := func(name, help string, field func(*dirConf) *runtime.Opt[bool]) runtime.Directive {
		return runtime.Directive{Name: name, Args: parser.Flag, In: anywhere, Syntax: "On|Off", Help: help, Set: func(c *runtime.Cmd) error {
			*field(runtime.OwnDirConf[dirConf](c.Dir, Module)) = runtime.Some(c.Flag())
			return nil
		}}
	}
	Module.Directives = []runtime.Directive{
		{Name: "Alias", Args: parser.Take12, In: sections, Syntax: "[URL-path] file-path|directory-path",
			Help: "The file or folder that URLs stand for", Set: setAlias},
		{Name: "AliasMatch", Args: parser.Take2, In: parser.ServerWide, Syntax: "regex file-path|directory-path",
			Help: "The file or folder that URLs a regular expression matches stand for", Set: setAliasMatch},
		{Name: "ScriptAlias", Args: parser.Take12, In: sections, Syntax: "[URL-path] file-path|directory-path",
			Help: "The folder of CGI programs", Unsupported: noCGI},
		{Name: "ScriptAliasMatch", Args: parser.Take2, In: parser.ServerWide, Syntax: "regex file-path|directory-path",
			Help: "The folder of CGI programs", Unsupported: noCGI},
		{Name: "Redirect", Args: parser.Take123, In: anywhere, Syntax: "[" + statuses + "] [URL-path] URL",
			Help: "Sends clients from one URL to another", Set: func(c *runtime.Cmd) error { return setRedirect(c, 302, false) }},
		{Name: "RedirectMatch", Args: parser.Take23, In: anywhere, Syntax: "[" + statuses + "] regex URL",
			Help: "Sends clients from the URLs that a regular expression matches to another", Set: func(c *runtime.Cmd) error { return setRedirect(c, 302, true) }},
		{Name: "RedirectTemp", Args: parser.Take2, In: anywhere, Syntax: "URL-path URL",
			Help: "Sends clients from one URL to another with 302", Set: func(c *runtime.Cmd) error { return setRedirect(c, 302, false) }},
		{Name: "RedirectPermanent", Args: parser.Take2, In: anywhere, Syntax: "URL-path URL",
			Help: "Sends clients from one URL to another with 301", Set: func(c *runtime.Cmd) error { return setRedirect(c, 301, false) }},
		flag("RedirectRelative", "Whether a redirect to a path goes out as it is", func(d *dirConf) *runtime.Opt[bool] { return &d.relative }),
		flag("AliasPreservePath", "Whether an Alias in <Location> keeps the rest of the path", func(d *dirConf) *runtime.Opt[bool] { return &d.preserve }),
	}
}

// entry is one Alias or Redirect.
type entry struct {
	fake   string       // the URL's path; "" with a regular expression
	regex  *pcre.Regexp // of the Match forms
	real   string       // the path or URL, with $1 in the Match forms
	status int          // of Redirect
}

type serverConf struct{ aliases, redirects list }

type dirConf struct {
	redirects list
	alias     *dirAlias
	redirect  *dirRedirect
	relative  runtime.Opt[bool]
	preserve  runtime.Opt[bool]
}

// dirAlias is an Alias with one argument, in <Location>.
type dirAlias struct {
	fake string // the section's path
	real func(*runtime.Request) string
	root string // ServerRoot
}

// dirRedirect is a Redirect without a path, in a section. url is nil for a status that has none.
type dirRedirect struct {
	url    func(*runtime.Request) string
	status int
}

func mergeServer(base, add *serverConf) *serverConf {
	return &serverConf{joined(&add.aliases, &base.aliases), joined(&add.redirects, &base.redirects)}
}

func mergeDir(base, add *dirConf) *dirConf {
	n := &dirConf{redirects: joined(&add.redirects, &base.redirects), alias: add.alias, redirect: add.redirect,
		relative: add.relative.Over(base.relative), preserve: add.preserve.Over(base.preserve)}
	if n.alias == nil {
		n.alias = base.alias
	}
	if n.redirect == nil {
		n.redirect = base.redirect
	}
	return n
}

func setAlias(c *runtime.Cmd) error {
	if len(c.Node.Args) == 2 {
		if c.Section != nil {
			return runtime.WithDetail(c.Errorf("wrong-context", "Alias with two arguments can't stand in a section"),
				"in <Location> write the folder alone: Alias %s", c.Arg(1))
		}
		s := runtime.OwnServerConf[serverConf](c.Server, Module)
		shadowed(c, &s.aliases, c.Arg(0))
		s.aliases.add(&entry{fake: c.Arg(0), real: absolute(c.Tree.ServerRoot, c.Arg(1))})
		return nil
	}
	switch {
	case c.Section == nil:
		return c.Errorf("wrong-arguments", "Alias must have two arguments when used globally")
	case c.Section.Kind == runtime.DirectorySection, c.Section.Kind == runtime.FilesSection:
		return c.Errorf("wrong-context", "Alias can't stand in a <Directory> or <Files> section")
	}
	real, err := c.StringExpr(0, c.Arg(0))
	if err != nil {
		return err
	}
	runtime.OwnDirConf[dirConf](c.Dir, Module).alias = &dirAlias{c.Section.Path, real, c.Tree.ServerRoot}
	return nil
}

func setAliasMatch(c *runtime.Cmd) error {
	re, err := c.Regexp(0, 0)
	if err != nil {
		return err
	}
	runtime.OwnServerConf[serverConf](c.Server, Module).aliases.add(&entry{regex: re, real: absolute(c.Tree.ServerRoot, c.Arg(1))})
	return nil
}

// shadowed warns that an earlier Alias takes all that a later one is for (httpd's AH00671).
func shadowed(c *runtime.Cmd, l *list, fake string) {
	if e, _, _ := l.first(fake); e != nil {
		form := "Alias"
		if e.regex != nil {
			form = "AliasMatch"
		}
		runtime.WithDetail(c.Warnf("shadowed", "the Alias of %s will probably never match because it overlaps an earlier %s", fake, form),
			"put the longer path first")
	}
}

// absolute makes a path absolute by ServerRoot; a slash at its end stays (ap_server_root_relative).
func absolute(root, path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return strings.TrimRight(root, "/") + "/" + path
}
