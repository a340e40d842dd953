package parser

import (
	"os"
	"path/filepath"
	"testing"
)

// TestIfModule: a configuration that loads modules has those; one that loads none has all there are.
func TestIfModule(t *testing.T) {
	table := NewTable(append(Own(), &Directive{Name: "LoadModule", Args: Take2, In: ServerWide}, &Directive{Name: "Yes", Args: Take1, In: ServerWide}))
	tests := "<IfModule ssl_module>\nYes ssl_module\n</IfModule>\n<IfModule mod_ssl.c>\nYes mod_ssl.c\n</IfModule>\n" +
		"<IfModule mod_rewrite.c>\nYes rewrite\n</IfModule>\n<IfModule core.c>\nYes core\n</IfModule>\n<IfModule jk_module>\nYes jk\n</IfModule>\n"
	for _, c := range []struct{ load, want string }{
		{"", "ssl_module mod_ssl.c rewrite core "},
		{"LoadModule ssl_module modules/mod_ssl.so\n", "ssl_module mod_ssl.c core "},
		{"LoadModule jk_module modules/mod_jk.so\n", "core "},
	} {
		file := filepath.Join(t.TempDir(), "httpd.conf")
		if err := os.WriteFile(file, []byte(c.load+tests), 0o644); err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{"ssl_module": true, "mod_ssl.c": true, "mod_rewrite.c": true, "core.c": true}
		tree, diags := Load(file, &Options{Directives: table.Lookup, Modules: func(n string) bool { return there[n] }, Static: func(n string) bool { return n == "core.c" }})
		got := ""
		for _, n := range tree.Root.Children {
			if n.Name == "Yes" {
				got += n.Args[0] + " "
			}
		}
		if diags.HasErrors() || got != c.want {
			t.Errorf("after %q: got %q, want %q (%v)", c.load, got, c.want, diags)
		}
	}
}
