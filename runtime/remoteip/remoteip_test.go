package remoteip

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// v2 makes a header of version 2.
func v2(command, family byte, rest string) string {
	return signature + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	tcp4 = "\x09\x09\x09\x09\x7f\x00\x00\x01\x12\x34\x00\x50"
	tcp6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x12\x34\x00\x50"
)

func TestReadHeader(t *testing.T) {
	for _, c := range []struct{ in, want, text, id string }{
		{"PROXY TCP4 9.9.9.9 127.0.0.1 4660 80\r\n", "9.9.9.9:4660", "9.9.9.9", ""},
		{"PROXY TCP4 9.9.9.9 anything 1\r\n", "9.9.9.9:1", "9.9.9.9", ""},
		{"PROXY TCP6 2001:DB8::5 2001:db8::6 4660 80\r\n", "[2001:db8::5]:4660", "2001:DB8::5", ""},
		{"PROXY UNKNOWN\r\n", "invalid AddrPort", "", ""},
		{"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "invalid AddrPort", "", ""},
		{v2(0x21, 0x11, tcp4), "9.9.9.9:4660", "9.9.9.9", ""},
		{v2(0x21, 0x11, tcp4+"\x04\x00\x01\x00"), "9.9.9.9:4660", "9.9.9.9", ""},
		{v2(0x21, 0x21, tcp6), "[2001:db8::5]:4660", "2001:db8::5", ""},
		{"GET / HTTP/1.1\r\n\r\n", "", "", "AH03496"},
		{"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", "", "", "AH03499"},
		{"PROXY TCP4 ::1 2.2.2.2 1 2\r\n", "", "", "AH03500"},
		{"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "", "", "AH03500"},
		{"PROXY TCP4 1.1.1.1 2.2.2.2\r\n", "", "", "AH03497"},
		{"PROXY          \r\n", "", "", "AH03497"},
		{"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", "", "", "AH03501"},
		{"PROXY TCP4 1.1.1.1" + strings.Repeat(" ", 200) + "\r\n", "", "", "AH10185"},
		{"PROXY TCP4 1.1.1.1", "", "", "AH10184"},
		{"PROXY", "", "", "AH10184"},
		{v2(0x20, 0x11, tcp4), "invalid AddrPort", "", ""},
		{v2(0x20, 0, ""), "invalid AddrPort", "", ""},
		{v2(0x22, 0x11, tcp4), "", "", "AH03507"},
		{v2(0x21, 0x12, tcp4), "", "", "AH10183"},
		{v2(0x21, 0x11, tcp4[:11]), "", "", "AH10183"},
		{v2(0x21, 0x31, strings.Repeat("x", 217)), "", "", "AH10186"},
		{v2(0x21, 0x11, tcp4)[:20], "", "", "AH10184"},
		{strings.Replace(v2(0x31, 0x11, tcp4), "\x21", "\x31", 1), "", "", "AH03496"},
	} {
		src := strings.NewReader(c.in + "rest")
		if c.id == "AH10184" {
			src = strings.NewReader(c.in)
		}
		got, text, err := readHeader(src)
		var bad *headerError
		switch {
		case c.id != "":
			if !errors.As(err, &bad) || bad.id != c.id {
				t.Errorf("%q: %v, expected %s", c.in, err, c.id)
			}
		case err != nil || got.String() != c.want || text != c.text:
			t.Errorf("%q: %v %q %v", c.in, got, text, err)
		case src.Len() != len("rest"):
			t.Errorf("%q: %d bytes are left, expected 4", c.in, src.Len())
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 9.9.9.9 127.0.0.1 4660 80\r\nGET", "PROXY UNKNOWN\r\n", v2(0x21, 0x11, tcp4), v2(0x21, 0x21, tcp6), v2(0x21, 0x31, "")} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		src := bytes.NewReader(b)
		client, text, err := readHeader(src)
		if used := len(b) - src.Len(); used > 16+maxAddrs {
			t.Fatalf("%d bytes were read", used)
		}
		if err != nil || !client.IsValid() {
			return
		}
		if ip, e := netip.ParseAddr(text); e != nil || ip.Unmap() != client.Addr() {
			t.Fatalf("%q is not the text of %v", text, client)
		}
	})
}

func FuzzModify(f *testing.F) {
	for _, s := range []string{"1.1.1.1, 2.2.2.2", ",,", " , 10.0.0.1", "::1, 9.9.9.9 ,7.7.7.7", "[::1]:5, x"} {
		f.Add(s, true)
	}
	g, diags := runtimetest.Compile(f, "RemoteIPHeader X\nRemoteIPTrustedProxy 7.7.7.0/24 127.0.0.1\nRemoteIPProxiesHeader By", Module)
	if g == nil {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, value string, local bool) {
		peer := "7.7.7.7"
		if !local {
			peer = "8.8.8.8"
		}
		r := runtime.NewRequest(g, g.Main, &runtime.Conn{RemoteIP: peer, Remote: netip.AddrPortFrom(netip.MustParseAddr(peer), 5)}, nil)
		defer r.Free()
		r.HeadersIn.Set("X", value)
		if res := modify(r); res != runtime.OK {
			t.Fatalf("result %d", res)
		}
		if r.Client.Addr().String() != r.ClientIP {
			t.Fatalf("client %v, text %q", r.Client, r.ClientIP)
		}
		if !local && (r.ClientIP != peer || r.HeadersIn.Get("X") != value) {
			t.Fatalf("a stranger was believed: %q", r.ClientIP)
		}
		if r.ClientIP != peer && !public(r.Client.Addr()) {
			t.Fatalf("%s is private", r.ClientIP)
		}
		if len(r.HeadersIn.Get("X")) > len(value) {
			t.Fatalf("%q has become %q", value, r.HeadersIn.Get("X"))
		}
	})
}

// answerTo sends bytes on a connection of its own and returns the body of the answer; ok is false for a connection
// that was closed without one.
func answerTo(t *testing.T, address, bytes string) (body string, ok bool) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	return res.Header.Get("X-Client"), true
}

