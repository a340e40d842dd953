package runtime

import (
	"fmt"
	"strings"

	"pinion/grammar"
	"pinion/parser"
)

// warnSameName tells of the i-th name of u, which an earlier virtual host at the same address has: it is never reached by it.
// httpd is silent about it, and people look for the reason for hours.
func (c *Compiler) warnSameName(u *unit, i int, first *unit) {
	name := u.names[i].name
	earlier := first.server.Place
	for j, n := range first.names {
		if n.name == name {
			earlier = first.placeOf(j)
			break
		}
	}
	c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "duplicate-name", Place: u.placeOf(i),
		Summary: fmt.Sprintf("an earlier virtual host at this address has the name %q: requests for it go there", name),
		Detail:  "remove one of the two, or put what they hold together",
		Also:    []parser.Related{{Summary: "the earlier one", Place: earlier}}})
}

// hostName is a name that a virtual host is given, in lower case, and where: zero where that is in another file than its section.
type hostName struct {
	name string
	at   grammar.Range
}

// namesOf are the names of a virtual host, before one without any gets its own.
func (c *Compiler) namesOf(s *Server) (names []hostName) {
	for _, name := range append([]string{s.ServerName}, s.Aliases...) {
		if name != "" {
			name = lowerASCII(name)
			names = append(names, hostName{name, rangeOfName(c.nodes[s], name)})
		}
	}
	return names
}

// rangeOfName is where in its section a virtual host's name is written.
func rangeOfName(section *parser.Node, name string) (at grammar.Range) {
	for _, n := range section.Children {
		if n.Place.File != section.Place.File || !EqualFold(n.Name, "ServerName") && !EqualFold(n.Name, "ServerAlias") {
			continue
		}
		for i, arg := range n.Args {
			if i < len(n.Words) && strings.Contains(lowerASCII(arg), name) {
				return n.Words[i].Range
			}
		}
	}
	return at
}

// placeOf is where the i-th name is written, else the section.
func (u *unit) placeOf(i int) parser.Place {
	p := u.server.Place
	if at := u.names[i].at; at.Start.Line > 0 {
		p.Range = at
	}
	return p
}
