package tls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/headers"
	"pinion/runtime/runtimetest"
	ptls "pinion/runtime/tls"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// authority signs certificates for one test.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue writes name.pem and name.key, and returns both as a pair.
func (a *authority) issue(name string) tls.Certificate {
	key := newKey(a.t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, keyFile := a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "PRIVATE KEY", keyDER)
	pair, err := tls.LoadX509KeyPair(cert, keyFile)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// vhost is a virtual host with the certificate of that name.
func (a *authority) vhost(name, more string) string {
	return fmt.Sprintf("<VirtualHost *:*>\nServerName %[1]s\nSSLEngine on\nSSLCertificateFile %[2]s/%[1]s.pem\nSSLCertificateKeyFile %[2]s/%[1]s.key\n%[3]s\n</VirtualHost>\n", name, a.dir, more)
}

func modules() []*runtime.Module { return append(core.Modules(), headers.Module, ptls.Module) }

// exchange makes a handshake with config and asks for / of host.
func exchange(address string, config *tls.Config, host string) (st tls.ConnectionState, answer string, err error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, config)
	if err != nil {
		return st, "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	b, err := io.ReadAll(c)
	return c.ConnectionState(), string(b), err
}

func (a *authority) trusting(name string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, ServerName: name}
}

func TestCertificateByName(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	a.issue("two.test")
	address := runtimetest.Serve(t, a.vhost("one.test", `Header always set X-Host "one %{HTTPS}s %{SSL_PROTOCOL}s %{SSL_TLS_SNI}s"`)+
		a.vhost("two.test", `Header always set X-Host two`), modules()...)
	for _, c := range []struct{ sni, host, want string }{
		{"one.test", "one.test", "one on TLSv1.3 one.test"},
		{"two.test", "two.test", "two"},
		{"one.test", "two.test", "two"}, // the same protection: one connection may serve both
	} {
		_, answer, err := exchange(address, a.trusting(c.sni), c.host)
		if err != nil || !strings.Contains(answer, "X-Host: "+c.want+"\r\n") {
			t.Errorf("%s over %s: %v %q", c.host, c.sni, err, answer)
		}
	}
}

func TestProtocolVersions(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	address := runtimetest.Serve(t, a.vhost("one.test", "SSLProtocol -all +TLSv1.2"), modules()...)
	cfg := a.trusting("one.test")
	st, _, err := exchange(address, cfg, "one.test")
	if err != nil || st.Version != tls.VersionTLS12 {
		t.Errorf("version %x, %v", st.Version, err)
	}
	cfg = a.trusting("one.test")
	cfg.MinVersion = tls.VersionTLS13
	if _, _, err := exchange(address, cfg, "one.test"); err == nil {
		t.Error("TLS 1.3 was spoken although SSLProtocol leaves it out")
	}
}

func TestClientCertificates(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	mine := a.issue("client")
	foreign := newAuthority(t).issue("stranger")
	address := runtimetest.Serve(t, a.vhost("one.test", "SSLVerifyClient require\nSSLCACertificateFile "+a.dir+"/ca.pem\n"+
		`Header always set X-DN "%{SSL_CLIENT_S_DN_CN}s %{SSL_CLIENT_VERIFY}s"`), modules()...)
	with := func(certs ...tls.Certificate) (string, error) {
		cfg := a.trusting("one.test")
		cfg.Certificates = certs
		_, answer, err := exchange(address, cfg, "one.test")
		return answer, err
	}
	if answer, err := with(mine); err != nil || !strings.Contains(answer, "X-DN: client SUCCESS\r\n") {
		t.Errorf("with a certificate: %v %q", err, answer)
	}
	if answer, err := with(); err == nil {
		t.Errorf("without a certificate: %q", answer)
	}
	if answer, err := with(foreign); err == nil {
		t.Errorf("with another authority's certificate: %q", answer)
	}
}

