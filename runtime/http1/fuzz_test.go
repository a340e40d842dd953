package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A request head reads the same in one piece and byte by byte; what is accepted has no byte that could end a line
// within a value, and reads back the same after it is written.
func FuzzRequestHead(f *testing.F) {
	for _, r := range recorded {
		f.Add([]byte(r.in))
	}
	f.Add([]byte(tenFields))
	f.Fuzz(func(t *testing.T, in []byte) {
		var whole, pieces RequestHead
		c := connOf(string(in), 0)
		err := c.ReadRequestHead(&whole, &DefaultLimits)
		d := connOf(string(in), 1)
		err2 := d.ReadRequestHead(&pieces, &DefaultLimits)
		if status(err) != status(err2) {
			t.Fatalf("whole: %v, in pieces: %v", err, err2)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(whole.Fields.Fields(), pieces.Fields.Fields()); diff != "" || whole.RequestLine != pieces.RequestLine || whole.Size != pieces.Size {
			t.Fatal(diff)
		}
		rest1, _ := io.ReadAll(c)
		rest2, _ := io.ReadAll(d)
		if !bytes.Equal(rest1, rest2) || !bytes.HasSuffix(in, rest1) {
			t.Fatalf("rest %q and %q", rest1, rest2)
		}
		if whole.ProtoNum == 9 {
			return
		}
		if whole.Chunked && whole.ContentLength >= 0 {
			t.Fatal("both lengths were accepted")
		}
		out, err := AppendRequestHead(nil, whole.Method, whole.Target, &whole.Fields)
		if err != nil {
			t.Fatalf("accepted, but can't be written: %v", err)
		}
		var again RequestHead
		if err := connOf(string(out), 0).ReadRequestHead(&again, &DefaultLimits); err != nil && status(err) != 414 {
			if !strings.Contains(err.Error(), "LimitRequest") && whole.ProtoNum == 1001 {
				t.Fatalf("written, but can't be read: %v\n%q", err, out)
			}
			return
		}
		if diff := cmp.Diff(whole.Fields.Fields(), again.Fields.Fields()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func status(err error) int {
	var p *ProtocolError
	if errors.As(err, &p) {
		return p.Status
	}
	if err != nil {
		return -1
	}
	return 0
}

func FuzzResponseHead(f *testing.F) {
	f.Add([]byte(response+"body"), 0)
	f.Add([]byte("HTTP/1.1 200\nA: b\n c\n\n"), 1)
	f.Add([]byte("\r\nHTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nfoo\r\n\r\n"), 2)
	f.Add([]byte("garbage"), 0)
	f.Fuzz(func(t *testing.T, in []byte, policy int) {
		lim := &ResponseLimits{BadHeader: BadHeaderPolicy(policy & 3)}
		var whole, pieces ResponseHead
		c, d := connOf(string(in), 0), connOf(string(in), 1)
		err, err2 := c.ReadResponseHead(&whole, "GET", lim), d.ReadResponseHead(&pieces, "GET", lim)
		var re, re2 *ResponseError
		if errors.As(err, &re) != errors.As(err2, &re2) && !bytes.Contains(in, []byte("\n\n")) {
			t.Fatalf("whole: %v, in pieces: %v", err, err2)
		}
		if err != nil || err2 != nil {
			return
		}
		if diff := cmp.Diff(whole.Fields.Fields(), pieces.Fields.Fields()); diff != "" || whole.Framing != pieces.Framing {
			t.Fatal(diff)
		}
		if whole.BadField < 0 {
			if _, err := AppendResponseHead(nil, whole.StatusLine, &whole.Fields); err != nil {
				t.Fatalf("no bad field, but can't be written: %v", err)
			}
		}
	})
}

func FuzzChunkedBody(f *testing.F) {
	for _, r := range recorded {
		if _, body, ok := strings.Cut(r.in, "Transfer-Encoding: chunked\r\n\r\n"); ok {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var results []string
		var states []int
		for _, step := range []int{0, 1} {
			c := connOf(string(in), step)
			var b Body
			b.Reset(c, Chunked, 0, &DefaultLimits)
			if step == 0 && c.WaitReadable() == nil {
				_ = b.Prime() // the error comes again
			}
			got, err := io.ReadAll(&b)
			if (err == nil) != b.Complete() {
				t.Fatalf("%v, complete %v", err, b.Complete())
			}
			rest, _ := io.ReadAll(c)
			if err == nil {
				got = append(append(got, '|'), rest...)
			}
			results, states = append(results, string(got)), append(states, status(err))
		}
		if results[0] != results[1] || states[0] != states[1] {
			t.Fatalf("whole %q (%d), in pieces %q (%d)", results[0], states[0], results[1], states[1])
		}
	})
}
