package runtime

import (
	"runtime/debug"
	"strconv"
	"strings"
)

// runAll runs every hook of the phase until one fails.
func (r *Request) runAll(p Phase) Result {
	for _, h := range r.Dir.phases[p] {
		if res := h(r); res != OK && res != Declined {
			return res
		}
	}
	return OK
}

// runFirst runs the hooks of the phase until one doesn't decline.
func (r *Request) runFirst(p Phase) Result {
	for _, h := range r.Dir.phases[p] {
		if res := h(r); res != Declined {
			return res
		}
	}
	return Declined
}

// Process takes a request whose head has been read through all phases, answers it and logs it. A panic in a module
// ends as a 500 or a cut connection and a line in the error log.
func (r *Request) Process() {
	defer r.recoverPanic()
	res := r.runAll(PostReadRequest)
	if res == OK {
		res = r.prepare()
	}
	if res == OK {
		res = r.invokeHandler()
	}
	r.die(res, 0)
	r.finish()
	r.logTransaction()
}

func (r *Request) logTransaction() {
	r.logged = true
	r.runAll(LogTransaction)
}

func (r *Request) recoverPanic() {
	v := recover()
	if v == nil {
		return
	}
	r.Server.Logf(nil, LogCrit, "", "panic while serving %q: %v\n%s", r.TheRequest, v, debug.Stack())
	r.Conn.KeepAlive = KeepAliveClose
	defer func() {
		if recover() != nil {
			r.Wire.Abort()
		}
	}()
	if r.Last().headSent || r.headSent {
		r.aborted = true
		r.Wire.Abort()
	} else {
		r.Dir = r.Server.Dir
		r.sendError(500, 0)
		r.finish()
	}
	if !r.logged {
		r.logTransaction()
	}
}

// RejectHead answers a request whose head could not be read: status and, for its page, notes.
func (r *Request) RejectHead(status int, notes string) {
	r.Conn.KeepAlive = KeepAliveClose
	r.refuse(status, notes)
}

// refuse answers a request whose head says what it may not. The connection may go on.
func (r *Request) refuse(status int, notes string) {
	defer r.recoverPanic()
	r.Status = status
	if notes != "" {
		r.Notes.Set("error-notes", notes)
	}
	r.die(Result(status), 0)
	r.finish()
	r.logTransaction()
}

// prepare is httpd's ap_process_request_internal: from the target to a request that only needs its handler.
func (r *Request) prepare() Result {
	fileReq := r.Main != nil && r.Filename != ""
	merge := r.Server.Settings.MergeSlashes.Or(true)
	if r.Path != "" {
		p, ok := normalizePath(r.Path, merge, true, fileReq)
		if !ok {
			r.URI = p
			r.Logf(nil, LogErr, "AH10244", "invalid URI path (%s)", r.UnparsedURI)
			return 400
		}
		r.Path = p
		r.URI = p
	}
	translated := Result(Declined)
	if !fileReq {
		before := r.Dir
		r.walkLocationAndIf()
		translated = r.runFirst(PreTranslateName)
		if translated >= 400 {
			return translated
		}
		r.Dir = before
	}
	if translated != Done && r.Path != "" {
		if res := r.decodePath(merge, fileReq); res != OK {
			return res
		}
	}
	if !fileReq {
		r.walkLocationAndIf()
		if res := r.runFirst(TranslateName); res != OK && res != Done {
			if res == Declined {
				return 500
			}
			return res
		}
	}
	r.Dir = r.Server.Dir
	if res := r.runFirst(MapToStorage); res != OK && res != Declined {
		return res
	}
	r.walkLocationAndIf()
	if r.Main == nil {
		if res := r.runAll(HeaderParser); res != OK {
			return res
		}
	}
	if res := r.authorize(); res != OK {
		return res
	}
	if res := r.runFirst(TypeChecker); res != OK && res != Declined {
		return res
	}
	return r.runAll(Fixups)
}

func (r *Request) decodePath(merge, fileReq bool) Result {
	slashes := r.Dir.Core.AllowEncodedSlashes.Or("off")
	p, status := unescapePath(r.Path, slashes)
	if status != 0 {
		if status == 404 && slashes == "off" {
			r.Logf(nil, LogInfo, "AH00026", "found %%2f (encoded '/') in URI path (%s), returning 404", r.UnparsedURI)
		}
		return Result(status)
	}
	if slashes == "on" {
		p, _ = normalizePath(p, merge, false, fileReq)
	}
	r.URI = p
	return OK
}

