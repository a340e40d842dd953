package deflate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/filter"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// pieces makes bodies in several ways, by the path.
var pieces = runtime.Define(runtime.Module{Name: "pieces_module", File: "mod_pieces.c", Hooks: []runtime.Hook{
	{Phase: runtime.Handler, Always: true, Run: answer},
}})

var errBroken = errors.New("broken")

// source gives its parts one by one, and waits before each but the first until it is told to go on.
type source struct {
	parts []string
	step  chan struct{}
	first bool
	err   error
}

func (s *source) Waits() bool { return s.step != nil && !s.first }

func (s *source) Read(p []byte) (int, error) {
	if s.step != nil && !s.first {
		<-s.step
	}
	s.first = false
	if len(s.parts) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	n := copy(p, s.parts[0])
	if s.parts[0] = s.parts[0][n:]; s.parts[0] == "" {
		s.parts = s.parts[1:]
	}
	return n, nil
}

var (
	steps  = make(chan struct{})
	random = func() string {
		b := make([]byte, 300_000)
		src := rand.NewChaCha8([32]byte{1})
		_, _ = src.Read(b)
		return string(b)
	}()
	text = strings.Repeat("hello, this is a line of text\n", 100)
)

func answer(r *runtime.Request) runtime.Result {
	r.ContentType = "text/plain"
	r.HeadersOut.Set("ETag", `"tag"`)
	send := func(length int64, src io.Reader) runtime.Result {
		if length >= 0 {
			r.HeadersOut.Set("Content-Length", strconv.FormatInt(length, 10))
		}
		if r.Begin(length) != nil {
			return runtime.Done
		}
		if _, err := r.SendBody(src); err != nil {
			if r.HeadHeld() {
				return 502
			}
			return 500
		}
		return runtime.OK
	}
	switch r.URI {
	case "/text":
		return send(int64(len(text)), strings.NewReader(text))
	case "/random":
		return send(int64(len(random)), strings.NewReader(random))
	case "/writes":
		for range 200 {
			if _, err := io.WriteString(r, text); err != nil {
				return 500
			}
		}
		return runtime.OK
	case "/slow":
		return send(-1, &source{parts: []string{"one\n", "two\n", "three\n"}, step: steps, first: true})
	case "/broken":
		return send(-1, &source{parts: []string{text}, err: errBroken})
	case "/broken-late":
		return send(-1, &source{parts: []string{random}, err: errBroken})
	case "/bad-head":
		r.HeadersOut.Set("X-Bad", "a\nb")
		return send(int64(len(text)), strings.NewReader(text))
	}
	return 404
}

const directives = "SetOutputFilter DEFLATE\nDeflateFilterNote Ratio r\nDeflateFilterNote Input i\nDeflateFilterNote Output o\n"

func serve(t testing.TB, extra string) string {
	return runtimetest.Serve(t, directives+extra, Module, filter.Module, pieces)
}

// get sends a request and returns the answer, its body as it came.
func get(t testing.TB, at, method, path string, headers ...string) (*http.Response, []byte, error) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	req := method + " " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
	if _, err := io.WriteString(c, req); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, b, err
}

func unzip(t testing.TB, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestBodies(t *testing.T) {
	at := serve(t, "")
	for path, want := range map[string]string{"/text": text, "/random": random, "/writes": strings.Repeat(text, 200)} {
		for range 3 { // the second time the compressor comes from the pool
			res, b, err := get(t, at, "GET", path)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%s: %v %v", path, res, err)
			}
			if got := unzip(t, b); got != want {
				t.Errorf("%s: %d bytes, expected %d", path, len(got), len(want))
			}
			short := path != "/random" // once compressed
			if chunked := len(res.TransferEncoding) > 0; chunked == short || short != (res.ContentLength == int64(len(b))) {
				t.Errorf("%s: chunked is %v, Content-Length %d of %d bytes", path, chunked, res.ContentLength, len(b))
			}
			if res.Header.Get("ETag") != `"tag-gzip"` || res.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: %v", path, res.Header)
			}
			if string(b[:len(header)]) != header {
				t.Errorf("%s: header %x", path, b[:len(header)])
			}
		}
	}
}

func TestHead(t *testing.T) {
	at := serve(t, "")
	full, b, err := get(t, at, "GET", "/text")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/text", "/random", "/writes"} {
		res, body, err := get(t, at, "HEAD", path)
		if err != nil || len(body) > 0 || res.StatusCode != 200 || res.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %v %q %v", path, res, body, err)
		}
		if path == "/text" && (res.ContentLength != full.ContentLength || res.ContentLength != int64(len(b))) {
			t.Errorf("Content-Length %d, expected %d", res.ContentLength, len(b))
		}
	}
}

func TestLevels(t *testing.T) {
	sizes := map[int]int{}
	for _, level := range []int{1, 9} {
		at := serve(t, "DeflateCompressionLevel "+strconv.Itoa(level)+"\n")
		_, b, err := get(t, at, "GET", "/writes")
		if err != nil {
			t.Fatal(err)
		}
		unzip(t, b)
		sizes[level] = len(b)
	}
	if sizes[1] <= sizes[9] {
		t.Errorf("level 1 makes %d bytes, level 9 %d", sizes[1], sizes[9])
	}
}

