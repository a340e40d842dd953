// Package autoindex is mod_autoindex: it lists the folders that have no index.
package autoindex

import (
	"slices"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// Module is mod_autoindex.
var Module = runtime.Define(runtime.Module{Name: "autoindex_module", File: "mod_autoindex.c", MergeDir: runtime.Merger(merge)})

const anywhere = parser.Anywhere | parser.HTAccess // httpd's OR_INDEXES

func init() {
	Module.PostConfig = activate
	Module.Hooks = []runtime.Hook{{Phase: runtime.Handler, Order: runtime.Middle, Run: handle}}
	text := func(name, syntax, help string, field func(*dirConf) *runtime.Opt[string]) runtime.Directive {
		return runtime.Directive{Name: name, Args: parser.Take1, In: anywhere, Syntax: syntax, Help: help, Set: func(c *runtime.Cmd) error {
			*field(own(c)) = runtime.Some(c.Arg(0))
			return nil
		}}
	}
	Module.Directives = []runtime.Directive{
		pictures("AddIcon", "icon name [name] ...", "The icon of files with these names", byPath, addIcon),
		pictures("AddIconByType", "icon media-type [media-type] ...", "The icon of files of these types", byType, addIcon),
		pictures("AddIconByEncoding", "icon encoding [encoding] ...", "The icon of files of these encodings", byEncoding, addIcon),
		pictures("AddAlt", "string file [file] ...", "What stands for the icon of files with these names", byPath, addAlt),
		pictures("AddAltByType", "string media-type [media-type] ...", "What stands for the icon of files of these types", byType, addAlt),
		pictures("AddAltByEncoding", "string encoding [encoding] ...", "What stands for the icon of files of these encodings", byEncoding, addAlt),
		{Name: "AddDescription", Args: parser.Iterate2, In: anywhere, Syntax: "string file [file] ...",
			Help: "The description of files with these names", Set: addDescription},
		{Name: "IndexIgnore", Args: parser.Iterate, In: anywhere, Syntax: "file [file] ...",
			Help: "Which files are not listed", Set: func(c *runtime.Cmd) error {
				d := own(c)
				for _, a := range c.Node.Args {
					d.ignore = append(d.ignore, item{to: a[strings.LastIndexByte(a, '/')+1:], path: c.Path() + "*"})
				}
				return nil
			}},
		{Name: "IndexIgnoreReset", Args: parser.Flag, In: anywhere, Syntax: "ON|OFF",
			Help: "Whether the inherited IndexIgnore is forgotten", Set: func(c *runtime.Cmd) error {
				own(c).ignoreReset = c.Flag()
				return nil
			}},
		{Name: "IndexOptions", Args: parser.TakeArgv, In: anywhere, Syntax: "[+|-]option [[+|-]option] ...",
			Help: "How a listing looks", Set: setOptions},
		{Name: "IndexOrderDefault", Args: parser.Take2, In: anywhere, Syntax: "Ascending|Descending Name|Date|Size|Description",
			Help: "What a listing is sorted by", Set: setOrder},
		text("DefaultIcon", "url-path", "The icon of files that no other is for", func(d *dirConf) *runtime.Opt[string] { return &d.defaultIcon }),
		text("HeaderName", "filename", "The file whose text stands above a listing", func(d *dirConf) *runtime.Opt[string] { return &d.header }),
		text("ReadmeName", "filename", "The file whose text stands below a listing", func(d *dirConf) *runtime.Opt[string] { return &d.readme }),
		text("IndexStyleSheet", "url-path", "The style sheet of a listing", func(d *dirConf) *runtime.Opt[string] { return &d.styleSheet }),
		text("IndexHeadInsert", "\"markup ...\"", "Text for the HEAD of a listing", func(d *dirConf) *runtime.Opt[string] { return &d.headInsert }),
	}
}

// active marks servers that list folders.
type active struct{}

// activate turns the module on where the configuration loads it, or loads none at all: without mod_autoindex httpd
// answers 404 for a folder without an index, with it 403 or a listing.
func activate(c *runtime.Compiler) {
	loaded := c.Graph.Process["loadmodule"]
	if len(loaded) > 0 && !slices.Contains(loaded, Module.Name) {
		return
	}
	for _, s := range c.Compiled() {
		runtime.OwnServerConf[active](s, Module)
	}
}

// The kinds of item.
const (
	byPath uint8 = iota
	byType
	byEncoding
)

// item says something (data) about files whose name, type or encoding matches to, below path.
type item struct {
	kind           uint8
	to, path, data string
}

type description struct {
	pattern, text string
	full, wild    bool
}

type dirConf struct {
	icons, alts, ignore                                 []item
	descriptions                                        []description
	ignoreReset                                         bool
	options                                             optionSet
	nameWidth, descWidth                                runtime.Opt[int] // -1 is as wide as the longest
	iconWidth, iconHeight                               int
	contentType, charset, dateFormat                    string
	key, order                                          byte
	defaultIcon, header, readme, styleSheet, headInsert runtime.Opt[string]
}

func own(c *runtime.Cmd) *dirConf { return runtime.OwnDirConf[dirConf](c.Dir, Module) }

func pictures(name, syntax, help string, kind uint8, set func(c *runtime.Cmd, kind uint8, to string) error) runtime.Directive {
	return runtime.Directive{Name: name, Args: parser.Iterate2, In: anywhere, Syntax: syntax, Help: help, Set: func(c *runtime.Cmd) error {
		for _, to := range c.Node.Args[1:] {
			switch {
			case kind == byPath && to == "**DIRECTORY**":
				to = "^^DIRECTORY^^"
			case kind == byEncoding:
				to = strings.ToLower(to)
			}
			if kind == byPath && !strings.ContainsAny(to, "*?") {
				to = "*" + to
			}
			if err := set(c, kind, to); err != nil {
				return err
			}
		}
		return nil
	}}
}

func addIcon(c *runtime.Cmd, kind uint8, to string) error {
	d, icon := own(c), c.Arg(0)
	if strings.HasPrefix(icon, "(") {
		inside, _, closed := strings.Cut(icon[1:], ")")
		alt, url, _ := strings.Cut(inside, ",")
		if !closed {
			return c.ArgErrorf(0, "bad-value", "expected (alt,icon), found %q: missing closing paren", icon)
		}
		icon = strings.TrimLeft(url, ",")
		d.alts = append(d.alts, item{kind, to, c.Path() + "*", alt})
	}
	d.icons = append(d.icons, item{kind, to, c.Path() + "*", icon})
	return nil
}

func addAlt(c *runtime.Cmd, kind uint8, to string) error {
	d := own(c)
	d.alts = append(d.alts, item{kind, to, c.Path() + "*", c.Arg(0)})
	return nil
}

func addDescription(c *runtime.Cmd) error {
	d := own(c)
	for _, to := range c.Node.Args[1:] {
		e := description{pattern: to, text: c.Arg(0), full: strings.Contains(to, "/")}
		if e.wild = e.full || runtime.HasWildcard(to); e.wild {
			prefix := "*"
			if e.full {
				prefix = "*/"
			}
			e.pattern = prefix + to + "*"
		}
		d.descriptions = append(d.descriptions, e)
	}
	return nil
}

func setOrder(c *runtime.Cmd) error {
	d := own(c)
	switch strings.ToLower(c.Arg(0)) {
	case "ascending":
		d.order = 'A'
	case "descending":
		d.order = 'D'
	default:
		return c.ArgErrorf(0, "bad-value", "expected Ascending or Descending, found %q", c.Arg(0))
	}
	switch strings.ToLower(c.Arg(1)) {
	case "name":
		d.key = 'N'
	case "date":
		d.key = 'M'
	case "size":
		d.key = 'S'
	case "description":
		d.key = 'D'
	default:
		return c.ArgErrorf(1, "bad-value", "expected Name, Date, Size or Description, found %q", c.Arg(1))
	}
	return nil
}

func merge(base, add *dirConf) *dirConf {
	n := *add
	join := func(a, b []item) []item { return append(a[:len(a):len(a)], b...) }
	n.icons, n.alts = join(add.icons, base.icons), join(add.alts, base.alts)
	if !add.ignoreReset {
		n.ignore = join(add.ignore, base.ignore)
	}
	n.descriptions = append(add.descriptions[:len(add.descriptions):len(add.descriptions)], base.descriptions...)
	n.options = add.options.over(base.options)
	n.nameWidth, n.descWidth = add.nameWidth.Over(base.nameWidth), add.descWidth.Over(base.descWidth)
	n.defaultIcon, n.header, n.readme = add.defaultIcon.Over(base.defaultIcon), add.header.Over(base.header), add.readme.Over(base.readme)
	n.styleSheet, n.headInsert = add.styleSheet.Over(base.styleSheet), add.headInsert.Over(base.headInsert)
	for _, f := range []struct{ to, from *string }{{&n.contentType, &base.contentType}, {&n.charset, &base.charset}, {&n.dateFormat, &base.dateFormat}} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	for _, f := range []struct{ to, from *int }{{&n.iconWidth, &base.iconWidth}, {&n.iconHeight, &base.iconHeight}} {
		if *f.to == 0 {
			*f.to = *f.from
		}
	}
	if n.key == 0 {
		n.key = base.key
	}
	if n.order == 0 {
		n.order = base.order
	}
	return &n
}
