package casefile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// standardModules are loaded for every case; the section modules adds others
// and takes away those that it names with a minus.
var standardModules = []string{
	"mpm_event", "authz_core", "authz_host", "slotmem_shm", "socache_shmcb", "filter", "mime", "dir",
	"alias", "env", "setenvif", "headers", "rewrite", "reqtimeout", "status", "ssl", "http2",
	"proxy", "proxy_http", "proxy_wstunnel", "proxy_balancer", "lbmethod_byrequests", "lbmethod_bytraffic", "lbmethod_bybusyness",
}

// prelude is what stands before each case's own configuration.
func prelude(c *Case, root bool) string {
	modules := append([]string{}, standardModules...)
	for _, word := range strings.Fields(c.section(sectionModules)) {
		if name, ok := strings.CutPrefix(word, "-"); ok {
			kept := modules[:0]
			for _, m := range modules {
				if m != name {
					kept = append(kept, m)
				}
			}
			modules = kept
			continue
		}
		modules = append(modules, word)
	}
	var b strings.Builder
	for _, m := range modules {
		fmt.Fprintf(&b, "LoadModule %s_module %s/mod_%s.so\n", m, httpdModules, m)
	}
	if root {
		fmt.Fprintf(&b, "User %s\nGroup %s\n", httpdUser, httpdUser)
	}
	b.WriteString(`ServerRoot "${DIR}"
DefaultRuntimeDir "${DIR}/run"
PidFile "${DIR}/run/httpd.pid"
ErrorLog "${DIR}/logs/error_log"
ServerName example.test
DocumentRoot "${DIR}/htdocs"
<IfModule mime_module>
  TypesConfig "${DIR}/mime.types"
</IfModule>
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
Listen 127.0.0.1:${PORT}
`)
	if c.usesSecondPort() {
		b.WriteString("Listen 127.0.0.1:${PORT2}\n")
	}
	return b.String()
}

// usesSecondPort tells whether the case speaks of a second front port.
func (c *Case) usesSecondPort() bool {
	return strings.Contains(c.section(sectionConfig), "${PORT2}") || strings.Contains(c.section(sectionRequests), "PORT2")
}

const defaultTypes = "text/html html htm\ntext/plain txt\ntext/css css\nimage/png png\napplication/json json\napplication/javascript js\n"

// fileTime is the modification time of all files of a case, so that
// Last-Modified and ETag are the same in each run.
var fileTime = time.Date(2020, time.January, 2, 3, 4, 5, 0, time.UTC)

// A stage is the folder in which a server runs a case.
type stage struct {
	dir  string
	conf string
}

// newStage writes the case's files below a new folder.
func newStage(c *Case, expand func(string) string, dir string) (*stage, error) {
	s := &stage{dir: dir, conf: filepath.Join(dir, "httpd.conf")}
	for _, d := range []string{"htdocs", "logs", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	files := c.files()
	if !c.has("mime.types") {
		files = append(files, Section{"mime.types", defaultTypes})
	}
	if strings.Contains(c.section(sectionConfig), "${DIR}/"+certificateFile) {
		text, err := newCertificate()
		if err != nil {
			return nil, err
		}
		files = append(files, Section{certificateFile, text})
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(expand(f.Data)), 0o644); err != nil {
			return nil, err
		}
	}
	text := prelude(c, os.Geteuid() == 0) + "\n" + c.section(sectionConfig)
	if err := os.WriteFile(s.conf, []byte(expand(text)), 0o644); err != nil {
		return nil, err
	}
	// The folders' times too: a listing shows them.
	return s, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, fileTime, fileTime)
	})
}
