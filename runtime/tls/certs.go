package tls

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// newFront makes a virtual host's TLS configuration. Offline no file is opened.
func newFront(c *runtime.Compiler, s *runtime.Server, conf *conf) (*front, *parser.Diagnostic) {
	f := &front{conf: conf, config: &tls.Config{MinVersion: conf.minVersion.Or(tls.VersionTLS12), MaxVersion: conf.maxVersion}}
	f.config.NextProtos = alpn(s)
	f.config.SessionTicketsDisabled = !conf.tickets.Or(true)
	if len(conf.certs) == 0 {
		return nil, runtime.WithDetail(conf.engineCmd.Errorf("no-certificate", "SSLEngine is on, but the virtual host has no SSLCertificateFile"),
			"add SSLCertificateFile and SSLCertificateKeyFile")
	}
	if c.Offline {
		return f, nil
	}
	for i, cert := range conf.certs {
		key := cert
		if i < len(conf.keys) {
			key = conf.keys[i]
		}
		pair, err := loadPair(c, cert, key, conf.chain)
		if err != nil {
			return nil, err
		}
		f.config.Certificates = append(f.config.Certificates, *pair)
	}
	if err := f.verifyClients(c, conf); err != nil {
		return nil, err
	}
	var err error
	f.tickets, err = runtime.Adopt(c, "tls tickets", newTickets)
	if err != nil {
		return nil, conf.engineCmd.Errorf("no-random", "%v", err)
	}
	return f, nil
}

func alpn(s *runtime.Server) []string {
	var protocols []string
	for _, p := range s.Settings.Protocols.Or([]string{"http/1.1"}) {
		if p == "h2" || p == "http/1.1" {
			protocols = append(protocols, p)
		}
	}
	return protocols
}

// loadPair reads a certificate and its key. What was read before with the same text is taken from the state.
func loadPair(c *runtime.Compiler, cert, key file, chain *file) (*tls.Certificate, *parser.Diagnostic) {
	read := func(f file) ([]byte, *parser.Diagnostic) {
		c.Watch(f.path)
		b, err := os.ReadFile(f.path)
		if err != nil {
			return nil, runtime.WithDetail(f.cmd.ArgErrorf(0, "no-certificate", "could not read %s: %v", f.path, errors.Unwrap(err)),
				"pinion check --offline leaves certificates unopened")
		}
		return b, nil
	}
	certPEM, bad := read(cert)
	if bad != nil {
		return nil, bad
	}
	keyPEM, bad := read(key)
	if bad != nil {
		return nil, bad
	}
	if chain != nil {
		more, bad := read(*chain)
		if bad != nil {
			return nil, bad
		}
		certPEM = append(append(certPEM, '\n'), more...)
	}
	sum := sha256.Sum256(append(append(certPEM[:len(certPEM):len(certPEM)], 0), keyPEM...))
	pair, err := runtime.Adopt(c, "tls pair "+hex.EncodeToString(sum[:]), func() (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err == nil {
			return &pair, nil
		}
		if encrypted(keyPEM) {
			err = errors.New("the key has a pass phrase; remove it with openssl pkey -in KEY -out NEWKEY")
		}
		return nil, err
	})
	if err != nil {
		where := key
		if b, _ := pem.Decode(certPEM); b == nil {
			where = cert
		}
		return nil, where.cmd.ArgErrorf(0, "bad-certificate", "could not use %s with %s: %v", cert.path, key.path, err)
	}
	return pair, nil
}

func encrypted(keyPEM []byte) bool {
	for b, rest := pem.Decode(keyPEM); b != nil; b, rest = pem.Decode(rest) {
		if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
			return true
		}
	}
	return false
}

