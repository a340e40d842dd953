package proxyhttp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// insecure speaks TLS to any backend.
const insecure = "SSLProxyEngine On\nSSLProxyCheckPeerName Off\nSSLProxyCheckPeerExpire Off\n"

// secureListener takes TLS with a certificate that no one has signed, and tells the names it is asked for.
func secureListener(t *testing.T) (net.Listener, chan string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	names := make(chan string, 100)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			names <- h.ServerName
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, names
}

// TestTLS: the name that is asked for is the URL's, or with ProxyPreserveHost the client's; a connection for one name
// serves no other.
func TestTLS(t *testing.T) {
	l, names := secureListener(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	serveBackend(t, l, always(ok))
	s := serveConfig(t, insecure+"ProxyPass / https://localhost:"+port+"/\n")
	for range 2 {
		if got := ask(t, s, get); !strings.HasSuffix(got, "ok\n") {
			t.Errorf("%q %q", got, s.logged())
		}
	}
	if n := <-names; n != "localhost" || len(names) != 0 {
		t.Errorf("expected one handshake for localhost, found one for %q and %d more", n, len(names))
	}
	s = serveConfig(t, insecure+"ProxyPreserveHost On\nProxyPass / https://127.0.0.1:"+port+"/\n")
	for _, host := range []string{"a.test", "a.test", "b.test"} {
		if got := ask(t, s, "GET / HTTP/1.1\r\nConnection: close\r\nHost: "+host+"\r\n\r\n"); !strings.HasSuffix(got, "ok\n") {
			t.Errorf("%q %q", got, s.logged())
		}
	}
	if a, b := <-names, <-names; a != "a.test" || b != "b.test" || len(names) != 0 {
		t.Errorf("expected handshakes for a.test and b.test, found %q, %q and %d more", a, b, len(names))
	}
}

func TestTLSHandshakeFails(t *testing.T) {
	addr := backend(t, func(_ int, p *peer) { p.send("this is no TLS\r\n") })
	s := serveConfig(t, insecure+"ProxyPass / https://"+addr+"/\n")
	got := ask(t, s, get)
	if !strings.HasPrefix(got, "HTTP/1.1 500 Proxy Error\r\n") || !strings.Contains(got, "Error during SSL Handshake with remote server") {
		t.Errorf("%q %q", got, s.logged())
	}
}
