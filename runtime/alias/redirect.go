package alias

import (
	"strconv"
	"strings"

	"pinion/runtime"
)

var statusWords = map[string]int{"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}

// statusOf reads the first argument of Redirect; ok tells that it is a status.
func statusOf(c *runtime.Cmd) (status int, ok bool, err error) {
	arg := c.Arg(0)
	if n, found := statusWords[strings.ToLower(arg)]; found {
		return n, true, nil
	}
	if arg == "" || arg[0] < '0' || arg[0] > '9' {
		return 0, false, nil
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < 100 || n > 999 {
		return 0, false, c.ArgErrorf(0, "bad-value", "expected a status from 100 to 999, found %q", arg)
	}
	return n, true, nil
}

func isRedirect(status int) bool { return status >= 300 && status < 400 }

// setRedirect compiles Redirect and its like: [status] [path] [URL]. In a section the path may be missing, and the URL is
// then an expression.
func setRedirect(c *runtime.Cmd, status int, match bool) error {
	args := c.Node.Args
	n, given, err := statusOf(c)
	switch {
	case err != nil:
		return err
	case given:
		status, args = n, args[1:]
	case len(args) == 3:
		return runtime.WithDetail(c.ArgErrorf(0, "bad-value", "expected a status as the first of three arguments, found %q", c.Arg(0)),
			"it is one of permanent, temp, seeother, gone, or a number")
	}
	at := len(c.Node.Args) - len(args) // the index of args[0]
	needsURL := isRedirect(status)
	if c.Section != nil && !match {
		switch {
		case needsURL && len(args) == 1:
			return sectionRedirect(c, status, at)
		case !needsURL && len(args) == 0:
			runtime.OwnDirConf[dirConf](c.Dir, Module).redirect = &dirRedirect{status: status}
			return nil
		}
	}
	switch {
	case len(args) == 0:
		return c.Errorf("wrong-arguments", "%s needs a URL-path", c.Node.Name)
	case needsURL && len(args) == 1:
		return c.Errorf("wrong-arguments", "the URL to redirect to is missing")
	case !needsURL && len(args) == 2:
		return c.ArgErrorf(at+1, "wrong-arguments", "no URL goes with status %d", status)
	}
	e := &entry{status: status}
	if len(args) == 2 {
		e.real = args[1]
		if !match && !isURL(e.real) && !strings.HasPrefix(e.real, "/") {
			return runtime.WithDetail(c.ArgErrorf(at+1, "bad-value", "expected a URL or a path to redirect to, found %q", e.real),
				"write it with its scheme, as in https://%s", e.real)
		}
	}
	if match {
		if e.regex, err = c.Regexp(at, 0); err != nil {
			return err
		}
	} else {
		e.fake = args[0]
	}
	if c.Section != nil {
		runtime.OwnDirConf[dirConf](c.Dir, Module).redirects.add(e)
	} else {
		runtime.OwnServerConf[serverConf](c.Server, Module).redirects.add(e)
	}
	return nil
}

func sectionRedirect(c *runtime.Cmd, status, at int) error {
	url, err := c.StringExpr(at, c.Arg(at))
	if err == nil {
		runtime.OwnDirConf[dirConf](c.Dir, Module).redirect = &dirRedirect{url, status}
	}
	return err
}

// isURL tells whether s has a scheme and "://" (ap_is_url).
func isURL(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme == "" {
		return false
	}
	for i := 0; i < len(scheme); i++ {
		c := scheme[i]
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// escapeTarget escapes a URL but for its query and fragment. As httpd takes it apart and puts it together again, a port
// that is the scheme's own is dropped, and a password hidden (apr_uri_unparse).
func escapeTarget(url string) string {
	url, fragment, hasFragment := strings.Cut(url, "#")
	url, query, hasQuery := strings.Cut(url, "?")
	if isURL(url) {
		url = plainSite(url)
	}
	url = runtime.EscapeURI(url)
	if hasQuery {
		url += "?" + query
	}
	if hasFragment {
		url += "#" + fragment
	}
	return url
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443", "ftp": ":21", "ws": ":80", "wss": ":443"}

func plainSite(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	site, path := rest[:end], rest[end:]
	user := ""
	if i := strings.LastIndexByte(site, '@'); i >= 0 {
		user, site = site[:i], site[i+1:]
		if name, _, ok := strings.Cut(user, ":"); ok {
			user = name + ":XXXXXXXX"
		}
		user += "@"
	}
	if port := defaultPorts[strings.ToLower(scheme)]; port != "" {
		site = strings.TrimSuffix(site, port)
	}
	return scheme + "://" + user + site + path
}
