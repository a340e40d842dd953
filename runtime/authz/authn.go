package authz

import (
	"encoding/base64"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

var authnDirectives = []runtime.Directive{
	{Name: "AuthType", Args: parser.Take1, In: inDirs | parser.Require, Syntax: "None|Basic", Help: "How users prove who they are", Set: setAuthType},
	{Name: "AuthName", Args: parser.Take1, In: inDirs | parser.Require, Syntax: "auth-domain", Help: "What browsers show when they ask for a password", Set: setAuthName},
	{Name: "AuthnProviderAlias", Section: true, Args: parser.TakeArgv, In: parser.Server, Syntax: "baseProvider Alias",
		Help: "A name for a provider with its own settings", Unsupported: "use AuthUserFile where the alias is used"},
}

var basicDirectives = []runtime.Directive{
	{Name: "AuthBasicProvider", Args: parser.Iterate, In: inDirs, Syntax: "provider-name [provider-name] ...",
		Help: "Where passwords are looked up; only file", Set: setBasicProvider},
	{Name: "AuthBasicAuthoritative", Args: parser.Flag, In: inDirs, Syntax: "On|Off",
		Help: "Whether an unknown user is refused here and now; only On", Set: only("On")},
	{Name: "AuthBasicUseDigestAlgorithm", Args: parser.Take1, In: inDirs, Syntax: "MD5|Off",
		Help: "Whether passwords are kept as for AuthType Digest; only Off", Set: only("Off")},
	{Name: "AuthBasicFake", Args: parser.Take12, In: inDirs, Syntax: "off|username [password]",
		Help: "A made up Authorization header, as expressions, for backends", Set: setBasicFake},
}

// authn is mod_authn_core's configuration.
type authn struct {
	kind, name func(*runtime.Request) string // nil where not set
}

func mergeAuthn(base, add *authn) *authn {
	n := *add
	if n.kind == nil {
		n.kind = base.kind
	}
	if n.name == nil {
		n.name = base.name
	}
	return &n
}

func only(word string) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		if runtime.EqualFold(c.Arg(0), word) {
			return nil
		}
		return c.ArgErrorf(0, "unsupported-value", "%s %s is not supported, only %s", c.Node.Def.Name, c.Arg(0), word)
	}
}

func setAuthType(c *runtime.Cmd) error {
	switch lower(c.Arg(0)) {
	case "digest", "form":
		return runtime.WithDetail(c.ArgErrorf(0, "unsupported-value", "AuthType %s is not supported", c.Arg(0)),
			"use AuthType Basic over TLS, or let the backend ask")
	case "none", "basic":
	default:
		if !strings.Contains(c.Arg(0), "%{") {
			return runtime.WithDetail(c.ArgErrorf(0, "unsupported-value", "unknown AuthType %q", c.Arg(0)), "known are None and Basic")
		}
	}
	kind, err := c.StringExpr(0, c.Arg(0))
	if err != nil {
		return err
	}
	runtime.OwnDirConf[authn](c.Dir, Authn).kind = kind
	// An AuthType without any Require is a mistake that mod_authz_core answers with 500: it must be asked.
	rulesOf(c)
	return nil
}

func setAuthName(c *runtime.Cmd) error {
	name, err := c.StringExpr(0, c.Arg(0))
	if err != nil {
		return err
	}
	runtime.OwnDirConf[authn](c.Dir, Authn).name = func(r *runtime.Request) string {
		return escapeQuotes(name(r))
	}
	return nil
}

