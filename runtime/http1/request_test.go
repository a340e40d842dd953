package http1

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinion/runtime/table"
)

// readAll reads the request in in and its body; the status is 200, 9 for HTTP/0.9, or that of the ProtocolError.
func readAll(in string, step int) (h *RequestHead, body string, status int, err error) {
	c := connOf(in, step)
	h = new(RequestHead)
	err = c.ReadRequestHead(h, &DefaultLimits)
	if err == nil && h.ProtoNum == 9 {
		return h, "", 9, nil
	}
	if err == nil {
		var b Body
		b.ResetRequest(c, h, &DefaultLimits)
		var text []byte
		text, err = io.ReadAll(&b)
		body = string(text)
	}
	var p *ProtocolError
	switch {
	case errors.As(err, &p):
		return h, body, p.Status, err
	case err != nil:
		return h, body, 0, err
	}
	return h, body, 200, nil
}

// callers holds what httpd refuses in a later place, which is the caller's in pinion too.
var callers = map[string]string{
	"CL int64max": "LimitRequestBody",
}

func TestRecorded(t *testing.T) {
	for _, r := range recorded {
		t.Run(r.name, func(t *testing.T) {
			want := r.status
			if _, later := callers[r.name]; later || want == 404 || want == 405 || want == 501 {
				want = 200
			}
			if r.ours != 0 {
				want = r.ours
			}
			for _, step := range []int{0, 1, 3, 100} {
				_, _, got, err := readAll(r.in, step)
				switch {
				case want == 0:
					if err == nil {
						t.Errorf("step %d: read as whole, but httpd waited for more", step)
					}
				case got != want && !(want == 200 && errors.Is(err, io.ErrUnexpectedEOF)): // bodies are cut short here
					t.Errorf("step %d: got %d (%v), httpd %d %s", step, got, err, r.status, r.why)
				}
				var p *ProtocolError
				if errors.As(err, &p) {
					if p.Note != r.note {
						t.Errorf("step %d: note %q, httpd %q", step, p.Note, r.note)
					}
					if p.Close == (p.Status == 417) || p.Reason == "" {
						t.Errorf("step %d: %+v", step, p)
					}
				}
			}
		})
	}
}

