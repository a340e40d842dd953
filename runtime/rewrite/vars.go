package rewrite

import (
	"os"
	"strconv"

	"pinion/grammar"
	"pinion/runtime"
)

// getter yields a variable's value.
type getter func(x *rewriting) string

func nothing(*rewriting) string { return "" }

// variable compiles %{…}. A name that mod_rewrite doesn't know yields nothing, as in httpd.
func variable(v *grammar.Variable) getter {
	name := v.Name
	switch v.Scope {
	case "ENV":
		return func(x *rewriting) string { return env(x.r, name) }
	case "SSL":
		if get, ok := runtime.LookupSSL(name); ok {
			return func(x *rewriting) string { return get(x.r) }
		}
		return nothing
	case "HTTP":
		return header(name)
	case "LA-U":
		return lookAhead(v, false)
	case "LA-F":
		return lookAhead(v, true)
	}
	if h, ok := headerVars[name]; ok {
		return header(h)
	}
	if get, ok := ownVars[name]; ok {
		return get
	}
	if !sharedVars[name] {
		return nothing
	}
	get, ok := runtime.Variable(name)
	if !ok {
		return nothing
	}
	return func(x *rewriting) string { return get(x.r) }
}

func env(r *runtime.Request, name string) string {
	if v, ok := r.Notes.Lookup(name); ok {
		return v
	}
	if v, ok := r.Env.Lookup(name); ok {
		return v
	}
	return os.Getenv(name)
}

// header is a request header. What a condition learned from one goes into the answer's Vary, but for Host.
func header(name string) getter {
	vary := !runtime.EqualFold(name, "Host")
	return func(x *rewriting) string {
		v, ok := x.r.HeadersIn.Lookup(name)
		if ok && vary {
			x.varyThis = listed(x.varyThis, name)
		}
		return v
	}
}

func listed(list, name string) string {
	if list == "" {
		return name
	}
	return list + ", " + name
}

var headerVars = map[string]string{
	"HTTP_ACCEPT": "Accept", "HTTP_COOKIE": "Cookie", "HTTP_FORWARDED": "Forwarded", "HTTP_HOST": "Host",
	"HTTP_PROXY_CONNECTION": "Proxy-Connection", "HTTP_REFERER": "Referer", "HTTP_USER_AGENT": "User-Agent",
}

// sharedVars are the variables that mean the same here as in expressions; expressions have others that httpd's
// mod_rewrite doesn't know.
var sharedVars = set("HTTPS", "TIME_DAY", "TIME_SEC", "TIME_MIN", "TIME_MON", "TIME_WDAY", "TIME_YEAR", "TIME_HOUR",
	"IS_SUBREQ", "PATH_INFO", "AUTH_TYPE", "SERVER_NAME", "REMOTE_ADDR", "THE_REQUEST", "SERVER_PORT", "REMOTE_HOST",
	"REMOTE_USER", "REQUEST_URI", "REMOTE_IDENT", "QUERY_STRING", "SERVER_ADMIN", "DOCUMENT_ROOT",
	"CONTEXT_PREFIX", "REQUEST_METHOD", "REQUEST_SCHEME", "SCRIPT_FILENAME", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
	"CONN_REMOTE_ADDR", "REQUEST_FILENAME", "CONTEXT_DOCUMENT_ROOT")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// apiMinor is httpd 2.4.71's MODULE_MAGIC_NUMBER_MINOR.
const apiMinor = 141

var ownVars = map[string]getter{
	"SERVER_ADDR":  func(x *rewriting) string { return x.r.Conn.LocalIP },
	"REMOTE_PORT":  func(x *rewriting) string { return strconv.Itoa(int(x.r.Client.Port())) },
	"SCRIPT_USER":  func(x *rewriting) string { return orUnknown(x.r, "SCRIPT_USER") },
	"SCRIPT_GROUP": func(x *rewriting) string { return orUnknown(x.r, "SCRIPT_GROUP") },
	"API_VERSION": func(x *rewriting) string {
		get, _ := runtime.Variable("API_VERSION")
		return get(x.r) + ":" + strconv.Itoa(apiMinor)
	},
	"IPV6": func(x *rewriting) string {
		ip := x.r.Client.Addr()
		v := "off"
		if ip.Is6() && !ip.Is4In6() {
			v = "on"
		}
		if x.verbose >= 1 {
			x.logf(1, true, "IPV6='%s'", v)
		}
		return v
	},
	"TIME": func(x *rewriting) string {
		get, _ := runtime.Variable("TIME")
		v := get(x.r)
		if x.verbose >= 1 {
			x.logf(1, true, "RESULT='%s'", v)
		}
		return v
	},
}

func orUnknown(r *runtime.Request, name string) string {
	if r.FileInfo == nil {
		return "<unknown>"
	}
	get, _ := runtime.Variable(name)
	return get(r)
}

// lookAhead asks a subrequest for the variable: one for the URI as rewritten so far, or with byFile for the file.
func lookAhead(v *grammar.Variable, byFile bool) getter {
	inner, name := variable(v.Inner), v.Name
	return func(x *rewriting) string {
		r := x.r
		if !mayLookUp(r) {
			return ""
		}
		path := x.uri
		var sub *runtime.Request
		switch rooted := len(path) > 0 && path[0] == '/'; {
		case byFile && !(x.inDir && rooted):
			if x.inDir {
				path = x.dir.directory + path
			}
			sub = r.SubRequestFile(path)
		default:
			if x.inDir && !rooted {
				path = x.dir.base + path
				if x.dir.base == "" {
					path = x.dir.directory + path
				}
			}
			sub = r.SubRequest(path)
		}
		x.r = sub
		value := inner(x)
		x.r = r
		sub.Free()
		if x.verbose >= 5 {
			x.logf(5, true, "lookahead: path=%s var=%s -> val=%s", path, name, value)
		}
		return value
	}
}

// mayLookUp keeps a subrequest from asking for a subrequest for the same URI, without end.
func mayLookUp(r *runtime.Request) bool { return r.Main == nil || r.Main.URI != r.URI }
