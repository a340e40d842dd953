package core

import (
	"strconv"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

var dirDirectives = []runtime.Directive{
	{Name: "Options", Args: parser.TakeArgv, In: anywhere, Syntax: "[+|-]option [[+|-]option] ...",
		Help: "What may be done in a folder: Indexes, FollowSymLinks, …", Set: setOptions},
	{Name: "AllowOverride", Args: parser.TakeArgv, In: foldersOnly, Syntax: "All|None|directive-type [directive-type] ...",
		Help: "What .htaccess files may hold; pinion reads none", Set: setAllowOverride},
	{Name: "AllowOverrideList", Args: parser.TakeArgv, In: foldersOnly, Syntax: "None|directive [directive] ...",
		Help: "Which directives .htaccess files may hold; pinion reads none", Set: setAllowOverrideList},
	{Name: "AccessFileName", Args: parser.TakeArgv, In: inVHost, Syntax: "filename [filename] ...",
		Help: "The name of .htaccess files; pinion reads none", NoEffect: "pinion reads no .htaccess files"},
	{Name: "ErrorDocument", Args: parser.Take2, In: anywhere, Syntax: "error-code document",
		Help: "What to answer for an error: a text, a path or a URL", Set: setErrorDocument},
	{Name: "SetHandler", Args: parser.Take1, In: anywhere, Syntax: "handler-name|none|expression",
		Help: "The handler of everything here", Set: setSetHandler},
	{Name: "ForceType", Args: parser.Take1, In: parser.InDir | parser.ServerWide | parser.HTAccess, Syntax: "media-type|None",
		Help: "The media type of every file here", Set: func(c *runtime.Cmd) error {
			c.Dir.Core.ForceType = runtime.Some(strings.ToLower(c.Arg(0)))
			return nil
		}},
	{Name: "AddDefaultCharset", Args: parser.Take1, In: anywhere, Syntax: "On|Off|charset",
		Help: "The charset of text that names none", Set: func(c *runtime.Cmd) error {
			v := c.Arg(0)
			switch {
			case runtime.EqualFold(v, "on"):
				v = "iso-8859-1"
			case runtime.EqualFold(v, "off"):
				v = "off"
			}
			c.Dir.Core.AddDefaultCharset = runtime.Some(v)
			return nil
		}},
	word("ServerSignature", anywhere, "Whether generated pages end with the server's name", func(d *runtime.CoreDir) *runtime.Opt[string] { return &d.ServerSignature }, "on", "off", "email"),
	word("AcceptPathInfo", anywhere, "Whether URLs may go on behind a file's name", func(d *runtime.CoreDir) *runtime.Opt[string] { return &d.AcceptPathInfo }, "on", "off", "default"),
	word("AllowEncodedSlashes", inVHost, "Whether %2F may stand in a URL's path", func(d *runtime.CoreDir) *runtime.Opt[string] { return &d.AllowEncodedSlashes }, "on", "off", "nodecode"),
	{Name: "FileETag", Args: parser.TakeArgv, In: anywhere, Syntax: "component ...",
		Help: "What the ETag of a file is made of: MTime, Size, INode, Digest", Set: setFileETag},
	{Name: "LogLevel", Args: parser.Iterate, In: inDirs, Syntax: "[module:]level [module:level] ...",
		Help: "How much goes into the error log", Set: setLogLevel},
}

func word(name string, in parser.Context, help string, field func(*runtime.CoreDir) *runtime.Opt[string], words ...string) runtime.Directive {
	return runtime.Directive{Name: name, Args: parser.Take1, In: in, Syntax: strings.Join(words, "|"), Help: help,
		Set: func(c *runtime.Cmd) error {
			v, err := oneOf(c, 0, words...)
			if err == nil {
				*field(&c.Dir.Core) = runtime.Some(v)
			}
			return err
		}}
}

var optionBits = map[string]uint16{
	"indexes": runtime.OptIndexes, "includes": runtime.OptIncludes, "includesnoexec": runtime.OptIncNoExec,
	"followsymlinks": runtime.OptSymLinks, "symlinksifownermatch": runtime.OptSymOwner, "execcgi": runtime.OptExecCGI,
	"multiviews": runtime.OptMultiViews, "runscripts": runtime.OptMultiViews | runtime.OptExecCGI,
	"none": 0, "all": runtime.OptAll,
}

func setOptions(c *runtime.Cmd) error {
	o := &c.Dir.Core.Options
	relative, whole := false, false
	for i, a := range c.Node.Args {
		sign := byte(0)
		if a != "" && (a[0] == '+' || a[0] == '-') {
			sign, a = a[0], a[1:]
		}
		name := strings.ToLower(a)
		allNone := name == "all" || name == "none"
		if sign != 0 && i > 0 && !relative && !whole || sign == 0 && relative {
			return c.ArgErrorf(i, "bad-value", "either all Options start with + or -, or none does")
		}
		if allNone && i > 0 {
			return c.ArgErrorf(i, "bad-value", "Options %s must be the first option", a)
		}
		if allNone && sign != 0 {
			return c.ArgErrorf(i, "bad-value", "Options %s takes no + or -", a)
		}
		bit, ok := optionBits[name]
		if !ok {
			return c.ArgErrorf(i, "bad-value", "unknown option %q", a)
		}
		if sign == 0 && i == 0 {
			*o = runtime.OptionSet{Whole: true}
		}
		whole = whole || allNone
		relative = relative || sign != 0
		apply(o, sign, bit)
	}
	return nil
}

func apply(o *runtime.OptionSet, sign byte, bit uint16) {
	switch {
	case sign == '-' && o.Whole:
		o.Set &^= bit
	case o.Whole:
		o.Set |= bit
	case sign == '-':
		o.Sub, o.Add = o.Sub|bit, o.Add&^bit
	default:
		o.Add, o.Sub = o.Add|bit, o.Sub&^bit
	}
}

// warned remembers the files that were told about .htaccess, and what was read for one compile only.
type warned struct{ files map[string]bool }

// noHTAccess warns once per file that .htaccess files are not read: their access rules would be missing.
func noHTAccess(c *runtime.Cmd, what string) {
	w := runtime.OwnGraphConf[warned](c.Graph, Module)
	file := c.Node.Place.File
	if w.files[file] {
		return
	}
	if w.files == nil {
		w.files = map[string]bool{}
	}
	w.files[file] = true
	runtime.WithDetail(c.Warnf("no-htaccess", "%s has no effect: pinion reads no .htaccess files", what),
		"move what they hold, access rules above all, into a <Directory> section")
}

func setAllowOverride(c *runtime.Cmd) error {
	none := true
	for i, a := range c.Node.Args {
		key, value, _ := strings.Cut(a, "=")
		switch strings.ToLower(key) {
		case "none":
			none = true
			continue
		case "all", "limit", "options", "fileinfo", "authconfig", "indexes":
			none = false
		case "nonfatal":
			switch strings.ToLower(value) {
			case "override", "unknown", "all":
			default:
				return c.ArgErrorf(i, "bad-value", "expected Nonfatal=Override, Nonfatal=Unknown or Nonfatal=All, found %q", a)
			}
		default:
			return c.ArgErrorf(i, "bad-value", "expected All, None, AuthConfig, FileInfo, Indexes, Limit, Options or Nonfatal, found %q", a)
		}
	}
	if c.Section != nil && c.Section.Kind != runtime.DirectorySection {
		c.Warnf("useless", "AllowOverride has a meaning in <Directory> only")
		return nil
	}
	if !none {
		noHTAccess(c, "AllowOverride "+strings.Join(c.Node.Args, " "))
	}
	return nil
}

func setAllowOverrideList(c *runtime.Cmd) error {
	if len(c.Node.Args) > 0 && !runtime.EqualFold(c.Arg(0), "none") {
		noHTAccess(c, "AllowOverrideList")
	}
	return nil
}

func setErrorDocument(c *runtime.Cmd) error {
	status, err := strconv.Atoi(c.Arg(0))
	if err != nil || !runtime.KnownStatus(status) {
		return c.ArgErrorf(0, "bad-value", "unknown HTTP status %q", c.Arg(0))
	}
	doc := c.Arg(1)
	url := !strings.Contains(doc, " ") && !strings.HasPrefix(doc, "/") && isURL(doc)
	switch {
	case url && status == 401:
		runtime.WithDetail(c.Warnf("no-effect", "a full URL in the ErrorDocument of 401 is ignored"),
			"a redirect instead of the 401 would keep clients from sending a password")
		return nil
	case runtime.EqualFold(doc, "default"):
		setDocument(c, status, func(*runtime.Request) string { return "" })
		return nil
	case strings.Contains(doc, " ") || !url && !strings.HasPrefix(doc, "/"):
		// The server's answer tells a text from a path by its first byte.
		doc = "\"" + doc
	}
	f, err := c.StringExpr(1, doc)
	if err == nil {
		setDocument(c, status, f)
	}
	return err
}

func setDocument(c *runtime.Cmd, status int, f func(*runtime.Request) string) {
	d := &c.Dir.Core
	if d.ErrorDocuments == nil {
		d.ErrorDocuments = map[int]func(*runtime.Request) string{}
	}
	d.ErrorDocuments[status] = f
}

// isURL is httpd's ap_is_url: a scheme and a colon and two slashes.
func isURL(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme == "" {
		return false
	}
	for _, b := range []byte(scheme) {
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '+' || b == '-' || b == '.') {
			return false
		}
	}
	return true
}