func TestReadRequestHead(t *testing.T) {
	in := "\r\nPOST /a?b HTTP/1.1\r\nhost: WWW.Example.com.:8080\r\nX-A:  1 \t\r\ncookie: a=1\r\nCookie: b=2\r\n" +
		"Connection: Keep-Alive, Upgrade\r\nUpgrade: websocket\r\nexpect: 100-Continue\r\ncontent-length: 3\r\n\r\nabcGET"
	for _, step := range []int{0, 1, 5} {
		c := connOf(in, step)
		var h RequestHead
		if err := c.ReadRequestHead(&h, &DefaultLimits); err != nil {
			t.Fatal(err)
		}
		want := []table.Field{{Key: "host", Value: "WWW.Example.com.:8080"}, {Key: "X-A", Value: "1"}, {Key: "cookie", Value: "a=1"}, {Key: "Cookie", Value: "b=2"},
			{Key: "Connection", Value: "Keep-Alive, Upgrade"}, {Key: "Upgrade", Value: "websocket"}, {Key: "expect", Value: "100-Continue"}, {Key: "content-length", Value: "3"}}
		if d := cmp.Diff(want, h.Fields.Fields()); d != "" {
			t.Error(d)
		}
		type facts struct {
			Line, Method, Target, Path, Host, Hostname, Upgrade string
			Proto, Port, Size                                   int
			Length                                              int64
			Chunked, KeepAlive, Token, Expect, Dups, Body       bool
		}
		got := facts{h.RequestLine, h.Method, h.Target, h.Path, h.Host, h.Hostname, h.Upgrade, h.ProtoNum, h.Port, h.Size,
			h.ContentLength, h.Chunked, h.KeepAlive, h.KeepAliveToken, h.Expect100, h.MaybeDuplicates, h.HasBody()}
		if d := cmp.Diff(facts{"POST /a?b HTTP/1.1", "POST", "/a?b", "/a?b", "WWW.Example.com.:8080", "www.example.com", "websocket",
			1001, 8080, len(in) - 6, 3, false, true, true, true, true, true}, got); d != "" {
			t.Error(d)
		}
		MergeDuplicates(&h.Fields)
		if got := h.Fields.Get("Cookie"); got != "a=1, b=2" || h.Fields.Len() != 7 {
			t.Errorf("merged: %q, %d fields", got, h.Fields.Len())
		}
		var b Body
		b.ResetRequest(c, &h, &DefaultLimits)
		if body, err := io.ReadAll(&b); string(body) != "abc" || err != nil || !b.Complete() {
			t.Errorf("body %q, %v", body, err)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	for _, tt := range []struct {
		head string
		want bool
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, CLOSE\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n", false},
		{"GET / HTTP/1.0\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", true},
		{"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n", true},
	} {
		var h RequestHead
		if err := connOf(tt.head+"\r\n", 0).ReadRequestHead(&h, &DefaultLimits); err != nil || h.KeepAlive != tt.want {
			t.Errorf("%q: %v, %v", tt.head, h.KeepAlive, err)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		line, scheme, host, path string
		port, form               int
	}{
		{"GET /x?y HTTP/1.1", "", "fallback", "/x?y", 0, OriginForm},
		{"GET http://A.b:81/x?y HTTP/1.1", "http", "a.b", "/x?y", 81, AbsoluteForm},
		{"GET HTTP://A.b?y HTTP/1.1", "HTTP", "a.b", "?y", 0, AbsoluteForm},
		{"GET http://a.b HTTP/1.1", "http", "a.b", "/", 0, AbsoluteForm},
		{"OPTIONS * HTTP/1.1", "", "fallback", "*", 0, AsteriskForm},
		{"CONNECT a.b:443 HTTP/1.1", "", "a.b", "", 443, AuthorityForm},
		{"GET http://[::A]:8/ HTTP/1.1", "http", "::a", "/", 8, AbsoluteForm},
	} {
		var h RequestHead
		err := connOf(tt.line+"\r\nHost: fallback\r\n\r\n", 0).ReadRequestHead(&h, &DefaultLimits)
		if err != nil || h.Scheme != tt.scheme || h.Hostname != tt.host || h.Path != tt.path || h.Port != tt.port || h.Form != tt.form {
			t.Errorf("%s: %v %q %q %q %d %d", tt.line, err, h.Scheme, h.Hostname, h.Path, h.Port, h.Form)
		}
	}
}

// A head that never ends must stop at a limit, also where the fields' number has none.
func TestHeadIsBounded(t *testing.T) {
	lim := DefaultLimits
	lim.RequestFields = 0
	in := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 2000)
	c := connOf(in, 0)
	var h RequestHead
	var p *ProtocolError
	if err := c.ReadRequestHead(&h, &lim); !errors.As(err, &p) || p.Status != 400 {
		t.Errorf("got %v", err)
	}
	if c.BytesIn() > 2*MaxHeadBytes {
		t.Errorf("%d bytes were read", c.BytesIn())
	}
}

func TestLongHeadInManyPieces(t *testing.T) {
	in := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: "+strings.Repeat("b", 7000)+"\r\n", 1) +
		strings.Repeat("B: "+strings.Repeat("b", 1000)+"\r\nC: "+strings.Repeat("b", 1000)+"\r\nD: "+strings.Repeat("b", 1000)+"\r\n", 7) + "\r\n"
	for _, step := range []int{0, 999} {
		var h RequestHead
		if err := connOf(in, step).ReadRequestHead(&h, &DefaultLimits); err != nil || h.Fields.Len() != 23 || h.Size != len(in) {
			t.Errorf("step %d: %v, %d fields", step, err, h.Fields.Len())
		}
	}
}

// What ends when: httpd answers nothing before the request line is whole, 400 or 408 after.
func TestHeadEnds(t *testing.T) {
	for _, tt := range []struct {
		in      string
		timeout bool
		status  int
		is      error
	}{
		{"", false, 0, io.EOF},
		{"\r\n", false, 0, io.EOF},
		{"GET / HT", false, 0, io.EOF},
		{"GET / HTTP/1.1\r\nHo", false, 400, nil},
		{"", true, 0, os.ErrDeadlineExceeded},
		{"GET / HT", true, 0, os.ErrDeadlineExceeded},
		{"GET / HTTP/1.1\r\nHo", true, 408, nil},
	} {
		client, server := tcpPair(t)
		if _, err := client.Write([]byte(tt.in)); err != nil {
			t.Fatal(err)
		}
		lim := DefaultLimits
		if tt.timeout {
			lim.HeadDeadline = func(got int) time.Time {
				if got < len(tt.in) {
					return time.Time{}
				}
				return time.Unix(1, 0)
			}
		} else if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c := NewConn(server)
		var h RequestHead
		err := c.ReadRequestHead(&h, &lim)
		var p *ProtocolError
		if tt.status != 0 && (!errors.As(err, &p) || p.Status != tt.status) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%q, timeout %v: %v", tt.in, tt.timeout, err)
		}
	}
}

func TestReqTimeout(t *testing.T) {
	start := time.Unix(1000, 0)
	header := ReqTimeout{Initial: 20 * time.Second, Max: 40 * time.Second, MinRate: 500}
	for got, want := range map[int64]time.Duration{0: 20, 499: 20, 500: 21, 5000: 30, 1 << 40: 40} {
		if d := header.Deadline(start, got).Sub(start); d != want*time.Second {
			t.Errorf("%d bytes: %v", got, d)
		}
	}
	body := ReqTimeout{Initial: 20 * time.Second, MinRate: 500}
	if d := body.Deadline(start, 1<<62).Sub(start); d < time.Hour {
		t.Errorf("overflow: %v", d)
	}
	if !(&ReqTimeout{}).Deadline(start, 1).IsZero() {
		t.Error("no limit has a deadline")
	}
}

func TestMaybeDuplicates(t *testing.T) {
	for head, want := range map[string]bool{
		"":                           false,
		"A: 1\r\nB: 2\r\nC: 3\r\n":   false,
		"Ab: 1\r\nB: 2\r\naB: 3\r\n": true,
		"Aab: 1\r\nAbb: 2\r\n":       false, // alike to the filter
	} {
		var h RequestHead
		if err := connOf("GET / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n", 0).ReadRequestHead(&h, &DefaultLimits); err != nil || h.MaybeDuplicates != want {
			t.Errorf("%q: %v, %v", head, h.MaybeDuplicates, err)
		}
	}
}

// Very many fields of one or of different names must not cost more than in proportion to their number.
func TestManyFields(t *testing.T) {
	lim := DefaultLimits
	lim.RequestFields = 0
	in := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A:\r\nB:\r\n", 100000) + "\r\n"
	var h RequestHead
	var p *ProtocolError
	if err := connOf(in, 0).ReadRequestHead(&h, &lim); !errors.As(err, &p) || p.Code != "AH00560" {
		t.Errorf("merged over LimitRequestFieldSize: %v", err)
	}
	lim.RequestFieldSize = 1 << 20
	if err := connOf(in, 0).ReadRequestHead(&h, &lim); err != nil {
		t.Fatal(err)
	}
	MergeDuplicates(&h.Fields)
	if h.Fields.Len() != 3 || len(h.Fields.Get("A")) != 2*99999 {
		t.Errorf("%d fields", h.Fields.Len())
	}
}
