package http1

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinion/runtime/table"
)

const okBody = "Content-Length: 2\r\n\r\nok"

// none is no error, plain an error of the connection.
const (
	none  ResponseErrorKind = -1
	plain ResponseErrorKind = -2
)

// What httpd 2.4.71's mod_proxy_http did with each is in the comment where pinion does something else.
func TestReadResponseHead(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		kind     ResponseErrorKind
		line     string
		framing  Framing
		keep     bool
	}{
		{"ok", "HTTP/1.1 200 OK\r\n" + okBody, none, "200 OK", Length, true},
		{"no reason", "HTTP/1.1 200\r\n" + okBody, none, "200 ", Length, true},
		{"reason with control", "HTTP/1.1 200 O\x01K\r\n" + okBody, none, "", Length, true},
		{"two digits", "HTTP/1.1 20 OK\r\n" + okBody, NotHTTP, "", 0, false}, // httpd: HTTP/0.9, all of it is the body
		{"099", "HTTP/1.1 099 OK\r\n" + okBody, none, "099 OK", Length, true},
		{"four digits", "HTTP/1.1 2000 OK\r\n" + okBody, none, "", Length, true}, // httpd: 200 and its own reason
		{"999", "HTTP/1.1 999 OK\r\n" + okBody, none, "999 OK", Length, true},
		{"garbage", "garbage here\r\nmore\r\n", NotHTTP, "", 0, false}, // httpd: HTTP/0.9
		{"garbage line cut", "garbage", plain, "", 0, false},
		{"tab", "HTTP/1.1\t200 OK\r\n" + okBody, NotHTTP, "", 0, false}, // httpd: HTTP/0.9
		{"2.0", "HTTP/2.0 200 OK\r\n" + okBody, BadStatusLine, "", 0, false},
		{"1.0", "HTTP/1.0 200 OK\r\n\r\nok", none, "200 OK", UntilClose, false},
		{"1.0 with length", "HTTP/1.0 200 OK\r\n" + okBody, none, "200 OK", Length, false},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", none, "200 OK", Length, true},
		{"bare LF, then CRLF pair in body", "HTTP/1.1 200 OK\nContent-Length: 6\n\nok\r\n\r\n", none, "200 OK", Length, true},
		{"stray line", "\r\nHTTP/1.1 200 OK\r\n" + okBody, none, "200 OK", Length, true},
		{"stray LF", "\nHTTP/1.1 200 OK\r\n" + okBody, none, "200 OK", Length, true},
		{"two stray lines", "\r\n\r\nHTTP/1.1 200 OK\r\n" + okBody, plain, "", 0, false},
		{"no colon", "HTTP/1.1 200 OK\r\nfoo\r\n" + okBody, BadHeaderLine, "", 0, false},
		{"NUL", "HTTP/1.1 200 OK\r\nX-A: b\x00c\r\n" + okBody, BadHeaderLine, "", 0, false},
		{"second status line", "HTTP/1.1 200 OK\r\nHTTP/1.0 200 OK\r\n" + okBody, none, "200 OK", Length, true},
		{"close", "HTTP/1.1 200 OK\r\nconnection: a, Close\r\n" + okBody, none, "200 OK", Length, false},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", BadFraming, "", 0, false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + okBody, BadFraming, "", 0, false}, // httpd: the first
		{"one length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + okBody, none, "200 OK", Length, true},
		{"both", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + okBody, none, "200 OK", Chunked, false},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", none, "200 OK", Chunked, true},
		{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", none, "200 OK", UntilClose, false},
		{"204", "HTTP/1.1 204 No\r\n" + okBody, none, "204 No", NoBody, true},
		{"304", "HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", none, "304 No", NoBody, true},
		{"100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", none, "100 Continue", NoBody, true},
		{"empty", "", plain, "", 0, false},
		{"line cut", "HTTP/1.1 20", plain, "", 0, false},
		{"head cut", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", EarlyEnd, "", 0, false},
		{"line of 8191", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 8191-5) + "\r\n" + okBody, none, "200 OK", Length, true},
		{"line of 8192", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 8192-5) + "\r\n" + okBody, HeadTooLong, "", 0, false},
		{"folded beyond", "HTTP/1.1 200 OK\r\nX-A: a" + strings.Repeat("\r\n "+strings.Repeat("a", 999), 9) + "\r\n" + okBody, HeadTooLong, "", 0, false},
		{"status line of 8191", "HTTP/1.1 200 " + strings.Repeat("a", 8191-13) + "\r\n" + okBody, BadStatusLine, "", 0, false},
		{"endless line", "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 100000), HeadTooLong, "", 0, false},
		{"endless head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 50000), HeadTooLong, "", 0, false},
	} {
		for _, step := range []int{0, 1, 100} {
			if step == 1 && len(tt.in) > 100000 {
				continue // slow, and says nothing that a step of 100 doesn't
			}
			var h ResponseHead
			err := connOf(tt.in, step).ReadResponseHead(&h, "GET", &ResponseLimits{})
			kind := none
			var re *ResponseError
			if errors.As(err, &re) {
				kind = re.Kind
			} else if err != nil {
				kind = plain
			}
			if kind != tt.kind {
				t.Errorf("%s, step %d: %v", tt.name, step, err)
			} else if err == nil && (h.StatusLine != tt.line || h.Framing != tt.framing || h.KeepAlive != tt.keep) {
				t.Errorf("%s, step %d: %q %v %v", tt.name, step, h.StatusLine, h.Framing, h.KeepAlive)
			}
		}
	}
}

func TestResponseFields(t *testing.T) {
	in := "HTTP/1.1 200 OK\r\nset-cookie:  a=1 \r\nX-A: a\r\n  b\r\nSet-Cookie: b=2\r\nX B: c\r\nUpgrade: h2c\r\n\r\n"
	var h ResponseHead
	if err := connOf(in, 0).ReadResponseHead(&h, "GET", &ResponseLimits{}); err != nil {
		t.Fatal(err)
	}
	want := []table.Field{{Key: "set-cookie", Value: "a=1"}, {Key: "X-A", Value: "a  b"}, {Key: "Set-Cookie", Value: "b=2"},
		{Key: "X B", Value: "c"}, {Key: "Upgrade", Value: "h2c"}}
	if d := cmp.Diff(want, h.Fields.Fields()); d != "" {
		t.Error(d)
	}
	if h.BadField != 3 || h.Upgrade != "h2c" || h.Size != len(in) || h.ProtoNum != 1001 || h.Status != 200 {
		t.Errorf("%+v", h)
	}
}

func TestBadHeaderPolicy(t *testing.T) {
	in := "HTTP/1.1 200 OK\r\nA: b\r\n<html>\r\nContent-Length: 2\r\n\r\nok"
	var h ResponseHead
	if err := connOf(in, 0).ReadResponseHead(&h, "GET", &ResponseLimits{BadHeader: Ignore}); err != nil || h.BadLines != 1 || h.ContentLength != 2 {
		t.Errorf("ignore: %v, %d", err, h.BadLines)
	}
	c := connOf(in, 0)
	if err := c.ReadResponseHead(&h, "GET", &ResponseLimits{BadHeader: StartBody}); err != nil || !h.NoBlank || h.Framing != UntilClose {
		t.Errorf("start body: %v, %v", err, h.NoBlank)
	}
	var b Body
	b.ResetResponse(c, &h)
	if rest, err := io.ReadAll(&b); string(rest) != "Content-Length: 2\r\n\r\nok" || err != nil {
		t.Errorf("start body: %q, %v", rest, err)
	}
}

func TestBodyAllowed(t *testing.T) {
	for _, tt := range []struct {
		method string
		status int
		want   bool
	}{{"GET", 200, true}, {"HEAD", 200, false}, {"GET", 204, false}, {"GET", 304, false}, {"GET", 101, false},
		{"CONNECT", 200, true}, {"GET", 205, true}} {
		if BodyAllowed(tt.method, tt.status) != tt.want {
			t.Errorf("%s %d", tt.method, tt.status)
		}
	}
}

func TestAppendHeads(t *testing.T) {
	var f table.Table
	f.Add("Host", "a")
	f.Add("x-B", "c")
	f.Add("Host", "")
	got, err := AppendRequestHead([]byte("-"), "GET", "/a", &f)
	if want := "-GET /a HTTP/1.1\r\nHost: a\r\nx-B: c\r\nHost: \r\n\r\n"; string(got) != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	got, err = AppendResponseHead(nil, "200 ", &f)
	if want := "HTTP/1.1 200 \r\nHost: a\r\nx-B: c\r\nHost: \r\n\r\n"; string(got) != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []table.Field{{Key: "A", Value: "b\r\nC: d"}, {Key: "A\n", Value: ""}, {Key: "", Value: "b"}, {Key: "A B", Value: ""}, {Key: "A", Value: "\x00"}} {
		var f table.Table
		f.Add("Host", "a")
		f.Add(bad.Key, bad.Value)
		var fe *FieldError
		if got, err := AppendRequestHead([]byte("-"), "GET", "/a", &f); !errors.As(err, &fe) || fe.Key != bad.Key || string(got) != "-" {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
	for _, target := range []string{"", "/a b", "/\r\nX: y", "/\x00"} {
		if _, err := AppendRequestHead(nil, "GET", target, &f); err == nil {
			t.Errorf("target %q was written", target)
		}
	}
	if _, err := AppendResponseHead(nil, "200 a\r\nb", &f); err == nil {
		t.Error("a status line of two lines was written")
	}
}
