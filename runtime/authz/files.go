package authz

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tg123/go-htpasswd"

	"pinion/parser"
	"pinion/runtime"
)

var fileDirectives = []runtime.Directive{
	{Name: "AuthUserFile", Args: parser.Take1, In: inDirs | parser.Require, Syntax: "file-path", Help: "The file of users and passwords, as htpasswd writes it", Set: setUserFile},
}

var groupDirectives = []runtime.Directive{
	{Name: "AuthGroupFile", Args: parser.Take1, In: inDirs | parser.Require, Syntax: "file-path", Help: "The file of groups and their users", Set: setGroupFile},
}

// userFile and groupFile are what a section's directive names. The files are read when the configuration is; a change
// of one is a change of the configuration. One that can't be read answers 500 or 403, as httpd does.
type userFile struct {
	path  string
	users *passwords
	err   error
}

type groupFile struct {
	path   string
	groups *groups
	err    error
}

// passwords are the users of one file with their passwords.
type passwords struct {
	hashes map[string]htpasswd.EncodedPasswd
	odd    []string // users whose password is kept in a way that can't be checked here
}

// groups are the groups of one file: user, then group.
type groups struct{ of map[string]map[string]bool }

// maxAuthFile bounds a file of users or groups, in bytes.
const maxAuthFile = 64 << 20

// formats are the ways to keep a password that APR knows, but for crypt(3)'s DES, which is not worth its name today,
// and plain text, which APR knows on Windows only.
var formats = []htpasswd.PasswdParser{htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptBcrypt, htpasswd.AcceptCryptSha}

func path(c *runtime.Cmd) string {
	p := c.Arg(0)
	if !filepath.IsAbs(p) {
		p = filepath.Join(c.Tree.ServerRoot, p)
	}
	p = filepath.Clean(p)
	c.Watch(p)
	return p
}

func unreadable(c *runtime.Cmd, p string, err error) {
	d := c.ArgErrorf(0, "no-file", "can't read %s: %v", p, err)
	d.Severity, d.Detail = parser.Warning, "every request that needs it will be refused"
	c.Report(d)
}

func setUserFile(c *runtime.Cmd) error {
	p := path(c)
	conf := runtime.OwnDirConf[userFile](c.Dir, AuthnFile)
	*conf = userFile{path: p, users: &passwords{}}
	if c.Offline {
		return nil
	}
	all := runtime.OwnGraphConf[registered](c.Graph, Module)
	if users := all.files[p]; users != nil {
		conf.users = users
		return nil
	}
	users, err := readFile(p, readPasswords)
	if err != nil {
		conf.err = err
		unreadable(c, p, err)
		return nil
	}
	if len(users.odd) > 0 {
		runtime.WithDetail(c.Warnf("bad-password", "%s: %d passwords are kept in a way that can't be checked, the first one of user %q", p, len(users.odd), users.odd[0]),
			"make them anew with htpasswd -B; these users can't log in")
	}
	conf.users = users
	if all.files == nil {
		all.files = map[string]*passwords{}
	}
	all.files[p] = users
	return nil
}

func setGroupFile(c *runtime.Cmd) error {
	p := path(c)
	conf := runtime.OwnDirConf[groupFile](c.Dir, GroupFile)
	*conf = groupFile{path: p, groups: &groups{}}
	if c.Offline {
		return nil
	}
	all := runtime.OwnGraphConf[registered](c.Graph, Module)
	if g := all.group[p]; g != nil {
		conf.groups = g
		return nil
	}
	g, err := readFile(p, readGroups)
	if err != nil {
		conf.err = err
		unreadable(c, p, err)
		return nil
	}
	conf.groups = g
	if all.group == nil {
		all.group = map[string]*groups{}
	}
	all.group[p] = g
	return nil
}

func readFile[T any](p string, parse func(io.Reader) (*T, error)) (*T, error) {
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("expected a file, found %v", info.Mode().Type())
	} else if info.Size() > maxAuthFile {
		return nil, fmt.Errorf("expected at most %d bytes, found %d", maxAuthFile, info.Size())
	}
	return parse(io.LimitReader(f, maxAuthFile))
}

func scanLines(r io.Reader, line func(string)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		if l := strings.TrimSpace(s.Text()); l != "" && l[0] != '#' {
			line(l)
		}
	}
	return s.Err()
}