// readPool reads authorities from a file and a folder, either of which may be nil.
func readPool(c *runtime.Compiler, caFile, caPath *file) (*x509.CertPool, *parser.Diagnostic) {
	pool := x509.NewCertPool()
	add := func(path string, f *file, must bool) *parser.Diagnostic {
		b, err := os.ReadFile(path)
		if err != nil {
			return f.cmd.ArgErrorf(0, "no-certificate", "could not read %s: %v", path, err)
		}
		if !pool.AppendCertsFromPEM(b) && must {
			return f.cmd.ArgErrorf(0, "bad-certificate", "expected certificates in PEM in %s, found none", path)
		}
		return nil
	}
	if caFile != nil {
		c.Watch(caFile.path)
		if err := add(caFile.path, caFile, true); err != nil {
			return nil, err
		}
	}
	if caPath != nil {
		// As OpenSSL, trust only what lies under the name of its subject's hash: other files have not been put there for that.
		c.WatchFolder(caPath.path)
		names, err := filesIn(caPath.path, hashed)
		if err != nil {
			return nil, caPath.cmd.ArgErrorf(0, "no-certificate", "could not read %s: %v", caPath.path, err)
		}
		if len(names) == 0 {
			d := caPath.cmd.ArgErrorf(0, "no-authority", "no file in %s has a name by which authorities are found, such as 1a2b3c4d.0", caPath.path)
			d.Severity = parser.Warning
			c.Report(runtime.WithDetail(d, "openssl rehash %s makes them", caPath.path))
		}
		for _, n := range names {
			if err := add(n, caPath, false); err != nil {
				return nil, err
			}
		}
	}
	return pool, nil
}

// verifyClients sets what SSLVerifyClient demands.
func (f *front) verifyClients(c *runtime.Compiler, conf *conf) *parser.Diagnostic {
	level := conf.verify.Or(verifyNone)
	if level == verifyNone {
		return nil
	}
	if level != verifyOptionalNoCA && conf.caFile == nil && conf.caPath == nil {
		return conf.engineCmd.Errorf("no-authority", "SSLVerifyClient needs SSLCACertificateFile or SSLCACertificatePath, found neither")
	}
	pool, err := readPool(c, conf.caFile, conf.caPath)
	if err != nil {
		return err
	}
	f.config.ClientCAs = pool
	switch level {
	case verifyOptional:
		f.config.ClientAuth = tls.VerifyClientCertIfGiven
	case verifyRequire:
		f.config.ClientAuth = tls.RequireAndVerifyClientCert
	case verifyOptionalNoCA:
		f.config.ClientAuth = tls.RequestClientCert
	}
	depth := conf.verifyDepth.Or(1)
	f.config.VerifyConnection = func(st tls.ConnectionState) error {
		if level == verifyOptionalNoCA && len(st.PeerCertificates) > 0 {
			var unknown x509.UnknownAuthorityError
			if err := f.verifyClient(st.PeerCertificates); err != nil && !errors.As(err, &unknown) {
				return err
			}
		}
		return checkDepth(st, depth)
	}
	return nil
}

// verifyClient looks for a chain from a client's certificate to a known authority.
func (f *front) verifyClient(sent []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range sent[1:] {
		between.AddCert(c)
	}
	_, err := sent[0].Verify(x509.VerifyOptions{Roots: f.config.ClientCAs, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// verdict is SSL_CLIENT_VERIFY of a certificate that SSLVerifyClient optional_no_ca let in.
func (f *front) verdict(sent []*x509.Certificate) string {
	err := f.verifyClient(sent)
	if err == nil {
		return "SUCCESS"
	}
	_, text := opensslError(sent, err)
	return "FAILED:" + text
}

// checkDepth holds SSLVerifyDepth: how many certificates may stand above the client's.
func checkDepth(st tls.ConnectionState, depth int) error {
	for _, chain := range st.VerifiedChains {
		if len(chain)-1 <= depth {
			return nil
		}
	}
	if len(st.VerifiedChains) > 0 {
		return fmt.Errorf("the certificate's chain is longer than SSLVerifyDepth %d allows", depth)
	}
	return nil
}

// tickets make the keys of session tickets. They outlive reloads, so that sessions do, and change every day.
type tickets struct{ secret [32]byte }

func newTickets() (*tickets, error) {
	t := &tickets{}
	_, err := rand.Read(t.secret[:])
	return t, err
}

func (t *tickets) key(day int64) (key [32]byte) {
	mac := hmac.New(sha256.New, t.secret[:])
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(day))
	mac.Write(b[:])
	copy(key[:], mac.Sum(nil))
	return key
}

// ticketDay is the day whose keys a configuration has.
type ticketDay struct {
	tickets *tickets
	day     atomic.Int64
	turn    sync.Mutex // held while keys change, once a day
}

// current returns the configuration with today's and yesterday's ticket keys.
func (f *front) current() *tls.Config {
	today := time.Now().Unix() / 86400
	if f.tickets != nil && f.day.Load() != today {
		f.turn.Lock()
		if f.day.Load() != today {
			f.config.SetSessionTicketKeys([][32]byte{f.tickets.key(today), f.tickets.key(today - 1)})
			f.day.Store(today)
		}
		f.turn.Unlock()
	}
	return f.config
}
