package runtime

import (
	"fmt"
	"net/netip"
	"strings"

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
	first := make(map[key]*Server, 2*len(c.Graph.units))
	for _, u := range c.Graph.units[1:] {
		s := u.server
		var told map[string]bool
		for _, name := range u.names {
			for _, a := range s.Addrs {
				k := key{a.IP, a.Port, name}
				switch have := first[k]; {
				case have == nil:
					first[k] = s
				case have != s && !told[name]:
					if told == nil {
						told = map[string]bool{}
					}
					told[name] = true
					c.Report(&parser.Diagnostic{Severity: parser.Warning, Code: "duplicate-name", Place: c.placeOfName(s, name),
						Summary: fmt.Sprintf("an earlier virtual host at this address has the name %q: requests for it go there", name),
						Detail:  "remove one of the two, or put what they hold together",
						Also:    []parser.Related{{Summary: "the earlier one", Place: c.placeOfName(have, name)}}})
				}
			}
		}
	}
}

// namesOf are the names that a virtual host is given, before one without any gets its own.
func namesOf(s *Server) (names []string) {
	for _, name := range append([]string{s.ServerName}, s.Aliases...) {
		if name != "" {
			names = append(names, lowerASCII(name))
		}
	}
	return names
}

// placeOfName is where a virtual host's name is written, its <VirtualHost> where that can't be found.
func (c *Compiler) placeOfName(s *Server, name string) parser.Place {
	for _, section := range c.Tree.Root.Children {
		if section.Place != s.Place {
			continue
		}
		for _, n := range section.Children {
			if !EqualFold(n.Name, "ServerName") && !EqualFold(n.Name, "ServerAlias") {
				continue
			}
			for i, arg := range n.Args {
				if i < len(n.Words) && strings.Contains(strings.ToLower(arg), name) {
					at := n.Place
					at.Range = n.Words[i].Range
					return at
				}
			}
		}
	}
	return s.Place
}
