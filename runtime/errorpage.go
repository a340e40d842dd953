package runtime

import (
	"fmt"
	"strings"
)

// cannedPages are the bodies of httpd's own error pages, as it was seen to answer with them; scripts and monitors
// compare them. {method}, {location}, {admin} and {expect} stand for the request's, escaped; {notes} is where a note of the
// module that failed goes, as it is.
var cannedPages = splitPages(map[int]string{
	301: "<p>The document has moved <a href=\"{location}\">here</a>.</p>\n",
	303: "<p>The answer to your request is located <a href=\"{location}\">here</a>.</p>\n",
	305: "<p>This resource is only accessible through the proxy\n<br />\nYou will need to configure your client to use that proxy.</p>\n",
	400: "<p>Your browser sent a request that this server could not understand.<br />\n{notes}</p>\n",
	401: "<p>This server could not verify that you\nare authorized to access the document\nrequested.  Either you supplied the wrong\ncredentials (e.g., bad password), or your\nbrowser doesn't understand how to supply\nthe credentials required.</p>\n",
	403: "<p>You don't have permission to access this resource.{notes}</p>\n",
	404: "<p>The requested URL was not found on this server.</p>\n",
	405: "<p>The requested method {method} is not allowed for this URL.</p>\n",
	406: "<p>An appropriate representation of the requested resource could not be found on this server.</p>\n",
	408: "<p>Server timeout waiting for the HTTP request from the client.</p>\n",
	410: "<p>The requested resource is no longer available on this server and there is no forwarding address.\nPlease remove all references to this resource.</p>\n",
	411: "<p>A request of the requested method {method} requires a valid Content-length.<br />\n{notes}</p>\n",
	412: "<p>The precondition on the request for this URL evaluated to false.</p>\n",
	413: "The requested resource does not allow request data with {method} requests, or the amount of data provided in\nthe request exceeds the capacity limit.\n",
	414: "<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n{notes}</p>\n",
	415: "<p>The supplied request data is not in a format\nacceptable for processing by this resource.</p>\n",
	416: "<p>None of the range-specifier values in the Range\nrequest-header field overlap the current extent\nof the selected resource.</p>\n",
	417: "<p>The expectation given in the Expect request-header\nfield could not be met by this server.\nThe client sent<pre>\n    Expect: {expect}\n</pre>\n{notes}</p><p>Only the 100-continue expectation is supported.</p>\n",
	421: "<p>The client needs a new connection for this\nrequest as the requested host name does not match\nthe Server Name Indication (SNI) in use for this\nconnection.</p>\n",
	422: "<p>The server understands the media type of the\nrequest entity, but was unable to process the\ncontained instructions.</p>\n",
	423: "<p>The requested resource is currently locked.\nThe lock must be released or proper identification\ngiven before the method can be applied.</p>\n",
	424: "<p>The method could not be performed on the resource\nbecause the requested action depended on another\naction and that other action failed.</p>\n",
	426: "<p>The requested resource can only be retrieved\nusing SSL.  The server is willing to upgrade the current\nconnection to SSL, but your client doesn't support it.\nEither upgrade your client, or try requesting the page\nusing https://\n",
	428: "<p>The request is required to be conditional.</p>\n",
	429: "<p>The user has sent too many requests\nin a given amount of time.</p>\n",
	431: "<p>The server refused this request because\nthe request header fields are too large.</p>\n",
	451: "<p>Access to this URL has been denied for legal reasons.<br />\n{notes}</p>\n",
	501: "<p>{method} not supported for current URL.<br />\n{notes}</p>\n",
	502: "<p>The proxy server received an invalid\r\nresponse from an upstream server.<br />\r\n{notes}</p>\n",
	503: "<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems. Please try again later.</p>\n",
	504: "<p>The gateway did not receive a timely response\nfrom the upstream server or application.</p>\n",
	506: "<p>A variant for the requested resource\n<pre>\n\n</pre>\nis itself a negotiable resource. This indicates a configuration error.</p>\n",
	507: "<p>The method could not be performed on the resource\nbecause the server is unable to store the\nrepresentation needed to successfully complete the\nrequest.  There is insufficient free space left in\nyour storage allocation.</p>\n",
	508: "<p>The server terminated an operation because\nit encountered an infinite loop.</p>\n",
	510: "<p>A mandatory extension policy in the request is not\naccepted by the server for this resource.</p>\n",
	511: "<p>The client needs to authenticate to gain\nnetwork access.</p>\n",
})

