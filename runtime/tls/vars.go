package tls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
)

// variable finds a variable of mod_ssl by name.
func variable(name string) (func(*runtime.Request) string, bool) {
	get, ok := variables[strings.ToUpper(name)]
	if !ok {
		return nil, false
	}
	return func(r *runtime.Request) string {
		if r.Conn.TLS == nil {
			if name == "HTTPS" {
				return "off"
			}
			return ""
		}
		return get(r, r.Conn.TLS)
	}, true
}

type getter func(r *runtime.Request, st *tls.ConnectionState) string

var variables = map[string]getter{
	"HTTPS":                 func(*runtime.Request, *tls.ConnectionState) string { return "on" },
	"SSL_PROTOCOL":          func(_ *runtime.Request, st *tls.ConnectionState) string { return protocolName(st.Version) },
	"SSL_CIPHER":            func(_ *runtime.Request, st *tls.ConnectionState) string { return cipherName(st.CipherSuite) },
	"SSL_CIPHER_EXPORT":     func(*runtime.Request, *tls.ConnectionState) string { return "false" },
	"SSL_CIPHER_USEKEYSIZE": func(_ *runtime.Request, st *tls.ConnectionState) string { return keySize(st.CipherSuite) },
	"SSL_CIPHER_ALGKEYSIZE": func(_ *runtime.Request, st *tls.ConnectionState) string { return keySize(st.CipherSuite) },
	"SSL_COMPRESS_METHOD":   func(*runtime.Request, *tls.ConnectionState) string { return "NULL" },
	"SSL_TLS_SNI":           func(_ *runtime.Request, st *tls.ConnectionState) string { return st.ServerName },
	"SSL_SECURE_RENEG":      func(*runtime.Request, *tls.ConnectionState) string { return "true" },
	"SSL_VERSION_INTERFACE": func(*runtime.Request, *tls.ConnectionState) string { return "mod_ssl/2.4.71" },
	"SSL_VERSION_LIBRARY":   func(*runtime.Request, *tls.ConnectionState) string { return "crypto/tls" },
	"SSL_SESSION_RESUMED": func(_ *runtime.Request, st *tls.ConnectionState) string {
		if st.DidResume {
			return "Resumed"
		}
		return "Initial"
	},
	"SSL_CLIENT_VERIFY": func(r *runtime.Request, st *tls.ConnectionState) string {
		switch {
		case len(st.PeerCertificates) == 0:
			return "NONE"
		case len(st.VerifiedChains) > 0:
			return "SUCCESS"
		}
		if f, ok := r.Server.TLS.(*front); ok {
			return f.verdict(st.PeerCertificates)
		}
		return "GENEROUS"
	},
	"SSL_CLIENT_S_DN":      ofClient(func(c *x509.Certificate) string { return dn(c.Subject.String()) }),
	"SSL_CLIENT_S_DN_CN":   ofClient(func(c *x509.Certificate) string { return c.Subject.CommonName }),
	"SSL_CLIENT_I_DN":      ofClient(func(c *x509.Certificate) string { return dn(c.Issuer.String()) }),
	"SSL_CLIENT_I_DN_CN":   ofClient(func(c *x509.Certificate) string { return c.Issuer.CommonName }),
	"SSL_CLIENT_M_SERIAL":  ofClient(func(c *x509.Certificate) string { return strings.ToUpper(hex.EncodeToString(c.SerialNumber.Bytes())) }),
	"SSL_CLIENT_M_VERSION": ofClient(func(c *x509.Certificate) string { return strconv.Itoa(c.Version) }),
	"SSL_CLIENT_V_START":   ofClient(func(c *x509.Certificate) string { return c.NotBefore.UTC().Format(certTime) }),
	"SSL_CLIENT_V_END":     ofClient(func(c *x509.Certificate) string { return c.NotAfter.UTC().Format(certTime) }),
	"SSL_CLIENT_V_REMAIN":  ofClient(func(c *x509.Certificate) string { return strconv.Itoa(int(time.Until(c.NotAfter).Hours() / 24)) }),
	"SSL_CLIENT_CERT": ofClient(func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}),
}

const certTime = "Jan _2 15:04:05 2006 GMT"

func ofClient(get func(c *x509.Certificate) string) getter {
	return func(_ *runtime.Request, st *tls.ConnectionState) string {
		if len(st.PeerCertificates) == 0 {
			return ""
		}
		return get(st.PeerCertificates[0])
	}
}

// dn is a name as RFC 2253 writes it, which is mod_ssl's form as well.
func dn(s string) string { return s }

func protocolName(v uint16) string {
	for _, p := range versions {
		if p.version == v {
			return p.name
		}
	}
	return "UNKNOWN"
}

// opensslNames are OpenSSL's names of what crypto/tls negotiates under TLS 1.2; log parsers and policies know these.
var opensslNames = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          "ECDHE-ECDSA-AES128-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
}

func cipherName(id uint16) string {
	if n, ok := opensslNames[id]; ok {
		return n
	}
	return tls.CipherSuiteName(id)
}

func keySize(id uint16) string {
	if strings.Contains(tls.CipherSuiteName(id), "128") {
		return "128"
	}
	return "256"
}

// setEnv gives the request mod_ssl's variables: HTTPS and SSL_TLS_SNI always, the others by SSLOptions.
func setEnv(r *runtime.Request) runtime.Result {
	st := r.Conn.TLS
	if st == nil {
		return runtime.Declined
	}
	r.Env.Set("HTTPS", "on")
	if st.ServerName != "" {
		r.Env.Set("SSL_TLS_SNI", st.ServerName)
	}
	d := runtime.DirConf[dirConf](r.Dir, Module)
	if d == nil {
		return runtime.Declined
	}
	if d.stdEnvVars.Or(false) {
		for name, get := range variables {
			if v := get(r, st); v != "" && name != "SSL_CLIENT_CERT" {
				r.Env.Set(name, v)
			}
		}
	}
	if d.exportCerts.Or(false) {
		if v := variables["SSL_CLIENT_CERT"](r, st); v != "" {
			r.Env.Set("SSL_CLIENT_CERT", v)
		}
	}
	return runtime.Declined
}
