package proxy

import (
	"sync"

	"pinion/runtime"
)

// SchemeHandler sends r to the worker and its answer to the client: mod_proxy's scheme_handler. url is canonical and absolute,
// "http://host:port/path?query". It answers OK for a request that was answered; 503 for one that
// may be tried on another member (nothing of an answer was sent, the body can be sent again);
// 500, 502, 504 … for one that may not; Declined for a URL that is not its own.
type SchemeHandler func(r *runtime.Request, w *Worker, url string) runtime.Result

// Canonicalizer sets r.Filename to "proxy:" and url in canonical form: mod_proxy's canon_handler.
type Canonicalizer func(r *runtime.Request, url string) runtime.Result

// Selector chooses members: mod_proxy's pre_request and post_request hooks, which mod_proxy_balancer fulfils.
type Selector struct {
	// PreRequest chooses a member of b and sets *url to MemberURL of it. *url is the balancer's, its path not encoded, the
	// query behind a "?". At a retry
	// Of(r).Worker is the one that failed. Without a worker it answers 503, or what the client is to get.
	PreRequest func(r *runtime.Request, b *Balancer, url *string) (*Worker, runtime.Result)
	// PostRequest is told the end, once for the last worker that was tried (nil if none was found). r.Status is the answer's.
	PostRequest func(r *runtime.Request, b *Balancer, w *Worker)
	// Refactored is told that an operator has changed a load factor of b, Reset that the elections of b begin anew: httpd's
	// recalc_factors and the methods' reset.
	Refactored, Reset func(b *Balancer)
	// Methods are the names that lbmethod= may have.
	Methods []string
}

var (
	schemeHandlers = map[string]SchemeHandler{}
	canonicalizers = map[string]Canonicalizer{}
	selector       Selector
	checkTrans     func(r *runtime.Request, url string) bool
)

// HandleScheme registers the handler of a URL scheme, in lower case. Only while packages are initialized.
func HandleScheme(scheme string, h SchemeHandler) { schemeHandlers[scheme] = h }

// HandleCanon registers how URLs of a scheme are made canonical. http, https, ws, wss, balancer and ajp need none. Only
// while packages are initialized.
func HandleCanon(scheme string, h Canonicalizer) { canonicalizers[scheme] = h }

// SetSelector registers the balancers' part. Only while packages are initialized.
func SetSelector(s Selector) { selector = s }

// CheckTrans registers mod_proxy's check_trans hook: it is asked whether a mount that matched is to take the request. Only
// while packages are initialized.
func CheckTrans(f func(r *runtime.Request, url string) bool) { checkTrans = f }

// RequestState is what mod_proxy keeps of one request.
type RequestState struct {
	URL      string // that the scheme handler gets
	Worker   *Worker
	Balancer *Balancer
	Attempts int    // failovers so far
	Mount    *Mount // the ProxyPass that matched, nil for [P] and SetHandler
	Socket   string // of unix:/path|… in the URL of [P] or SetHandler, "" for none

	reverse, cookiePaths, cookieDomains []reverseMap // interpolated, where ProxyPassInterpolateEnv is on
	interpolated                        bool
	holds
}

// Of returns what mod_proxy keeps of r, made at the first call.
func Of(r *runtime.Request) *RequestState {
	if s := runtime.RequestConf[RequestState](r, Module); s != nil {
		return s
	}
	s := requestStates.Get().(*RequestState)
	r.AtEnd(s)
	runtime.SetRequestConf(r, Module, s)
	return s
}

// requestStates are used again: they are half of what a request takes of memory.
var requestStates = sync.Pool{New: func() any { return new(RequestState) }}

// End gives the state back when the request has ended; the holds have ended before, as they were registered later.
func (s *RequestState) End() {
	*s = RequestState{}
	requestStates.Put(s)
}