// escapeQuotes puts a backslash before each quote that has none.
func escapeQuotes(s string) string {
	if !strings.Contains(s, "\"") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			b.WriteByte(s[i])
			i++
		case s[i] == '"':
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func setBasicProvider(c *runtime.Cmd) error {
	for i, p := range c.Node.Args {
		if !runtime.EqualFold(p, "file") {
			return runtime.WithDetail(c.ArgErrorf(i, "unsupported-value", "AuthBasicProvider %s is not supported", p), "only file is")
		}
	}
	return nil
}

// authType is httpd's ap_auth_type, "" for none.
func authType(r *runtime.Request) string {
	conf := runtime.DirConf[authn](r.Dir, Authn)
	if conf == nil || conf.kind == nil {
		return ""
	}
	if kind := conf.kind(r); !runtime.EqualFold(kind, "none") {
		return kind
	}
	return ""
}

func authName(r *runtime.Request) string {
	if conf := runtime.DirConf[authn](r.Dir, Authn); conf != nil && conf.name != nil {
		return conf.name(r)
	}
	return ""
}

// challenge asks the client for a password.
func challenge(r *runtime.Request) {
	h := "WWW-Authenticate"
	if r.Proxy == runtime.ProxyForward {
		h = "Proxy-Authenticate"
	}
	r.ErrHeadersOut.Set(h, "Basic realm=\""+authName(r)+"\"")
}

// noUser is mod_authn_core's last word: a configured AuthType that nobody took is a mistake.
func noUser(r *runtime.Request) runtime.Result {
	kind := authType(r)
	if kind == "" {
		return runtime.OK
	}
	r.Logf(Authn, runtime.LogErr, "AH01796", "AuthType %s configured without corresponding module", kind)
	return 500
}

// basicUser is mod_auth_basic's authenticate_basic_user with the file provider.
func basicUser(r *runtime.Request) runtime.Result {
	kind := authType(r)
	if !runtime.EqualFold(kind, "Basic") {
		return runtime.Declined
	}
	if conf := runtime.DirConf[authn](r.Dir, Authn); conf.name == nil {
		r.Logf(Basic, runtime.LogErr, "AH01615", "need AuthName: %s", r.URI)
		return 500
	}
	r.AuthType = kind
	user, password, ok := credentials(r)
	if !ok {
		challenge(r)
		return 401
	}
	r.User, r.NoName = user, user == ""
	file := runtime.DirConf[userFile](r.Dir, AuthnFile)
	if file == nil {
		r.Logf(AuthnFile, runtime.LogErr, "AH01619", "AuthUserFile not specified in the configuration")
		return 500
	}
	if file.err != nil {
		r.LogCausef(AuthnFile, runtime.LogErr, file.err, "AH01620", "Could not open password file: %s", file.path)
		return 500
	}
	switch found, match := file.users.check(user, password); {
	case !found:
		r.Logf(Basic, runtime.LogErr, "AH01618", "user %s not found: %s", user, r.URI)
	case !match:
		r.Logf(Basic, runtime.LogErr, "AH01617", "user %s: authentication failure for \"%s\": Password Mismatch", user, r.URI)
	default:
		return runtime.OK
	}
	challenge(r)
	return 401
}

// credentials reads the Authorization header.
func credentials(r *runtime.Request) (user, password string, ok bool) {
	h := "Authorization"
	if r.Proxy == runtime.ProxyForward {
		h = "Proxy-Authorization"
	}
	line, ok := r.HeadersIn.Lookup(h)
	if !ok {
		return "", "", false
	}
	scheme, rest, _ := strings.Cut(line, " ")
	if !runtime.EqualFold(scheme, "Basic") {
		r.Logf(Basic, runtime.LogErr, "AH01614", "client used wrong authentication scheme: %s", r.URI)
		return "", "", false
	}
	user, password, _ = strings.Cut(decode64(strings.TrimLeft(rest, " \t")), ":")
	return user, password, true
}

// decode64 reads base64 up to the first byte that is none, as APR does; what is behind a NUL is cut, as C would.
func decode64(s string) string {
	end := 0
	for end < len(s) && (s[end] >= 'A' && s[end] <= 'Z' || s[end] >= 'a' && s[end] <= 'z' || s[end] >= '0' && s[end] <= '9' || s[end] == '+' || s[end] == '/') {
		end++
	}
	if end%4 == 1 {
		end-- // six bits make no byte
	}
	b, err := base64.RawStdEncoding.DecodeString(s[:end])
	if err != nil {
		return ""
	}
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}
