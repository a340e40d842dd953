package mime

import (
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func TestRebuild(t *testing.T) {
	for _, c := range []struct{ in, charset, want string }{
		{"text/html", "", "text/html"},
		{" text / html ", "", "text/html"},
		{"text/html;charset=a", "", "text/html; charset=a"},
		{"text/html;charset=a", "b", "text/html; charset=b"},
		{"text/html; x=1; charset=a; y=\"2;\\\"3\"", "b", "text/html; x=1; charset=b; y=\"2;\\\"3\""},
		{"text/html; charset=a; charset=c", "b", "text/html; charset=b"},
		{"text/html", "b", "text/html; charset=b"},
		{"text/html; x=1", "b", "text/html; x=1; charset=b"},
		{"text", "b", "text"},
		{"text/html;", "b", "text/html;"},
		{"text/html; x", "b", "text/html; x"},
		{"text/html; x=\"", "b", "text/html; x=\""},
		{"", "b", ""},
	} {
		if got := rebuild(c.in, c.charset); got != c.want {
			t.Errorf("rebuild(%q, %q) = %q, expected %q", c.in, c.charset, got, c.want)
		}
	}
}

func FuzzRebuild(f *testing.F) {
	f.Add("text/html; charset=a; b=\"c\\\";\"", "utf-8")
	f.Fuzz(func(t *testing.T, mediaType, charset string) {
		once := rebuild(mediaType, "")
		if again := rebuild(once, ""); again != once {
			t.Fatalf("rebuild(%q) = %q, and of that %q", mediaType, once, again)
		}
		rebuild(mediaType, charset)
	})
}

func TestParseTypes(t *testing.T) {
	got := parseTypes([]byte("# comment\ntext/html\thtml HTM\n\ntext/x-none\nimage/png png\nimage/apng png\n"))
	if len(got) != 3 || got["html"] != "text/html" || got["htm"] != "text/html" || got["png"] != "image/apng" {
		t.Errorf("got %v", got)
	}
}

func TestNoTypesFile(t *testing.T) {
	_, diags := runtimetest.Compile(t, "TypesConfig /nonexistent/mime.types\n", Module)
	if len(diags) != 1 || diags[0].Severity != parser.Error || diags[0].Place.Range.Start.Line != 1 {
		t.Errorf("got %v", diags)
	}
	if g, diags := runtimetest.Compile(t, "AddType text/x .x\n", Module); g == nil || len(diags) != 0 {
		t.Errorf("without TypesConfig: got %v", diags)
	}
}

// TestAnswers checks what names of files say, by the head of the answers. The server below knows no files: it serves
// any name.
func TestAnswers(t *testing.T) {
	address := runtimetest.Serve(t, `
AddType text/x-a .a
AddCharset UTF-8 .u8 .utf
AddLanguage de .de
AddLanguage fr .fr
AddEncoding x-gzip .gz
AddHandler Some-Handler .h
DefaultLanguage en
<Location /less>
  RemoveType .a .html
  RemoveCharset u8
  RemoveLanguage .de
  RemoveEncoding .gz
  AddCharset latin1 .utf
  AddType "text/x-b; p=1" .b
</Location>
`, Module)
	for path, want := range map[string]string{
		"/x.a": "text/x-a||en", "/x.A.De": "text/x-a||de", "/x.de.fr.a": "text/x-a||de, fr", "/x.a.u8": "text/x-a; charset=utf-8||en",
		"/x.a.gz.gz": "application/gzip|x-gzip, x-gzip|en", "/.a": "||en", "/a": "||en", "/..a.png": "image/png||en", "/x..a": "text/x-a||en",
		"/x.a.png": "image/png||en", "/x.png.unknown": "image/png||en",
		"/less/x.a": "||en", "/less/x.html": "||en", "/less/x.png.u8": "image/png||en", "/less/x.png.de": "image/png||en",
		"/less/x.png.gz": "application/gzip||en", "/less/x.b.utf": "text/x-b; p=1; charset=latin1||en",
	} {
		got := runtimetest.Get(t, address, path)
		// The server of the tests calls a file text/html that nobody knows.
		have := strings.Replace(runtimetest.Field(got, "Content-Type"), "text/html", "", 1) + "|" + runtimetest.Field(got, "Content-Encoding") + "|" + runtimetest.Field(got, "Content-Language")
		if have != want {
			t.Errorf("%s: got %s, expected %s", path, have, want)
		}
	}
}
