package runtime

import (
	"crypto/tls"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pinion/runtime/http1"
	"pinion/runtime/table"
)

// Protocol versions as httpd numbers them: 1000 * major + minor.
const (
	HTTP09 = 9
	HTTP10 = 1000
	HTTP11 = 1001
	HTTP20 = 2000
)

// ProxyKind tells whether and how a request is proxied (httpd's PROXYREQ_*).
type ProxyKind uint8

// The kinds.
const (
	ProxyNone ProxyKind = iota
	ProxyForward
	ProxyReverse
)

// Request is httpd's request_rec. It belongs to one goroutine; it is reused after its end, so nothing may keep it.
// Its strings are ordinary immutable strings and may be kept.
type Request struct {
	Graph  *Graph
	Server *Server
	Conn   *Conn
	Wire   Wire
	Dir    *DirConfig // per_dir_config as merged so far

	TheRequest string // the request line as sent
	Method     string
	Protocol   string // "HTTP/1.1"
	ProtoNum   int    // HTTP11
	HeaderOnly bool   // HEAD

	UnparsedURI string // the request target as sent
	Scheme      string // of an absolute target, else ""
	Hostname    string // from the target or Host, lower case, without port
	HostPort    int    // of the target or Host; 0 where there is none
	Path        string // the target's path, not decoded, normalized
	URI         string // decoded path
	Args        string // the query without "?"
	HasArgs     bool
	Filename    string // "" until translate_name; "proxy:http://…" for a proxied request
	PathInfo    string
	FileInfo    os.FileInfo // of Filename; nil where it doesn't exist

	HeadersIn, TrailersIn                  table.Table
	HeadersOut, ErrHeadersOut, TrailersOut table.Table
	Env                                    table.Table // subprocess_env
	Notes                                  table.Table
	Status                                 int
	StatusLine                             string // "404 Not Found"; "" for the usual phrase
	Handler                                string // "proxy-server", "server-status", …; "" for the default
	ContentType, ContentEncoding           string
	ContentLanguages                       []string
	User, AuthType                         string
	NoName                                 bool // the client logged in with an empty user name, which is not none
	Proxy                                  ProxyKind
	NoCache, NoLocalCopy                   bool
	AllowedMethods                         []string // for Allow, beyond what the handler names
	Body                                   Body     // never nil
	Time                                   time.Time
	// Client is useragent_addr: the peer's address, or what remoteip found, whose port is then 0. ClientIP is its text.
	Client           netip.AddrPort
	ClientIP         string
	Expecting100     bool
	Chunked          bool
	UnknownLength    bool  // the answer goes out without a Content-Length
	BytesSent        int64 // of the body
	Main, Prev, Next *Request
	walked           string     // the folder whose sections walkedDir holds
	walkedDir        *DirConfig // what DirectoryWalk found, where it matters to later walks
	// ContextPrefix and ContextRoot are what an Alias or its like has mapped: the URL's prefix and the folder it
	// stands for; both "" for a path under the document root (ap_set_context_info).
	ContextPrefix, ContextRoot string

	conf       []any // request_config by module
	headSent   bool
	filtering  *filtering // nil without filters
	bodyLength int64      // see BodyLength
	errorHead  bool
	outputRun  bool // the OutputHead hooks had their say
	badHead    bool
	logged     bool
	aborted    bool
	firstByte  time.Time
	unwanted   bool // the handler's body is: another answer has gone out
	eaten      bool // the body of this answer is discarded: HEAD, 204, 304
	recursive  int
	loc        []int
	ends       []Ender
}

// Body is a request's body. Reading sends "100 Continue" first where the client waits for it.
type Body interface {
	io.Reader
	// Length is the Content-Length, 0 for no body, -1 for a chunked one.
	Length() int64
	// Complete tells that everything was read.
	Complete() bool
}

// BodyError is a request body that can't be had: Status is what the client is answered (400, 408, 413).
type BodyError struct {
	Status int
	Err    error
}

func (e *BodyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BodyError) Unwrap() error { return e.Err }

// NoBody is the body of a request without one.
var NoBody Body = noBody{}

type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Length() int64            { return 0 }
func (noBody) Complete() bool           { return true }

// Wire is the protocol under a request: an HTTP/1 connection or an HTTP/2 stream. It belongs to the request's goroutine.
type Wire interface {
	// WriteInterim sends a 1xx answer.
	WriteInterim(status int, h *table.Table) error
	// WriteHead sends status and HeadersOut of r, Date and Server included; r.Chunked says how the body comes.
	// It may be kept back until the body's first bytes, to leave in one write.
	WriteHead(r *Request) error
	// Write sends body bytes, framed as the head said.
	Write(p []byte) (int, error)
	// ReadFrom sends a body from src until its end, by the kernel's means where both are plain sockets or files.
	ReadFrom(src io.Reader) (int64, error)
	// Flush sends what is kept back.
	Flush() error
	// Finish ends the answer, with trailers where the protocol and the client allow them.
	Finish(trailers *table.Table) error
	// Abort makes the client see a broken answer: the connection or stream is cut.
	Abort()
	// Counters are bytes read and written for this request, heads included (%I, %O).
	Counters() (in, out int64)
}

