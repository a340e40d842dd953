package deflate

import (
	"strings"

	"pinion/runtime"
)

// overhead is a gzip header and trailer, and some 50 bytes of head that httpd counts: what is no longer isn't worth it.
const overhead = len(header) + trailer + 50

// insert is the first call of httpd's deflate_out_filter: it decides whether this answer is compressed, and says so in the head.
func insert(r *runtime.Request, length int64) runtime.BodyFilter {
	if length >= 0 && length <= int64(overhead) {
		r.Logf(Module, runtime.LogTrace1, "", "Not compressing very small response of %d bytes", length)
		return nil
	}
	if r.Main != nil || r.Status == 204 || r.Env.Has("no-gzip") || r.HeadersOut.Has("Content-Range") {
		return nil
	}
	if !strings.HasPrefix(r.ContentType, "text/html") && r.Env.Get("gzip-only-text/html") == "1" {
		return nil
	}
	encoding := contentEncoding(r)
	if encoded(encoding) {
		return nil
	}
	out := &r.HeadersOut
	// Also an answer that stays as it is depends on what the client accepts.
	out.Merge("Vary", "Accept-Encoding")
	if !r.Env.Has("force-gzip") {
		accepts, ok := r.HeadersIn.Lookup("Accept-Encoding")
		if !ok || !acceptsGzip(accepts) {
			return nil
		}
	}
	if encoding == "" || runtime.EqualFold(encoding, "identity") {
		out.Set("Content-Encoding", "gzip")
	} else {
		out.Merge("Content-Encoding", "gzip")
	}
	if r.ContentEncoding != "" {
		r.ContentEncoding = out.Get("Content-Encoding")
	}
	out.Del("Content-Length")
	out.Del("Content-MD5")
	conf := runtime.ServerConf[config](r.Server, Module)
	if conf == nil {
		conf = defaults
	}
	changeETag(r, conf.etag)
	if r.Status == 304 {
		return nil
	}
	return newFilter(r, conf)
}

// contentEncoding is what the answer is said to be encoded as already, "" for nothing.
func contentEncoding(r *runtime.Request) string {
	all := make([]string, 0, 3)
	for _, e := range []string{r.HeadersOut.Get("Content-Encoding"), r.ErrHeadersOut.Get("Content-Encoding"), r.ContentEncoding} {
		if e != "" {
			all = append(all, e)
		}
	}
	return strings.Join(all, ",")
}

// encoded tells whether one of the encodings changes the bytes.
func encoded(encoding string) bool {
	for encoding != "" {
		var token string
		token, encoding = nextToken(encoding, false)
		switch token {
		case "":
			return false
		case "identity", "7bit", "8bit", "binary":
		default:
			return true
		}
		if encoding != "" {
			encoding = encoding[1:]
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding as httpd does: gzip must be named, and its quality must not be written as a zero.
// Other names' qualities don't matter, nor does "*".
func acceptsGzip(value string) bool {
	token, rest := nextToken(value, false)
	for token != "" && !runtime.EqualFold(token, "gzip") {
		for strings.HasPrefix(rest, ";") {
			_, rest = nextToken(rest[1:], true)
		}
		rest = strings.TrimPrefix(rest, ",")
		token, rest = nextToken(rest, false)
	}
	if token == "" {
		return false
	}
	quality, _ := nextToken(strings.TrimLeft(rest, ";"), true)
	return len(quality) < 3 || !strings.HasPrefix("q=0.000", quality)
}

// nextToken is httpd's ap_get_token: it reads up to a semicolon, a comma or, unless blanks belong to the token, a blank.
// rest begins behind the blanks that follow. What stands in quotes belongs to the token.
func nextToken(s string, blanks bool) (token, rest string) {
	s = strings.TrimLeft(s, white)
	i := 0
	for i < len(s) && s[i] != ';' && s[i] != ',' && (blanks || strings.IndexByte(white, s[i]) < 0) {
		i++
		if s[i-1] == '"' {
			end := strings.IndexByte(s[i:], '"')
			if end < 0 {
				i = len(s)
				break
			}
			i += end + 1
		}
	}
	return s[:i], strings.TrimLeft(s[i:], white)
}

const white = " \t\n\v\f\r"

// changeETag gives the compressed form a tag of its own.
func changeETag(r *runtime.Request, change etagChange) {
	tag := r.HeadersOut.Get("ETag")
	switch {
	case change == remove:
		r.HeadersOut.Del("ETag")
	case change == addSuffix && len(tag) > 2 && tag[len(tag)-1] == '"':
		r.HeadersOut.Set("ETag", tag[:len(tag)-1]+`-gzip"`)
	}
}