// authorize runs the access phases. What Prev or Main was granted under the same configuration holds.
func (r *Request) authorize() Result {
	for _, from := range []*Request{r.Prev, r.Main} {
		if from != nil {
			if from.Dir == r.Dir {
				r.User, r.AuthType = from.User, from.AuthType
				return OK
			}
			break
		}
	}
	d := r.Dir
	if len(d.phases[AccessChecker]) == 0 && len(d.phases[AccessCheckerEx]) == 0 {
		return OK
	}
	checked := r.runAll(AccessChecker)
	noUserID := "AH00027"
	if any := d.Core.SatisfyAny; any != nil && any(r) {
		noUserID = "AH00028"
		if checked == OK {
			return OK
		}
	} else if checked != OK {
		return checked
	}
	if len(d.phases[AccessCheckerEx]) == 0 {
		return OK
	}
	res := r.runFirst(AccessCheckerEx)
	if res != Declined {
		return res
	}
	if res = r.runFirst(CheckUserID); res != OK {
		if res == Declined {
			r.Logf(nil, LogErr, "AH00025", "configuration error:  couldn't check user: %s", r.URI)
			return 500
		}
		return res
	}
	if r.User == "" {
		r.Logf(nil, LogErr, noUserID, "No authentication done but request not allowed without authentication for %s. Authentication not configured?", r.URI)
		return 500
	}
	if res = r.runFirst(AuthChecker); res == Declined {
		return 500
	}
	return res
}

// invokeHandler is httpd's ap_invoke_handler.
func (r *Request) invokeHandler() Result {
	if r.Handler == "" {
		if h := r.Dir.Core.SetHandler; h.Set {
			if name := h.V(r); name != "" && !EqualFold(name, "none") {
				r.Handler = name
			}
		}
	}
	// While it is served, a file's handler is called by its media type.
	chosen := r.Handler
	if chosen == "" {
		r.Handler, _, _ = strings.Cut(r.ContentType, ";")
		if r.Handler = strings.TrimRight(r.Handler, " \t"); r.Handler == "" {
			r.Handler = "default-handler"
		}
	}
	res := r.runFirst(Handler)
	r.Handler = chosen
	if res == Declined {
		if r.Handler != "" {
			r.Logf(nil, LogWarn, "AH00519", "handler \"%s\" not found for: %s", r.Handler, r.Filename)
			return 500
		}
		return 404
	}
	return res
}

// die is httpd's ap_die: it turns a failed result into an answer. second is the status of the error that the
// ErrorDocument of another one met, 0 for none.
func (r *Request) die(res Result, second int) {
	if res == OK || res == Done {
		return
	}
	status := int(res)
	if r.HeadHeld() {
		r.dropHeld()
	}
	if r.headSent {
		// The head is out: all that can be said is that the answer is broken.
		if status >= 400 {
			r.aborted = true
			r.Wire.Abort()
			r.Conn.KeepAlive = KeepAliveClose
		}
		return
	}
	if !KnownStatus(status) && (status < 100 || status > 999) {
		r.Logf(nil, LogErr, "AH01579", "Invalid response status %d", status)
		status = 500
	}
	first := r
	doc := ""
	if second != 0 || r.Prev != nil && r.Prev.Status != 200 {
		for first.Prev != nil && first.Prev.Status != 200 {
			first = first.Prev
		}
		if first != r && second == 0 {
			// httpd's page names the status that the document was to be for.
			if second = r.Status; second == 200 {
				second = status
			}
		}
	}
	if second == 0 {
		r.Status = status
		if f := r.Dir.Core.ErrorDocuments[status]; f != nil {
			doc = f(r)
		}
	}
	if dropsConnection(status) {
		r.Conn.KeepAlive = KeepAliveClose
	}
	switch {
	case doc == "" || doc[0] == '"':
	case isURL(doc):
		r.Status = 302
		r.HeadersOut.Set("Location", doc)
	case doc[0] == '/':
		r.errorDocument(doc)
		return
	default:
		r.Logf(nil, LogErr, "AH01580", "Invalid error redirection directive: %s", doc)
		second = 500
	}
	if doc != "" && doc[0] == '"' {
		first.sendErrorText(doc[1:])
		return
	}
	first.sendError(first.Status, second)
}

// errorDocument answers with the document at a local path.
func (r *Request) errorDocument(path string) {
	r.NoLocalCopy = true
	r.Env.Set("REQUEST_METHOD", r.Method)
	if n, ok := r.Notes.Lookup("error-notes"); ok {
		r.Env.Set("ERROR_NOTES", n)
	}
	method := r.Method
	r.Method = "GET"
	r.InternalRedirect(path)
	r.Method = method
}

const defaultRecursion = 10 // LimitInternalRecursion's default, for redirects and subrequests alike

// InternalRedirect answers r with the resource at uri instead (ap_internal_redirect).
func (r *Request) InternalRedirect(uri string) {
	n := r.redirected(uri)
	if n == nil {
		r.die(500, 0)
		return
	}
	res := n.runAll(PostReadRequest)
	if res == OK {
		res = n.prepare()
	}
	if res == OK {
		res = n.invokeHandler()
	}
	n.die(res, 0)
}

