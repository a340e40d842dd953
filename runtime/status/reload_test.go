package status_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
)

// TestReload checks that counts go on over a reload, and that the generation is the next one.
func TestReload(t *testing.T) {
	file, state := filepath.Join(t.TempDir(), "httpd.conf"), runtime.NewState()
	load := func(conf string) *runtime.Graph {
		if err := os.WriteFile(file, []byte("Listen 127.0.0.1:1\nServerName a.test\n"+conf), 0o600); err != nil {
			t.Fatal(err)
		}
		source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: filepath.Dir(file)}}
		l := source.Load(state)
		if l.Graph == nil {
			t.Fatal(l.Diags)
		}
		return l.Graph
	}
	const page = "<Location /s>\nSetHandler server-status\n</Location>\n"
	e := runtime.NewEngine(load(page))
	defer e.Stop(context.Background())
	ask := func() (accesses, generation string) {
		client, server := net.Pipe()
		defer client.Close()
		e.Serve(server, nil)
		if _, err := io.WriteString(client, "GET /s?auto HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(client)
		if err != nil {
			t.Fatal(err)
		}
		return value(string(b), "Total Accesses"), value(string(b), "ParentServerConfigGeneration")
	}
	ask()
	n, before := ask()
	if n != "1" {
		t.Errorf("%s accesses before the reload, expected 1", n)
	}
	e.Swap(load("# changed\n<VirtualHost *>\nServerName a.test\n</VirtualHost>\n" + page))
	n, after := ask()
	if n != "2" || len(after) < len(before) || after == before {
		t.Errorf("%s accesses, expected 2; generation %s after %s", n, after, before)
	}
}

func value(auto, name string) string {
	_, rest, _ := strings.Cut(auto, "\n"+name+": ")
	v, _, _ := strings.Cut(rest, "\n")
	return v
}
