package runtime

import (
	"regexp"
	"strings"
	"testing"
)

// What a request brings is escaped where a canned text names it, and what a module notes is left as it is, braces and all.
func TestErrorPage(t *testing.T) {
	for _, c := range []struct {
		status int
		notes  string
		want   string
	}{
		{302, "", "<h1>Found</h1>\n<p>The document has moved <a href=\"/a?b&amp;{c}\">here</a>.</p>\n</body></html>\n"},
		{405, "", "<p>The requested method &lt;G&gt; is not allowed for this URL.</p>\n</body></html>\n"},
		{403, "<br />{location} and {", "<p>You don't have permission to access this resource.<br />{location} and {</p>\n</body></html>\n"},
		{417, "", "<pre>\n    Expect: &quot;x&quot;\n</pre>\n</p><p>Only the 100-continue expectation is supported.</p>\n</body></html>\n"},
		{500, "", " [no address given] to inform them of the time this error occurred,\n"},
	} {
		r := &Request{Status: c.status, Method: "<G>", Server: &Server{}, Dir: &DirConfig{}}
		r.HeadersIn.Set("Expect", `"x"`)
		if c.notes != "" {
			r.Notes.Set("error-notes", c.notes)
		}
		if page := string(r.errorPage("/a?b&{c}", 0)); !strings.Contains(page, c.want) {
			t.Errorf("%d: expected %q in %q", c.status, c.want, page)
		}
	}
}

// Each name in the texts is one that a page can be given.
func TestCannedNames(t *testing.T) {
	known := regexp.MustCompile(`^(method|location|admin|expect|notes)?$`)
	pages := []cannedPage{internalErrorPage, noExpectation}
	for _, p := range cannedPages {
		pages = append(pages, p)
	}
	for _, p := range pages {
		for _, piece := range p {
			if !known.MatchString(piece.then) || strings.ContainsAny(piece.text, "{}") {
				t.Errorf("%q is followed by %q", piece.text, piece.then)
			}
		}
	}
}
