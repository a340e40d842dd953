package autoindex

import (
	"io"
	"os"
	"strings"

	"pinion/runtime"
)

func (l *listing) put(parts ...string) {
	for _, p := range parts {
		l.page.WriteString(p)
	}
}

// close ends an empty element.
func (l *listing) close() string {
	if l.opts&xhtml != 0 {
		return " />"
	}
	return ">"
}

func (l *listing) preamble(title string) {
	if l.opts&xhtml != 0 {
		l.put(`<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"`+"\n"+`"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">`, "\n",
			"<html xmlns=\"http://www.w3.org/1999/xhtml\">\n")
	} else {
		l.put(`<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">`, "\n<html>\n")
	}
	l.put(" <head>\n  <title>Index of ", title, "</title>\n")
	if l.styleSheet.Set {
		l.put("  <link rel=\"stylesheet\" href=\"", l.styleSheet.V, "\" type=\"text/css\"", l.close(), "\n")
	}
	l.put(l.headInsert.V, " </head>\n <body>\n")
}

// head is all above the listing: the preamble, and HeaderName's text or a headline.
func (l *listing) head(title string) {
	if l.header.Set {
		name := l.header.V
		if l.r.HasArgs {
			name += "?" + l.r.Args
		}
		if text, html, ok := l.include(name); ok {
			if !html || l.opts&suppressPreamble == 0 {
				l.preamble(title)
			}
			l.put(text)
			return
		}
	}
	l.preamble(title)
	if l.styleSheet.Set {
		l.put("  <h1 id=\"indextitle\">Index of ", title, "</h1>\n")
	} else {
		l.put("<h1>Index of ", title, "</h1>\n")
	}
}

// tail is all below the listing: ReadmeName's text or the signature.
func (l *listing) tail() {
	if l.readme.Set {
		if text, html, ok := l.include(l.readme.V); ok {
			l.put(text)
			if !html || l.opts&suppressPreamble == 0 {
				l.put("</body></html>\n")
			}
			return
		}
	}
	l.put(l.r.Signature(""), "</body></html>\n")
}

// maxInclude is how much of HeaderName's and ReadmeName's file is shown, in bytes.
const maxInclude = 1 << 20

// include reads a file that this client may have: an HTML file as it is, other text with its markup shown.
func (l *listing) include(name string) (text string, html, ok bool) {
	n := l.r.SubRequest(name)
	defer n.Free()
	if n.Status != 200 || n.Filename == "" || n.FileInfo == nil || !n.FileInfo.Mode().IsRegular() {
		return "", false, false
	}
	html = isHTML(n.ContentType)
	if !html && (len(n.ContentType) < 5 || !runtime.EqualFold(n.ContentType[:5], "text/")) {
		return "", false, false
	}
	f, err := os.Open(n.Filename)
	if err != nil {
		return "", false, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxInclude))
	if err != nil {
		return "", false, false
	}
	if html {
		// httpd runs a subrequest for it, and so no longer knows the length.
		l.r.UnknownLength = true
		return string(b), true, true
	}
	return "<pre>\n" + strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;").Replace(string(b)) + "</pre>\n", false, true
}
