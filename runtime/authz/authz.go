// Package authz decides who may have what: mod_authz_core, mod_authz_host, mod_authz_user, mod_authz_groupfile,
// mod_access_compat, mod_allowmethods, and the authentication that they build on, mod_authn_core, mod_auth_basic and mod_authn_file.
// They are one package because they share one configuration: whether a request may pass without a user depends on
// all of them.
package authz

import (
	"pinion/parser"
	"pinion/runtime"
)

// The modules, under httpd's names.
var (
	// Module is mod_authz_core: Require and its sections.
	Module = runtime.Define(runtime.Module{Name: "authz_core_module", File: "mod_authz_core.c", MergeDir: runtime.Merger(mergeRules)})
	// Host is mod_authz_host: Require ip, host, forward-dns, local.
	Host = runtime.Define(runtime.Module{Name: "authz_host_module", File: "mod_authz_host.c"})
	// User is mod_authz_user: Require user, valid-user.
	User = runtime.Define(runtime.Module{Name: "authz_user_module", File: "mod_authz_user.c"})
	// GroupFile is mod_authz_groupfile: Require group.
	GroupFile = runtime.Define(runtime.Module{Name: "authz_groupfile_module", File: "mod_authz_groupfile.c"})
	// Compat is mod_access_compat: Order, Allow, Deny, Satisfy.
	Compat = runtime.Define(runtime.Module{Name: "access_compat_module", File: "mod_access_compat.c"})
	// AllowMethods is mod_allowmethods.
	AllowMethods = runtime.Define(runtime.Module{Name: "allowmethods_module", File: "mod_allowmethods.c"})
	// Authn is mod_authn_core: AuthType, AuthName.
	Authn = runtime.Define(runtime.Module{Name: "authn_core_module", File: "mod_authn_core.c", MergeDir: runtime.Merger(mergeAuthn)})
	// Basic is mod_auth_basic.
	Basic = runtime.Define(runtime.Module{Name: "auth_basic_module", File: "mod_auth_basic.c", MergeDir: runtime.Merger(mergeFake)})
	// AuthnFile is mod_authn_file: AuthUserFile.
	AuthnFile = runtime.Define(runtime.Module{Name: "authn_file_module", File: "mod_authn_file.c"})
)

// Modules returns the package's modules, in the order that Debian's httpd loads them.
func Modules() []*runtime.Module {
	return []*runtime.Module{Compat, AllowMethods, Basic, Authn, AuthnFile, Module, GroupFile, Host, User}
}

// registered gathers the configurations that hold Require while a Graph is compiled, to check them when each is complete, and the files that
// several of them name.
type registered struct {
	rules []*rules
	files map[string]*passwords
	group map[string]*groups
}

const inDirs = parser.InDir | parser.HTAccess // httpd's OR_AUTHCFG, OR_LIMIT

// init breaks the circle of the modules and the functions that name them.
func init() {
	Module.Directives, GroupFile.Directives, Compat.Directives = requireDirectives, groupDirectives, compatDirectives
	Authn.Directives, Basic.Directives, AuthnFile.Directives = authnDirectives, basicDirectives, fileDirectives
	Module.PostConfig = func(c *runtime.Compiler) {
		checkRules(c)
		warnOpen(c)
	}
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.AccessCheckerEx, Order: runtime.Last, Run: func(r *runtime.Request) runtime.Result { return authorize(r, false) }},
		{Phase: runtime.AuthChecker, Order: runtime.Last, Run: func(r *runtime.Request) runtime.Result { return authorize(r, true) }},
	}
	Compat.Hooks = []runtime.Hook{{Phase: runtime.AccessChecker, Order: runtime.Middle, Run: checkAddress}}
	AllowMethods.Directives = allowMethodsDirectives
	AllowMethods.Hooks = []runtime.Hook{{Phase: runtime.AccessChecker, Order: runtime.ReallyFirst, Run: checkMethod}}
	Authn.Hooks = []runtime.Hook{{Phase: runtime.CheckUserID, Order: runtime.Last, Run: noUser, Always: true}}
	Basic.Hooks = []runtime.Hook{
		{Phase: runtime.CheckUserID, Order: runtime.Middle, Run: basicUser, Always: true},
		{Phase: runtime.Fixups, Order: runtime.Last, Run: fakeBasic},
	}
}
