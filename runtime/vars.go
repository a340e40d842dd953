package runtime

import (
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pinion/runtime/expr"
)

// SSLVariable finds a variable of mod_ssl by its name, "SSL_PROTOCOL"; the tls module sets it while the program
// starts. nil knows none.
var SSLVariable func(name string) (func(*Request) string, bool)

// SSLList is mod_ssl's PeerExtList: the values of the client certificate's extension with that name or OID. The tls
// module sets it while the program starts.
var SSLList func(r *Request, oid string) []string

// Variable finds a request variable by its name, in whatever case: what %{NAME} is in expressions and in mod_rewrite.
func Variable(name string) (func(*Request) string, bool) {
	v, ok := lookupVar(name)
	return v.Get, ok
}

// ExprLookup finds variables and functions that a module adds to expressions, by their names in whatever case
// (ap_hook_expr_lookup).
type ExprLookup struct {
	Var  func(name string) (func(*Request) string, bool)
	Func func(name string) (func(r *Request, arg string) string, bool)
}

var exprLookups []ExprLookup

// AddExprLookup adds to what expressions know. Only while packages are initialized.
func AddExprLookup(l ExprLookup) { exprLookups = append(exprLookups, l) }

// requestLanguage is what expressions can ask about a request.
var requestLanguage *expr.Language[*Request]

func init() {
	requestLanguage = &expr.Language[*Request]{
		Var: func(name string) (expr.Var[*Request], bool) {
			v, ok := lookupVar(name)
			for i := 0; !ok && i < len(exprLookups); i++ {
				v.Get, ok = exprLookups[i].Var(name)
			}
			return v, ok
		},
		Func: func(name string) (expr.Func[*Request], bool) {
			f, ok := lookupFunc(name)
			for i := 0; !ok && i < len(exprLookups); i++ {
				f.Call, ok = exprLookups[i].Func(name)
			}
			return f, ok
		},
		List: func(name string) (func(*Request, string) []string, bool) {
			return SSLList, name == "PeerExtList" && SSLList != nil
		},
		Unary:      lookupUnary,
		ClientAddr: func(r *Request) netip.Addr { return r.Client.Addr() },
		Vary:       func(r *Request, names string) { r.HeadersOut.Merge("Vary", names) },
	}
}

func lookupVar(name string) (expr.Var[*Request], bool) {
	if strings.HasPrefix(name, "SSL_") && SSLVariable != nil {
		get, ok := SSLVariable(name)
		return expr.Var[*Request]{Get: get}, ok
	}
	name = strings.ToUpper(name)
	if h, ok := headerVars[name]; ok {
		return expr.Var[*Request]{Get: func(r *Request) string { return r.HeadersIn.Get(h) }, Vary: h}, true
	}
	if layout, ok := timeVars[name]; ok {
		return expr.Var[*Request]{Get: func(*Request) string { return time.Now().Format(layout) }}, true
	}
	get, ok := requestVars[name]
	return expr.Var[*Request]{Get: get}, ok
}

// headerVars are the request headers that have a variable of their own.
var headerVars = map[string]string{
	"HTTP_ACCEPT": "Accept", "HTTP_COOKIE": "Cookie", "HTTP_FORWARDED": "Forwarded", "HTTP_HOST": "Host",
	"HTTP_PROXY_CONNECTION": "Proxy-Connection", "HTTP_REFERER": "Referer", "HTTP_USER_AGENT": "User-Agent",
}

// timeVars are the parts of the local time.
var timeVars = map[string]string{
	"TIME_YEAR": "2006", "TIME_MON": "01", "TIME_DAY": "02", "TIME_HOUR": "15", "TIME_MIN": "04", "TIME_SEC": "05",
	"TIME": timeLayout,
}

const (
	timeLayout = "20060102150405"
	// apiVersion is httpd 2.4's MODULE_MAGIC_NUMBER_MAJOR.
	apiVersion = "20120211"
)

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

