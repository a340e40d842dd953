package runtime

import (
	"strings"

	"pinion/parser"
	"pinion/runtime/pcre"
)

// coreSections are the sections that the engine itself matches; <Proxy> is the proxy module's.
var coreSections = Define(Module{Name: "core", File: "core.c", Directives: []Directive{
	{Name: "VirtualHost", Section: true, Args: parser.TakeArgv, In: parser.Server, Syntax: "addr[:port] [addr[:port]] ...",
		Help: "Directives that apply to one host name or address", Set: openVirtualHost},
	{Name: "Directory", Section: true, Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "directory-path",
		Help: "Directives that apply to a folder and those below it", Set: openDirectory},
	{Name: "DirectoryMatch", Section: true, Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "regex",
		Help: "Directives that apply to the folders a regular expression matches", Set: openDirectory},
	{Name: "Files", Section: true, Args: parser.TakeArgv, In: parser.ServerWide | parser.Directory | parser.Location | parser.If | parser.HTAccess, Syntax: "filename",
		Help: "Directives that apply to file names", Set: openFiles},
	{Name: "FilesMatch", Section: true, Args: parser.TakeArgv, In: parser.ServerWide | parser.Directory | parser.Location | parser.If | parser.HTAccess, Syntax: "regex",
		Help: "Directives that apply to the file names a regular expression matches", Set: openFiles},
	{Name: "Location", Section: true, Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "URL-path|URL",
		Help: "Directives that apply to URLs", Set: openLocation},
	{Name: "LocationMatch", Section: true, Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "regex",
		Help: "Directives that apply to the URLs a regular expression matches", Set: openLocation},
	{Name: "If", Section: true, Args: parser.Raw, In: parser.Anywhere, Syntax: "expression",
		Help: "Directives that apply to requests for which an expression is true", Set: openIf},
	{Name: "ElseIf", Section: true, Args: parser.Raw, In: parser.Anywhere, Syntax: "expression",
		Help: "Directives for when the If before was false and this expression is true", Set: openIf},
	{Name: "Else", Section: true, Args: parser.NoArgs, In: parser.Anywhere,
		Help: "Directives for when every If and ElseIf before was false", Set: openIf},
	{Name: "Limit", Section: true, Args: parser.TakeArgv, In: parser.InDir | parser.HTAccess | parser.Require, Syntax: "method [method] ...",
		Help: "Access control for some methods only", Set: openLimit},
	{Name: "LimitExcept", Section: true, Args: parser.TakeArgv, In: parser.InDir | parser.HTAccess | parser.Require, Syntax: "method [method] ...",
		Help: "Access control for every method but these", Set: openLimit},
}})

func openVirtualHost(c *Cmd) error {
	s := c.newServer(c.Node.Place)
	if len(c.Node.Args) == 0 {
		return c.Errorf("wrong-arguments", "<VirtualHost> needs at least one address, as in <VirtualHost *:80>")
	}
	for i, a := range c.Node.Args {
		addrs, err := c.ParseAddrs(i, a)
		if err != nil {
			return err
		}
		s.Addrs = append(s.Addrs, addrs...)
	}
	if len(s.Addrs) > 0 {
		s.Port = int(s.Addrs[0].Port)
	}
	main := c.cur
	c.cur = c.newUnit(s, c.Node)
	in := *c
	in.Server, in.Dir, in.Section = s, s.Dir, nil
	c.walk(c.Node.Children, &in)
	c.cur = main
	c.breathe(len(c.compiled))
	return nil
}

// sectionArg reads the argument of a section, of a "~ regex" one too; regex tells that it is a regular expression.
func (c *Cmd) sectionArg() (i int, regex bool, err error) {
	args := c.Node.Args
	name := strings.ToLower(c.Node.Name)
	regex = strings.HasSuffix(name, "match")
	if !regex && len(args) > 0 && args[0] == "~" {
		args, i, regex = args[1:], 1, true
	}
	if len(args) == 0 {
		return 0, false, c.Errorf("wrong-arguments", "<%s> needs an argument", c.Node.Name)
	}
	if len(args) > 1 {
		return 0, false, c.ArgErrorf(i+1, "wrong-arguments", "<%s> takes one argument, found %d", c.Node.Name, len(args))
	}
	return i, regex, nil
}