// show tells the client in the answer.
var show = runtime.Define(runtime.Module{Name: "show_module", File: "mod_show.c", Hooks: []runtime.Hook{
	{Phase: runtime.OutputHead, Always: true, Run: func(r *runtime.Request) runtime.Result {
		r.HeadersOut.Set("X-Client", r.Client.String()+" "+r.ClientIP)
		return runtime.OK
	}},
}})

const get = "GET / HTTP/1.1\r\nHost: a\r\nX: 1.2.3.4\r\nConnection: close\r\n\r\n"

func TestProxyProtocol(t *testing.T) {
	at := runtimetest.Serve(t, "RemoteIPProxyProtocol On\nRemoteIPHeader X", Module, show)
	for _, c := range []struct{ in, want string }{
		{"PROXY TCP4 9.9.9.9 127.0.0.1 4660 80\r\n", "9.9.9.9:4660 9.9.9.9"},
		{v2(0x21, 0x21, tcp6), "[2001:db8::5]:4660 2001:db8::5"},
	} {
		if got, ok := answerTo(t, at, c.in+get); !ok || got != c.want {
			t.Errorf("%q: %q %v", c.in, got, ok)
		}
	}
	if got, ok := answerTo(t, at, "PROXY UNKNOWN\r\n"+get); !ok || !strings.HasSuffix(got, " 127.0.0.1") {
		t.Errorf("UNKNOWN: %q %v", got, ok)
	}
	if got, ok := answerTo(t, at, get); ok {
		t.Errorf("expected no answer without a header, found %q", got)
	}
}

func TestProxyProtocolOff(t *testing.T) {
	for _, config := range []string{
		"RemoteIPProxyProtocol On\nRemoteIPProxyProtocolExceptions 10.0.0.0/8 127.0.0.0/8\nRemoteIPHeader X",
		"RemoteIPProxyProtocol On\nRemoteIPProxyProtocol Off\nRemoteIPHeader X",
	} {
		at := runtimetest.Serve(t, config, Module, show)
		if got, ok := answerTo(t, at, get); !ok || got != "1.2.3.4:0 1.2.3.4" {
			t.Errorf("%q: %q %v", config, got, ok)
		}
	}
}

func TestExpects(t *testing.T) {
	addr := func(ip string, port uint16, on bool) address {
		a := address{on: on}
		a.Port = port
		if ip != "*" {
			a.IP = netip.MustParseAddr(ip)
		}
		return a
	}
	p := protocol{addrs: []address{addr("*", 81, true), addr("10.0.0.1", 82, true), addr("10.0.0.2", 81, false), addr("0.0.0.0", 83, true)}}
	for local, want := range map[string]bool{
		"10.0.0.1:80": false, "10.0.0.1:81": true, "10.0.0.2:81": false, "10.0.0.1:82": true, "10.0.0.3:82": false, "[::1]:83": true,
	} {
		if got := p.expects(netip.MustParseAddrPort(local), netip.MustParseAddr("1.1.1.1")); got != want {
			t.Errorf("%s: %v", local, got)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	long := filepath.Join(t.TempDir(), "bad.lst")
	if err := os.WriteFile(long, []byte("10.0.0.1 # fine\n10.0.0.0/99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ config, code, text string }{
		{"RemoteIPTrustedProxy 10.0.0.0/8 10.0.0.0/33", "bad-address", "found \"33\""},
		{"RemoteIPTrustedProxy example.test/8", "bad-address", "example.test/8"},
		{"RemoteIPInternalProxyList /does/not/exist", "no-file", "no such file"},
		{"RemoteIPInternalProxyList " + long, "bad-address", ":2: "},
		{"RemoteIPProxyProtocolExceptions", "wrong-arguments", ""},
		{"RemoteIPProxyProtocolExceptions host", "bad-address", "host"},
		{"RemoteIPProxyProtocol On\nRemoteIPProxyProtocol Off", "proxy-protocol-conflict", ":1"},
		{"RemoteIPHeader X\nRemoteIPInternalProxy 10.1 fe80::/10", "", ""},
	} {
		g, diags := runtimetest.Compile(t, c.config, Module)
		if g != nil {
			g.Retire()
		}
		switch {
		case c.code == "" && len(diags) > 0:
			t.Errorf("%s: %s", c.config, diags[0].Summary)
		case c.code != "" && (len(diags) != 1 || diags[0].Code != c.code || !strings.Contains(diags[0].Summary, c.text)):
			t.Errorf("%s: %v, expected %s", c.config, diags, c.code)
		}
	}
}