var requestVars = map[string]func(*Request) string{
	"REQUEST_METHOD":        func(r *Request) string { return r.Method },
	"REQUEST_SCHEME":        func(r *Request) string { return r.SchemeName() },
	"REQUEST_URI":           func(r *Request) string { return r.URI },
	"DOCUMENT_URI":          (*Request).documentURI,
	"REQUEST_FILENAME":      func(r *Request) string { return r.Filename },
	"SCRIPT_FILENAME":       func(r *Request) string { return r.Filename },
	"SCRIPT_USER":           func(r *Request) string { return r.fileOwner(false) },
	"SCRIPT_GROUP":          func(r *Request) string { return r.fileOwner(true) },
	"PATH_INFO":             func(r *Request) string { return r.PathInfo },
	"QUERY_STRING":          func(r *Request) string { return r.Args },
	"THE_REQUEST":           func(r *Request) string { return r.TheRequest },
	"REQUEST_STATUS":        (*Request).statusText,
	"REQUEST_LOG_ID":        func(*Request) string { return "" }, // this server gives requests no log ids of their own
	"IS_SUBREQ":             func(r *Request) string { return strconv.FormatBool(r.Main != nil) },
	"HANDLER":               func(r *Request) string { return r.Handler },
	"CONTENT_TYPE":          func(r *Request) string { return r.ContentType },
	"LAST_MODIFIED":         (*Request).lastModified,
	"REMOTE_ADDR":           func(r *Request) string { return r.ClientIP },
	"REMOTE_HOST":           func(r *Request) string { return r.ClientIP }, // HostnameLookups Off
	"REMOTE_PORT":           func(r *Request) string { return strconv.Itoa(int(r.Conn.Remote.Port())) },
	"REMOTE_USER":           func(r *Request) string { return r.User },
	"REMOTE_IDENT":          func(*Request) string { return "" }, // needs mod_ident
	"AUTH_TYPE":             func(r *Request) string { return r.AuthType },
	"SERVER_ADMIN":          func(r *Request) string { return r.Server.AdminAddress() },
	"SERVER_NAME":           (*Request).serverNameForURL,
	"SERVER_PORT":           func(r *Request) string { return strconv.Itoa(r.ServerPort()) },
	"SERVER_PROTOCOL":       func(r *Request) string { return r.Protocol },
	"SERVER_SOFTWARE":       func(r *Request) string { return r.Graph.Banner },
	"API_VERSION":           func(*Request) string { return apiVersion },
	"TIME_WDAY":             func(*Request) string { return strconv.Itoa(int(time.Now().Weekday())) },
	"DOCUMENT_ROOT":         func(r *Request) string { return r.Server.DocRoot.Or("") },
	"CONTEXT_PREFIX":        func(r *Request) string { return r.ContextPrefix },
	"CONTEXT_DOCUMENT_ROOT": (*Request).contextRoot,
	"HTTPS":                 func(r *Request) string { return onOff(r.Conn.Secure) },
	"HTTP2":                 func(r *Request) string { return onOff(r.ProtoNum >= HTTP20) },
	"IPV6": func(r *Request) string {
		ip := r.Conn.Remote.Addr()
		return onOff(ip.Is6() && !ip.Is4In6())
	},
	"CONN_LOG_ID":      func(r *Request) string { return r.Conn.LogID },
	"CONN_REMOTE_ADDR": func(r *Request) string { return r.Conn.RemoteIP },
}

func (r *Request) documentURI() string {
	if u, ok := r.Env.Lookup("DOCUMENT_URI"); ok {
		return u
	}
	return r.URI
}

func (r *Request) statusText() string {
	if r.Status == 0 {
		return ""
	}
	return strconv.Itoa(r.Status)
}

// lastModified is the file's time; httpd says the epoch where there is none.
func (r *Request) lastModified() string {
	t := time.Unix(0, 0)
	if r.FileInfo != nil {
		t = r.FileInfo.ModTime()
	}
	return t.Local().Format(timeLayout)
}

// serverNameForURL is the server's name with an IPv6 address in brackets (ap_get_server_name_for_url).
func (r *Request) serverNameForURL() string {
	name := r.ServerName()
	if strings.IndexByte(name, ':') >= 0 {
		return "[" + name + "]"
	}
	return name
}

func (r *Request) contextRoot() string {
	if r.ContextRoot != "" {
		return r.ContextRoot
	}
	return r.Server.DocRoot.Or("")
}

func (r *Request) fileOwner(group bool) string {
	if r.FileInfo == nil {
		return ""
	}
	st, ok := r.FileInfo.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	if group {
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(st.Gid), 10)); err == nil {
			return g.Name
		}
		return ""
	}
	if u, err := user.LookupId(strconv.FormatUint(uint64(st.Uid), 10)); err == nil {
		return u.Username
	}
	return ""
}