func setSetHandler(c *runtime.Cmd) error {
	if instead, ok := runtime.ScriptHandler(c.Arg(0)); ok {
		return runtime.WithDetail(c.ArgErrorf(0, "unsupported-handler", "SetHandler %s is not supported: the files' source would be shown", c.Arg(0)), "%s", instead)
	}
	f, err := c.StringExpr(0, c.Arg(0))
	if err == nil {
		c.Dir.Core.SetHandler = runtime.Some(f)
	}
	return err
}

var etagBits = map[string]uint8{"none": runtime.ETagNone, "all": runtime.ETagAll, "mtime": runtime.ETagMTime, "lmtime": runtime.ETagMTime,
	"lastmodified": runtime.ETagMTime, "size": runtime.ETagSize, "inode": runtime.ETagINode, "digest": runtime.ETagDigest}

func setFileETag(c *runtime.Cmd) error {
	e := &c.Dir.Core.FileETag
	first := true
	for i, a := range c.Node.Args {
		name := strings.ToLower(strings.TrimLeft(a, "+-"))
		bit, ok := etagBits[name]
		if !ok {
			return c.ArgErrorf(i, "bad-value", "expected None, All, MTime, Size, INode or Digest, found %q", a)
		}
		sign := a[0]
		signed := sign == '+' || sign == '-'
		switch {
		case signed && (name == "none" || name == "all"):
			return c.ArgErrorf(i, "bad-value", "FileETag %s takes no + or -", a[1:])
		case sign == '+':
			e.Add, e.Sub = e.Add|bit, e.Sub&^bit
		case signed:
			e.Sub, e.Add = e.Sub|bit, e.Add&^bit
		case first || name == "none" || name == "all":
			*e, first = runtime.ETagSet{Whole: bit}, false
		default:
			*e = runtime.ETagSet{Whole: e.Whole | bit}
		}
	}
	return nil
}