// TestStream checks that a client gets what a slow source has sent, before the source sends more.
func TestStream(t *testing.T) {
	at := serve(t, "")
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one\n", "two\n", "three\n"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(z, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v, expected %q", got, err, want)
		}
		steps <- struct{}{}
	}
	if rest, err := io.ReadAll(z); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

func TestBrokenSource(t *testing.T) {
	at := serve(t, "")
	// Nothing has gone out yet: the error has its page, which no filter changes.
	res, b, err := get(t, at, "GET", "/broken")
	if err != nil || res.StatusCode != 502 || res.Header.Get("Content-Encoding") != "" || !bytes.Contains(b, []byte("502")) {
		t.Errorf("%v %q %v", res, b, err)
	}
	// The head is out: the answer is cut.
	if _, b, err = get(t, at, "GET", "/broken-late"); err == nil {
		t.Errorf("a broken answer seems complete: %d bytes", len(b))
	}
	res, b, err = get(t, at, "GET", "/bad-head")
	if err != nil || res.StatusCode != 500 || res.Header.Get("Content-Encoding") != "" || res.Header.Get("X-Bad") != "" {
		t.Errorf("%v %q %v", res, b, err)
	}
}

func TestRange(t *testing.T) {
	at := serve(t, "")
	_, whole, err := get(t, at, "GET", "/text")
	if err != nil {
		t.Fatal(err)
	}
	res, b, err := get(t, at, "GET", "/text", "Range: bytes=2-5")
	if err != nil || res.StatusCode != 206 || !bytes.Equal(b, whole[2:6]) || res.Header.Get("Content-Range") != "bytes 2-5/"+strconv.Itoa(len(whole)) {
		t.Errorf("%v %q %v", res, b, err)
	}
	res, b, err = get(t, at, "GET", "/text", "Range: bytes=100000-")
	if err != nil || res.StatusCode != 416 || !bytes.Contains(b, []byte("</html>")) {
		t.Errorf("%v %q %v", res, b, err)
	}
	res, b, err = get(t, at, "GET", "/random", "Range: bytes=2-5")
	if err != nil || res.StatusCode != 200 || unzip(t, b) != random {
		t.Errorf("%v %v", res, err)
	}
}

func TestNotes(t *testing.T) {
	noted := make(chan string, 1)
	look := runtime.Define(runtime.Module{Name: "look_module", File: "mod_look.c", Hooks: []runtime.Hook{
		{Phase: runtime.LogTransaction, Always: true, Run: func(r *runtime.Request) runtime.Result {
			noted <- r.Notes.Get("i") + " " + r.Notes.Get("o") + " " + r.Notes.Get("r")
			return runtime.OK
		}},
	}})
	at := runtimetest.Serve(t, directives, Module, filter.Module, pieces, look)
	_, b, err := get(t, at, "GET", "/text")
	if err != nil {
		t.Fatal(err)
	}
	out := len(b) - len(header) - trailer
	want := strconv.Itoa(len(text)) + " " + strconv.Itoa(out) + " " + strconv.Itoa(out*100/len(text))
	if got := <-noted; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for value, want := range map[string]bool{
		"gzip": true, "GZIP": true, "br, gzip": true, "br;q=1;x=\"a,gzip\"": false, "gzip;q=0": false, "gzip;q=0.0": false,
		"gzip;q=0.000": false, "gzip;q=0.0000": true, "gzip;q=0.001": true, "gzip;q=": true, "": false, ",gzip": false, "*": false, "x-gzip": false,
		"br gzip": true, "br;q=0;a=b , gzip": true, "gzip ; q=0": false, "gzip;;;q=0": false, "gzip, br;q=0": true,
	} {
		if got := acceptsGzip(value); got != want {
			t.Errorf("%q: %v, expected %v", value, got, want)
		}
	}
}

func TestEncoded(t *testing.T) {
	for value, want := range map[string]bool{"": false, "identity": false, "gzip": true, "Identity": true, "identity, 8bit": false, "identity,br": true, "binary;x": true} {
		if got := encoded(value); got != want {
			t.Errorf("%q: %v, expected %v", value, got, want)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	for _, line := range []string{"DeflateCompressionLevel 0", "DeflateCompressionLevel 10", "DeflateCompressionLevel x", "DeflateFilterNote what note", "DeflateAlterETag maybe"} {
		if g, diags := runtimetest.Compile(t, line, Module); g != nil || len(diags) != 1 || diags[0].Code != "bad-value" {
			t.Errorf("%s: %v", line, diags)
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"gzip;q=0", "br;q=1, gzip", `a;"b,c`, ";;,,", "gzip;x=\"", " \t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if acceptsGzip(s) && !strings.Contains(strings.ToLower(s), "gzip") {
			t.Fatalf("%q is taken for gzip", s)
		}
		encoded(s)
	})
}

func BenchmarkAnswer(b *testing.B) {
	at := serve(b, "")
	for b.Loop() {
		if _, _, err := get(b, at, "GET", "/text"); err != nil {
			b.Fatal(err)
		}
	}
}
