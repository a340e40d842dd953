package tls

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// machineCert is a certificate of this server's own for backends that ask for one.
type machineCert struct {
	cert    tls.Certificate
	issuers [][]byte // the names of its authority and of those above, DER
}

// choose finds the certificate for a backend that asks for one (ssl_callback_proxy_cert).
func (h *handshake) choose(ask *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	s, id := h.server, vhostID(h.server)
	const line = "Proxy client certificate callback: (%s) "
	if len(h.certs) == 0 {
		s.Logf(Module, runtime.LogWarn, "AH02268", line+"downstream server wanted client certificate but none are configured", id)
		return &tls.Certificate{}, nil
	}
	if len(ask.AcceptableCAs) == 0 {
		h.logf(runtime.LogDebug, "AH02278", line+"no acceptable CA list, sending", id)
		return &h.certs[0].cert, nil
	}
	for _, ca := range ask.AcceptableCAs {
		for i := range h.certs {
			for n, issuer := range h.certs[i].issuers {
				if !bytes.Equal(issuer, ca) {
					continue
				}
				if n == 0 {
					h.logf(runtime.LogDebug, "AH02279", line+"found acceptable cert, sending", id)
				} else {
					h.logf(runtime.LogDebug, "AH02280", line+"found acceptable cert by intermediate CA, sending", id)
				}
				return &h.certs[i].cert, nil
			}
		}
	}
	s.Logf(Module, runtime.LogDebug, "AH02269", line+"no client certificate found!?", id)
	return &tls.Certificate{}, nil
}

// vhostID is how mod_ssl's log names a server (ssl_util_vhostid).
func vhostID(s *runtime.Server) string {
	port := s.Port
	if port == 0 {
		port = 80
		if s.TLS != nil {
			port = 443
		}
	}
	return fmt.Sprintf("%s:%d", s.ServerName, port)
}

// material is what the files of an outward hold.
type material struct {
	authorities, chain []*x509.Certificate
	certs              []tls.Certificate
	sum                []byte // of all that was read
}

// newBackend makes what o says. What was made before of the same text is taken from the state. Offline no file is opened.
func newBackend(c *runtime.Compiler, o *outward) (*backend, *parser.Diagnostic) {
	m := &material{}
	if !c.Offline {
		var err *parser.Diagnostic
		if m, err = o.read(c); err != nil {
			return nil, err
		}
	}
	b := &backend{verify: o.verify.Or(verifyNone), depth: o.depth.Or(1), expire: o.checkExpire.Or(true), name: o.nameCheck()}
	// The certificate is checked by backend.check, in httpd's way.
	b.config = &tls.Config{InsecureSkipVerify: true, MinVersion: o.minVersion.Or(tls.VersionTLS12), MaxVersion: o.maxVersion}
	key := fmt.Sprintf("tls backend %d %d %t %d %x %x %x", b.verify, b.depth, b.expire, b.name, b.config.MinVersion, b.config.MaxVersion, m.sum)
	b, err := runtime.Adopt(c, key, func() (*backend, error) {
		b.sessions = tls.NewLRUClientSessionCache(256)
		b.roots, b.others = x509.NewCertPool(), x509.NewCertPool()
		for _, a := range m.authorities {
			if selfSigned(a) {
				b.roots.AddCert(a)
			} else {
				b.others.AddCert(a)
			}
		}
		for _, cert := range m.certs {
			b.certs = append(b.certs, withChain(cert, append(m.chain, m.authorities...)))
		}
		return b, nil
	})
	if err != nil {
		return nil, o.verifyCmd.Errorf("internal", "%v", err)
	}
	return b, nil
}

// withChain puts the authorities above a certificate behind it, as far as they are known.
func withChain(cert tls.Certificate, known []*x509.Certificate) machineCert {
	m := machineCert{cert: cert, issuers: [][]byte{cert.Leaf.RawIssuer}}
	for at := cert.Leaf; !selfSigned(at) && len(m.issuers) < 10; {
		i := 0
		for i < len(known) && !bytes.Equal(known[i].RawSubject, at.RawIssuer) {
			i++
		}
		if i == len(known) {
			break
		}
		at = known[i]
		m.issuers = append(m.issuers, at.RawIssuer)
		m.cert.Certificate = append(m.cert.Certificate, at.Raw)
	}
	return m
}

// hashed are the names under which OpenSSL looks for authorities in a folder.
var hashed = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

