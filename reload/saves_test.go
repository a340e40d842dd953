package reload

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/parser"
)

func (s *site) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// live waits until the site's vhost answers with generation n.
func (s *site) live(sv *Supervisor, n int) {
	s.t.Helper()
	c := &client{address: fmt.Sprintf("127.0.0.1:%d", s.port)}
	defer c.close()
	until(s.t, fmt.Sprintf("generation %d to be live", n), func() bool {
		// With the short debounce of these tests a half-made change can be live for a moment, a folder that is
		// gone for instance: then the main server answers 404.
		res, err := c.get("site.test")
		if res == nil {
			s.t.Fatal(err, sv.Status())
		}
		return err == nil && res.Header.Get("X-Site") == fmt.Sprint(n)
	})
}

// refused waits until one more load has failed.
func refused(t *testing.T, sv *Supervisor, change func()) {
	t.Helper()
	before := sv.Status().Failures
	change()
	until(t, "the change to be refused", func() bool { return sv.Status().Failures > before })
}

// TestWaysOfSaving goes through how editors, Kubernetes, deployments and git change files. After each one the new
// text is live, and the next change is seen, too.
func TestWaysOfSaving(t *testing.T) {
	s := newSite(t)
	s.do(os.Remove(s.path("sites")))
	s.do(os.Mkdir(s.path("sites"), 0o755))
	s.write("sites/site.conf", s.vhost(0))
	sv := s.start()
	n := 0
	step := func(name string, change func(text string)) {
		t.Helper()
		n++
		change(s.vhost(n))
		s.live(sv, n)
		// What is watched now is what is there now: an ordinary change must be seen.
		n++
		s.write("sites/site.conf", s.vhost(n))
		s.live(sv, n)
		t.Logf("%s: live", name)
	}
	file := s.path("sites/site.conf")
	step("vim: backup by rename, new file", func(text string) {
		s.do(os.Rename(file, file+"~"))
		s.write("sites/site.conf", text)
		s.do(os.Remove(file + "~"))
	})
	step("in place, truncated first", func(text string) {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
		s.do(err)
		for line := range strings.Lines(text) {
			_, err := f.WriteString(line)
			s.do(err)
		}
		s.do(f.Close())
	})
	step("an old file moved there", func(text string) {
		s.write("old.txt", text)
		old := time.Now().Add(-time.Hour)
		s.do(os.Chtimes(s.path("old.txt"), old, old))
		s.do(os.Rename(s.path("old.txt"), file))
	})
	step("folder deleted and made again", func(text string) {
		s.do(os.RemoveAll(s.path("sites")))
		s.do(os.Mkdir(s.path("sites"), 0o755))
		s.write("sites/site.conf", text)
	})
	step("folder exchanged", func(text string) {
		s.do(os.Mkdir(s.path("sites.new"), 0o755))
		s.write("sites.new/site.conf", text)
		s.do(os.Rename(s.path("sites"), s.path("sites.old")))
		s.do(os.Rename(s.path("sites.new"), s.path("sites")))
		s.do(os.RemoveAll(s.path("sites.old")))
	})
	step("file replaced by a folder and back", func(text string) {
		refused(t, sv, func() {
			s.do(os.Remove(s.path("httpd.conf")))
			s.do(os.Mkdir(s.path("httpd.conf"), 0o755))
		})
		s.do(os.Remove(s.path("httpd.conf")))
		s.write("sites/site.conf", text)
		s.write("httpd.conf", s.main(1))
	})
	step("many files at once, as git checkout does", func(text string) {
		for i := range 1000 {
			s.write(fmt.Sprintf("sites/extra%d.conf", i), fmt.Sprintf("Define EXTRA%d\n", i))
		}
		s.do(os.Remove(file))
		s.write("sites/site.conf", text)
	})
	step("a thousand changed at once", func(text string) {
		for i := range 1000 {
			s.write(fmt.Sprintf("sites/extra%d.conf", i), fmt.Sprintf("Define OTHER%d\n", i))
		}
		s.write("sites/site.conf", text)
	})
	step("a chain of links", func(text string) {
		s.do(os.Mkdir(s.path("store"), 0o755))
		s.write("store/site.txt", text)
		s.do(os.Symlink("store/site.txt", s.path("two")))
		s.do(os.Symlink("two", s.path("one")))
		s.do(os.Remove(file))
		s.do(os.Symlink("../one", file))
	})
	// The last step wrote through the links; now the middle of the chain is changed.
	n++
	s.write("store/other.txt", s.vhost(n))
	s.do(os.Symlink("store/other.txt", s.path("two.new")))
	s.do(os.Rename(s.path("two.new"), s.path("two")))
	s.live(sv, n)
	if got, want := sv.Status().Failures, 1; got < want {
		t.Errorf("%d failures, expected at least %d", got, want)
	}
}

