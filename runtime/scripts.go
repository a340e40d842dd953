package runtime

import "strings"

// ScriptHandler tells whether a handler or media type stands for a program or a template that pinion can't run, so
// that serving the file would show its source; instead is what to do about it.
func ScriptHandler(name string) (instead string, ok bool) {
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "application/x-httpd-php"), strings.HasPrefix(name, "php") && strings.HasSuffix(name, "-script"):
		return "keep PHP behind a server that speaks FastCGI, and ProxyPass to that by http", true
	case name == "wsgi-script":
		return "run the application with gunicorn or uWSGI and ProxyPass to it", true
	case name == "server-parsed", name == "text/x-server-parsed-html", name == "text/x-server-parsed-html3":
		return "pinion reads no SSI; let the backend do it", true
	case name == "cgi-script", name == "application/x-httpd-cgi", name == "fcgid-script", name == "fastcgi-script",
		name == "perl-script", name == "modperl", name == "lua-script", name == "isapi-handler":
		return "pinion runs no programs; ProxyPass to an application that speaks HTTP", true
	}
	return "", false
}