// NewSection makes a section of that kind from the directive's argument, path being what it is compared as, and
// compiles what stands in it.
func (c *Cmd) NewSection(kind SectionKind, clean func(string) string) (*Section, error) {
	i, regex, err := c.sectionArg()
	if err != nil {
		return nil, err
	}
	s := &Section{Kind: kind, Path: c.Arg(i), Config: c.NewDir(), Place: c.Node.Place}
	if regex {
		if s.Regex, err = c.Regexp(i, 0); err != nil {
			return nil, err
		}
		s.Env = matchNames(s.Regex)
	} else {
		s.Path = clean(s.Path)
		s.Glob = HasWildcard(s.Path)
	}
	return s, nil
}

// matchNames are the env variables of a regular expression's named groups: (?<sitename>…) sets MATCH_SITENAME.
func matchNames(re *pcre.Regexp) []string {
	names := re.Names()
	env := make([]string, len(names))
	any := false
	for i, n := range names {
		if n != "" {
			env[i] = "MATCH_" + strings.ToUpper(n)
			any = true
		}
	}
	if !any {
		return nil
	}
	return env
}

func openDirectory(c *Cmd) error {
	s, err := c.NewSection(DirectorySection, func(p string) string {
		if !strings.HasPrefix(p, "/") {
			return strings.TrimRight(mergeSlashes(p), "/") + "/"
		}
		p = CleanFilename(p)
		if p[len(p)-1] != '/' {
			p += "/"
		}
		return p
	})
	if err != nil {
		return err
	}
	s.dirSegs = strings.Count(s.Path, "/")
	c.Server.Directories = append(c.Server.Directories, s)
	c.Children(s.Config, s)
	return nil
}

func openLocation(c *Cmd) error {
	s, err := c.NewSection(LocationSection, func(p string) string {
		p, _ = normalizePath(p, true, false, true)
		return p
	})
	if err != nil {
		return err
	}
	c.Server.Locations = append(c.Server.Locations, s)
	c.Children(s.Config, s)
	return nil
}

func openFiles(c *Cmd) error {
	s, err := c.NewSection(FilesSection, func(p string) string { return p })
	if err != nil {
		return err
	}
	c.Dir.Core.Files = append(c.Dir.Core.Files, s)
	c.Children(s.Config, s)
	return nil
}

func openIf(c *Cmd) error {
	s := &Section{Kind: IfSection, Config: c.NewDir(), Place: c.Node.Place, Path: c.Path()}
	switch strings.ToLower(c.Node.Name) {
	case "elseif":
		s.Else = ifNext
	case "else":
		s.Else = ifLast
	}
	if s.Else != ifFirst {
		ifs := c.Dir.Core.Ifs
		if len(ifs) == 0 || ifs[len(ifs)-1].Else == ifLast {
			return c.Errorf("no-if", "<%s> without an <If> before it in the same section", c.Node.Name)
		}
	}
	if err := c.ifCond(s); err != nil {
		return err
	}
	c.Dir.Core.Ifs = append(c.Dir.Core.Ifs, s)
	c.Children(s.Config, s)
	return nil
}

// ifCond compiles the argument of <If> and <ElseIf>.
func (c *Cmd) ifCond(s *Section) error {
	want := 1
	if s.Else == ifLast {
		want = 0
	}
	switch n := len(c.Node.Words); {
	case n > want:
		return WithDetail(c.ArgErrorf(want, "wrong-arguments", "<%s> takes %d arguments, found %d", c.Node.Name, want, n),
			"put the whole expression in double quotes")
	case n < want:
		return c.Errorf("wrong-arguments", "<%s> needs an expression", c.Node.Name)
	case want == 0:
		return nil
	}
	cond, err := c.Cond(c.Arg(0))
	s.Cond = cond
	return err
}

func openLimit(c *Cmd) error {
	if len(c.Node.Args) == 0 {
		return c.Errorf("wrong-arguments", "<%s> needs at least one method", c.Node.Name)
	}
	for i, m := range c.Node.Args {
		if m == "TRACE" && EqualFold(c.Node.Name, "Limit") {
			return WithDetail(c.ArgErrorf(i, "bad-value", "TRACE cannot be controlled by <Limit>"), "see TraceEnable")
		}
	}
	in := *c
	in.Methods = c.Node.Args
	in.Except = EqualFold(c.Node.Name, "LimitExcept")
	c.walk(c.Node.Children, &in)
	return nil
}