// TestConfigMap is how Kubernetes changes a mounted ConfigMap: all names are links through ..data, which is exchanged.
func TestConfigMap(t *testing.T) {
	s := newSite(t)
	s.do(os.Remove(s.path("sites")))
	s.do(os.Mkdir(s.path("sites"), 0o755))
	version := func(n int) {
		dir := fmt.Sprintf("sites/..2026_%d", n)
		s.do(os.Mkdir(s.path(dir), 0o755))
		s.write(dir+"/site.conf", s.vhost(n))
		s.do(os.Symlink(filepath.Base(dir), s.path("sites/..data_tmp")))
		s.do(os.Rename(s.path("sites/..data_tmp"), s.path("sites/..data")))
		if n > 0 {
			s.do(os.RemoveAll(s.path(fmt.Sprintf("sites/..2026_%d", n-1))))
		}
	}
	version(0)
	s.do(os.Symlink("..data/site.conf", s.path("sites/site.conf")))
	sv := s.start()
	for n := 1; n <= 5; n++ {
		version(n)
		s.live(sv, n)
	}
}

// TestPermissionLostAndRegained needs a user to whom permissions mean something.
func TestPermissionLostAndRegained(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads every file")
	}
	s := newSite(t)
	sv := s.start()
	refused(t, sv, func() { s.do(os.Chmod(s.path("sites/site.conf"), 0)) })
	before := sv.Status().Successes
	s.do(os.Chmod(s.path("sites/site.conf"), 0o644))
	until(t, "the permission to be seen", func() bool { return sv.Status().Successes > before })
}

// TestLogsBesideTheConfiguration: what is written to logs in a watched folder reloads nothing.
func TestLogsBesideTheConfiguration(t *testing.T) {
	s := newSite(t)
	s.write("httpd.conf", s.main(0)+fmt.Sprintf("CustomLog %s/sites/access.log common\n", s.dir))
	sv := s.start()
	c := &client{address: fmt.Sprintf("127.0.0.1:%d", s.port)}
	defer c.close()
	// Until it is at rest: files that were written just before the start are looked at once more.
	sv.Reload(context.Background(), "signal", false)
	before := sv.Status().Successes
	for range 500 {
		if _, err := c.get("site.test"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the log", func() bool { b, _ := os.ReadFile(s.path("sites/access.log")); return len(b) > 0 })
	// The next change that counts is the first one that is taken in.
	s.release(1)
	s.live(sv, 1)
	if got := sv.Status().Successes - before; got > 2 {
		t.Errorf("%d reloads, expected the one of the change", got)
	}
}

// TestErrorLogRotation: a signal opens logs anew.
func TestErrorLogRotation(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	s.do(os.Rename(s.path("error.log"), s.path("error.log.1")))
	if st := sv.Reload(context.Background(), "signal", true); !st.Success {
		t.Fatal(st.Diags)
	}
	until(t, "the new log", func() bool {
		b, _ := os.ReadFile(s.path("error.log"))
		return strings.Contains(string(b), "is live (signal")
	})
}

// TestNeverQuiet: a file that is written all the time puts a reload off, but not for ever.
func TestNeverQuiet(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				os.WriteFile(s.path("sites/busy.conf"), fmt.Appendf(nil, "# %d\n", i), 0o644)
			}
		}
	}()
	s.write("sites/site.conf", s.vhost(1))
	s.live(sv, 1)
	close(stop)
	<-done
}

// TestListenFails: an address that can't be had is told where it is written.
func TestListenFails(t *testing.T) {
	s := newSite(t)
	sv := s.start()
	for address, want := range map[string]string{
		"192.0.2.1:80": "could not listen on 192.0.2.1:80: cannot assign requested address",
		fmt.Sprintf("127.0.0.1:%s", strings.Split(s.backends[0], ":")[1]): "address already in use",
	} {
		refused(t, sv, func() { s.rename("httpd.conf", s.main(1)+"Listen "+address+"\n") })
		found := false
		for _, d := range sv.Status().Diags {
			if d.Severity == parser.Error && strings.Contains(d.Summary, want) && d.Place.Range.Start.Line == 9 && d.Detail != "" {
				found = true
			}
		}
		if !found {
			t.Errorf("%s: expected %q at line 9, found %v", address, want, sv.Status().Diags)
		}
	}
	s.rename("httpd.conf", s.main(2))
	until(t, "the repair", func() bool { return sv.Status().Success })
	err := New(Source{Path: s.path("httpd.conf"), Modules: sv.Source.Modules, Parse: sv.Source.Parse}).Run(context.Background(), nil)
	if bad, ok := err.(*ErrConfig); !ok || !strings.Contains(bad.Diags.Error(), ":1:1: error: could not listen on") {
		t.Errorf("a first load whose address is taken: %v", err)
	}
}

