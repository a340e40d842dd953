package tls

import (
	"crypto/tls"
	"strconv"
	"strings"

	"pinion/runtime"
)

func setEngine(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	switch strings.ToLower(c.Arg(0)) {
	case "on":
		conf.engine = runtime.Some(true)
	case "off":
		conf.engine = runtime.Some(false)
	case "optional":
		return c.ArgErrorf(0, "unsupported-value", "SSLEngine optional (the upgrade of a plain connection, RFC 2817) is not supported; no browser uses it")
	default:
		return c.ArgErrorf(0, "bad-value", "expected on or off, found %q", c.Arg(0))
	}
	conf.engineCmd = c.Detached()
	return nil
}

func addFile(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	f := file{c.ServerPath(c.Arg(0)), c.Detached()}
	switch strings.ToLower(c.Node.Name) {
	case "sslcertificatefile":
		if strings.HasPrefix(c.Arg(0), "pkcs11:") {
			return c.ArgErrorf(0, "unsupported-value", "expected a file, found a PKCS#11 name, which is not supported")
		}
		conf.certs = append(conf.certs, f)
	case "sslcertificatekeyfile":
		conf.keys = append(conf.keys, f)
	case "sslcertificatechainfile":
		conf.chain = &f
	case "sslcacertificatefile":
		conf.caFile = &f
	case "sslcacertificatepath":
		conf.caPath = &f
	}
	return nil
}

var versions = []struct {
	name    string
	version uint16
}{{"TLSv1", tls.VersionTLS10}, {"TLSv1.1", tls.VersionTLS11}, {"TLSv1.2", tls.VersionTLS12}, {"TLSv1.3", tls.VersionTLS13}}

// readProtocols works SSLProtocol's words off from left to right and returns the range they leave.
func readProtocols(c *runtime.Cmd) (low, high uint16, err error) {
	on := map[uint16]bool{}
	for i, word := range c.Node.Args {
		action := byte(0)
		name := word
		if word != "" && (word[0] == '+' || word[0] == '-') {
			action, name = word[0], word[1:]
		}
		var these []uint16
		switch {
		case runtime.EqualFold(name, "all"):
			these = []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
		case runtime.EqualFold(name, "SSLv3") || runtime.EqualFold(name, "SSLv2"):
			if action != '-' {
				return 0, 0, c.ArgErrorf(i, "unsupported-value", "%s is broken and not spoken by crypto/tls; leave it out", name)
			}
		default:
			for _, v := range versions {
				if runtime.EqualFold(v.name, name) {
					these = []uint16{v.version}
				}
			}
			if these == nil {
				return 0, 0, c.ArgErrorf(i, "bad-value", "expected all, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3 with + or - before it, found %q", word)
			}
		}
		if action == 0 {
			clear(on)
		}
		for _, v := range these {
			on[v] = action != '-'
		}
	}
	for _, v := range versions {
		if !on[v.version] {
			continue
		}
		if low == 0 {
			low = v.version
		} else if high != v.version-1 {
			return 0, 0, c.ArgErrorf(0, "unsupported-value", "expected versions that follow one another, found a gap before %s", v.name)
		}
		high = v.version
	}
	if low == 0 {
		return 0, 0, c.ArgErrorf(0, "bad-value", "no version of TLS is left")
	}
	return low, high, nil
}

func setProtocol(c *runtime.Cmd) error {
	low, high, err := readProtocols(c)
	if err != nil {
		return err
	}
	conf := runtime.OwnServerConf[conf](c.Server, Module)
	conf.minVersion, conf.maxVersion = runtime.Some(low), high
	return nil
}

func readVerify(c *runtime.Cmd) (int, error) {
	level, ok := verifyLevels[strings.ToLower(c.Arg(0))]
	if !ok {
		return 0, c.ArgErrorf(0, "bad-value", "expected none, optional, require or optional_no_ca, found %q", c.Arg(0))
	}
	return level, nil
}

func setVerify(c *runtime.Cmd) error {
	level, err := readVerify(c)
	if err != nil {
		return err
	}
	runtime.OwnServerConf[conf](c.Server, Module).verify = runtime.Some(level)
	return nil
}

func readDepth(c *runtime.Cmd) (int, error) {
	n, err := strconv.Atoi(c.Arg(0))
	if err != nil || n < 0 {
		return 0, c.ArgErrorf(0, "bad-value", "expected a number of certificates, found %q", c.Arg(0))
	}
	return n, nil
}

func setDepth(c *runtime.Cmd) error {
	n, err := readDepth(c)
	if err != nil {
		return err
	}
	runtime.OwnServerConf[conf](c.Server, Module).verifyDepth = runtime.Some(n)
	return nil
}

func setStrict(c *runtime.Cmd) error {
	runtime.OwnServerConf[conf](c.Server, Module).strict = runtime.Some(c.Flag())
	return nil
}

func setTickets(c *runtime.Cmd) error {
	runtime.OwnServerConf[conf](c.Server, Module).tickets = runtime.Some(c.Flag())
	return nil
}

func setRequireSSL(c *runtime.Cmd) error {
	runtime.OwnDirConf[dirConf](c.Dir, Module).required = true
	return nil
}

// setOptions knows what has a meaning here; FakeBasicAuth and its like guard access and are refused.
func setOptions(c *runtime.Cmd) error {
	d := runtime.OwnDirConf[dirConf](c.Dir, Module)
	for i, word := range c.Node.Args {
		on := !strings.HasPrefix(word, "-")
		switch strings.ToLower(strings.TrimLeft(word, "+-")) {
		case "stdenvvars":
			d.stdEnvVars = runtime.Some(on)
		case "exportcertdata":
			d.exportCerts = runtime.Some(on)
		case "compatenvvars", "optrenegotiate", "legacydnstringformat":
		case "strictrequire":
			// A denial by SSLRequireSSL always stands here, as with StrictRequire.
		case "fakebasicauth":
			if on {
				return c.ArgErrorf(i, "unsupported-value", "SSLOptions FakeBasicAuth is not supported; use Require expr with SSL_CLIENT_S_DN")
			}
		default:
			return c.ArgErrorf(i, "bad-value", "expected an option such as StdEnvVars, found %q", word)
		}
	}
	return nil
}
