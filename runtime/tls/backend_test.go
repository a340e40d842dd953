package tls_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/proxy"
	"pinion/runtime/proxyhttp"
	"pinion/runtime/runtimetest"
)

// signed is a certificate with its key.
type signed struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte // the certificate's
}

// sign makes a certificate; by itself where there is no issuer.
func sign(t *testing.T, cn string, by *signed, edit func(*x509.Certificate)) *signed {
	t.Helper()
	s := &signed{key: newKey(t)}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	if edit != nil {
		edit(tmpl)
	}
	parent, key := tmpl, s.key
	if by != nil {
		parent, key = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &s.key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	s.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return s
}

func isCA(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }

func (s *signed) keyPEM(t *testing.T) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// origin serves by TLS with a certificate and those above it, and tells what client it sees: "CN certificates".
func origin(t *testing.T, asks *x509.CertPool, s *signed, above ...*signed) string {
	t.Helper()
	pair := tls.Certificate{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}
	for _, a := range above {
		pair.Certificate = append(pair.Certificate, a.cert.Raw)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := r.TLS.PeerCertificates; len(c) > 0 {
			fmt.Fprintf(w, "%s %d", c[0].Subject.CommonName, len(c))
		} else {
			io.WriteString(w, "nobody")
		}
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if asks != nil {
		srv.TLS.ClientAuth, srv.TLS.ClientCAs = tls.RequestClientCert, asks
	}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	return port
}

// proxyModules are what a proxy to https backends needs.
func proxyModules() []*runtime.Module {
	return append(modules(), proxy.Module, proxyhttp.Module)
}

// backendCase is one virtual host that proxies to an https backend.
type backendCase struct {
	port, directives string
	want             string // status and body
	host             string // of the URL; localhost unless given
}

// TestBackends: what each directive lets through, as httpd 2.4.71 does: with PINION_HTTPD=/usr/sbin/apache2 the same is asked of httpd.
func TestBackends(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, parts ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(func() (all []string) {
			for _, p := range parts {
				all = append(all, string(p))
			}
			return
		}(), "")), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root, other := sign(t, "root", nil, isCA), sign(t, "other root", nil, isCA)
	middle := sign(t, "middle", root, isCA)
	named := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	past := func(c *x509.Certificate) {
		c.DNSNames, c.NotAfter = []string{"localhost"}, time.Now().Add(-time.Minute)
	}
	future := func(c *x509.Certificate) {
		c.DNSNames, c.NotBefore = []string{"localhost"}, time.Now().Add(time.Minute)
	}
	clientOnly := func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{"localhost"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	good := origin(t, nil, sign(t, "good", root, named("LocalHost")))
	byCN := origin(t, nil, sign(t, "localhost", root, nil))
	deep := origin(t, nil, sign(t, "deep", middle, named("localhost")), middle)
	bare := origin(t, nil, sign(t, "bare", middle, named("localhost")))
	expired := origin(t, nil, sign(t, "expired", root, past))
	early := origin(t, nil, sign(t, "early", root, future))
	clients := origin(t, nil, sign(t, "clients", root, clientOnly))
	stranger := origin(t, nil, sign(t, "stranger", other, named("localhost")))
	address := origin(t, nil, sign(t, "address", root, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }))
	addressCN := origin(t, nil, sign(t, "127.0.0.1", root, nil))

	asked := func(a ...*signed) *x509.CertPool {
		p := x509.NewCertPool()
		for _, c := range a {
			p.AddCert(c.cert)
		}
		return p
	}
	leaf := sign(t, "localhost", root, nil)
	wantsRoot, wantsOther, wantsAny := origin(t, asked(root), leaf), origin(t, asked(other), leaf), origin(t, asked(), leaf)
	mine, second := sign(t, "mine", middle, nil), sign(t, "second", other, nil)
	ca, caMiddle, caOther := save("ca.pem", root.pem), save("middle.pem", middle.pem), save("other.pem", other.pem)
	both := save("both.pem", mine.pem, mine.keyPEM(t), second.keyPEM(t), second.pem)
	single := save("single.pem", mine.keyPEM(t), mine.pem)
	chain := save("chain.pem", middle.pem, root.pem)
	save("hashed/0a1b2c3d.0", root.pem)
	save("plain/root.pem", root.pem)
	save("pairs/one.pem", second.pem, second.keyPEM(t))

	require := "SSLProxyVerify require\nSSLProxyCACertificateFile " + ca + "\n"
	machine := func(file string) string { return "SSLProxyMachineCertificateFile " + file + "\n" }
	cases := []backendCase{
		{good, require, "200 nobody", ""},
		{byCN, require, "200 nobody", ""},
		{good, "SSLProxyVerify require\nSSLProxyCACertificateFile " + caOther + "\n", "500", ""},
		{good, "SSLProxyVerify require\n", "500", ""},
		{stranger, "", "200 nobody", ""},
		{stranger, require, "500", ""},
		{stranger, "SSLProxyVerify optional\nSSLProxyCACertificateFile " + ca + "\n", "500", ""},
		{stranger, "SSLProxyVerify optional_no_ca\nSSLProxyCACertificateFile " + ca + "\n", "200 nobody", ""},
		{deep, require, "500", ""},
		{deep, require + "SSLProxyVerifyDepth 2\n", "200 nobody", ""},
		{deep, "SSLProxyVerify require\nSSLProxyVerifyDepth 2\nSSLProxyCACertificateFile " + caMiddle + "\n", "500", ""},
		{bare, require + "SSLProxyVerifyDepth 2\n", "500", ""},
		{bare, "SSLProxyVerify require\nSSLProxyVerifyDepth 2\nSSLProxyCACertificateFile " + chain + "\n", "200 nobody", ""},
		{good, require + "SSLProxyVerifyDepth 0\n", "500", ""},
		{expired, "", "500", ""},
		{expired, "SSLProxyCheckPeerExpire off\n", "200 nobody", ""},
		{expired, "SSLProxyCheckPeerExpire off\n" + require, "500", ""},
		{expired, "SSLProxyVerify optional_no_ca\nSSLProxyCheckPeerExpire off\n", "500", ""},
		{early, "", "500", ""},
		{early, "SSLProxyCheckPeerExpire off\n", "200 nobody", ""},
		{clients, "", "200 nobody", ""},
		{clients, require, "500", ""},
		{address, require, "500", "127.0.0.1"},
		{addressCN, require, "200 nobody", "127.0.0.1"},
		{address, require + "SSLProxyCheckPeerName off\n", "200 nobody", "127.0.0.1"},
		{good, "SSLProxyProtocol TLSv1.2\n" + require, "200 nobody", ""},
		{good, "SSLProxyVerify require\nSSLProxyCACertificatePath " + dir + "/plain\n", "500", ""},

		{wantsRoot, "", "200 nobody", ""},
		{wantsAny, machine(both), "200 mine 1", ""},
		{wantsOther, machine(both), "200 second 1", ""},
		{wantsRoot, machine(both), "200 nobody", ""},
		{wantsRoot, machine(both) + "SSLProxyMachineCertificateChainFile " + chain + "\n", "200 mine 3", ""},
		{wantsAny, machine(single), "200 mine 1", ""},
		{wantsOther, "SSLProxyMachineCertificatePath " + dir + "/pairs\n", "200 second 1", ""},
		{wantsOther, machine(single) + "SSLProxyMachineCertificatePath " + dir + "/pairs\n", "200 second 1", ""},
	}
	var conf strings.Builder
	for i, c := range cases {
		host := c.host
		if host == "" {
			host = "localhost"
		}
		fmt.Fprintf(&conf, "<VirtualHost *:*>\nServerName case%d.test\nSSLProxyEngine On\n%sProxyPass / https://%s:%s/ disablereuse=On\n</VirtualHost>\n", i, c.directives, host, c.port)
	}
	at := ""
	if httpd := os.Getenv("PINION_HTTPD"); httpd != "" {
		at = startHTTPD(t, httpd, conf.String())
	} else {
		at = runtimetest.Serve(t, conf.String(), proxyModules()...)
	}
	for i, c := range cases {
		if got := askHost(t, at, fmt.Sprintf("case%d.test", i)); got != c.want && !(c.want == "500" && strings.HasPrefix(got, "500 ")) {
			t.Errorf("case %d: expected %q, found %.80q for\n%s", i, c.want, got, c.directives)
		}
	}
}

// askHost returns the status and the body of an answer.
func askHost(t *testing.T, at, host string) string {
	t.Helper()
	return askPath(t, at, host, "/")
}

func askPath(t *testing.T, at, host, path string) string {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+at+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Close = host, true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

// startHTTPD runs httpd with the configuration until the test ends.
func startHTTPD(t *testing.T, program, config string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	var b strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "socache_shmcb", "ssl", "proxy", "proxy_http"} {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	fmt.Fprintf(&b, "Listen %s\nServerName main.test\nPidFile %s/pid\nErrorLog %s/log\nMutex pthread\n%s", at, dir, dir, config)
	name := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-f", name, "-X")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
			return at
		}
		if log, _ := os.ReadFile(dir + "/log"); strings.Contains(string(log), "AH00016") {
			t.Fatalf("httpd did not start: %s", log)
		}
	}
}

