package http2

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// nowhere is an http.ResponseWriter that drops what is written.
type nowhere struct{ http.ResponseWriter }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// A stream had a buffer of its own before, 32 KiB for an answer of any length.
func TestReadFromAllocatesNothing(t *testing.T) {
	page := make([]byte, 256)
	src := bytes.NewReader(page)
	s := &stream{w: nowhere{}}
	if n := testing.AllocsPerRun(100, func() {
		src.Reset(page)
		if _, err := s.ReadFrom(struct{ io.Reader }{src}); err != nil {
			t.Error(err)
		}
	}); n > 1 { // the one is the test's own interface value
		t.Errorf("%v allocations, expected none of ReadFrom's", n)
	}
}
