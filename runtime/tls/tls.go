// Package tls is mod_ssl on crypto/tls: TLS in front of virtual hosts, chosen by SNI, and the settings of connections
// to https backends.
package tls

import (
	"crypto/tls"
	"net/netip"
	"slices"

	"pinion/parser"
	"pinion/runtime"
)

// Module is mod_ssl.
var Module *runtime.Module

func init() {
	Module = runtime.Define(runtime.Module{Name: "ssl_module", File: "mod_ssl.c", Directives: append(directives, backendDirectives...),
		MergeServer: runtime.Merger(merge), MergeDir: runtime.Merger(mergeDir), PostConfig: finish,
		Hooks: []runtime.Hook{
			{Phase: runtime.PostReadRequest, Order: runtime.Middle, Run: checkName},
			{Phase: runtime.AccessChecker, Order: runtime.Middle, Run: requireSSL},
			{Phase: runtime.Fixups, Order: runtime.Middle, Run: setEnv},
		}})
	Module.PostServer = sealServer
	runtime.SSLVariable = variable
	runtime.BackendTLSOf = backendTLSOf
}

const goTLS = "crypto/tls keeps to its own safe choice"

var directives = []runtime.Directive{
	{Name: "SSLEngine", Args: parser.Take1, In: parser.ServerWide, Syntax: "on|off", Help: "Speaks TLS on the virtual host's addresses", Set: setEngine},
	{Name: "SSLCertificateFile", Args: parser.Take1, In: parser.ServerWide, Syntax: "file-path", Help: "The certificate with its chain, PEM; the key may follow in it. One of each kind of key", Set: addFile},
	{Name: "SSLCertificateKeyFile", Args: parser.Take1, In: parser.ServerWide, Syntax: "file-path", Help: "The certificate's private key, PEM", Set: addFile},
	{Name: "SSLCertificateChainFile", Args: parser.Take1, In: parser.ServerWide, Syntax: "file-path", Help: "Certificates between the server's and the root, PEM", Set: addFile},
	{Name: "SSLProtocol", Args: parser.TakeArgv, In: parser.ServerWide, Syntax: "[+|-]protocol ...", Help: "The versions of TLS that are spoken", Set: setProtocol},
	{Name: "SSLCACertificateFile", Args: parser.Take1, In: parser.ServerWide, Syntax: "file-path", Help: "Authorities of clients' certificates, PEM", Set: addFile},
	{Name: "SSLCACertificatePath", Args: parser.Take1, In: parser.ServerWide, Syntax: "directory-path", Help: "A folder of authorities of clients' certificates, PEM, under the names that openssl rehash makes", Set: addFile},
	{Name: "SSLVerifyClient", Args: parser.Take1, In: parser.ServerWide, Syntax: "none|optional|require|optional_no_ca", Help: "Whether clients need a certificate", Set: setVerify},
	{Name: "SSLVerifyDepth", Args: parser.Take1, In: parser.ServerWide, Syntax: "number", Help: "How many authorities may stand between a client's certificate and a known one", Set: setDepth},
	{Name: "SSLStrictSNIVHostCheck", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "Refuses clients that don't name the virtual host in the handshake", Set: setStrict},
	{Name: "SSLSessionTickets", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "Whether sessions are resumed by tickets", Set: setTickets},
	{Name: "SSLOptions", Args: parser.TakeArgv, In: parser.Anywhere, Syntax: "[+|-]option ...", Help: "StdEnvVars: variables about the connection for expressions, headers and logs", Set: setOptions},
	{Name: "SSLRequireSSL", Args: parser.NoArgs, In: parser.InDir, Help: "Refuses requests that don't come by TLS", Set: setRequireSSL},

	{Name: "SSLCipherSuite", Args: parser.Take12, In: parser.Anywhere, Syntax: "[protocol] cipher-spec", Help: "The ciphers that are offered", NoEffect: goTLS + " of ciphers"},
	{Name: "SSLHonorCipherOrder", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "Whose order of ciphers counts", NoEffect: goTLS + " of their order"},
	{Name: "SSLOpenSSLConfCmd", Args: parser.Take2, In: parser.ServerWide, Syntax: "command-name command-value", Help: "Settings of OpenSSL", NoEffect: "there is no OpenSSL in pinion"},
	{Name: "SSLCompression", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "Compression of TLS", NoEffect: "crypto/tls has none, as is safe"},
	{Name: "SSLInsecureRenegotiation", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "Renegotiation of old clients", NoEffect: "crypto/tls never lets clients renegotiate"},
	{Name: "SSLPassPhraseDialog", Args: parser.Take1, In: parser.Server, Syntax: "type", Help: "Where the pass phrase of a key comes from", NoEffect: "keys with a pass phrase are refused when they are read"},
	{Name: "SSLFIPS", Args: parser.Flag, In: parser.Server, Syntax: "on|off", Help: "FIPS mode", NoEffect: "Go's FIPS mode is chosen when the program is started, by GODEBUG=fips140=on"},
	{Name: "SSLUseStapling", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "OCSP answers in the handshake", NoEffect: "clients ask the authority themselves, or don't"},
	{Name: "SSLStaplingCache", Args: parser.Take1, In: parser.Server, Syntax: "type", Help: "The cache of OCSP answers", NoEffect: "pinion staples no OCSP answers"},
	{Name: "SSLStaplingResponderTimeout", Args: parser.Take1, In: parser.ServerWide, Syntax: "seconds", Help: "A limit of OCSP queries", NoEffect: "pinion staples no OCSP answers"},
	{Name: "SSLStaplingReturnResponderErrors", Args: parser.Flag, In: parser.ServerWide, Syntax: "on|off", Help: "Whether OCSP errors are passed on", NoEffect: "pinion staples no OCSP answers"},
}

