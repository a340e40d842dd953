package authz_test

import (
	"os"
	"path/filepath"
	"testing"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
)

// TestOpen: who is warned of a page that anybody may see, and who isn't.
func TestOpen(t *testing.T) {
	const status = "SetHandler server-status\n"
	const here = "<Location /server-status>\n" + status
	const end = "</Location>\n"
	for _, c := range []struct {
		name, config string
		warns        bool
	}{
		{"nothing", here + end, true},
		{"granted", here + "Require all granted\n" + end, true},
		{"granted in all", here + "<RequireAll>\nRequire all granted\n</RequireAll>\n" + end, true},
		{"denied", here + "Require all denied\n" + end, false},
		{"local", here + "Require local\n" + end, false},
		{"any of two", here + "Require local\nRequire all granted\n" + end, true},
		{"all of two", here + "<RequireAll>\nRequire local\nRequire all granted\n</RequireAll>\n" + end, false},
		{"none", here + "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire ip 192.0.2.1\n</RequireNone>\n</RequireAll>\n" + end, false},
		{"password", here + "AuthType Basic\nAuthName x\nAuthUserFile users\nRequire valid-user\n" + end, false},
		{"password for nobody", here + "AuthType Basic\nAuthName x\nAuthUserFile users\nRequire all granted\n" + end, true},
		{"methods", here + "<Limit POST>\nRequire local\n</Limit>\n" + end, false},
		{"If around", "<Location /server-status>\n<If \"%{REMOTE_ADDR} == '192.0.2.1'\">\n" + status + "</If>\n" + end, false},
		{"If within", here + "<If \"%{REMOTE_ADDR} != '192.0.2.1'\">\nRequire all denied\n</If>\n" + end, false},
		{"If within, of other things", here + "<If \"%{REMOTE_ADDR} != '192.0.2.1'\">\nHeader set A b\n</If>\n" + end, true},
		{"a rule that forbids", here + "RewriteEngine On\nRewriteCond %{REMOTE_ADDR} !^192\nRewriteRule ^ - [F]\n" + end, false},
		{"a rule that doesn't", here + "RewriteEngine On\nRewriteRule ^ - [E=a:b]\n" + end, true},
		{"section above", "<Location />\nRequire ip 192.0.2.0/24\n</Location>\n" + here + end, false},
		{"section above, overridden", "<Location />\nRequire local\n</Location>\n" + here + "Require all granted\n" + end, true},
		{"section above, added to", "<Location />\nRequire local\n</Location>\n" + here + "AuthMerging And\nRequire all granted\n" + end, false},
		{"section behind", here + end + "<Location />\nRequire local\n</Location>\n", false},
		{"overridden behind", here + "Require local\n" + end + "<Location />\nRequire all granted\n</Location>\n", true},
		{"inherited", "<Location /server-status>\nRequire local\n</Location>\n<VirtualHost *:80>\nServerName a.test\n" + here + end + "</VirtualHost>\n", false},
		{"inherited, overridden", "<Location /server-status>\nRequire local\n</Location>\n<VirtualHost *:80>\nServerName a.test\n" + here + "Require all granted\n" + end + "</VirtualHost>\n", true},
		{"folder", "DocumentRoot /\n<Directory />\nRequire all denied\n</Directory>\n" + here + end, false},
		{"deeper folder", "DocumentRoot /usr\n<Directory /usr>\nRequire all granted\n</Directory>\n<Directory />\nRequire all denied\n</Directory>\n" + here + end, true},
		{"folder elsewhere", "DocumentRoot /usr\n<Directory /var>\nRequire all denied\n</Directory>\n" + here + end, true},
		{"Deny first", here + "Order Deny,Allow\nDeny from all\nAllow from 127.0.0.1\n" + end, false},
		{"Deny first, all allowed", here + "Order deny,allow\nAllow from all\n" + end, true},
		{"Allow first", here + "Order Allow,Deny\nAllow from 10.0.0.0/8\n" + end, false},
		{"Allow first, all allowed", here + "Order Allow,Deny\nAllow from all\n" + end, true},
		{"both kinds", here + "Require all granted\nDeny from all\n" + end, false},
		{"certificate", "<VirtualHost *:80>\nServerName a.test\nSSLVerifyClient require\nSSLCACertificateFile ca.pem\n" + here + end + "</VirtualHost>\n", false},
		{"certificate of who has one", "<VirtualHost *:80>\nServerName a.test\nSSLVerifyClient optional_no_ca\n" + here + end + "</VirtualHost>\n", true},
		{"loopback", "Listen 127.0.0.1:80\nListen [::1]:80\n" + here + end, false},
		{"loopback and others", "Listen 127.0.0.1:80\nListen 8080\n" + here + end, true},
		{"loopback vhost", "Listen 80\n<VirtualHost 127.0.0.1:80>\nServerName a.test\n" + here + end + "</VirtualHost>\n", false},
		{"open vhost", "Listen 80\n<VirtualHost 127.0.0.1:80 *:80>\nServerName a.test\n" + here + end + "</VirtualHost>\n", true},
		{"pattern", "<LocationMatch ^/s>\n" + status + "</LocationMatch>\n", true},
		{"guarded pattern", "<LocationMatch ^/s>\n" + status + "Require local\n</LocationMatch>\n", false},
		{"no such handler", "<Location /m>\nSetHandler none\n</Location>\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "httpd.conf")
			for _, name := range []string{"users", "ca.pem"} {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(file, []byte("ServerName main.test\n"+c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: dir}, Offline: true}
			l := source.Load(runtime.NewState())
			if l.Graph != nil {
				defer l.Graph.Retire()
			}
			warns := false
			for _, d := range l.Diags {
				warns = warns || d.Code == "open-status" && d.Severity == parser.Warning
				if d.Severity == parser.Error && d.Code != "bad-certificate" {
					t.Errorf("%v", d)
				}
			}
			if warns != c.warns {
				t.Errorf("warns: %v, expected %v", warns, c.warns)
			}
		})
	}
}

// TestPrivate: which handlers are private.
func TestPrivate(t *testing.T) {
	for handler, code := range map[string]string{"balancer-manager": "open-manager", "server-status": "open-status", "heartbeat": "open-heartbeat", "prometheus": "open-metrics", "none": ""} {
		dir := t.TempDir()
		file := filepath.Join(dir, "httpd.conf")
		if err := os.WriteFile(file, []byte("ServerName main.test\nListen 80\n<Location /x>\nSetHandler "+handler+"\n</Location>\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: dir}, Offline: true}
		l := source.Load(runtime.NewState())
		if l.Graph == nil {
			t.Fatal(l.Diags)
		}
		l.Graph.Retire()
		got := ""
		for _, d := range l.Diags {
			got += d.Code
		}
		if got != code {
			t.Errorf("%s: %q, expected %q", handler, got, code)
		}
	}
}
