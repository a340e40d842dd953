// Package mime is mod_mime: media type, charset, encoding, language and handler of a file from the endings of its name.
package mime

import (
	"maps"
	"strings"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/filter"
)

// Module is mod_mime.
var Module = runtime.Define(runtime.Module{Name: "mime_module", File: "mod_mime.c", MergeDir: runtime.Merger(merge)})

const anywhere = parser.Anywhere | parser.HTAccess // httpd's OR_FILEINFO

func init() {
	Module.PostConfig = loadTypes
	Module.Hooks = []runtime.Hook{{Phase: runtime.TypeChecker, Order: runtime.Middle, Always: true, Run: findType}}
	Module.Directives = []runtime.Directive{
		add("AddType", "media-type", "The media type of files with these endings", func(e *ending) *runtime.Opt[string] { return &e.mediaType }),
		add("AddCharset", "charset", "The charset of files with these endings", func(e *ending) *runtime.Opt[string] { return &e.charset }),
		add("AddEncoding", "encoding", "The content encoding of files with these endings", func(e *ending) *runtime.Opt[string] { return &e.encoding }),
		add("AddLanguage", "language-tag", "The language of files with these endings", func(e *ending) *runtime.Opt[string] { return &e.language }),
		add("AddHandler", "handler-name", "The handler of files with these endings", func(e *ending) *runtime.Opt[string] { return &e.handler }),
		remove("RemoveType", "media type", func(e *ending) *runtime.Opt[string] { return &e.mediaType }),
		remove("RemoveCharset", "charset", func(e *ending) *runtime.Opt[string] { return &e.charset }),
		remove("RemoveEncoding", "content encoding", func(e *ending) *runtime.Opt[string] { return &e.encoding }),
		remove("RemoveLanguage", "language", func(e *ending) *runtime.Opt[string] { return &e.language }),
		remove("RemoveHandler", "handler", func(e *ending) *runtime.Opt[string] { return &e.handler }),
		{Name: "AddInputFilter", Args: parser.TakeArgv, In: anywhere, Syntax: "filter[;filter...] extension [extension] ...",
			Help: "Filters for the bodies of requests", Unsupported: "pinion has no input filters; let the backend do it"},
		{Name: "AddOutputFilter", Args: parser.Iterate2, In: anywhere, Syntax: "filter[;filter...] extension [extension] ...",
			Help: "The filters of answers made of files with these endings", Set: addFilter},
		{Name: "RemoveInputFilter", Args: parser.Iterate, In: anywhere, Syntax: "extension [extension] ...",
			Help: "Removes the input filters of endings", NoEffect: "pinion has no input filters"},
		{Name: "RemoveOutputFilter", Args: parser.Iterate, In: anywhere, Syntax: "extension [extension] ...",
			Help: "Forgets the output filters of endings, as inherited from outside", Set: removeFilter},
		{Name: "DefaultLanguage", Args: parser.Take1, In: anywhere, Syntax: "language-tag",
			Help: "The language of files whose name tells none", Set: func(c *runtime.Cmd) error {
				runtime.OwnDirConf[dirConf](c.Dir, Module).language = c.Arg(0)
				return nil
			}},
		{Name: "ModMimeUsePathInfo", Args: parser.Flag, In: parser.InDir, Syntax: "On|Off",
			Help: "Whether what follows a file's name in the URL counts as part of its name", Set: func(c *runtime.Cmd) error {
				runtime.OwnDirConf[dirConf](c.Dir, Module).pathInfo = runtime.Some(c.Flag())
				return nil
			}},
		{Name: "MultiviewsMatch", Args: parser.Iterate, In: anywhere, Syntax: "Any|NegotiatedOnly|Filters|Handlers [Handlers|Filters]",
			Help: "Which files MultiViews takes into account", NoEffect: "pinion negotiates no languages: a URL names one file"},
		{Name: "TypesConfig", Args: parser.Take1, In: parser.ServerWide, Syntax: "file-path",
			Help: "The file that lists media types and their endings", Set: setTypesConfig},
	}
}

// ending is what Add directives say about one ending of file names. A media type that is set and "" hides TypesConfig's.
type ending struct {
	mediaType, charset, encoding, language, handler runtime.Opt[string]
	filters                                         runtime.Opt[filter.List]
}