// Conn is one client connection. It belongs to the goroutine that serves it, but for HTTP/2, whose streams only read it.
type Conn struct {
	ID            uint64
	Local, Remote netip.AddrPort
	LocalIP       string
	RemoteIP      string
	Secure        bool
	TLS           *tls.ConnectionState // nil on plain connections
	// Announced is the client that a proxy in front named before the first request, invalid for none; see
	// Graph.Preface. AnnouncedIP is its text.
	Announced   netip.AddrPort
	AnnouncedIP string
	Keepalives  int
	KeepAlive   KeepAlive
	LogID       string       // %L, made when first asked for
	Gone        *atomic.Bool // see Engine.Serve; may be nil
	ALPN        string       // what TLS agreed on, "h2" or "http/1.1"; else ""
	// Takeover, set by a handler that switched protocols, runs with the connection after the request has been
	// logged and its graph released; the connection is closed when it returns.
	Takeover func(client *http1.Conn)
	Engine   *Engine
	Score    *Score // what server-status shows of the connection; nil where no engine serves it
}

// Ending tells that the connection must not be kept: the server stops, or its address is listened on no more.
func (c *Conn) Ending() bool {
	return c.Engine.stopping.Load() || c.Gone != nil && c.Gone.Load()
}

// KeepAlive is whether a connection goes on (AP_CONN_*).
type KeepAlive uint8

// The states.
const (
	KeepAliveUnknown KeepAlive = iota
	KeepAliveClose
	KeepAliveOn
)

var requests = sync.Pool{New: func() any { return new(Request) }}

// NewRequest takes a request from the pool. Free gives it back.
func NewRequest(g *Graph, s *Server, c *Conn, w Wire) *Request {
	r := requests.Get().(*Request)
	if n := int(moduleCount.Load()); len(r.conf) < n { // every module has a place, also one that g doesn't list
		r.conf = make([]any, n)
	}
	r.Graph, r.Server, r.Conn, r.Wire = g, s, c, w
	r.Dir = s.Dir
	r.Status = 200
	r.Body = NoBody
	r.Client, r.ClientIP = c.Remote, c.RemoteIP
	r.Time = time.Now()
	return r
}

// Ender is told the end of a request, see AtEnd.
type Ender interface{ End() }

// AtEnd has e told when the request ends, however it does: after it was logged, or after a panic. The last one registered is told
// first (apr_pool_cleanup_register on the request's pool).
func (r *Request) AtEnd(e Ender) { r.ends = append(r.ends, e) }

// Free gives the request back; nothing may use it any more.
func (r *Request) Free() {
	if r.Next != nil {
		r.Next.Free()
	}
	for i := len(r.ends) - 1; i >= 0; i-- {
		r.ends[i].End()
	}
	clear(r.ends)
	keep := Request{conf: r.conf, loc: r.loc, ends: r.ends[:0], HeadersIn: r.HeadersIn, HeadersOut: r.HeadersOut,
		ErrHeadersOut: r.ErrHeadersOut, Env: r.Env, Notes: r.Notes}
	clear(keep.conf)
	keep.HeadersIn.Reset()
	keep.HeadersOut.Reset()
	keep.ErrHeadersOut.Reset()
	keep.Env.Reset()
	keep.Notes.Reset()
	*r = keep
	requests.Put(r)
}

// RequestConf returns what the module keeps of this request, nil where it kept nothing.
func RequestConf[T any](r *Request, m *Module) *T {
	v, _ := r.conf[m.index].(*T)
	return v
}

// SetRequestConf keeps v for the module until the request's end.
func SetRequestConf[T any](r *Request, m *Module, v *T) { r.conf[m.index] = v }

// First returns the request that the client sent, of a chain of internal redirects.
func (r *Request) First() *Request {
	for r.Prev != nil {
		r = r.Prev
	}
	return r
}

// Last returns the request that made the answer.
func (r *Request) Last() *Request {
	for r.Next != nil {
		r = r.Next
	}
	return r
}

// Aborted tells that the answer could not be sent whole: the client is gone, or the answer was cut.
func (r *Request) Aborted() bool {
	for p := r.First(); p != nil; p = p.Next {
		if p.aborted {
			return true
		}
	}
	return false
}

// FirstByte is when the answer began, where Graph.TrackFirstByte is set; else the zero time.
func (r *Request) FirstByte() time.Time { return r.First().Last().firstByte }
