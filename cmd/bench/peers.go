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
	reload    syscall.Signal // makes it read its configuration again
	vhost     string         // one virtual host of workload e in its language
	file      func(s site, i int) string
	version   []string // prints the version
}

// allPeers lists pinion first: ratios are to it.
func allPeers(binary string) []peer {
	own := site.vhostFile
	return []peer{
		{"pinion", binary, configurePinion(binary), syscall.SIGHUP, httpdVhost, own, []string{"-v"}},
		{"httpd", "apache2", configureHttpd, syscall.SIGUSR1, httpdVhost, own, []string{"-v"}},
		{"nginx", "nginx", configureNginx, syscall.SIGHUP, nginxVhost, own, []string{"-v"}},
		{"haproxy", "haproxy", configureHAProxy, syscall.SIGUSR2, haproxyVhost, haproxyFile, []string{"-v"}},
	}
}

// change gives virtual host i another X-Site, in one step as an editor saves a file.
func (p peer) change(s site, i int, mark string) error {
	file := p.file(s, i)
	// The name begins with a point, so no Include pattern takes in the half-written file.
	temporary := filepath.Join(filepath.Dir(file), ".new")
	if err := os.WriteFile(temporary, []byte(s.vhostText(p.vhost, i, mark)), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// versionLine is the first line of what the program says of itself.
func (p peer) versionLine() string {
	out, err := exec.Command(p.program, p.version...).CombinedOutput()
	if err != nil {
		return "unknown: " + err.Error()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
