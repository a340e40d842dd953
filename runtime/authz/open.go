package authz

import (
	"path/filepath"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// warnOpen reports each SetHandler of a private handler that everybody may reach: no access control lets only some in, and the server
// listens beyond this machine. What it can't judge it takes for guarded: a warning that is wrong teaches people to overlook the others.
func warnOpen(c *runtime.Compiler) {
	private := map[string]runtime.PrivateHandler{}
	for _, h := range c.PrivateHandlers() {
		private[h.Name] = h
	}
	look := func(nodes []*parser.Node) {
		for _, at := range setHandlers(nodes, nil) {
			h, ok := private[at.Args[0]]
			if !ok || newAccess(c, at).guarded() {
				continue
			}
			c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: h.Code, Place: at.Place, Summary: h.Summary + ": no Require guards it",
				Detail: "put Require ip with the addresses that may, or Require local, beside SetHandler"})
		}
	}
	for _, s := range c.Compiled() {
		if !s.Main {
			c.For(s, func() { look(c.NodeOf(s).Children) })
		}
	}
	for _, n := range c.Tree.Root.Children {
		if !runtime.EqualFold(n.Name, "VirtualHost") {
			look([]*parser.Node{n})
		}
	}
}

func setHandlers(nodes, found []*parser.Node) []*parser.Node {
	for _, k := range nodes {
		if runtime.EqualFold(k.Name, "SetHandler") && len(k.Args) == 1 {
			found = append(found, k)
		}
		found = setHandlers(k.Children, found)
	}
	return found
}

// access is where a SetHandler stands.
type access struct {
	c    *runtime.Compiler
	main *parser.Node // the main server
	host *parser.Node // the virtual host, or main
	own  *parser.Node // the section right in the host that SetHandler stands in, nil for none
	cond bool         // it holds under a condition only
}

func newAccess(c *runtime.Compiler, at *parser.Node) *access {
	a := &access{c: c, main: c.Tree.Root, host: c.Tree.Root}
	for n := at.Parent; n != nil && n.Parent != nil; n = n.Parent {
		switch strings.ToLower(n.Name) {
		case "virtualhost":
			a.host = n
		case "if", "elseif", "else":
			a.cond = true
		}
		if n.Parent == c.Tree.Root || runtime.EqualFold(n.Parent.Name, "VirtualHost") {
			if !runtime.EqualFold(n.Name, "VirtualHost") {
				a.own = n
			}
		}
	}
	return a
}

// guarded tells whether not everybody is let in. Sections that hold for the place have their say in httpd's order: folders, then
// locations, those of the main server first; the last of a kind that speaks of access decides.
func (a *access) guarded() bool {
	if a.cond || a.loopback() || demandsCertificate(a.main) || demandsCertificate(a.host) {
		return true
	}
	var last opinions
	hosts := []*parser.Node{a.main}
	if a.host != a.main {
		hosts = append(hosts, a.host)
	}
	for _, kind := range []string{"Directory", "Location"} {
		for _, h := range hosts {
			a.hear(&last, h, kind)
		}
	}
	if a.own != nil && !runtime.EqualFold(a.own.Name, "Location") {
		last.section(a.own)
	}
	return last.require == closed || last.compat == closed
}

// hear asks the host's sections of one kind that hold for the place, and those with a condition of their own.
func (a *access) hear(last *opinions, host *parser.Node, kind string) {
	if kind == "Directory" {
		root := a.docRoot()
		if root == "" {
			return
		}
		// The deeper folder has its say later.
		for depth := range strings.Count(root, "/") + 1 {
			for _, s := range host.Children {
				if d := sectionPath(s, kind); d != "" && within(d, root) && strings.Count(strings.TrimSuffix(filepath.Clean(d), "/"), "/") == depth {
					last.section(s)
				}
			}
		}
		return
	}
	place := "/"
	if a.own != nil {
		if place = sectionPath(a.own, "Location"); place == "" {
			place = "/"
		}
	}
	for _, s := range host.Children {
		switch p := sectionPath(s, kind); {
		case p != "" && within(p, place), runtime.EqualFold(s.Name, "If"):
			last.section(s)
		}
	}
}

// sectionPath is the argument of a section of that kind, "" for any other or one with a pattern.
func sectionPath(s *parser.Node, kind string) string {
	if !runtime.EqualFold(s.Name, kind) || len(s.Args) != 1 || strings.ContainsAny(s.Args[0], "*?[") {
		return ""
	}
	return s.Args[0]
}

