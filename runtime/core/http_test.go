package core

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// raw sends a request as it is and returns the status line, the header and the body of the answer, with plain line feeds.
func raw(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// serve serves a configuration, with its error log out of the way.
func serve(t *testing.T, conf string) string {
	t.Helper()
	was := runtime.StderrLog.Out
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	runtime.StderrLog.Out = null
	t.Cleanup(func() {
		runtime.StderrLog.Out = was
		null.Close()
	})
	return runtimetest.Serve(t, conf, Modules()...)
}

// TestTraceAndOptions expects what httpd 2.4.71 was seen to answer.
func TestTraceAndOptions(t *testing.T) {
	address := serve(t, head+`
TraceEnable extended
<VirtualHost *>
ServerName d.example
</VirtualHost>
<VirtualHost *>
ServerName off.example
TraceEnable off
</VirtualHost>
<VirtualHost *>
ServerName on.example
TraceEnable on
</VirtualHost>`)
	const page = "Content-Type: text/html; charset=iso-8859-1\n\n<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n"
	for _, c := range []struct{ request, first, rest string }{
		{"TRACE /x?y HTTP/1.1\r\nHost: d.example\r\nX-a: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", "HTTP/1.1 200 OK",
			"Connection: close\nTransfer-Encoding: chunked\nContent-Type: message/http\n\n5a\nTRACE /x?y HTTP/1.1\nHost: d.example\nX-a: b\nContent-Length: 4\nConnection: close\n\nbody\n0\n\n"},
		{"TRACE /x HTTP/1.1\r\nHost: off.example\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 Method Not Allowed",
			"Allow: \nContent-Length: 262\nConnection: close\n" + page + "<title>405 Method Not Allowed</title>\n</head><body>\n<h1>Method Not Allowed</h1>\n" +
				"<p>The requested method TRACE is not allowed for this URL.</p>\n</body></html>\n"},
		{"TRACE /x HTTP/1.1\r\nHost: on.example\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", "HTTP/1.1 413 Request Entity Too Large",
			"Content-Length: 357\nConnection: close\n" + page + "<title>413 Request Entity Too Large</title>\n</head><body>\n<h1>Request Entity Too Large</h1>\n" +
				"The requested resource does not allow request data with TRACE requests, or the amount of data provided in\nthe request exceeds the capacity limit.\n</body></html>\n"},
		{"TRACE /x HTTP/1.1\r\nHost: on.example\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK",
			"Connection: close\nTransfer-Encoding: chunked\nContent-Type: message/http\n\n3a\nTRACE /x HTTP/1.1\nHost: on.example\nConnection: close\n\n\n0\n\n"},
		{"OPTIONS * HTTP/1.1\r\nHost: on.example\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", "Content-Length: 0\nConnection: close\n\n"},
	} {
		got := raw(t, address, c.request)
		first, rest, _ := strings.Cut(got, "\n")
		var kept []string
		for _, l := range strings.Split(rest, "\n") {
			if !strings.HasPrefix(l, "Date: ") && !strings.HasPrefix(l, "Server: ") {
				kept = append(kept, l)
			}
		}
		if rest = strings.Join(kept, "\n"); first != c.first || rest != c.rest {
			t.Errorf("%q:\n got %s\n%s\nwant %s\n%s", c.request, first, rest, c.first, c.rest)
		}
	}
	if got := raw(t, address, "TRACE / HTTP/1.1\r\nHost: d.example\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n"+strings.Repeat("x", 65537)); !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("a long body: %.100s", got)
	}
}

func TestStrictHeads(t *testing.T) {
	address := serve(t, head+`
StrictHostCheck On
HttpProtocolOptions RegisteredMethods
RegisterHttpMethod BREW
<VirtualHost *>
ServerName a.test
ServerAlias b.test *.c.test
</VirtualHost>
<VirtualHost *>
ServerName lenient.test
HttpProtocolOptions LenientMethods
</VirtualHost>`)
	for request, status := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a.test": "200", "GET / HTTP/1.1\r\nHost: B.test:81": "200", "GET / HTTP/1.1\r\nHost: x.c.test": "200",
		"GET / HTTP/1.1\r\nHost: d.test": "400", "GET / HTTP/1.1\r\nHost: c.test": "400", "GET / HTTP/1.0": "200",
		"BREW / HTTP/1.1\r\nHost: a.test": "200", "STEEP / HTTP/1.1\r\nHost: a.test": "501", "get / HTTP/1.1\r\nHost: a.test": "501",
		"STEEP / HTTP/1.1\r\nHost: lenient.test": "200",
	} {
		got := raw(t, address, request+"\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+status) {
			t.Errorf("%q: got %.40q want %s", request, got, status)
		}
	}
}

// TestRequestReadTimeout waits for the server to give up on a client that sends half of a request.
func TestRequestReadTimeout(t *testing.T) {
	address := serve(t, head+"TraceEnable extended\nRequestReadTimeout header=1 body=1\n")
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x.example\r\n": "HTTP/1.1 408 ",
		// TRACE reads its body before it answers, the file module after.
		"TRACE / HTTP/1.1\r\nHost: x.example\r\nContent-Length: 9\r\n\r\nhalf": "HTTP/1.1 400 ",
		"POST / HTTP/1.1\r\nHost: x.example\r\nContent-Length: 9\r\n\r\nhalf":  "HTTP/1.1 200 ",
	} {
		if got := raw(t, address, request); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %.60q want %q", request, got, want)
		}
	}
}
