package tls

import (
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

const proxyWide = parser.ServerWide | parser.Proxy

const noRevocation = "pinion reads no revocation lists: take the authority out of SSLProxyCACertificateFile, or let the authority issue short-lived certificates"

// backendDirectives are the SSLProxy… directives.
var backendDirectives = []runtime.Directive{
	{Name: "SSLProxyEngine", Args: parser.Flag, In: proxyWide, Syntax: "on|off", Help: "Speaks TLS to https backends; off is an error for each request to one", Set: setOutEngine},
	{Name: "SSLProxyVerify", Args: parser.Take1, In: proxyWide, Syntax: "none|optional|require|optional_no_ca", Help: "Whether a backend's certificate must come from a known authority", Set: setOutVerify},
	{Name: "SSLProxyVerifyDepth", Args: parser.Take1, In: proxyWide, Syntax: "number", Help: "How many authorities may stand between a backend's certificate and a known one", Set: setOutDepth},
	{Name: "SSLProxyCACertificateFile", Args: parser.Take1, In: proxyWide, Syntax: "file-path", Help: "Authorities of backends' certificates, PEM", Set: setOutFile(func(o *outward) **file { return &o.caFile })},
	{Name: "SSLProxyCACertificatePath", Args: parser.Take1, In: proxyWide, Syntax: "directory-path", Help: "A folder of authorities of backends' certificates, PEM, under the names that openssl rehash makes", Set: setOutFile(func(o *outward) **file { return &o.caPath })},
	{Name: "SSLProxyCheckPeerExpire", Args: parser.Flag, In: proxyWide, Syntax: "on|off", Help: "Refuses backends whose certificate has expired", Set: setOutFlag(func(o *outward) *runtime.Opt[bool] { return &o.checkExpire })},
	{Name: "SSLProxyCheckPeerName", Args: parser.Flag, In: proxyWide, Syntax: "on|off", Help: "Refuses backends whose certificate is for other names", Set: setOutFlag(func(o *outward) *runtime.Opt[bool] { return &o.checkName })},
	{Name: "SSLProxyCheckPeerCN", Args: parser.Flag, In: proxyWide, Syntax: "on|off", Help: "Off ends the check of names, too; on, with SSLProxyCheckPeerName off, checks the first CN alone", Set: setOutFlag(func(o *outward) *runtime.Opt[bool] { return &o.checkCN })},
	{Name: "SSLProxyProtocol", Args: parser.TakeArgv, In: proxyWide, Syntax: "[+|-]protocol ...", Help: "The versions of TLS that are spoken to backends", Set: setOutProtocol},
	{Name: "SSLProxyMachineCertificateFile", Args: parser.Take1, In: proxyWide, Syntax: "file-path", Help: "Certificates with their keys for backends that ask for one, PEM", Set: setOutFile(func(o *outward) **file { return &o.certFile })},
	{Name: "SSLProxyMachineCertificatePath", Args: parser.Take1, In: proxyWide, Syntax: "directory-path", Help: "A folder of certificates with their keys for backends that ask for one, PEM", Set: setOutFile(func(o *outward) **file { return &o.certPath })},
	{Name: "SSLProxyMachineCertificateChainFile", Args: parser.Take1, In: proxyWide, Syntax: "file-path", Help: "Authorities above the certificates for backends, PEM", Set: setOutFile(func(o *outward) **file { return &o.certChain })},
	{Name: "SSLProxyCARevocationCheck", Args: parser.TakeArgv, In: proxyWide, Syntax: "chain|leaf|none [flags ...]", Help: "Whether revocation lists are asked: only none is accepted", Set: setOutRevocation},
	{Name: "SSLProxyCARevocationFile", Args: parser.Take1, In: proxyWide, Syntax: "file-path", Help: "Revocation lists for backends' certificates", Unsupported: noRevocation},
	{Name: "SSLProxyCARevocationPath", Args: parser.Take1, In: proxyWide, Syntax: "directory-path", Help: "A folder of revocation lists for backends' certificates", Unsupported: noRevocation},
	{Name: "SSLProxyCipherSuite", Args: parser.Take12, In: proxyWide, Syntax: "[protocol] cipher-spec", Help: "The ciphers that are offered to backends", NoEffect: goTLS + " of ciphers"},
}

// outward is what a server or <Proxy> section says of TLS to backends.
type outward struct {
	engine                          runtime.Opt[bool]
	verify, depth                   runtime.Opt[int]
	caFile, caPath                  *file
	checkExpire, checkName, checkCN runtime.Opt[bool]
	minVersion                      runtime.Opt[uint16]
	maxVersion                      uint16
	certFile, certPath, certChain   *file
	verifyCmd                       *runtime.Cmd // of SSLProxyVerify

	// sealed says that the server's settings have been laid under these, and that backend is made. Then they stand as a whole.
	sealed  bool
	backend *backend // nil with the engine off
}

// mergeOutward lays add over base (ssl_config_perdir_merge, modssl_ctx_cfg_merge_proxy).
func mergeOutward(base, add *outward) *outward {
	switch {
	case add == nil:
		return base
	case base == nil || add.sealed:
		return add
	}
	n := *add
	n.engine, n.verify, n.depth = add.engine.Over(base.engine), add.verify.Over(base.verify), add.depth.Over(base.depth)
	if n.verifyCmd == nil {
		n.verifyCmd = base.verifyCmd
	}
	n.checkExpire, n.checkName, n.checkCN = add.checkExpire.Over(base.checkExpire), add.checkName.Over(base.checkName), add.checkCN.Over(base.checkCN)
	if !n.minVersion.Set {
		n.minVersion, n.maxVersion = base.minVersion, base.maxVersion
	}
	over := func(add **file, base *file) {
		if *add == nil {
			*add = base
		}
	}
	over(&n.caFile, base.caFile)
	over(&n.caPath, base.caPath)
	over(&n.certFile, base.certFile)
	over(&n.certPath, base.certPath)
	over(&n.certChain, base.certChain)
	return &n
}

// sealServer makes what TLS to backends needs, for the server and for its <Proxy> sections. One that the main server has
// already made stays as it is, as in httpd (ssl_proxy_section_post_config).
func sealServer(c *runtime.Compiler, s *runtime.Server) {
	var out *outward
	if d := runtime.DirConf[dirConf](s.Dir, Module); d != nil && d.out != nil {
		d.out.seal(c)
		out = d.out
	}
	for _, sect := range s.ProxySects {
		d := runtime.DirConf[dirConf](sect.Config, Module)
		if d == nil || d.out != nil && d.out.sealed {
			continue
		}
		own := &outward{}
		if d.out != nil {
			own = d.out
		}
		if out != nil {
			whole := *out
			whole.sealed = false
			own = mergeOutward(&whole, own)
		}
		own.seal(c)
		d.out = own
	}
}

func (o *outward) seal(c *runtime.Compiler) {
	if o.sealed {
		return
	}
	o.sealed, o.backend = true, nil
	if !o.engine.Or(false) {
		return
	}
	b, err := newBackend(c, o)
	if err != nil {
		c.Report(err)
		return
	}
	o.backend = b
	if o.verify.Or(verifyNone) == verifyRequire && o.caFile == nil && o.caPath == nil {
		d := o.verifyCmd.Errorf("no-authority", "SSLProxyVerify require without SSLProxyCACertificateFile or SSLProxyCACertificatePath: no backend's certificate can be verified")
		d.Severity = parser.Warning
		c.Report(d)
	}
}

func backendTLSOf(d *runtime.DirConfig) (t runtime.BackendTLS, said bool) {
	conf := runtime.DirConf[dirConf](d, Module)
	if conf == nil || conf.out == nil {
		return nil, false
	}
	if conf.out.backend == nil {
		return nil, true
	}
	return conf.out.backend, true
}

func ownOutward(c *runtime.Cmd) *outward {
	d := runtime.OwnDirConf[dirConf](c.Dir, Module)
	if d.out == nil {
		d.out = &outward{}
	}
	return d.out
}

func setOutEngine(c *runtime.Cmd) error {
	ownOutward(c).engine = runtime.Some(c.Flag())
	return nil
}

func setOutVerify(c *runtime.Cmd) error {
	level, err := readVerify(c)
	o := ownOutward(c)
	o.verify, o.verifyCmd = runtime.Some(level), c
	return err
}

func setOutDepth(c *runtime.Cmd) error {
	n, err := readDepth(c)
	ownOutward(c).depth = runtime.Some(n)
	return err
}

func setOutFlag(field func(*outward) *runtime.Opt[bool]) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		*field(ownOutward(c)) = runtime.Some(c.Flag())
		return nil
	}
}

func setOutFile(field func(*outward) **file) func(*runtime.Cmd) error {
	return func(c *runtime.Cmd) error {
		*field(ownOutward(c)) = &file{c.ServerPath(c.Arg(0)), c.Detached()}
		return nil
	}
}

func setOutProtocol(c *runtime.Cmd) error {
	low, high, err := readProtocols(c)
	o := ownOutward(c)
	o.minVersion, o.maxVersion = runtime.Some(low), high
	return err
}

func setOutRevocation(c *runtime.Cmd) error {
	if len(c.Node.Args) == 0 || !strings.EqualFold(c.Arg(0), "none") {
		return runtime.WithDetail(c.ArgErrorf(0, "unsupported-value", "expected none, found %q: revoked certificates can't be told", c.Arg(0)), "%s", noRevocation)
	}
	return nil
}
