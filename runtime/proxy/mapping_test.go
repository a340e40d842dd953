package proxy

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mappingCase is one vhost of testdata/mapping.txt.
type mappingCase struct {
	name, conf string
	asks       []mappingAsk
}

type mappingAsk struct{ target, fields, answer, httpd string }

func readMapping(t testing.TB) []mappingCase {
	t.Helper()
	text, err := os.ReadFile("testdata/mapping.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []mappingCase
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "== "); ok {
			cases = append(cases, mappingCase{name: name})
			continue
		}
		if len(cases) == 0 || strings.TrimSpace(line) == "" {
			continue
		}
		c := &cases[len(cases)-1]
		target, answer, ok := strings.Cut(line, " => ")
		if !ok {
			c.conf += line + "\n"
			continue
		}
		a := mappingAsk{}
		if a.answer, a.httpd, ok = strings.Cut(answer, " ; httpd: "); !ok {
			a.httpd = answer
		}
		a.target, a.fields, _ = strings.Cut(target, " {")
		if a.fields != "" {
			a.fields = strings.TrimSuffix(a.fields, "}") + "\r\n"
		}
		c.asks = append(c.asks, a)
	}
	return cases
}

// mappingConf is the configuration of all cases, for a backend on that port.
func mappingConf(cases []mappingCase, port string) string {
	var b strings.Builder
	for _, c := range cases {
		conf := strings.NewReplacer("http://B", "http://127.0.0.1:"+port, "@B", "@127.0.0.1:"+port, "BPORT", port).Replace(c.conf)
		if c.name == "main" {
			b.WriteString(conf)
			continue
		}
		fmt.Fprintf(&b, "<VirtualHost *>\nServerName %s.test\n%s</VirtualHost>\n", c.name, conf)
	}
	return b.String()
}

// TestMapping sends each request of the table and compares the URL that a backend is asked for.
func TestMapping(t *testing.T) {
	cases := readMapping(t)
	g := mustCompile(t, mappingConf(cases, "1"))
	address := serve(t, g)
	checkMapping(t, cases, address, "1", func(body string) string {
		if i := authorityEnd(body); i >= 0 {
			return body[i:]
		}
		return body
	})
}

// TestMappingOfHTTPD confirms the table with a real httpd.
func TestMappingOfHTTPD(t *testing.T) {
	httpd := os.Getenv("PINION_HTTPD")
	if httpd == "" {
		t.Skip("PINION_HTTPD doesn't name an httpd to compare with, such as /usr/sbin/apache2")
	}
	cases := readMapping(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) })}
	go backend.Serve(l)
	defer backend.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	var conf strings.Builder
	conf.WriteString(loadModules("mpm_event", "authz_core", "setenvif", "proxy", "proxy_http", "proxy_balancer", "slotmem_shm", "lbmethod_byrequests"))
	fmt.Fprintf(&conf, "ServerRoot %s\nServerName main.test\nListen %s\nPidFile %s/pid\nErrorLog %s/log\nLogLevel proxy:trace2\nDefaultRuntimeDir %s\nDocumentRoot %s\n%s",
		dir, address, dir, dir, dir, dir, mappingConf(cases, port))
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(httpd, "-f", file, "-X")
	out := &strings.Builder{}
	cmd.Stderr, cmd.Stdout = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	defer func() {
		cmd.Process.Kill()
		<-exited
	}()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("%v: %s", err, out)
		default:
		}
	}
	for _, c := range cases {
		for i := range c.asks {
			c.asks[i].answer = c.asks[i].httpd
		}
	}
	checkMapping(t, cases, address, port, func(body string) string { return body })
}

func checkMapping(t *testing.T, cases []mappingCase, address, port string, seen func(body string) string) {
	for _, c := range cases {
		for _, a := range c.asks {
			resp, body := ask(t, address, "GET", strings.ReplaceAll(a.target, "BPORT", port), c.name+".test", a.fields)
			got := fmt.Sprint(resp.StatusCode)
			if resp.StatusCode == 200 {
				got = seen(body)
			}
			if got != a.answer {
				t.Errorf("%s: %s {%s} => %s, want %s", c.name, a.target, strings.TrimSpace(a.fields), got, a.answer)
			}
		}
	}
}

// loadModules are the LoadModule lines for a real httpd.
func loadModules(names ...string) string {
	dir := os.Getenv("PINION_HTTPD_MODULES")
	if dir == "" {
		dir = "/usr/lib/apache2/modules"
	}
	var b strings.Builder
	for _, m := range names {
		fmt.Fprintf(&b, "LoadModule %s_module %s/mod_%s.so\n", m, dir, m)
	}
	return b.String()
}
