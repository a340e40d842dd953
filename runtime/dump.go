package runtime

import (
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"sort"
	"strconv"
)

// DumpVHosts writes the virtual hosts as httpd -S does: by address, the default server first, each with its names
// and the place of its section.
func (g *Graph) DumpVHosts(w io.Writer) {
	fmt.Fprintln(w, "VirtualHost configuration:")
	var addrs []netip.AddrPort
	for a := range g.addrs {
		addrs = append(addrs, a)
	}
	sort.Slice(addrs, func(i, j int) bool { return addrs[i].Compare(addrs[j]) < 0 })
	for _, a := range addrs {
		dumpChain(w, a.Addr().String()+":"+portName(a.Port()), a.Port(), g.addrs[a])
	}
	var ports []int
	for p := range g.any {
		ports = append(ports, int(p))
	}
	// "*:*" is asked last, and shown last.
	sort.Slice(ports, func(i, j int) bool { return uint16(ports[i]-1) < uint16(ports[j]-1) })
	for _, p := range ports {
		dumpChain(w, "*:"+portName(uint16(p)), uint16(p), g.any[uint16(p)])
	}
}

func portName(p uint16) string {
	if p == 0 {
		return "*"
	}
	return strconv.Itoa(int(p))
}

func dumpChain(w io.Writer, address string, port uint16, c *nameChain) {
	if len(c.servers) == 1 {
		fmt.Fprintf(w, "%-22s %s\n", address, placed(c.servers[0]))
		dumpAliases(w, c.servers[0])
		return
	}
	fmt.Fprintf(w, "%-22s is a NameVirtualHost\n", address)
	fmt.Fprintf(w, "%8s default server %s\n", "", placed(c.servers[0]))
	for _, s := range c.servers {
		fmt.Fprintf(w, "%8s port %s namevhost %s\n", "", portName(port), placed(s))
		dumpAliases(w, s)
	}
}

func placed(s *Server) string {
	return fmt.Sprintf("%s (%s:%d)", s.ServerName, filepath.Clean(s.Place.File), s.Place.Range.Start.Line)
}

func dumpAliases(w io.Writer, s *Server) {
	for _, a := range s.Aliases {
		kind := "alias"
		if HasWildcard(a) {
			kind = "wild alias"
		}
		fmt.Fprintf(w, "%16s %s %s\n", "", kind, a)
	}
}