var internalErrorPage = splitPage("<p>The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour request.</p>\n" +
	"<p>Please contact the server administrator at \n {admin} to inform them of the time this error occurred,\n" +
	" and the actions you performed just before this error.</p>\n" +
	"<p>More information about this error may be available\nin the server error log.</p>\n")

// noExpectation is the page of 417 for a request without Expect.
var noExpectation = splitPage("<p>No expectation was seen, the Expect request-header \nfield was not presented by the client.\n" +
	"{notes}</p><p>Only the 100-continue expectation is supported.</p>\n")

// cannedPage is a page's text in pieces.
type cannedPage []cannedPiece

// cannedPiece is text and the name of what follows it, "" for nothing.
type cannedPiece struct{ text, then string }

func splitPages(texts map[int]string) map[int]cannedPage {
	pages := make(map[int]cannedPage, len(texts))
	for status, text := range texts {
		pages[status] = splitPage(text)
	}
	return pages
}

func splitPage(text string) (page cannedPage) {
	for {
		before, rest, found := strings.Cut(text, "{")
		if !found {
			return append(page, cannedPiece{before, ""})
		}
		name, after, _ := strings.Cut(rest, "}")
		page = append(page, cannedPiece{before, name})
		text = after
	}
}

// errorPage is the canned page of the request's status. second is the status of an error that an ErrorDocument met, or 0.
func (r *Request) errorPage(location string, second int) []byte {
	line := StatusLine(r.Status)
	if lineOf(r.StatusLine, r.Status) && len(r.StatusLine) > 4 {
		line = r.StatusLine
	}
	b := make([]byte, 0, 768) // enough for nearly all
	b = append(b, "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<title>"...)
	b = append(b, line...)
	b = append(b, "</title>\n</head><body>\n<h1>"...)
	b = append(b, line[4:]...)
	b = append(b, "</h1>\n"...)
	b = r.appendCanned(b, location)
	if second != 0 {
		b = fmt.Appendf(b, "<p>Additionally, a %s\nerror was encountered while trying to use an ErrorDocument to handle the request.</p>\n", StatusLine(second))
	}
	b = append(b, r.Signature("<hr>\n")...)
	return append(b, "</body></html>\n"...)
}

func (r *Request) appendCanned(b []byte, location string) []byte {
	status := r.Status
	switch status {
	case 302, 307, 308:
		status = 301
	case 407:
		status = 401
	}
	page, ok := cannedPages[status]
	switch {
	case status == 417 && !r.HeadersIn.Has("Expect"):
		page = noExpectation
	case !ok && r.Notes.Get("verbose-error-to") == "*" && r.Notes.Has("error-notes"):
		b = append(b, r.Notes.Get("error-notes")...)
		return append(b, "<p />\n"...)
	case !ok:
		page = internalErrorPage
	}
	for _, piece := range page {
		b = append(b, piece.text...)
		switch piece.then {
		case "method":
			b = append(b, EscapeHTML(r.Method)...)
		case "location":
			b = append(b, EscapeHTML(location)...)
		case "admin":
			b = append(b, EscapeHTML(r.Server.AdminAddress())...)
		case "expect":
			b = append(b, EscapeHTML(r.HeadersIn.Get("Expect"))...)
		case "notes":
			b = append(b, r.Notes.Get("error-notes")...)
		}
	}
	return b
}

// Signature is the footer of generated pages (ServerSignature), with prefix before it, or "".
func (r *Request) Signature(prefix string) string {
	mode := r.Dir.Core.ServerSignature.Or("off")
	if mode == "off" {
		return ""
	}
	name := EscapeHTML(r.ServerName())
	if mode == "email" {
		admin := r.Server.AdminAddress()
		mailto := "mailto:"
		if strings.Contains(admin, "://") {
			mailto = ""
		}
		name = fmt.Sprintf("<a href=\"%s%s\">%s</a>", mailto, EscapeHTML(admin), name)
	}
	return fmt.Sprintf("%s<address>%s Server at %s Port %d</address>\n", prefix, r.Graph.Banner, name, r.ServerPort())
}

// EscapeHTML escapes as httpd's ap_escape_html does.
func EscapeHTML(s string) string {
	if !strings.ContainsAny(s, "<>&\"") {
		return s
	}
	return htmlEscaper.Replace(s)
}

var htmlEscaper = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;", "\"", "&quot;")
