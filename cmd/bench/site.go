package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// site says what a proxy is to do, once for all of them: each peer's generator puts it into its own language. Exactly one
// of the plain site (the default), vhosts, rewrites and mounts applies.
type site struct {
	dir      string // of the configuration and the logs; nothing else is in it
	listen   string // address
	backends [2]string
	sockets  string // backend for WebSockets, below /ws/ of the plain site
	logs     string // where HAProxy sends its log
	tls      bool   // TLS 1.3 with the certificate in certs, and HTTP/2 beside HTTP/1.1
	certs    string // folder with cert.pem, key.pem and both.pem
	vhosts   int    // virtual hosts of workload e
	rewrites int    // RewriteRules of workload f
	mounts   int    // ProxyPass lines of workload f
	clients  int    // how many connections the load has, for those who want to know before
	idle     bool   // thousands of idle connections are to be held
	files    uint64 // how many files a process may open
}

// host is the name of virtual host i, which counts from 1.
func host(i int) string { return fmt.Sprintf("v%05d.example", i) }

// expand fills in {NAME} in a configuration text.
func (s site) expand(text string, more ...string) string {
	return strings.NewReplacer(append(more,
		"{DIR}", s.dir, "{LISTEN}", s.listen, "{ONE}", s.backends[0], "{TWO}", s.backends[1], "{SOCKETS}", s.sockets,
		"{LOGS}", s.logs, "{CERTS}", s.certs, "{FILES}", fmt.Sprint(s.files))...).Replace(text)
}

// vhostText fills in what differs between virtual hosts: {N} is its number, {HOST} its name, {MARK} the value of its
// X-Site field, by which a reload shows.
func (s site) vhostText(text string, i int, mark string) string {
	return s.expand(text, "{N}", fmt.Sprintf("%05d", i), "{HOST}", host(i), "{MARK}", mark)
}

// eachVhost writes one file a virtual host into the folder sites, as a distribution's layout has it.
func (s site) eachVhost(text string) error {
	if err := os.MkdirAll(filepath.Join(s.dir, "sites"), 0o755); err != nil {
		return err
	}
	for i := 1; i <= s.vhosts; i++ {
		if err := os.WriteFile(s.vhostFile(i), []byte(s.vhostText(text, i, firstMark)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// firstMark is X-Site before any reload.
const firstMark = "first"

func (s site) vhostFile(i int) string {
	return filepath.Join(s.dir, "sites", fmt.Sprintf("%05d.conf", i))
}

// lines repeats a text with {N} from 1 to n.
func lines(text string, n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString(strings.ReplaceAll(text, "{N}", fmt.Sprintf("%05d", i)))
	}
	return b.String()
}

// write expands a text into a file.
func (s site) write(file, text string) error {
	return os.WriteFile(file, []byte(s.expand(text)), 0o644)
}

// expandOnce puts a value in place of its mark.
func expandOnce(text, mark, value string) string { return strings.Replace(text, mark, value, 1) }