// readPasswords reads lines of user:password, with whatever else behind a second colon. Of several lines for one user
// the first counts.
func readPasswords(r io.Reader) (*passwords, error) {
	p := &passwords{hashes: map[string]htpasswd.EncodedPasswd{}}
	err := scanLines(r, func(l string) {
		user, hash, ok := strings.Cut(l, ":")
		if _, known := p.hashes[user]; known || !ok {
			return
		}
		hash, _, _ = strings.Cut(hash, ":")
		p.hashes[user] = nil
		for _, accept := range formats {
			if e, err := accept(hash); err == nil && e != nil {
				p.hashes[user] = e
				return
			}
		}
		p.odd = append(p.odd, user)
	})
	return p, err
}

// check tells whether the user is known, and whether this is the password.
func (p *passwords) check(user, password string) (found, match bool) {
	e, found := p.hashes[user]
	return found, e != nil && e.MatchesPassword(password)
}

// readGroups reads lines of group: user user "user with blanks".
func readGroups(r io.Reader) (*groups, error) {
	g := &groups{of: map[string]map[string]bool{}}
	err := scanLines(r, func(l string) {
		name, users, _ := strings.Cut(l, ":")
		name = strings.TrimRight(name, " \t")
		for _, u := range split(users) {
			if g.of[u] == nil {
				g.of[u] = map[string]bool{}
			}
			g.of[u][name] = true
		}
	})
	return g, err
}

// split cuts text into words, which may be quoted, up to the first empty one, as ap_getword_conf does.
func split(text string) (all []string) {
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return all
		}
		var w string
		if q := text[0]; q == '"' || q == '\'' {
			w, text = quoted(text[1:], q)
		} else if end := strings.IndexAny(text, " \t"); end >= 0 {
			w, text = text[:end], text[end:]
		} else {
			w, text = text, ""
		}
		if w == "" {
			return all
		}
		all = append(all, w)
	}
}

func quoted(text string, q byte) (word, rest string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '\\' || text[i+1] == q):
			i++
		case text[i] == q:
			return b.String(), text[i+1:]
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}

func requireValidUser(*runtime.Cmd, int, string) (func(*runtime.Request) verdict, error) {
	return func(r *runtime.Request) verdict {
		if r.User == "" {
			return deniedNoUser
		}
		return granted
	}, nil
}

func requireUser(c *runtime.Cmd, from int, args string) (func(*runtime.Request) verdict, error) {
	names, err := c.StringExpr(from, args)
	if err != nil {
		return nil, err
	}
	return func(r *runtime.Request) verdict {
		if r.User == "" {
			return deniedNoUser
		}
		for _, n := range split(names(r)) {
			if n == r.User {
				return granted
			}
		}
		r.Logf(User, runtime.LogDebug, "AH01663", "access to %s failed, reason: user '%s' does not meet 'require'ments for user to be allowed access", r.URI, r.User)
		return denied
	}, nil
}

func requireGroup(c *runtime.Cmd, from int, args string) (func(*runtime.Request) verdict, error) {
	names, err := c.StringExpr(from, args)
	if err != nil {
		return nil, err
	}
	return func(r *runtime.Request) verdict {
		if r.User == "" {
			return deniedNoUser
		}
		conf := runtime.DirConf[groupFile](r.Dir, GroupFile)
		if conf == nil {
			r.Logf(GroupFile, runtime.LogErr, "AH01664", "No group file was specified in the configuration")
			return denied
		}
		if conf.err != nil {
			r.Logf(GroupFile, runtime.LogErr, "AH01665", "Could not open group file: %s: %v", conf.path, conf.err)
			return denied
		}
		of := conf.groups.of[r.User]
		if len(of) == 0 {
			r.Logf(GroupFile, runtime.LogInfo, "AH01666", "Authorization of user %s to access %s failed, reason: user doesn't appear in group file (%s).",
				r.User, r.URI, conf.path)
			return denied
		}
		for _, n := range split(names(r)) {
			if of[n] {
				return granted
			}
		}
		r.Logf(GroupFile, runtime.LogDebug, "AH01667", "Authorization of user %s to access %s failed, reason: user is not part of the 'require'ed group(s).", r.User, r.URI)
		return denied
	}, nil
}