func (o *outward) read(c *runtime.Compiler) (*material, *parser.Diagnostic) {
	m, sum := &material{}, sha256.New()
	each := func(f *file, folder, must bool, want *regexp.Regexp, take func(text []byte) error) *parser.Diagnostic {
		if f == nil {
			return nil
		}
		paths, err := []string{f.path}, error(nil)
		if folder {
			paths, err = filesIn(f.path, want)
			c.WatchFolder(f.path)
		} else {
			c.Watch(f.path)
		}
		for _, p := range paths {
			var text []byte
			if text, err = os.ReadFile(p); err == nil {
				fmt.Fprintf(sum, "%s %d %s", f.cmd.Node.Name, len(text), text)
				err = take(text)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", p, err)
				break
			}
		}
		if err != nil {
			return runtime.WithDetail(f.cmd.ArgErrorf(0, "bad-certificate", "could not use %v", err), "pinion check --offline leaves certificates unopened")
		}
		if folder && must && len(paths) == 0 {
			d := f.cmd.ArgErrorf(0, "no-authority", "no file in %s has a name by which authorities are found, such as 1a2b3c4d.0", f.path)
			d.Severity = parser.Warning
			c.Report(runtime.WithDetail(d, "openssl rehash %s makes them", f.path))
		}
		return nil
	}
	authorities := func(into *[]*x509.Certificate) func([]byte) error {
		return func(text []byte) error {
			certs, err := readCerts(text)
			*into = append(*into, certs...)
			return err
		}
	}
	pairs := func(text []byte) error {
		certs, lone, err := readPairs(text)
		m.certs, m.authorities = append(m.certs, certs...), append(m.authorities, lone...)
		return err
	}
	for _, d := range []*parser.Diagnostic{
		each(o.caFile, false, true, nil, authorities(&m.authorities)), each(o.caPath, true, true, hashed, authorities(&m.authorities)),
		each(o.certFile, false, true, nil, pairs), each(o.certPath, true, false, nil, pairs), each(o.certChain, false, true, nil, authorities(&m.chain)),
	} {
		if d != nil {
			return nil, d
		}
	}
	if at := o.certFile; len(m.certs) == 0 && (at != nil || o.certPath != nil) {
		if at == nil {
			at = o.certPath
		}
		d := at.cmd.ArgErrorf(0, "no-certificate", "no certificate with a key in %s: none can be shown to backends", at.path)
		d.Severity = parser.Warning
		c.Report(d)
	}
	m.sum = sum.Sum(nil)
	return m, nil
}

// filesIn lists the files of a folder; want, where it is given, chooses by their names.
func filesIn(folder string, want *regexp.Regexp) (paths []string, err error) {
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		p := filepath.Join(folder, e.Name())
		if want != nil && !want.MatchString(e.Name()) {
			continue
		}
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			paths = append(paths, p)
		}
	}
	return paths, err
}

// readCerts reads the certificates of a PEM text, of which there must be one at least.
func readCerts(text []byte) (certs []*x509.Certificate, err error) {
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != "CERTIFICATE" && b.Type != "TRUSTED CERTIFICATE" && b.Type != "X509 CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if certs == nil {
		return nil, errors.New("expected certificates in PEM, found none")
	}
	return certs, nil
}

// readPairs reads certificates, each with the key before or behind it. One without a key counts as an authority.
func readPairs(text []byte) (pairs []tls.Certificate, lone []*x509.Certificate, err error) {
	var cert, key []byte
	end := func() error {
		c, k := cert, key
		cert, key = nil, nil
		switch {
		case c == nil && k == nil:
			return nil
		case c == nil:
			return errors.New("expected a certificate with each key, found a key alone")
		case k == nil:
			certs, err := readCerts(c)
			lone = append(lone, certs...)
			return err
		}
		pair, err := tls.X509KeyPair(c, k)
		pairs = append(pairs, pair)
		return err
	}
	for b, rest := pem.Decode(text); b != nil && err == nil; b, rest = pem.Decode(rest) {
		at := &cert
		switch {
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			if encrypted(pem.EncodeToMemory(b)) {
				return nil, nil, errors.New("the key has a pass phrase; remove it with openssl pkey -in KEY -out NEWKEY")
			}
			at = &key
		case !strings.HasSuffix(b.Type, "CERTIFICATE"):
			continue
		}
		if *at != nil {
			err = end()
		}
		*at = pem.EncodeToMemory(b)
	}
	if err == nil {
		err = end()
	}
	return pairs, lone, err
}
