package runtime

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pinion/runtime/http1"
	"pinion/runtime/table"
)

// Begin sends the head of the answer: Status, HeadersOut, ErrHeadersOut and ContentType as they are now, after the
// OutputHead hooks had their say. length is the body's, -1 where it is not known. Further calls do nothing.
func (r *Request) Begin(length int64) error {
	if r.headSent {
		return nil
	}
	if r.Main != nil {
		r.headSent = true
		return nil
	}
	if r.errorHead {
		r.filtering = nil
		r.runAll(ErrorHead)
	} else {
		r.outputHead(length)
	}
	r.headSent = true
	if f := r.filtering; f != nil {
		f.held, f.left = true, length
		if length == 0 {
			return r.endFilters()
		}
		return nil
	}
	return r.sendHead(length)
}

// sendHead sends the head, all hooks having had their say.
func (r *Request) sendHead(length int64) error {
	if r.Graph.TrackFirstByte {
		r.firstByte = time.Now()
	}
	r.composeHead(length)
	if err := r.Wire.WriteHead(r); err != nil {
		return r.headFailed(err)
	}
	return nil
}

func (r *Request) headFailed(err error) error {
	var bad *http1.FieldError
	if !errors.As(err, &bad) {
		return err
	}
	return r.refuseHead(bad)
}

// outputHead runs the OutputHead hooks, once.
func (r *Request) outputHead(length int64) {
	if !r.outputRun {
		r.outputRun, r.bodyLength = true, length
		r.runAll(OutputHead)
	}
}

// SkipOutputHead keeps the OutputHead hooks from this answer: it is given before httpd would insert its filters.
func (r *Request) SkipOutputHead() { r.outputRun = true }

// refuseHead answers 500 instead of a head that would not be one (httpd's check_headers). The error it returns keeps
// the handler from sending the body it meant.
func (r *Request) refuseHead(bad *http1.FieldError) error {
	switch {
	case bad.Key == "":
		r.Logf(r.Graph.httpCore, LogErr, "AH02428", "Empty response header name, aborting request")
	case !http1.ValidName(bad.Key):
		r.Logf(r.Graph.httpCore, LogErr, "AH02429", "Response header name '%s' contains invalid characters, aborting request", bad.Key)
	default:
		r.Logf(r.Graph.httpCore, LogErr, "AH02430", "Response header '%s' value of '%s' contains invalid characters, aborting request", bad.Key, bad.Value)
	}
	again := r.badHead
	r.badHead, r.headSent, r.Chunked, r.filtering = true, false, false, nil
	r.HeadersOut.Reset()
	r.ErrHeadersOut.Reset()
	r.ContentType, r.ContentEncoding, r.ContentLanguages = "", "", nil
	if again {
		// The error page's own fields are bad, by a Header directive: send it without them, as httpd does, whose
		// connection goes on then.
		r.Dir = r.Server.Dir
		r.Conn.KeepAlive, r.UnknownLength = KeepAliveUnknown, false
		r.Status = 200
		r.headSent = true
		r.composeHead(0)
		r.Status = 500
		r.eaten = true
		_ = r.Wire.WriteHead(r)
		return bad
	}
	r.UnknownLength = true // the error is one of httpd's output filters
	r.Conn.KeepAlive = KeepAliveClose
	r.sendError(500, 0)
	r.eaten = true
	return bad
}

// SwitchProtocols answers 101 with HeadersOut as they are. takeover then gets the client's connection, after the request
// has been logged and its graph released: it must keep neither. Only on HTTP/1.1.
func (r *Request) SwitchProtocols(takeover func(client *http1.Conn)) error {
	r.Status = 101
	r.headSent, r.eaten = true, true
	r.Conn.KeepAlive = KeepAliveClose
	if err := r.Wire.WriteInterim(101, &r.HeadersOut); err != nil {
		return err
	}
	r.Conn.Takeover = takeover
	return nil
}

// HeadSent tells whether Begin was called.
func (r *Request) HeadSent() bool { return r.headSent }

