package remoteip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
)

// setPreface makes the connections to some addresses begin with the PROXY protocol.
func setPreface(c *runtime.Compiler) {
	g := c.Graph
	p := protocolOf(c)
	if len(p.addrs) == 0 {
		return
	}
	log, level := g.Main.Errors, g.Main.LogOn(Module, runtime.LogErr)
	g.Preface = func(nc net.Conn, conn *runtime.Conn) error {
		if !p.expects(conn.Local, conn.Remote.Addr()) {
			return nil
		}
		client, text, err := readHeader(nc)
		if err != nil {
			if level {
				entry := &runtime.LogEntry{Time: time.Now(), Module: Module, Level: runtime.LogErr, Conn: conn,
					Message: "RemoteIPProxyProtocol: " + err.Error()}
				var bad *headerError
				if errors.As(err, &bad) {
					entry.ID = bad.id
				}
				log.Write(entry)
			}
			return err
		}
		if !client.IsValid() {
			client, text = conn.Remote, conn.RemoteIP
		}
		conn.Announced, conn.AnnouncedIP = client, text
		return nil
	}
}

// expects tells whether a connection begins with the header. Off for an address counts before On for another one that
// holds it.
func (p *protocol) expects(local netip.AddrPort, peer netip.Addr) bool {
	on := false
	for i := range p.addrs {
		a := &p.addrs[i]
		if a.Port != 0 && a.Port != local.Port() || a.IP.IsValid() && !a.IP.IsUnspecified() && a.IP != local.Addr() {
			continue
		}
		if !a.on {
			return false
		}
		on = true
	}
	for i := range p.exceptions {
		on = on && !p.exceptions[i].Contains(peer)
	}
	return on
}

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	// minHeader is the shortest header of version 1, "PROXY UNKNOWN\r\n", and all of version 2 but a length's last byte.
	minHeader = 15
	maxLine   = 108       // of version 1, in bytes
	maxAddrs  = 108 + 108 // of version 2: httpd takes nothing longer than a pair of Unix sockets
)

// headerError is a header that can't be taken.
type headerError struct {
	id   string // httpd's number of the message
	text string
	err  error
}

func (e *headerError) Error() string {
	if e.err != nil {
		return e.text + ": " + e.err.Error()
	}
	return e.text
}

// Unwrap returns the cause.
func (e *headerError) Unwrap() error { return e.err }

func refuse(id, format string, args ...any) error {
	return &headerError{id: id, text: fmt.Sprintf(format, args...)}
}

func early(err error) error { return &headerError{"AH10184", "failed reading input", err} }

// readHeader reads a header of version 1 or 2 and not a byte more. The address is invalid where the proxy doesn't know the
// client's (UNKNOWN, LOCAL).
func readHeader(src io.Reader) (client netip.AddrPort, text string, err error) {
	var buf [16 + maxAddrs]byte
	if _, err := io.ReadFull(src, buf[:minHeader]); err != nil {
		return client, "", early(err)
	}
	switch {
	case string(buf[:len(signature)]) == signature && buf[12]&0xf0 == 0x20:
		return readBinary(src, &buf)
	case bytes.HasPrefix(buf[:], []byte("PROXY ")):
		return readLine(src, buf[:maxLine])
	}
	return client, "", refuse("AH03496", "data is missing, but required: found %q", buf[:minHeader])
}

// readLine reads the rest of "PROXY TCP4 client destination port port\r\n". It takes the bytes one by one: behind the line
// the request or a TLS handshake begins, which others read.
func readLine(src io.Reader, line []byte) (client netip.AddrPort, text string, err error) {
	n := minHeader
	for !bytes.HasSuffix(line[:n], []byte("\r\n")) {
		if n == len(line) {
			return client, "", refuse("AH10185", "header too long: expected a line of at most %d bytes, found %q", len(line), line)
		}
		if _, err := io.ReadFull(src, line[n:n+1]); err != nil {
			return client, "", early(err)
		}
		n++
	}
	return parseLine(string(line[:n-2]))
}

func parseLine(line string) (client netip.AddrPort, text string, err error) {
	words := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' })
	if len(words) < 2 {
		return client, "", refuse("AH03497", "no family found in header %q", line)
	}
	if words[1] == "UNKNOWN" {
		return client, "", nil
	}
	if words[1] != "TCP4" && words[1] != "TCP6" {
		return client, "", refuse("AH03499", "unknown family %q in header %q", words[1], line)
	}
	for i, what := range []string{"client-address", "destination-address", "client-port"} {
		if len(words) < i+3 {
			return client, "", refuse("AH03497", "no %s found in header %q", what, line)
		}
	}
	ip, err := netip.ParseAddr(words[2])
	if err != nil || ip.Zone() != "" || ip.Is4() != (words[1] == "TCP4") {
		return client, "", refuse("AH03500", "invalid client-address %q found in header %q", words[2], line)
	}
	port, err := strconv.ParseUint(words[4], 10, 16)
	if err != nil {
		return client, "", refuse("AH03501", "error parsing port %q in header %q", words[4], line)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), words[2], nil
}

// readBinary reads the rest of a header of version 2: a command, a family, a length and addresses. Only those of TCP
// connections are known to httpd.
func readBinary(src io.Reader, buf *[16 + maxAddrs]byte) (client netip.AddrPort, text string, err error) {
	if _, err := io.ReadFull(src, buf[minHeader:16]); err != nil {
		return client, "", early(err)
	}
	n := int(binary.BigEndian.Uint16(buf[14:16]))
	if n > maxAddrs {
		return client, "", refuse("AH10186", "protocol header length too long: expected at most %d bytes, found %d", maxAddrs, n)
	}
	rest := buf[16 : 16+n]
	if _, err := io.ReadFull(src, rest); err != nil {
		return client, "", early(err)
	}
	switch command := buf[12] & 0x0f; command {
	case 0: // LOCAL: the proxy speaks for itself
		return client, "", nil
	case 1:
	default:
		return client, "", refuse("AH03507", "unsupported command %.2x", buf[12])
	}
	var ip netip.Addr
	var port []byte
	switch family := buf[13]; {
	case family == 0x11 && n >= 12:
		ip, port = netip.AddrFrom4([4]byte(rest)), rest[8:10]
	case family == 0x21 && n >= 36:
		ip, port = netip.AddrFrom16([16]byte(rest)), rest[32:34]
	case family == 0x11 || family == 0x21:
		return client, "", refuse("AH10183", "expected the addresses of protocol %.2x, found %d bytes", family, n)
	default:
		return client, "", refuse("AH10183", "unsupported protocol %.2x", family)
	}
	ip = ip.Unmap()
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port)), ip.String(), nil
}
