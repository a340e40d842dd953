package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// peer is a proxy to measure.
type peer struct {
	name      string
	program   string
	configure func(site) (command []string, err error)
	reload    syscall.Signal                          // makes it read its configuration again
	file      func(s site, i int) string              // where virtual host i of workload e is
	text      func(s site, i int, mark string) string // what is in that file if virtual host i has the mark
}

// allPeers lists pinion first: ratios are to it.
func allPeers(binary string) []peer {
	own := func(text string) func(site, int, string) string {
		return func(s site, i int, mark string) string { return s.vhostText(text, i, mark) }
	}
	return []peer{
		{"pinion", binary, configurePinion(binary), syscall.SIGHUP, site.vhostFile, own(httpdVhost)},
		{"httpd", "apache2", configureHttpd, syscall.SIGUSR1, site.vhostFile, own(httpdVhost)},
		{"nginx", "nginx", configureNginx, syscall.SIGHUP, site.vhostFile, own(nginxVhost)},
		{"haproxy", "haproxy", configureHAProxy, syscall.SIGUSR2, haproxyFile, haproxyGroupText},
	}
}

// change gives virtual host i another X-Site, in one step as an editor saves a file.
func (p peer) change(s site, i int, mark string) error {
	file := p.file(s, i)
	// The name begins with a point, so no Include pattern takes in the half-written file.
	temporary := filepath.Join(filepath.Dir(file), ".new")
	if err := os.WriteFile(temporary, []byte(p.text(s, i, mark)), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// versionLine is the first line of what the program says of itself.
func (p peer) versionLine() string {
	out, err := exec.Command(p.program, "-v").CombinedOutput()
	if err != nil {
		return "unknown: " + err.Error()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