// TestFolderOfAuthorities: only files under the names that openssl rehash makes are trusted.
func TestFolderOfAuthorities(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	mine := a.issue("client")
	for name, good := range map[string]bool{"1a2b3c4d.0": true, "some.pem": false} {
		folder := t.TempDir()
		text, err := os.ReadFile(filepath.Join(a.dir, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		address := runtimetest.Serve(t, a.vhost("one.test", "SSLVerifyClient require\nSSLCACertificatePath "+folder), modules()...)
		cfg := a.trusting("one.test")
		cfg.Certificates = []tls.Certificate{mine}
		if _, answer, err := exchange(address, cfg, "one.test"); (err == nil && answer != "") != good {
			t.Errorf("%s: trusted is %v, expected %v (%v)", name, err == nil, good, err)
		}
	}
}

// TestNoWayAroundClientCertificates asks over a connection to an open host for one that demands a certificate.
func TestNoWayAroundClientCertificates(t *testing.T) {
	a := newAuthority(t)
	a.issue("open.test")
	a.issue("closed.test")
	address := runtimetest.Serve(t, a.vhost("open.test", "")+
		a.vhost("closed.test", "SSLVerifyClient require\nSSLCACertificateFile "+a.dir+"/ca.pem"), modules()...)
	_, answer, err := exchange(address, a.trusting("open.test"), "closed.test")
	if err != nil || !strings.HasPrefix(answer, "HTTP/1.1 421 Misdirected Request\r\n") {
		t.Errorf("%v %q", err, answer)
	}
}

func TestPlainHTTPOnATLSPort(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	address := runtimetest.Serve(t, a.vhost("one.test", ""), modules()...)
	answer := runtimetest.Get(t, address, "/")
	if !strings.HasPrefix(answer, "HTTP/1.1 400 Bad Request\n") || !strings.Contains(answer, "plain HTTP") {
		t.Errorf("%q", answer)
	}
}

func TestSessionsAreResumed(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	address := runtimetest.Serve(t, a.vhost("one.test", ""), modules()...)
	cfg := a.trusting("one.test")
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if _, _, err := exchange(address, cfg, "one.test"); err != nil {
		t.Fatal(err)
	}
	if st, _, err := exchange(address, cfg, "one.test"); err != nil || !st.DidResume {
		t.Errorf("resumed %v, %v", st.DidResume, err)
	}
}

func TestMistakes(t *testing.T) {
	a := newAuthority(t)
	a.issue("one.test")
	a.issue("two.test")
	os.WriteFile(filepath.Join(a.dir, "garbage.pem"), []byte("no certificate"), 0o600)
	for config, code := range map[string]string{
		"<VirtualHost *:*>\nSSLEngine on\n</VirtualHost>\n":                         "no-certificate",
		strings.Replace(a.vhost("one.test", ""), "one.test.pem", "none.pem", 1):     "no-certificate",
		strings.Replace(a.vhost("one.test", ""), "one.test.key", "two.test.key", 1): "bad-certificate",
		strings.Replace(a.vhost("one.test", ""), "one.test.pem", "garbage.pem", 1):  "bad-certificate",
		a.vhost("one.test", "SSLProtocol +TLSv9"):                                   "bad-value",
		a.vhost("one.test", "SSLProtocol TLSv1.1 +TLSv1.3"):                         "unsupported-value",
		a.vhost("one.test", "SSLProtocol -all"):                                     "bad-value",
		a.vhost("one.test", "SSLVerifyClient sometimes"):                            "bad-value",
		a.vhost("one.test", "SSLVerifyClient require"):                              "no-authority",
		a.vhost("one.test", "SSLOptions +FakeBasicAuth"):                            "unsupported-value",
		"SSLEngine perhaps\n": "bad-value",
		a.vhost("one.test", "SSLVerifyClient require\nSSLCACertificateFile "+filepath.Join(a.dir, "garbage.pem")): "bad-certificate",
	} {
		g, diags := runtimetest.Compile(t, config, modules()...)
		found := false
		for _, d := range diags {
			found = found || d.Code == code && d.Place.Range.Start.Line > 0
		}
		if g != nil || !found {
			t.Errorf("expected %s for\n%s\nfound %v", code, config, diags)
		}
	}
}
