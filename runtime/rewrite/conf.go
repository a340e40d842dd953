package rewrite

import (
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// options are the bits of RewriteOptions.
type options uint16

const (
	optInherit options = 1 << iota
	optInheritBefore
	optNoSlash
	optAnyURI
	optMergeBase
	optInheritDown
	optInheritDownBefore
	optIgnoreInherit
	optIgnoreContextInfo
	optLegacyPrefixDocRoot
	optUnsafePrefixStat
)

var optionNames = map[string]options{
	"inherit": optInherit, "inheritbefore": optInheritBefore, "inheritdown": optInheritDown,
	"inheritdownbefore": optInheritDownBefore, "ignoreinherit": optIgnoreInherit, "allownoslash": optNoSlash,
	"allowanyuri": optAnyURI, "mergebase": optMergeBase, "ignorecontextinfo": optIgnoreContextInfo,
	"legacyprefixdocroot": optLegacyPrefixDocRoot, "unsafeprefixstat": optUnsafePrefixStat,
}

// settings are what servers and sections have both.
type settings struct {
	engine runtime.Opt[bool]
	opts   runtime.Opt[options]
	rules  *ruleset
	conds  []*cond // that wait for their rule, while the file is read
}

// serverConf is the configuration of a server.
type serverConf struct {
	settings
	server *runtime.Server // whose directives these are; a vhost without any has its main server's, and declines
	maps   map[string]*rewriteMap
}

// dirConf is the configuration of a section, or of a server's own per-directory configuration.
type dirConf struct {
	settings
	directory string // the section's path with a slash at its end; "" for a server
	base      string
	baseSet   bool
}

func serverConfOf(c *runtime.Cmd) *serverConf {
	conf := runtime.OwnServerConf[serverConf](c.Server, Module)
	if conf.server == nil {
		conf.server, conf.rules = c.Server, &ruleset{}
	}
	return conf
}

func dirConfOf(c *runtime.Cmd) *dirConf {
	// A directive in a section makes its server's configuration, too.
	serverConfOf(c)
	conf := runtime.OwnDirConf[dirConf](c.Dir, Module)
	if conf.rules == nil {
		conf.rules = &ruleset{}
		if c.Section != nil {
			conf.directory = sectionPath(c.Section)
		}
	}
	return conf
}

// sectionPath is the text that httpd takes off of what a section's rules see, whether or not it is a folder.
func sectionPath(s *runtime.Section) string {
	path := s.Path
	if s.Kind == runtime.IfSection {
		path = "*If"
	}
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path
}

// settingsOf is where the rules and conditions of a directive's place go.
func settingsOf(c *runtime.Cmd) *settings {
	if c.Section == nil {
		return &serverConfOf(c).settings
	}
	return &dirConfOf(c).settings
}

func setEngine(c *runtime.Cmd) error {
	on := runtime.Some(c.Flag())
	dirConfOf(c).engine = on
	if c.Section == nil {
		serverConfOf(c).engine = on
	}
	return nil
}

func setOptions(c *runtime.Cmd) error {
	var bits options
	for i := range c.Node.Args {
		word := strings.ToLower(c.Arg(i))
		bit, ok := optionNames[word]
		switch {
		case ok:
			bits |= bit
		case strings.HasPrefix(word, "maxredirects="):
			c.Warnf("ignored", "RewriteOptions: MaxRedirects has been removed in favor of LimitInternalRecursion and is ignored")
		default:
			return c.ArgErrorf(i, "bad-parameter", "RewriteOptions: unknown option '%s'", c.Arg(i))
		}
	}
	d := dirConfOf(c)
	d.opts = runtime.Some(d.opts.V | bits)
	if c.Section == nil {
		s := serverConfOf(c)
		s.opts = runtime.Some(s.opts.V | bits)
	}
	return nil
}

func setBase(c *runtime.Cmd) error {
	switch base := c.Arg(0); {
	case c.Section == nil:
		return runtime.WithDetail(c.Errorf("wrong-context", "RewriteBase: only valid in per-directory config files"),
			"move it into the <Directory> or <Location> section that has the rules")
	case base == "":
		return c.ArgErrorf(0, "bad-value", "RewriteBase: empty URL not allowed")
	case base[0] != '/':
		return c.ArgErrorf(0, "bad-value", "RewriteBase: argument is not a valid URL, expected a path that begins with /")
	default:
		d := dirConfOf(c)
		d.base, d.baseSet = base, true
	}
	return nil
}

// mergeSettings lays add over base. before and after tell where the rules of base go; neither drops them.
func mergeSettings(base, add *settings) (out settings, before, after bool) {
	out.engine = add.engine.Over(base.engine)
	out.opts = add.opts.Over(base.opts)
	own, down := out.opts.V, base.opts.V
	takes := own&optIgnoreInherit == 0
	switch {
	case own&optInherit != 0 || down&optInheritDown != 0 && takes:
		after = true
		out.rules = join(add.rules, base.rules)
	case own&optInheritBefore != 0 || down&optInheritDownBefore != 0 && takes:
		before = true
		out.rules = join(base.rules, add.rules)
	default:
		out.rules = add.rules
	}
	return out, before, after
}

func join(a, b *ruleset) *ruleset {
	return &ruleset{rules: append(a.rules[:len(a.rules):len(a.rules)], b.rules...)}
}

func mergeServer(base, add *serverConf) *serverConf {
	s, before, after := mergeSettings(&base.settings, &add.settings)
	s.conds = add.conds
	out := &serverConf{settings: s, server: add.server, maps: add.maps}
	if before || after {
		out.maps = map[string]*rewriteMap{}
		// apr_hash_overlay: with Inherit the vhost's own maps win, with InheritBefore those of the main server.
		first, second := base.maps, add.maps
		if before {
			first, second = second, first
		}
		for _, m := range []map[string]*rewriteMap{first, second} {
			for name, v := range m {
				out.maps[name] = v
			}
		}
	}
	return out
}

func mergeDir(base, add *dirConf) *dirConf {
	s, _, _ := mergeSettings(&base.settings, &add.settings)
	out := &dirConf{settings: s, directory: add.directory, base: add.base, baseSet: add.baseSet}
	if s.opts.V&optMergeBase != 0 && !add.baseSet {
		out.base, out.baseSet = base.base, base.baseSet
	}
	return out
}

// finishServer reports what only a whole server shows.
func finishServer(c *runtime.Compiler, s *runtime.Server) {
	for _, sections := range [][]*runtime.Section{s.Directories, s.Locations, s.ProxySects, s.Dir.Core.Files, s.Dir.Core.Ifs} {
		finishSections(c, sections)
	}
	conf := runtime.ServerConf[serverConf](s, Module)
	if conf == nil || conf.server != s {
		return
	}
	reportUnused(c, conf.conds)
	for _, r := range conf.rules.rules {
		for _, name := range r.maps {
			if conf.maps[name] == nil {
				c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "unknown-map", Place: r.place,
					Summary: "RewriteMap '" + name + "' is not defined in this server: ${" + name + ":…} yields its default, or nothing",
					Detail:  "a virtual host has the maps of the main server only with RewriteOptions Inherit"})
			}
		}
	}
	conf.rules.prepare()
}

func finishSections(c *runtime.Compiler, sections []*runtime.Section) {
	for _, s := range sections {
		if conf := runtime.DirConf[dirConf](s.Config, Module); conf != nil {
			reportUnused(c, conf.conds)
		}
		finishSections(c, s.Config.Core.Files)
		finishSections(c, s.Config.Core.Ifs)
	}
}

// reportUnused warns of conditions that no rule follows, once: a virtual host has the sections of the main server, too.
func reportUnused(c *runtime.Compiler, conds []*cond) {
	for _, k := range conds {
		if !k.reported {
			k.reported = true
			c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "unused", Place: k.place,
				Summary: "RewriteCond without a RewriteRule after it has no effect"})
		}
	}
}