// Levels of SSLVerifyClient and SSLProxyVerify.
const (
	verifyNone = iota
	verifyOptional
	verifyRequire
	verifyOptionalNoCA
)

var verifyLevels = map[string]int{"none": verifyNone, "off": verifyNone, "on": verifyRequire, "optional": verifyOptional, "require": verifyRequire, "optional_no_ca": verifyOptionalNoCA}

// conf is what a server says about TLS in front.
type conf struct {
	engine      runtime.Opt[bool]
	engineCmd   *runtime.Cmd
	certs, keys []file
	chain       *file
	caFile      *file
	caPath      *file
	minVersion  runtime.Opt[uint16]
	maxVersion  uint16
	verify      runtime.Opt[int]
	verifyDepth runtime.Opt[int]
	strict      runtime.Opt[bool]
	tickets     runtime.Opt[bool]
}

// file is a path and where it was named.
type file struct {
	path string
	cmd  *runtime.Cmd
}

func merge(base, add *conf) *conf {
	n := *add
	n.engine = add.engine.Over(base.engine)
	if n.engineCmd == nil {
		n.engineCmd = base.engineCmd
	}
	if len(n.certs) == 0 {
		n.certs, n.keys = base.certs, base.keys
	}
	if n.chain == nil {
		n.chain = base.chain
	}
	if n.caFile == nil && n.caPath == nil {
		n.caFile, n.caPath = base.caFile, base.caPath
	}
	if !n.minVersion.Set {
		n.minVersion, n.maxVersion = base.minVersion, base.maxVersion
	}
	n.verify, n.verifyDepth = add.verify.Over(base.verify), add.verifyDepth.Over(base.verifyDepth)
	n.strict, n.tickets = add.strict.Over(base.strict), add.tickets.Over(base.tickets)
	return &n
}

// dirConf is what a folder says.
type dirConf struct {
	required    bool
	stdEnvVars  runtime.Opt[bool]
	exportCerts runtime.Opt[bool]
	out         *outward // nil where it says nothing of backends
}

func mergeDir(base, add *dirConf) *dirConf {
	return &dirConf{required: base.required || add.required, stdEnvVars: add.stdEnvVars.Over(base.stdEnvVars),
		exportCerts: add.exportCerts.Over(base.exportCerts), out: mergeOutward(base.out, add.out)}
}

// front is a virtual host's TLS, kept in Server.TLS.
type front struct {
	config *tls.Config
	conf   *conf
	ticketDay
}

// finish loads the certificates of each virtual host that speaks TLS and ties the graph to them.
func finish(c *runtime.Compiler) {
	for _, s := range c.Compiled() {
		conf := runtime.ServerConf[conf](s, Module)
		if conf == nil || !conf.engine.Or(false) {
			continue
		}
		c.For(s, func() {
			f, err := newFront(c, s, conf)
			if err != nil {
				c.Report(err)
				return
			}
			s.TLS = f
		})
	}
	if !slices.ContainsFunc(c.Graph.Servers, func(s *runtime.Server) bool { return s.TLS != nil }) {
		return
	}
	g := c.Graph
	g.Secure = func(local netip.AddrPort) *tls.Config {
		base, ok := g.ServerFor(local, "").TLS.(*front)
		if !ok {
			return nil
		}
		return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			f := base
			if named, ok := g.ServerFor(local, hello.ServerName).TLS.(*front); ok {
				f = named
			}
			return f.current(), nil
		}}
	}
}

// checkName refuses a request for a virtual host that the handshake was not for, where their settings differ: else a
// client could meet a host under the protection of another (ssl_hook_ReadReq).
func checkName(r *runtime.Request) runtime.Result {
	st := r.Conn.TLS
	if st == nil {
		return runtime.Declined
	}
	want, ok := r.Server.TLS.(*front)
	if !ok {
		return runtime.Declined
	}
	if st.ServerName == "" {
		if want.conf.strict.Or(false) {
			r.Logf(Module, runtime.LogErr, "AH02033", "No hostname was provided via SNI for a name based virtual host")
			return 403
		}
		return runtime.Declined
	}
	from := r.Graph.ServerFor(r.Conn.Local, st.ServerName)
	if from == r.Server {
		return runtime.Declined
	}
	have, ok := from.TLS.(*front)
	if !ok || !have.conf.sameGuard(want.conf) {
		r.Logf(Module, runtime.LogErr, "AH02032", "Hostname %s (default host as no SNI was provided) and hostname %s provided via HTTP have no compatible SSL setup",
			st.ServerName, r.Hostname)
		return 421
	}
	return runtime.Declined
}

// sameGuard tells that two virtual hosts demand the same of clients.
func (c *conf) sameGuard(o *conf) bool {
	same := func(a, b *file) bool { return a == b || a != nil && b != nil && a.path == b.path }
	return c.verify.Or(0) == o.verify.Or(0) && c.verifyDepth.Or(1) == o.verifyDepth.Or(1) && same(c.caFile, o.caFile) &&
		same(c.caPath, o.caPath) && c.minVersion.Or(0) == o.minVersion.Or(0) && c.maxVersion == o.maxVersion
}

func requireSSL(r *runtime.Request) runtime.Result {
	d := runtime.DirConf[dirConf](r.Dir, Module)
	if d == nil || !d.required || r.Conn.Secure {
		return runtime.Declined
	}
	r.Logf(Module, runtime.LogErr, "AH02219", "access to %s failed, reason: SSL connection required", r.Filename)
	r.Notes.Set("ssl-access-forbidden", "1")
	return 403
}
