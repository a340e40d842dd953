package parser

// Context is where a directive may stand, a set of the places that httpd's documentation names, told apart
// as finely as httpd's ap_check_cmd_context does.
type Context uint16

// The places. Server is outside of every section (and inside <IfModule> and its like, which leave no trace).
const (
	Server    Context = 1 << iota
	VHost             // <VirtualHost>
	Directory         // <Directory>, <DirectoryMatch>
	Location          // <Location>, <LocationMatch>
	Files             // <Files>, <FilesMatch>
	If                // <If>, <ElseIf>, <Else>
	Proxy             // <Proxy>, <ProxyMatch>
	Limit             // <Limit>, <LimitExcept>
	Require           // <RequireAll>, <RequireAny>, <RequireNone>, <AuthnProviderAlias> and their like
	HTAccess          // .htaccess files: pinion reads none, the documentation prints it

	// Anywhere but Require sections: httpd's OR_* directives.
	Anywhere = Server | VHost | InDir
	// ServerWide is httpd's RSRC_CONF: outside of directory-like sections.
	ServerWide = Server | VHost
	// InDir is every section that makes a per-directory configuration: httpd's ACCESS_CONF.
	InDir = Directory | Location | Files | If | Proxy | Limit
)

// Args is the shape of a directive's arguments, under httpd's names (http_config.h, enum cmd_how).
type Args uint8

// The shapes.
const (
	NoArgs   Args = iota
	Raw           // the rest of the line, untouched but for ${VAR}
	Flag          // On or Off
	Take1         // exactly one …
	Take2         // … two
	Take3         // … three
	Take12        // one or two
	Take13        // one or three
	Take23        // two or three
	Take123       // one to three
	TakeArgv      // any number, all at once
	Iterate       // one or more, the directive is applied to each
	Iterate2      // two or more, applied to the first with each of the others
)

// Directive is the shape of one directive: what the parser must know to check a line, and what
// documentation is printed from. The module that owns it is behind Owner, which the parser never opens.
type Directive struct {
	Name    string // as httpd spells it; a section without its angle brackets
	Module  string // "headers_module"
	Section bool   // <Name …> … </Name>
	Args    Args
	In      Context
	Syntax  string // arguments as the documentation writes them, without the name
	Help    string // one line
	// NoEffect, when not empty, says in one line why the directive is accepted and does nothing here.
	NoEffect string
	// Unsupported, when not empty, says what to use instead: the directive is refused with it.
	Unsupported string
	Owner       any
	// Opens is, for a section, which place its inside is. Zero: what httpd's sections of this name are, and
	// for all others the place that the section stands in.
	Opens Context
}