// composeHead is httpd's ap_http_header_filter up to the writing: one table, framing, Connection, Content-Type.
func (r *Request) composeHead(length int64) {
	out := &r.HeadersOut
	if r.ErrHeadersOut.Len() > 0 {
		all := r.ErrHeadersOut
		all.AppendAll(out)
		r.ErrHeadersOut = *out
		*out = all
		r.ErrHeadersOut.Reset()
	}
	if r.Env.Has("force-no-vary") {
		out.Del("Vary")
		r.ProtoNum = HTTP10
		r.Env.Set("force-response-1.0", "1")
	} else {
		fixVary(out)
	}
	if r.NoCache && !out.Has("Expires") {
		out.Add("Expires", HTTPDate(r.Time))
	}
	if r.Notes.Has("no-etag") {
		out.Del("ETag")
	}
	if r.ProtoNum > HTTP10 && r.ProtoNum < HTTP20 && r.Env.Has("downgrade-1.0") {
		r.ProtoNum = HTTP10
	}
	if r.ProtoNum == HTTP10 && r.Env.Has("force-response-1.0") {
		r.Conn.KeepAlive = KeepAliveClose
	}
	if r.UnknownLength {
		length = -1
	}
	noBody := HeaderOnlyStatus(r.Status)
	r.eaten = r.HeaderOnly || noBody
	if length >= 0 && !noBody && !(r.HeaderOnly && length == 0) && !out.Has("Content-Length") {
		out.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	r.setKeepAlive()
	if noBody {
		out.Del("Transfer-Encoding")
		out.Del("Content-Length")
		r.ContentType, r.ContentEncoding, r.ContentLanguages = "", "", nil
		r.Chunked = false
	} else if r.Chunked {
		out.Merge("Transfer-Encoding", "chunked")
		out.Del("Content-Length")
	}
	if ct := r.MakeContentType(r.ContentType); ct != "" {
		out.Set("Content-Type", ct)
	}
	if r.ContentEncoding != "" {
		out.Set("Content-Encoding", r.ContentEncoding)
	}
	if len(r.ContentLanguages) > 0 {
		out.Set("Content-Language", strings.Join(r.ContentLanguages, ", "))
	}
	if r.HeaderOnly && out.Get("Content-Length") == "0" {
		out.Del("Content-Length")
	}
}

// fixVary makes one Vary field of all, each name once (httpd's fix_vary).
func fixVary(out *table.Table) {
	if !out.Has("Vary") {
		return
	}
	isSep := func(c rune) bool { return c == ',' || c == ' ' || '\t' <= c && c <= '\r' }
	var names []string
	for _, v := range out.Values("Vary") {
		for _, name := range strings.FieldsFunc(v, isSep) {
			if !slices.ContainsFunc(names, func(n string) bool { return table.EqualFold(n, name) }) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		out.Set("Vary", strings.Join(names, ","))
	}
}

// setKeepAlive is httpd's ap_set_keepalive: whether the connection goes on, and whether the body must be chunked.
// The order of the conditions is httpd's: being chunked is decided on the way.
func (r *Request) setKeepAlive() {
	if r.ProtoNum >= HTTP20 {
		return
	}
	s, c, out := r.Server, r.Conn, &r.HeadersOut
	limit := s.Settings.MaxKeepAliveRequests.Or(100)
	left := limit - c.Keepalives
	closing := out.Len() > 0 && HasToken(out.Get("Connection"), "close")
	asked := r.HeadersIn.Get("Connection")
	sent := false
	if c.KeepAlive != KeepAliveClose && !r.Expecting100 &&
		(r.HeaderOnly || HeaderOnlyStatus(r.Status) || out.Has("Content-Length") ||
			HasToken(out.Get("Transfer-Encoding"), "chunked") || r.chunk()) &&
		s.Settings.KeepAlive.Or(true) && s.Settings.KeepAliveTimeout.Or(5*time.Second) > 0 &&
		(limit == 0 || left > 0) && !dropsConnection(r.Status) && !closing && !HasToken(asked, "close") &&
		(!r.Env.Has("nokeepalive") || r.HeadersIn.Has("Via")) &&
		(r.keepAliveToken(asked, &sent) || r.ProtoNum >= HTTP11) && !c.Ending() {
		c.KeepAlive = KeepAliveOn
		c.Keepalives++
		if sent {
			v := "timeout=" + strconv.Itoa(int(s.Settings.KeepAliveTimeout.Or(5*time.Second)/time.Second))
			if limit > 0 {
				v += ", max=" + strconv.Itoa(left)
			}
			out.Set("Keep-Alive", v)
			out.Merge("Connection", "Keep-Alive")
		}
		return
	}
	if !closing {
		out.Merge("Connection", "close")
	}
	c.KeepAlive = KeepAliveClose
}

func (r *Request) chunk() bool {
	r.Chunked = r.ProtoNum >= HTTP11
	return r.Chunked
}

func (r *Request) keepAliveToken(asked string, sent *bool) bool {
	*sent = HasToken(asked, "keep-alive")
	return *sent
}

// MakeContentType is httpd's ap_make_content_type: AddDefaultCharset for text/plain and text/html without one.
func (r *Request) MakeContentType(ct string) string {
	cs := r.Dir.Core.AddDefaultCharset.Or("off")
	if ct == "" || cs == "off" || strings.Contains(strings.ToLower(ct), "charset=") {
		return ct
	}
	base, _, _ := strings.Cut(ct, ";")
	if b := strings.TrimSpace(base); !EqualFold(b, "text/html") && !EqualFold(b, "text/plain") {
		return ct
	}
	return ct + "; charset=" + cs
}

// Write sends bytes of the body; the head goes first.
func (r *Request) Write(p []byte) (int, error) {
	if !r.headSent {
		if err := r.Begin(-1); err != nil {
			return 0, err
		}
	}
	if r.NoBodyToSend() || r.Main != nil {
		return len(p), nil
	}
	if r.filtering != nil {
		return len(p), r.filter(p, More)
	}
	n, err := r.Wire.Write(p)
	r.BytesSent += int64(n)
	r.aborted = r.aborted || err != nil
	return n, err
}

// SendBody sends the body from src until its end. Begin must have been called. For filters src may tell by a method
// Waits() bool that its next Read would wait for more: what they keep back is then sent first.
func (r *Request) SendBody(src io.Reader) (int64, error) {
	if r.NoBodyToSend() || r.Main != nil {
		return 0, nil
	}
	if r.filtering != nil {
		return r.filterFrom(src)
	}
	n, err := r.Wire.ReadFrom(src)
	r.BytesSent += n
	r.aborted = r.aborted || err != nil
	return n, err
}

// SendText answers with a whole body of that content type; "" leaves the type as it is.
func (r *Request) SendText(contentType, body string) error {
	if contentType != "" {
		r.ContentType = contentType
	}
	if err := r.Begin(int64(len(body))); err != nil {
		return err
	}
	_, err := r.Write([]byte(body))
	return err
}

// NoBodyToSend tells that this answer's body goes nowhere (HEAD, 204, 304, or another answer has gone out instead): its
// source need not be read.
func (r *Request) NoBodyToSend() bool { return r.eaten || r.unwanted }

// Flush sends what is kept back.
func (r *Request) Flush() error {
	if r.filtering != nil && r.headSent && !r.filtering.ended {
		return r.filter(nil, Flush)
	}
	return r.Wire.Flush()
}

// finish ends the answer: an answer that no handler began gets an empty body.
func (r *Request) finish() {
	last := r.Last()
	began := last
	for p := last; p != nil; p = p.Prev {
		if p.headSent {
			began = p
		}
	}
	if !began.headSent {
		began.Begin(0)
	}
	if began.filtering != nil {
		if err := began.endFilters(); err != nil {
			began.die(500, 0)
		}
	}
	if err := r.Wire.Finish(&began.TrailersOut); err != nil {
		r.Conn.KeepAlive = KeepAliveClose
		began.aborted = true
	}
	if began != r {
		r.BytesSent = began.BytesSent
	}
}

// sendError answers with the canned page (ap_send_error_response).
func (r *Request) sendError(status, second int) {
	location := r.startError(status)
	if HeaderOnlyStatus(status) {
		r.Begin(0)
		return
	}
	if r.HeaderOnly {
		r.Begin(0)
		return
	}
	page := r.errorPage(location, second)
	if r.Begin(int64(len(page))) == nil {
		r.Write(page)
	}
}

func (r *Request) sendErrorText(text string) {
	r.startError(r.Status)
	if r.HeaderOnly {
		r.Begin(0)
		return
	}
	r.SendText("", text)
}

// startError begins the answer anew: of what the handler had set only ErrHeadersOut and Location stay.
func (r *Request) startError(status int) (location string) {
	r.errorHead = true
	r.Status = status
	location = r.HeadersOut.Get("Location")
	if location == "" {
		location = r.ErrHeadersOut.Get("Location")
	}
	if HeaderOnlyStatus(status) {
		return location
	}
	r.HeadersOut, r.ErrHeadersOut = r.ErrHeadersOut, r.HeadersOut
	r.ErrHeadersOut.Reset()
	if (status >= 300 && status < 400 || status == 201) && location != "" {
		r.HeadersOut.Set("Location", location)
	}
	r.ContentLanguages, r.ContentEncoding = nil, ""
	r.ContentType = "text/html; charset=iso-8859-1"
	if r.Env.Has("suppress-error-charset") {
		r.ContentType = "text/html"
	}
	if status == 405 || status == 501 {
		r.HeadersOut.Set("Allow", r.Allow())
	}
	return location
}

// HasToken tells whether a comma-separated header value holds the token, ASCII case ignored (ap_find_token).
func HasToken(value, token string) bool {
	for value != "" {
		var item string
		item, value, _ = strings.Cut(value, ",")
		item = strings.Trim(item, " \t")
		if i := strings.IndexByte(item, ';'); i >= 0 {
			item = strings.TrimRight(item[:i], " \t")
		}
		if table.EqualFold(item, token) {
			return true
		}
	}
	return false
}

type datedText struct {
	sec  int64
	text string
}

var httpDate atomic.Pointer[datedText]

// HTTPDate is t as RFC 9110 5.6.7 writes it; the current second's text is made once.
func HTTPDate(t time.Time) string {
	sec := t.Unix()
	if d := httpDate.Load(); d != nil && d.sec == sec {
		return d.text
	}
	d := &datedText{sec, t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}
	httpDate.Store(d)
	return d.text
}