func (r *Request) redirected(uri string) *Request {
	if limit := r.Server.Settings.InternalRedirects.Or(defaultRecursion); r.recursive >= limit {
		r.Logf(nil, LogErr, "AH00124", "Request exceeded the limit of %d internal redirects due to probable configuration error. "+
			"Use 'LimitInternalRecursion' to increase the limit if necessary. Use 'LogLevel debug' to get a backtrace.", limit)
		return nil
	}
	n := NewRequest(r.Graph, r.Server, r.Conn, r.Wire)
	n.Prev, r.Next = r, n
	n.recursive = r.recursive + 1
	n.Method, n.HeaderOnly, n.Protocol, n.ProtoNum = r.Method, r.HeaderOnly, r.Protocol, r.ProtoNum
	n.TheRequest, n.Hostname, n.HostPort, n.Time = r.TheRequest, r.Hostname, r.HostPort, r.Time
	n.Status, n.Client, n.ClientIP, n.Body, n.Main = r.Status, r.Client, r.ClientIP, r.Body, r.Main
	n.NoCache, n.NoLocalCopy, n.Expecting100 = r.NoCache, r.NoLocalCopy, r.Expecting100
	n.parseTarget(uri)
	n.HeadersIn.CopyFrom(&r.HeadersIn)
	n.ErrHeadersOut.CopyFrom(&r.ErrHeadersOut)
	if n.Status >= 300 && n.Status < 400 {
		if l, ok := r.HeadersOut.Lookup("Location"); ok {
			n.HeadersOut.Set("Location", l)
		}
	}
	if r.Notes.Has("redirect-keeps-vary") && r.HeadersOut.Has("Vary") {
		n.HeadersOut.Set("Vary", r.HeadersOut.Get("Vary"))
	}
	for _, f := range r.Env.Fields() {
		n.Env.Add("REDIRECT_"+f.Key, f.Value)
	}
	n.Env.Set("REDIRECT_STATUS", strconv.Itoa(r.Status))
	return n
}

// SubRequest looks up what a GET of uri would be, through all phases but the handler (ap_sub_req_method_uri). The
// result's Status tells whether it may be had. The caller frees it, or hands it to FastRedirect.
func (r *Request) SubRequest(uri string) *Request {
	n := r.sub()
	if r.recursive >= r.Server.Settings.SubRequestDepth.Or(defaultRecursion) {
		n.Status = 500
		return n
	}
	if !strings.HasPrefix(uri, "/") {
		uri = EscapeURI(r.URI[:strings.LastIndexByte(r.URI, '/')+1]) + uri
	}
	n.parseTarget(uri)
	n.UnparsedURI = uri
	n.runSub()
	return n
}

// SubRequestFile looks up what a request for the file would be (ap_sub_req_lookup_file). A name without a folder lies
// in r's; one that lies elsewhere has no URI. The name of a folder may end with a slash.
func (r *Request) SubRequestFile(name string) *Request {
	n := r.sub()
	dir := r.Filename[:strings.LastIndexByte(r.Filename, '/')+1]
	name = strings.TrimPrefix(name, dir)
	switch {
	case strings.HasPrefix(name, "/"):
		n.Filename = name
	case strings.Contains(strings.TrimSuffix(name, "/"), "/"):
		n.Filename = dir + name
	default:
		n.Filename = dir + name
		n.URI = r.URI[:strings.LastIndexByte(r.URI, '/')+1] + name
	}
	n.runSub()
	return n
}

func (r *Request) sub() *Request {
	n := NewRequest(r.Graph, r.Server, r.Conn, r.Wire)
	n.Main = r
	n.recursive = r.recursive + 1
	n.Method, n.Protocol, n.ProtoNum = "GET", "INCLUDED", r.ProtoNum
	n.TheRequest, n.Hostname, n.HostPort, n.Time = r.TheRequest, r.Hostname, r.HostPort, r.Time
	n.Client, n.ClientIP = r.Client, r.ClientIP
	n.HeadersIn.CopyFrom(&r.HeadersIn)
	n.Env.CopyFrom(&r.Env)
	return n
}

// runSub runs the phases of a subrequest. post_read_request is not among them, as in httpd.
func (r *Request) runSub() {
	if res := r.prepare(); res != OK && res != Done {
		r.Status = int(res)
	}
}

// FastRedirect makes r what the subrequest n found, without running phases again (ap_internal_fast_redirect), and frees n.
func (r *Request) FastRedirect(n *Request) {
	r.Proxy, r.URI, r.Filename, r.PathInfo = n.Proxy, n.URI, n.Filename, n.PathInfo
	r.Args, r.HasArgs, r.FileInfo, r.Handler = n.Args, n.HasArgs, n.FileInfo, n.Handler
	r.ContentType, r.ContentEncoding, r.ContentLanguages = n.ContentType, n.ContentEncoding, n.ContentLanguages
	r.Dir = n.Dir
	r.NoCache, r.NoLocalCopy = r.NoCache && n.NoCache, r.NoLocalCopy && n.NoLocalCopy
	r.HeadersOut.AppendAll(&n.HeadersOut)
	r.ErrHeadersOut.AppendAll(&n.ErrHeadersOut)
	for _, f := range n.Notes.Fields() {
		r.Notes.Set(f.Key, f.Value)
	}
	for _, f := range n.Env.Fields() {
		r.Env.Set(f.Key, f.Value)
	}
	n.Free()
}

func isURL(s string) bool {
	i := strings.Index(s, "://")
	if i <= 0 {
		return false
	}
	for _, c := range s[:i] {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