// certificate writes a new certificate and key with the serial number.
func (s *site) certificate(serial int64) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.do(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "site.test"}, DNSNames: []string{"site.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	s.do(err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	s.do(err)
	s.rename("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	s.rename("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// TestCertificateRenewed: a certificate that is renewed in place is served to new connections, and those that are
// there stay. One that doesn't match its key is refused.
func TestCertificateRenewed(t *testing.T) {
	s := newSite(t)
	s.certificate(1)
	secure := freePort(t)
	s.write("httpd.conf", s.main(0)+fmt.Sprintf(`Listen 127.0.0.1:%d
<VirtualHost *:%d>
ServerName site.test
SSLEngine on
SSLCertificateFile %s/cert.pem
SSLCertificateKeyFile %s/key.pem
ProxyPass / http://%s/
</VirtualHost>
`, secure, secure, s.dir, s.dir, s.backends[0]))
	sv := s.start()
	address := fmt.Sprintf("127.0.0.1:%d", secure)
	serial := func() int64 {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "site.test"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if serial() != 1 {
		t.Fatal("the first certificate is not served")
	}
	tc, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "site.test"})
	s.do(err)
	kept := newClient(tc)
	defer kept.close()
	if _, err := kept.get("site.test"); err != nil {
		t.Fatal(err)
	}
	s.certificate(2)
	until(t, "the new certificate", func() bool { return serial() == 2 })
	if _, err := kept.get("site.test"); err != nil {
		t.Errorf("a connection did not survive the new certificate: %v", err)
	}
	key, err := os.ReadFile(s.path("key.pem"))
	s.do(err)
	refused(t, sv, func() {
		s.certificate(3)
		s.rename("key.pem", string(key))
	})
	until(t, "the mismatch to be told", func() bool {
		return strings.Contains(sv.Status().Diags.Error(), "private key does not match public key")
	})
	if got := serial(); got != 2 && got != 3 {
		t.Errorf("certificate %d is served, expected one that was whole", got)
	}
}

// TestAuthorityAdded: a backend's certificate is trusted as soon as its authority lies in the folder of them, and no
// longer than that.
func TestAuthorityAdded(t *testing.T) {
	s := newSite(t)
	s.certificate(1)
	pair, err := tls.LoadX509KeyPair(s.path("cert.pem"), s.path("key.pem"))
	s.do(err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	s.do(err)
	backend := &http.Server{ErrorLog: log.New(io.Discard, "", 0)}
	go backend.Serve(l)
	t.Cleanup(func() { backend.Close() })
	s.do(os.Mkdir(s.path("authorities"), 0o700))
	s.write("httpd.conf", s.main(0)+fmt.Sprintf(`SSLProxyEngine On
SSLProxyVerify require
SSLProxyCheckPeerName Off
SSLProxyCACertificatePath %s/authorities
ProxyPass /secure https://%s
`, s.dir, l.Addr()))
	s.start()
	trusted := func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		s.do(err)
		defer c.Close()
		return statusOf(t, c, "GET /secure HTTP/1.1\r\nHost: none.test\r\nConnection: close\r\n\r\n") == 404 // the backend has no such page
	}
	if trusted() {
		t.Fatal("a certificate of nobody is trusted")
	}
	cert, err := os.ReadFile(s.path("cert.pem"))
	s.do(err)
	s.write("authorities/0a1b2c3d.0", string(cert))
	until(t, "the new authority", trusted)
	s.do(os.Remove(s.path("authorities/0a1b2c3d.0")))
	until(t, "the authority to be gone", func() bool { return !trusted() })
}

// TestPasswordFileChanged: a new password counts, an old one doesn't, without a signal.
func TestPasswordFileChanged(t *testing.T) {
	s := newSite(t)
	s.write("users", "joe:"+sha("one")+"\n")
	s.write("httpd.conf", s.main(0)+fmt.Sprintf(`<Location />
AuthType Basic
AuthName x
AuthUserFile %s/users
Require valid-user
</Location>
`, s.dir))
	s.start()
	allowed := func(password string) bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		s.do(err)
		defer c.Close()
		return statusOf(t, c, "GET / HTTP/1.1\r\nHost: site.test\r\nAuthorization: Basic "+basic("joe", password)+"\r\nConnection: close\r\n\r\n") == 200
	}
	if !allowed("one") || allowed("two") {
		t.Fatal("the first password file is not in force")
	}
	s.rename("users", "joe:"+sha("two")+"\n")
	until(t, "the new password", func() bool { return allowed("two") && !allowed("one") })
}

func sha(password string) string {
	sum := sha1.Sum([]byte(password))
	return "{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func newClient(c net.Conn) *client { return &client{conn: c, br: bufio.NewReader(c)} }

func statusOf(t *testing.T, c net.Conn, request string) int {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