type dirConf struct {
	endings  map[string]*ending
	removed  []removal
	language string
	pathInfo runtime.Opt[bool]
}

type removal struct {
	ending string
	forget func(*ending)
}

// endingOf reads an ending as a directive writes it: without its dot, in lower case.
func endingOf(s string) string { return strings.ToLower(strings.TrimPrefix(s, ".")) }

func add(name, what, help string, field func(*ending) *runtime.Opt[string]) runtime.Directive {
	return runtime.Directive{Name: name, Args: parser.Iterate2, In: anywhere, Syntax: what + " extension [extension] ...", Help: help,
		Set: func(c *runtime.Cmd) error {
			value := strings.ToLower(c.Arg(0))
			if name == "AddHandler" || name == "AddType" {
				if instead, ok := runtime.ScriptHandler(value); ok {
					return runtime.WithDetail(c.ArgErrorf(0, "unsupported-handler", "%s %s is not supported: the files' source would be shown", name, c.Arg(0)), "%s", instead)
				}
			}
			if name == "AddType" {
				value = rebuild(value, "")
			}
			d := runtime.OwnDirConf[dirConf](c.Dir, Module)
			for _, a := range c.Node.Args[1:] {
				*field(d.own(a)) = runtime.Some(value)
			}
			return nil
		}}
}

func remove(name, what string, field func(*ending) *runtime.Opt[string]) runtime.Directive {
	return runtime.Directive{Name: name, Args: parser.Iterate, In: anywhere, Syntax: "extension [extension] ...",
		Help: "Forgets the " + what + " of endings, as inherited from outside",
		Set: func(c *runtime.Cmd) error {
			d := runtime.OwnDirConf[dirConf](c.Dir, Module)
			for _, a := range c.Node.Args {
				if name != "RemoveType" {
					d.removed = append(d.removed, removal{endingOf(a), func(e *ending) { *field(e) = runtime.Opt[string]{} }})
					continue
				}
				// The type of TypesConfig is to be forgotten, too.
				d.own(a).mediaType = runtime.Some("")
			}
			return nil
		}}
}

func addFilter(c *runtime.Cmd) error {
	list, err := filter.Parse(c, 0)
	if err != nil {
		return err
	}
	filter.Use(c)
	d := runtime.OwnDirConf[dirConf](c.Dir, Module)
	for _, a := range c.Node.Args[1:] {
		d.own(a).filters = runtime.Some(list)
	}
	return nil
}

func removeFilter(c *runtime.Cmd) error {
	d := runtime.OwnDirConf[dirConf](c.Dir, Module)
	for _, a := range c.Node.Args {
		d.removed = append(d.removed, removal{endingOf(a), func(e *ending) { e.filters = runtime.Opt[filter.List]{} }})
	}
	return nil
}

// own returns the ending to write to.
func (d *dirConf) own(name string) *ending {
	if d.endings == nil {
		d.endings = map[string]*ending{}
	}
	key := endingOf(name)
	if d.endings[key] == nil {
		d.endings[key] = &ending{}
	}
	return d.endings[key]
}

func merge(base, add *dirConf) *dirConf {
	n := &dirConf{endings: base.endings, language: base.language, pathInfo: add.pathInfo.Over(base.pathInfo)}
	if add.language != "" {
		n.language = add.language
	}
	if len(add.endings) > 0 || len(add.removed) > 0 {
		n.endings = make(map[string]*ending, len(base.endings)+len(add.endings))
		maps.Copy(n.endings, base.endings)
	}
	for key, e := range add.endings {
		b := base.endings[key]
		if b == nil {
			n.endings[key] = e
			continue
		}
		n.endings[key] = &ending{e.mediaType.Over(b.mediaType), e.charset.Over(b.charset), e.encoding.Over(b.encoding),
			e.language.Over(b.language), e.handler.Over(b.handler), e.filters.Over(b.filters)}
	}
	for _, r := range add.removed {
		if e := n.endings[r.ending]; e != nil {
			kept := *e
			r.forget(&kept)
			n.endings[r.ending] = &kept
		}
	}
	return n
}
