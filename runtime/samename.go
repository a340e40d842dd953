package runtime

import (
	"fmt"
	"net/netip"
	"strings"

	"pinion/grammar"
	"pinion/parser"
)

// warnSameNames tells of a virtual host's name that an earlier one at the same address has: it is never reached by it.
// httpd is silent about it, and people look for the reason for hours.
func (c *Compiler) warnSameNames() {
	type key struct {
		ip   netip.Addr
		port uint16
		name string
	}
	type place struct {
		u *unit
		i int // of the name
	}
	first := make(map[key]place, 2*len(c.Graph.units))
	for _, u := range c.Graph.units[1:] {
		var told map[string]bool
		for i, n := range u.names {
			for _, a := range u.server.Addrs {
				k := key{a.IP, a.Port, n.name}
				switch have := first[k]; {
				case have.u == nil:
					first[k] = place{u, i}
				case have.u != u && !told[n.name]:
					if told == nil {
						told = map[string]bool{}
					}
					told[n.name] = true
					c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "duplicate-name", Place: u.placeOf(i),
						Summary: fmt.Sprintf("an earlier virtual host at this address has the name %q: requests for it go there", n.name),
						Detail:  "remove one of the two, or put what they hold together",
						Also:    []parser.Related{{Summary: "the earlier one", Place: have.u.placeOf(have.i)}}})
				}
			}
		}
	}
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