func setLogLevel(c *runtime.Cmd) error {
	levels := c.Dir.Core.LogLevel
	if levels == nil {
		levels = &runtime.LogLevels{}
		c.Dir.Core.LogLevel = levels
	}
	for i, a := range c.Node.Args {
		at := strings.LastIndexByte(a, ':')
		level, ok := runtime.ParseLevel(a[at+1:])
		if !ok {
			return c.ArgErrorf(i, "bad-value", "expected one of emerg, alert, crit, error, warn, notice, info, debug, trace1 to trace8, found %q", a[at+1:])
		}
		if at < 0 {
			*levels = runtime.LogLevels{Default: runtime.Some(level)}
			continue
		}
		if err := setModuleLevel(c, i, a[:at], level, levels); err != nil {
			return err
		}
	}
	return nil
}

func setModuleLevel(c *runtime.Cmd, i int, name string, level runtime.Level, levels *runtime.LogLevels) error {
	m := c.Module(name)
	switch {
	case m == Module:
		m = nil // lines of the engine itself carry no module
	case m != nil:
	case isHTTPDModule(name):
		d := c.ArgErrorf(i, "no-effect", "the level of %s has no effect: pinion has no such module", name)
		d.Severity = parser.Note
		c.Report(d)
		return nil
	default:
		return c.ArgErrorf(i, "unknown-module", "LogLevel of an unknown module %q", name)
	}
	if levels.Modules == nil {
		levels.Modules = map[*runtime.Module]runtime.Level{}
	}
	levels.Modules[m] = level
	return nil
}
