package parser

import "strings"

// everywhere is where directives may stand that httpd works off while it reads.
const everywhere = Anywhere | Require

// conditionHelp is shared by sections that decide what is read.
const conditionHelp = "encloses directives that are read only if "

// own is what the parser works off itself; the other packages never see these in a tree.
var own = []*Directive{
	{Name: "Define", Module: "core", Args: Take12, In: everywhere, Syntax: "parameter-name [parameter-value]",
		Help: "defines a variable for ${name} and <IfDefine>; its scope is the rest of the configuration"},
	{Name: "Error", Module: "core", Args: Raw, In: everywhere, Syntax: "message",
		Help: "stops with a message"},
	{Name: "IfDefine", Module: "core", Section: true, Args: Raw, In: everywhere, Syntax: "[!]parameter-name",
		Help: conditionHelp + "a name is defined"},
	{Name: "IfDirective", Module: "core", Section: true, Args: Raw, In: everywhere, Syntax: "[!]directive-name",
		Help: conditionHelp + "a directive exists"},
	{Name: "IfFile", Module: "core", Section: true, Args: Raw, In: everywhere, Syntax: "[!]filename",
		Help: conditionHelp + "a file exists"},
	{Name: "IfModule", Module: "core", Section: true, Args: Raw, In: everywhere, Syntax: "[!]module-file|module-identifier",
		Help: conditionHelp + "a module is present"},
	{Name: "IfSection", Module: "core", Section: true, Args: Raw, In: everywhere, Syntax: "[!]section-name",
		Help: conditionHelp + "a section exists"},
	{Name: "IfVersion", Module: "version_module", Section: true, Args: Raw, In: everywhere, Syntax: "[[!]operator] version",
		Help: conditionHelp + "the version of httpd that is spoken here, " + Version + ", compares"},
	{Name: "Include", Module: "core", Args: Take1, In: everywhere, Syntax: "file-path|directory-path|wildcard",
		Help: "reads other configuration files here"},
	{Name: "IncludeOptional", Module: "core", Args: Take1, In: everywhere, Syntax: "file-path|directory-path|wildcard",
		Help: "reads other configuration files here, if there are any"},
	{Name: "Macro", Module: "macro_module", Section: true, Args: Raw, In: everywhere, Syntax: "name [par1 .. parN]",
		Help: "defines lines with parameters, to be used with Use"},
	{Name: "ServerRoot", Module: "core", Args: Take1, In: Server | VHost, Syntax: "directory-path",
		Help: "what relative paths are relative to, from here on"},
	{Name: "UnDefine", Module: "core", Args: Take1, In: everywhere, Syntax: "parameter-name",
		Help: "undoes Define or -D"},
	{Name: "UndefMacro", Module: "macro_module", Args: Take1, In: everywhere, Syntax: "name",
		Help: "forgets a Macro"},
	{Name: "Use", Module: "macro_module", Args: Raw, In: everywhere, Syntax: "name [value1 ... valueN]",
		Help: "puts the lines of a Macro here"},
}

var ownTable = NewTable(own)

// Own returns the directives that the parser works off itself. The caller must not change them.
func Own() []*Directive { return own }

// work does what one of the parser's own directives says.
var work map[string]func(*loader, *entry)

func init() {
	work = map[string]func(*loader, *entry){
		"define":          (*loader).define,
		"undefine":        (*loader).undefine,
		"error":           (*loader).errorDirective,
		"serverroot":      (*loader).setServerRoot,
		"include":         (*loader).include,
		"includeoptional": (*loader).include,
		"use":             (*loader).use,
		"undefmacro":      (*loader).undefMacro,
		"macro":           (*loader).macro,
		"ifdefine":        condition((*loader).ifDefine),
		"ifdirective":     condition((*loader).ifDirective),
		"iffile":          condition((*loader).ifFile),
		"ifmodule":        condition((*loader).ifModule),
		"ifsection":       condition((*loader).ifSection),
		"ifversion":       (*loader).ifVersion,
	}
}

// named is what a name means in this load.
type named struct {
	def  *Directive
	work func(*loader, *entry) // nil unless the directive is the parser's own
}

// lookup finds a directive, or a section; names are written alike again and again, so each spelling is
// looked up once.
func (l *loader) lookup(name string, section bool) named {
	m := l.plain
	if section {
		m = l.sections
	}
	n, ok := m[name]
	if ok {
		return n
	}
	key := name
	if section {
		key = "<" + name
	}
	n.def = ownTable.Lookup(key)
	if n.def != nil && n.def.Section == section {
		n.work = work[strings.ToLower(name)]
	} else if l.o.Directives != nil {
		d := l.o.Directives(key)
		if d == nil && section {
			d = l.o.Directives(name)
		}
		if d != nil {
			n.def = d
		}
	}
	if len(m) < maxNames {
		m[name] = n
	}
	return n
}

// maxNames bounds what a file of nothing but unknown names makes Load remember.
const maxNames = 1 << 14