func lookupFunc(name string) (f expr.Func[*Request], ok bool) {
	switch strings.ToLower(name) {
	case "req", "http":
		return expr.Func[*Request]{Call: func(r *Request, h string) string { return r.HeadersIn.Get(h) }, Vary: true}, true
	case "req_novary":
		f.Call = func(r *Request, h string) string { return r.HeadersIn.Get(h) }
	case "resp":
		f.Call = func(r *Request, h string) string {
			if v, ok := r.HeadersOut.Lookup(h); ok {
				return v
			}
			return r.ErrHeadersOut.Get(h)
		}
	case "note":
		f.Call = func(r *Request, n string) string { return r.Notes.Get(n) }
	case "reqenv":
		f.Call = func(r *Request, n string) string { return r.Env.Get(n) }
	case "env":
		f.Call = (*Request).envValue
	case "ssl":
		f.Call = (*Request).sslValue
	}
	return f, f.Call != nil
}

// envValue is the function env(): a note, else a variable of the request, else one of the process.
func (r *Request) envValue(name string) string {
	if v, ok := r.Notes.Lookup(name); ok {
		return v
	}
	if v, ok := r.Env.Lookup(name); ok {
		return v
	}
	return os.Getenv(name)
}

func (r *Request) sslValue(name string) string {
	if get, ok := LookupSSL(name); ok {
		return get(r)
	}
	return ""
}

// sslNames are the variables of the request that mod_ssl's lookup knows beside its own, as written.
var sslNames = map[string]bool{
	"REQUEST_METHOD": true, "REQUEST_SCHEME": true, "REQUEST_URI": true, "REQUEST_FILENAME": true, "REMOTE_ADDR": true,
	"REMOTE_HOST": true, "REMOTE_IDENT": true, "REMOTE_USER": true, "SERVER_ADMIN": true, "SERVER_NAME": true,
	"SERVER_PORT": true, "SERVER_PROTOCOL": true, "SCRIPT_FILENAME": true, "PATH_INFO": true, "QUERY_STRING": true,
	"IS_SUBREQ": true, "DOCUMENT_ROOT": true, "AUTH_TYPE": true, "THE_REQUEST": true, "SERVER_SOFTWARE": true,
	"API_VERSION": true, "TIME_WDAY": true,
}

// LookupSSL finds what %{NAME}s of Header, %{NAME}x of a log and %{SSL:NAME} stand for: mod_ssl's variables and those of
// the request that it passes on (ssl_var_lookup).
func LookupSSL(name string) (func(*Request) string, bool) {
	switch {
	case SSLVariable == nil:
		return nil, false
	case len(name) > 5 && strings.HasPrefix(name, "HTTP:"):
		return func(r *Request) string { return r.HeadersIn.Get(name[5:]) }, true
	case len(name) > 4 && strings.HasPrefix(name, "ENV:"):
		return func(r *Request) string {
			if v, ok := r.Notes.Lookup(name[4:]); ok {
				return v
			}
			return r.Env.Get(name[4:])
		}, true
	case sslNames[name] || headerVars[name] != "" || timeVars[name] != "":
		return Variable(name)
	}
	return SSLVariable(name)
}

// lookupUnary knows the operators that ask what a request would be answered: -U and -A a URL, -F a file.
func lookupUnary(letter string) (func(*Request, string) bool, bool) {
	switch letter {
	case "U", "A":
		return (*Request).urlAccessible, true
	case "F":
		return (*Request).fileAccessible, true
	}
	return nil, false
}

func (r *Request) urlAccessible(uri string) bool {
	// A subrequest for the URI that its own main request is for would go on for ever.
	if r.Main != nil && r.Main.URI == r.URI {
		return false
	}
	n := r.SubRequest(uri)
	ok := n.Status < 400
	n.Free()
	return ok
}

func (r *Request) fileAccessible(name string) bool {
	n := r.SubRequestFile(name)
	ok := n.Status < 300
	if ok {
		// A file that isn't there leaves the status at 200.
		_, err := os.Stat(n.Filename)
		ok = err == nil
	}
	n.Free()
	return ok
}
