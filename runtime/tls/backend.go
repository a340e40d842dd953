package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"pinion/runtime"
	"pinion/runtime/http1"
)

// What of a backend's certificate is compared with the name that was asked for.
const (
	anyName    = iota
	everyName  // its DNS names and CNs
	legacyName // its first CN alone
)

// backend is TLS to backends as one place of the configuration has it.
type backend struct {
	config        *tls.Config
	verify, depth int
	expire        bool
	name          int
	roots, others *x509.CertPool // of authorities: self-signed ones, and those between
	certs         []machineCert
	sessions      tls.ClientSessionCache
}

// nameCheck is what the two directives mean together (ssl_io_filter_handshake).
func (o *outward) nameCheck() int {
	name, cn := o.checkName, o.checkCN
	switch {
	case name.Or(true) && (cn.Or(true) || name.Set):
		return everyName
	case cn.Or(false):
		return legacyName
	}
	return anyName
}

// errPeer is the end of a handshake that went well with a peer that is not the one asked for.
var errPeer = errors.New("the certificate is not for this backend")

// handshake is one of a backend's.
type handshake struct {
	*backend
	asked  string
	server *runtime.Server
	remote net.Addr
}

// Handshake speaks TLS over nc; see runtime.BackendTLS.
func (b *backend) Handshake(ctx context.Context, nc net.Conn, name string, s *runtime.Server) (net.Conn, error) {
	h := &handshake{b, name, s, nc.RemoteAddr()}
	cfg := b.config.Clone()
	cfg.ServerName = name // crypto/tls sends no addresses
	cfg.VerifyConnection = h.check
	cfg.GetClientCertificate = h.choose
	cfg.ClientSessionCache = sessions{b.sessions, h.remote.String() + " "}
	tc := tls.Client(http1.UnderTLS(nc), cfg)
	err := tc.HandshakeContext(ctx)
	if err == nil {
		return tc, nil
	}
	nc.Close()
	if !errors.Is(err, errPeer) {
		h.logf(runtime.LogInfo, "AH02003", "SSL Proxy connect failed")
		s.Logf(Module, runtime.LogInfo, "", "SSL Library Error: %v", err)
	}
	return nil, err
}

func (h *handshake) logf(l runtime.Level, id, format string, args ...any) {
	h.server.LogRemotef(Module, l, h.remote, id, format, args...)
}

// sessions keeps the sessions of one address apart: a name may stand for several backends.
type sessions struct {
	all    tls.ClientSessionCache
	prefix string
}

func (s sessions) Get(key string) (*tls.ClientSessionState, bool) { return s.all.Get(s.prefix + key) }
func (s sessions) Put(key string, cs *tls.ClientSessionState)     { s.all.Put(s.prefix+key, cs) }

// check looks at the backend's certificate, of a resumed session too.
func (h *handshake) check(st tls.ConnectionState) error {
	if err := h.checkChain(st.PeerCertificates); err != nil {
		return err
	}
	cert, now, ok := st.PeerCertificates[0], time.Now(), true
	if h.expire && (now.Before(cert.NotBefore) || now.After(cert.NotAfter)) {
		h.logf(runtime.LogInfo, "AH02004", "SSL Proxy: Peer certificate is expired")
		ok = false
	}
	switch {
	case h.name == everyName && !matchesName(cert, h.asked):
		h.logf(runtime.LogInfo, "AH02411", "SSL Proxy: Peer certificate does not match for hostname %s", h.asked)
		ok = false
	case h.name == legacyName && !matchesID(cert.Subject.CommonName, h.asked):
		h.logf(runtime.LogInfo, "AH02005", "SSL Proxy: Peer certificate CN mismatch: Certificate CN: %s Requested hostname: %s", cert.Subject.CommonName, h.asked)
		ok = false
	}
	if !ok {
		return errPeer
	}
	return nil
}

// checkChain holds SSLProxyVerify and SSLProxyVerifyDepth (ssl_callback_SSLVerify).
func (h *handshake) checkChain(sent []*x509.Certificate) error {
	if h.verify == verifyNone {
		return nil
	}
	between := h.others.Clone()
	for _, c := range sent[1:] {
		between.AddCert(c)
	}
	depth := len(sent) - 1
	chains, err := sent[0].Verify(x509.VerifyOptions{Roots: h.roots, Intermediates: between})
	for i, chain := range chains {
		if d := len(chain) - 1; i == 0 || d < depth {
			depth = d
		}
	}
	var unknown x509.UnknownAuthorityError
	if h.verify == verifyOptionalNoCA && errors.As(err, &unknown) {
		h.logf(runtime.LogDebug, "AH02037", "Certificate Verification: Verifiable Issuer is configured as optional, therefore we're accepting the certificate")
		err = nil
	}
	if err != nil {
		h.logUnverified(sent, err)
		return err
	}
	if depth > h.depth {
		h.logf(runtime.LogErr, "AH02040", "Certificate Verification: Certificate Chain too long (chain has %d certificates, but maximum allowed are only %d)", depth, h.depth)
		return fmt.Errorf("the chain of the backend's certificate has %d authorities, SSLProxyVerifyDepth allows %d", depth, h.depth)
	}
	return nil
}

func (h *handshake) logUnverified(sent []*x509.Certificate, err error) {
	no, text := opensslError(sent, err)
	if !h.server.LogOn(Module, runtime.LogInfo) {
		h.logf(runtime.LogErr, "AH02039", "Certificate Verification: Error (%d): %s", no, text)
		return
	}
	const when = "Jan _2 15:04:05 2006 GMT"
	c := sent[0]
	h.logf(runtime.LogInfo, "AH02276", "Certificate Verification: Error (%d): %s [subject: %s / issuer: %s / serial: %s / notbefore: %s / notafter: %s]",
		no, text, c.Subject, c.Issuer, serial(c), c.NotBefore.UTC().Format(when), c.NotAfter.UTC().Format(when))
}

func serial(c *x509.Certificate) string {
	s := fmt.Sprintf("%X", c.SerialNumber)
	if len(s)%2 == 1 {
		s = "0" + s
	}
	return s
}

// opensslError says what is wrong in the numbers and words of OpenSSL, which operators know.
func opensslError(sent []*x509.Certificate, err error) (int, string) {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		switch last := sent[len(sent)-1]; {
		case selfSigned(last) && len(sent) == 1:
			return 18, "self-signed certificate"
		case selfSigned(last):
			return 19, "self-signed certificate in certificate chain"
		}
		return 20, "unable to get local issuer certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if time.Now().Before(sent[0].NotBefore) {
			return 9, "certificate is not yet valid"
		}
		return 10, "certificate has expired"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return 26, "unsuitable certificate purpose"
	}
	return 1, err.Error()
}

func selfSigned(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

// matchesName tells whether one of the certificate's DNS names or CNs is name; its addresses don't count (modssl_X509_match_name).
func matchesName(c *x509.Certificate, name string) bool {
	for _, id := range c.DNSNames {
		if matchesID(id, name) {
			return true
		}
	}
	for _, attr := range c.Subject.Names {
		if cn, ok := attr.Value.(string); ok && attr.Type.String() == "2.5.4.3" && matchesID(cn, name) {
			return true
		}
	}
	return false
}

// matchesID compares with one name, of which "*." at the front stands for one label.
func matchesID(id, name string) bool {
	if strings.EqualFold(id, name) {
		return true
	}
	dot := strings.IndexByte(name, '.')
	return dot >= 0 && strings.HasPrefix(id, "*.") && strings.EqualFold(id[1:], name[dot:])
}
