package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
)

// sites are one of each kind.
func sites(t *testing.T) map[string]site {
	certs := t.TempDir()
	if err := writeCertificate(certs); err != nil {
		t.Fatal(err)
	}
	base := site{listen: "127.0.0.1:1", backends: [2]string{"127.0.0.1:2", "127.0.0.1:3"}, sockets: "127.0.0.1:4", logs: "127.0.0.1:5",
		certs: certs, files: 1024, clients: 64}
	kinds := map[string]site{}
	for name, set := range map[string]func(*site){
		"plain": func(*site) {}, "tls": func(s *site) { s.tls = true }, "vhosts": func(s *site) { s.vhosts = 101 },
		"rewrites": func(s *site) { s.rewrites = 3 }, "mounts": func(s *site) { s.mounts = 3 },
	} {
		s := base
		set(&s)
		kinds[name] = s
	}
	return kinds
}

var unfilled = regexp.MustCompile(`\{[A-Z]+\}`)

// TestConfigurations looks for marks that nobody filled in, in all files of all peers.
func TestConfigurations(t *testing.T) {
	for name, s := range sites(t) {
		for _, p := range allPeers("pinion") {
			s.dir = t.TempDir()
			command, err := p.configure(s)
			if err != nil {
				t.Fatal(err)
			}
			if command[0] != p.program {
				t.Errorf("%s: expected to run %s, got %q", p.name, p.program, command)
			}
			text := everything(t, s.dir)
			if m := unfilled.FindString(text); m != "" {
				t.Errorf("%s, %s: %s is left in\n%s", p.name, name, m, text)
			}
			if n := strings.Count(text, firstMark); n != s.vhosts {
				t.Errorf("%s, %s: expected X-Site in %d virtual hosts, got %d", p.name, name, s.vhosts, n)
			}
		}
	}
}

func everything(t *testing.T, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPinionTakesThem loads what pinion is given.
func TestPinionTakesThem(t *testing.T) {
	for name, s := range sites(t) {
		s.dir = t.TempDir()
		command, err := configurePinion("pinion")(s)
		if err != nil {
			t.Fatal(err)
		}
		file := command[slices.Index(command, "-f")+1]
		source := reload.Source{Path: file, Modules: all.Modules(), Test: true, Parse: parser.Options{ServerRoot: s.dir}}
		l := source.Load(runtime.NewState())
		for _, d := range l.Diags {
			if d.Severity == parser.Error {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if l.Graph == nil {
			t.Errorf("%s: no graph", name)
			continue
		}
		l.Graph.Retire()
	}
}

func TestChange(t *testing.T) {
	for _, p := range allPeers("pinion") {
		s := sites(t)["vhosts"]
		s.dir = t.TempDir()
		if _, err := p.configure(s); err != nil {
			t.Fatal(err)
		}
		before := everything(t, s.dir)
		if err := p.change(s, 101, "other"); err != nil {
			t.Fatal(err)
		}
		i := strings.LastIndex(before, firstMark)
		want := before[:i] + "other" + before[i+len(firstMark):]
		if got := everything(t, s.dir); len(got) != len(want) || strings.Count(got, firstMark) != s.vhosts-1 || strings.Count(got, "other") != 1 {
			t.Errorf("%s: expected one virtual host to change, got\n%s", p.name, got)
		}
	}
}

func TestHTTPDChildren(t *testing.T) {
	for clients, want := range map[int]int{1: 2, 64: 8, 512: 62} {
		if got := httpdChildren(clients); got != want {
			t.Errorf("%d clients: got %d children, want %d", clients, got, want)
		}
	}
}
