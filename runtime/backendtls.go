package runtime

import (
	"context"
	"net"
)

// BackendTLS is how connections to https backends are made under one configuration: what mod_ssl's SSLProxy… directives
// say. Safe for concurrent use. Equal settings are the same value, over reloads too, so that == tells whether a
// connection was made under the settings of now.
type BackendTLS interface {
	// Handshake speaks TLS over nc to the host of that name or address and checks its certificate. What is wrong with it
	// is in the error log of s. On an error nc is closed.
	Handshake(ctx context.Context, nc net.Conn, name string, s *Server) (net.Conn, error)
}

// BackendTLSOf returns what is in force for requests with that configuration, nil where SSLProxyEngine is off; said tells
// whether any SSLProxy… directive has had a say in it. From a
// compile's PostConfig on it can be asked for the configuration of a server or of a <Proxy> section as well. The tls
// module sets it while the program is initialized.
var BackendTLSOf = func(*DirConfig) (t BackendTLS, said bool) { return nil, false }
