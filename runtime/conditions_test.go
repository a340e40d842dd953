package runtime

import (
	"net/http"
	"testing"
	"time"
)

func TestParseHTTPDate(t *testing.T) {
	const want = 1577934245
	for _, s := range []string{"Thu, 02 Jan 2020 03:04:05 GMT", "Thursday, 02-Jan-20 03:04:05 GMT", "Thu Jan  2 03:04:05 2020", "Thu Jan 02 03:04:05 2020",
		"Thu, 2 Jan 2020 03:04:05 GMT", " \tX 02 Jan 2020 03:04:05 PST", "Thu, 02 Jan 2020 03:04:05 "} {
		if got, ok := ParseHTTPDate(s); !ok || got != want {
			t.Errorf("ParseHTTPDate(%q) = %d, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "Thu", "Thu, ", "02 Jan 2020 03:04:05 GMT", "Thu, 31 Apr 2020 03:04:05 GMT", "Thu, 29 Feb 2021 03:04:05 GMT",
		"Thu, 02 Jan 2020 24:04:05 GMT", "Thu, 02 Jan 2020 03:60:05 GMT", "Thu, 02 jan 2020 03:04:05 GMT", "Thu, 02 Foo 2020 03:04:05 GMT",
		"Thu, 02 Jan 1899 03:04:05 GMT", "Thu, 00 Jan 2020 03:04:05 GMT", "Thu, 02 Jan 2020 03:04", "Thu, 01 Jan 1970 00:00:00 GMT"} {
		if got, ok := ParseHTTPDate(s); ok || got != 0 {
			t.Errorf("ParseHTTPDate(%q) = %d, %v", s, got, ok)
		}
	}
	if got, ok := ParseHTTPDate("Thursday, 31-Dec-69 00:00:00 GMT"); !ok || time.Unix(got, 0).UTC().Year() != 2069 {
		t.Errorf("two digits of a year gave %v", time.Unix(got, 0).UTC())
	}
}

// FuzzParseHTTPDate checks that what is written as HTTP writes dates is read as the same moment.
func FuzzParseHTTPDate(f *testing.F) {
	f.Add("Thu, 02 Jan 2020 03:04:05 GMT", int64(1577934245))
	f.Add("Thursday, 02-Jan-20 03:04:05 GMT", int64(0))
	f.Add("Thu Jan  2 03:04:05 2020", int64(-1))
	f.Fuzz(func(t *testing.T, s string, sec int64) {
		ParseHTTPDate(s)
		if sec = sec % 200e9; sec <= -2208988800 || sec == 0 || sec >= 253402300800 {
			return
		}
		for _, layout := range []string{http.TimeFormat, time.ANSIC} {
			text := time.Unix(sec, 0).UTC().Format(layout)
			if got, ok := ParseHTTPDate(text); !ok || got != sec {
				t.Fatalf("ParseHTTPDate(%q) = %d, %v, expected %d", text, got, ok, sec)
			}
		}
	})
}

func TestHasETag(t *testing.T) {
	for _, c := range []struct {
		list, tag    string
		strong, weak bool
	}{
		{`"a"`, `"a"`, true, true},
		{`"b", "a"`, `"a"`, true, true},
		{`,, "b"	,"a"`, `"a"`, true, true},
		{`W/"a"`, `"a"`, false, true},
		{`"a"`, `W/"a"`, false, true},
		{`W/"a"`, `W/"a"`, false, true},
		{`"b", W/"c", "a"`, `"a"`, false, true},
		{`x, "a"`, `"a"`, false, false},
		{`"a`, `"a"`, false, false},
		{`"a"b`, `"a"`, false, false},
		{`"a,b"`, `"a,b"`, true, true},
		{`"A"`, `"a"`, false, false},
		{``, `"a"`, false, false},
		{`"a"`, ``, false, false},
	} {
		if got := hasETag(c.list, c.tag, false); got != c.strong {
			t.Errorf("hasETag(%q, %q) = %v", c.list, c.tag, got)
		}
		if got := hasETag(c.list, c.tag, true); got != c.weak {
			t.Errorf("hasETag(%q, %q, weakly) = %v", c.list, c.tag, got)
		}
	}
}

func FuzzHasETag(f *testing.F) {
	f.Add(`"a", W/"b"`, `"b"`)
	f.Add(`"a\", "`, `W/"`)
	f.Fuzz(func(t *testing.T, list, tag string) {
		if hasETag(list, tag, false) && !hasETag(list, tag, true) {
			t.Fatal("a tag that matches strongly matches weakly, too")
		}
	})
}

func TestCleanFilename(t *testing.T) {
	for in, want := range map[string]string{"/": "/", "//": "/", "/a/b": "/a/b", "/a//b/": "/a/b/", "/a/./b": "/a/b", "/a/../b": "/b", "/..": "/",
		"/../../x": "/x", "/a/..": "/", "/a/b/..": "/a/", "/a/.": "/a/", "/a/...": "/a/...", "/.a": "/.a", "/a/b/../": "/a/"} {
		if got := CleanFilename(in); got != want {
			t.Errorf("CleanFilename(%q) = %q, expected %q", in, got, want)
		}
	}
}

func FuzzCleanFilename(f *testing.F) {
	f.Add("/a/../../b//./c/")
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || name[0] != '/' {
			return
		}
		clean := CleanFilename(name)
		if clean[0] != '/' || CleanFilename(clean) != clean {
			t.Fatalf("CleanFilename(%q) = %q", name, clean)
		}
		if !plainPath(clean) && containsDots(clean) {
			t.Fatalf("CleanFilename(%q) = %q", name, clean)
		}
	})
}

func containsDots(p string) bool {
	for len(p) > 0 {
		i := 1
		for i < len(p) && p[i] != '/' {
			i++
		}
		if s := p[:i]; s == "/." || s == "/.." || s == "/" && i < len(p) {
			return true
		}
		p = p[i:]
	}
	return false
}