// within tells whether a path is above's or under it.
func within(above, p string) bool {
	rest, ok := strings.CutPrefix(p, strings.TrimRight(above, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// docRoot is the DocumentRoot in force, "" for none.
func (a *access) docRoot() string {
	for _, h := range []*parser.Node{a.host, a.main} {
		for _, k := range h.Children {
			if runtime.EqualFold(k.Name, "DocumentRoot") && len(k.Args) == 1 {
				return filepath.Clean(a.c.ServerPath(k.Args[0]))
			}
		}
	}
	return ""
}

// loopback tells whether only this machine can reach the host.
func (a *access) loopback() bool {
	addrs := a.c.Graph.Listens
	for _, s := range a.c.Graph.Servers {
		if !s.Main && s.Place == a.host.Place {
			named := len(s.Addrs) > 0
			for _, at := range s.Addrs {
				named = named && at.IP.IsLoopback()
			}
			if named {
				return true
			}
		}
	}
	for _, at := range addrs {
		if !at.IP.IsLoopback() {
			return false
		}
	}
	return len(addrs) > 0
}

// demandsCertificate tells whether the host lets in nobody without a certificate of its own.
func demandsCertificate(host *parser.Node) bool {
	for _, k := range host.Children {
		if runtime.EqualFold(k.Name, "SSLVerifyClient") && len(k.Args) == 1 && runtime.EqualFold(k.Args[0], "require") {
			return true
		}
	}
	return false
}

// opinion is what one kind of access control says of everybody.
type opinion int

const (
	silent opinion = iota
	open           // all are let in
	closed         // not all are
)

// opinions are those of Require, and of Order, Allow and Deny: both have to let a request in.
type opinions struct{ require, compat opinion }

// section lets a section speak: what it says takes the place of what the sections before it said.
func (v *opinions) section(s *parser.Node) {
	if r := requires(s.Children, true); r == closed || r == open && !merges(s) {
		v.require = r
	}
	if c := compats(s.Children); c != silent {
		v.compat = c
	}
}

// merges tells whether AuthMerging makes a section's rules add to those before.
func merges(s *parser.Node) bool {
	for _, k := range s.Children {
		if runtime.EqualFold(k.Name, "AuthMerging") && len(k.Args) == 1 && !runtime.EqualFold(k.Args[0], "Off") {
			return true
		}
	}
	return false
}

// requires judges rules of which one, or each, has to be met.
func requires(nodes []*parser.Node, one bool) opinion {
	said, anyOpen, anyClosed := false, false, false
	for _, n := range nodes {
		v := requirement(n)
		said = said || v != silent
		anyOpen = anyOpen || v == open
		anyClosed = anyClosed || v == closed
		switch strings.ToLower(n.Name) {
		case "if", "elseif", "else", "rewriterule":
			// These refuse whatever the other rules say.
			if v == closed {
				return closed
			}
		}
	}
	switch {
	case !said:
		return silent
	case one && anyOpen, !anyClosed:
		return open
	}
	return closed
}

func requirement(n *parser.Node) opinion {
	switch strings.ToLower(n.Name) {
	case "require":
		if words := strings.Fields(strings.ToLower(n.Raw)); len(words) == 2 && words[0] == "all" && words[1] == "granted" {
			return open
		}
		return closed
	case "requireany", "limit", "limitexcept", "files", "filesmatch":
		return requires(n.Children, true)
	case "requireall":
		return requires(n.Children, false)
	case "requirenone":
		return closed
	case "if", "elseif", "else":
		if requires(n.Children, true) == closed || compats(n.Children) == closed {
			return closed
		}
	case "rewriterule":
		if words := strings.Fields(n.Raw); len(words) > 2 && forbids(words[len(words)-1]) {
			return closed
		}
	case "sslrequire":
		return closed
	case "sslverifyclient", "authtype":
		if len(n.Args) == 1 && !runtime.EqualFold(n.Args[0], "none") {
			return closed
		}
	}
	return silent
}

// forbids tells whether the flags of a RewriteRule refuse the request.
func forbids(flags string) bool {
	for f := range strings.SplitSeq(strings.Trim(flags, "[]"), ",") {
		f = strings.ToLower(strings.TrimSpace(f))
		if f == "f" || f == "forbidden" || strings.HasPrefix(f, "r=4") || f == "g" || f == "gone" {
			return true
		}
	}
	return false
}

// compats judges mod_access_compat's Order, Allow and Deny.
func compats(nodes []*parser.Node) opinion {
	said, allowFirst, allowAll, deny := false, false, false, false
	for _, n := range nodes {
		all := len(n.Args) == 2 && runtime.EqualFold(n.Args[1], "all")
		switch strings.ToLower(n.Name) {
		case "limit", "limitexcept":
			if compats(n.Children) == closed {
				return closed
			}
			continue
		case "order":
			allowFirst = len(n.Args) > 0 && !strings.HasPrefix(strings.ToLower(n.Args[0]), "deny")
		case "allow":
			allowAll = allowAll || all
		case "deny":
			deny = true
		default:
			continue
		}
		said = true
	}
	switch {
	case !said:
		return silent
	case allowFirst && (deny || !allowAll), !allowFirst && deny && !allowAll:
		return closed
	}
	return open
}
