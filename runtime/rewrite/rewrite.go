// Package rewrite is mod_rewrite: rules that change URLs by regular expressions, in the server's context
// (translate_name) and in that of a folder, location or other section (fixups).
//
// A rule set is compiled once: substitutions and conditions become closures, and an index over the literal beginnings
// of the patterns keeps the cost of a request from growing with the rules that can't match it (index.go).
package rewrite

import (
	"pinion/parser"
	"pinion/runtime"
)

// Module is mod_rewrite.
var Module = runtime.Define(runtime.Module{Name: "rewrite_module", File: "mod_rewrite.c",
	MergeServer: runtime.Merger(mergeServer), MergeDir: runtime.Merger(mergeDir)})

const gone = "httpd 2.4 has no such directive any more: its log goes to the error log, by LogLevel rewrite:trace3"

// init breaks the circle of Module and the functions that use it.
func init() {
	Module.PostServer = finishServer
	Module.Directives = []runtime.Directive{
		{Name: "RewriteEngine", Args: parser.Flag, In: anywhere, Syntax: "On|Off",
			Help: "Whether rules are applied", Set: setEngine},
		{Name: "RewriteOptions", Args: parser.TakeArgv, In: anywhere, Syntax: "option ...",
			Help: "How rules are inherited, and what they may do", Set: setOptions},
		{Name: "RewriteBase", Args: parser.Take1, In: anywhere, Syntax: "URL-path",
			Help: "The URL that a section's folder has, for relative substitutions", Set: setBase},
		{Name: "RewriteCond", Args: parser.Raw, In: anywhere, Syntax: "TestString CondPattern [flags]",
			Help: "A condition for the RewriteRule that follows", Set: setCond},
		{Name: "RewriteRule", Args: parser.Raw, In: anywhere, Syntax: "Pattern Substitution [flags]",
			Help: "Replaces URLs that a regular expression matches", Set: setRule},
		{Name: "RewriteMap", Args: parser.Take23, In: parser.ServerWide, Syntax: "MapName MapType:MapSource [MapTypeOptions]",
			Help: "A table or function for ${MapName:key} in rules", Set: setMap},
		{Name: "RewriteLog", Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "file-path",
			Help: "The log file of rewriting before httpd 2.4", Unsupported: gone},
		{Name: "RewriteLogLevel", Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "level",
			Help: "How much to log of rewriting before httpd 2.4", Unsupported: gone},
		{Name: "RewriteLock", Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "file-path",
			Help: "The lock file of prg: maps before httpd 2.4", Unsupported: "httpd 2.4 has no such directive any more: delete it"},
	}
	// httpd runs both hooks before mod_proxy's, which are First themselves.
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.TranslateName, Order: runtime.First - 1, Run: translate},
		{Phase: runtime.Fixups, Order: runtime.First - 1, Run: fixup},
		{Phase: runtime.Fixups, Order: runtime.Last, Run: forceType},
		{Phase: runtime.Handler, Order: runtime.Middle, Run: redirect},
	}
}

const anywhere = parser.Anywhere | parser.HTAccess