func diagnostics(t *testing.T, config string) (g *runtime.Graph, found []string) {
	t.Helper()
	g, diags := runtimetest.Compile(t, config, proxyModules()...)
	for _, d := range diags {
		if d.Severity != parser.Note && d.Place.Range.Start.Line > 0 {
			found = append(found, fmt.Sprintf("%d %v %s", d.Place.Range.Start.Line, d.Severity, d.Code))
		}
	}
	return g, found
}

// TestBackendDiagnostics: what is said of a configuration before any request.
func TestBackendDiagnostics(t *testing.T) {
	dir := t.TempDir()
	ca := sign(t, "root", nil, isCA)
	one, two := sign(t, "one", ca, nil), sign(t, "two", ca, nil)
	file := func(name string, parts ...[]byte) string {
		path := filepath.Join(dir, name)
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		if err := os.WriteFile(path, all, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	caFile, mixed := file("ca.pem", ca.pem), file("mixed.pem", one.pem, two.keyPEM(t))
	alone, garbage := file("alone.pem", one.keyPEM(t)), file("garbage.pem", []byte("nothing"))
	const pass = "ProxyPass /x https://backend.test/\n"
	for config, want := range map[string]string{
		pass: "1 warning no-backend-tls",
		"<Proxy balancer://b>\nBalancerMember https://backend.test\n</Proxy>\nProxyPass /x balancer://b\n": "2 warning no-backend-tls",
		"ProxyPass /x http://backend.test/\n":                                              "",
		"SSLProxyEngine On\n" + pass:                                                       "",
		"<Proxy https://backend.test/>\nSSLProxyEngine On\n</Proxy>\n" + pass:              "",
		pass + "<VirtualHost *:*>\nServerName a.test\nSSLProxyEngine On\n</VirtualHost>\n": "",
		"<VirtualHost *:*>\nServerName a.test\n" + pass + "</VirtualHost>\n<VirtualHost *:*>\nServerName b.test\nSSLProxyEngine On\n</VirtualHost>\n": "3 warning no-backend-tls",
		// Sections: what holds for the backend decides, not that another one has it.
		"<Proxy https://other.test/>\nSSLProxyEngine On\n</Proxy>\n" + pass:                                                                                             "4 warning no-backend-tls",
		"SSLProxyEngine On\n<Proxy https://backend.test/>\nSSLProxyEngine Off\n</Proxy>\n" + pass:                                                                       "5 warning no-backend-tls",
		"SSLProxyEngine On\n<Proxy *>\nSSLProxyEngine Off\n</Proxy>\n" + pass:                                                                                           "5 warning no-backend-tls",
		"<Proxy *>\nSSLProxyEngine On\n</Proxy>\n" + pass:                                                                                                               "",
		"<Proxy https://backend.test/a>\nSSLProxyEngine On\n</Proxy>\n" + pass:                                                                                          "",
		"<ProxyMatch ^https>\nSSLProxyEngine On\n</ProxyMatch>\n" + pass:                                                                                                "",
		"SSLProxyEngine On\n<Proxy balancer://b>\nBalancerMember https://backend.test\nSSLProxyEngine Off\n</Proxy>\nProxyPass /x balancer://b\n":                       "3 warning no-backend-tls",
		"<Proxy balancer://b>\nBalancerMember https://backend.test\nSSLProxyEngine On\n</Proxy>\n<Proxy balancer://c>\nBalancerMember https://backend.test\n</Proxy>\n": "6 warning no-backend-tls",
		"SSLProxyEngine On\nSSLProxyVerify require\n":                                                                                                                   "2 warning no-authority",
		"SSLProxyVerify require\n": "",
		"SSLProxyEngine On\nSSLProxyVerify require\nSSLProxyCACertificateFile " + caFile + "\n":       "",
		"SSLProxyEngine On\nSSLProxyVerify require\nSSLProxyCACertificateFile " + garbage + "\n":      "3 error bad-certificate",
		"SSLProxyEngine On\nSSLProxyVerify require\nSSLProxyCACertificateFile " + dir + "/none.pem\n": "3 error bad-certificate",
		"SSLProxyEngine On\nSSLProxyVerify require\nSSLProxyCACertificatePath " + dir + "\n":          "3 warning no-authority",
		"SSLProxyEngine On\nSSLProxyMachineCertificateFile " + mixed + "\n":                           "2 error bad-certificate",
		"SSLProxyEngine On\nSSLProxyMachineCertificateFile " + alone + "\n":                           "2 error bad-certificate",
		"SSLProxyEngine On\nSSLProxyMachineCertificateFile " + caFile + "\n":                          "2 warning no-certificate",
		"SSLProxyVerify perhaps\n":                       "1 error bad-value",
		"SSLProxyVerifyDepth -1\n":                       "1 error bad-value",
		"SSLProxyProtocol +SSLv3\n":                      "1 error unsupported-value",
		"SSLProxyCARevocationCheck none\n":               "",
		"SSLProxyCARevocationCheck chain\n":              "1 error unsupported-value",
		"SSLProxyCARevocationFile /none\n":               "1 error unsupported-directive",
		"<Location />\nSSLProxyEngine On\n</Location>\n": "2 error wrong-context",
	} {
		g, found := diagnostics(t, config)
		if got := strings.Join(found, ", "); got != want || (g == nil) != strings.Contains(want, "error") {
			t.Errorf("%q:\nexpected %q, found %q", config, want, got)
		}
	}
}

// TestBackendFilesAreWatched: a new certificate or authority is a reload.
func TestBackendFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	ca := sign(t, "root", nil, isCA)
	path := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(path, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	g, found := diagnostics(t, "SSLProxyEngine On\nSSLProxyCACertificateFile "+path+"\nSSLProxyMachineCertificatePath "+dir+"\n")
	if g == nil {
		t.Fatal(found)
	}
	if !slices.Contains(g.Files, path) || !slices.Contains(g.Folders, dir) {
		t.Errorf("expected %s and %s to be watched, found %v and %v", path, dir, g.Files, g.Folders)
	}
}

// TestBackendSettingsStayTheSame: equal settings are one value over reloads, so that connections stay; others are another.
func TestBackendSettingsStayTheSame(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	st := runtime.NewState()
	of := func(cert *signed, config string) runtime.BackendTLS {
		t.Helper()
		if err := os.WriteFile(path, cert.pem, 0o600); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "t.conf")
		if err := os.WriteFile(name, []byte("SSLProxyEngine On\nSSLProxyVerify require\nSSLProxyCACertificateFile "+path+"\n"+config), 0o600); err != nil {
			t.Fatal(err)
		}
		table := parser.NewTable(runtime.Shapes(proxyModules()))
		tree, _ := parser.Load(name, &parser.Options{Directives: table.Lookup, Nearest: table.Nearest})
		g, diags := runtime.Compile(tree, proxyModules(), runtime.Options{State: st})
		if g == nil {
			t.Fatal(diags)
		}
		t, _ := runtime.BackendTLSOf(g.Main.Dir)
		return t
	}
	a, b := sign(t, "a", nil, isCA), sign(t, "b", nil, isCA)
	first := of(a, "")
	if again := of(a, ""); first == nil || again != first {
		t.Error("expected the same settings after a reload, found others")
	}
	if of(b, "") == first {
		t.Error("another authority: expected other settings, found the same")
	}
	if of(a, "SSLProxyCheckPeerName Off\n") == first {
		t.Error("SSLProxyCheckPeerName Off: expected other settings, found the same")
	}
}

// TestBackendSessionsAreResumed: a further connection to a backend costs no full handshake, and is checked as the first was.
func TestBackendSessionsAreResumed(t *testing.T) {
	root := sign(t, "root", nil, isCA)
	s := sign(t, "localhost", root, nil)
	resumed := make(chan bool, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { resumed <- r.TLS.DidResume }))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, root.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	at := runtimetest.Serve(t, "SSLProxyEngine On\nSSLProxyVerify require\nSSLProxyCACertificateFile "+ca+"\nProxyPass /a https://localhost:"+port+" disablereuse=On\n",
		proxyModules()...)
	for i, want := range []bool{false, true, true} {
		if got := askPath(t, at, "none.test", "/a"); !strings.HasPrefix(got, "200 ") || <-resumed != want {
			t.Errorf("request %d: %s, expected that the session is resumed is %v", i, got, want)
		}
	}
}
