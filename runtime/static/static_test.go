package static_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinion/runtime/all"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// serveSite serves the files with a configuration file of testdata and more lines, and returns the address.
func serveSite(t testing.TB, more string) (address, root string) {
	root = t.TempDir()
	runtimetest.Plant(t, "testdata/tree.txt", root)
	site, err := os.ReadFile("testdata/site.conf")
	if err != nil {
		t.Fatal(err)
	}
	types := filepath.Join(root, "mime.types")
	if err := os.WriteFile(types, []byte("text/html html\ntext/plain txt\nimage/png png\napplication/gzip gz\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return runtimetest.Serve(t, fmt.Sprintf("Define ROOT %q\nTypesConfig %q\nErrorLog /dev/null\n%s\n%s", root, types, site, more), all.Modules()...), root
}

// TestAnswers compares with what httpd 2.4.71 answered to the same requests with the same configuration and files.
func TestAnswers(t *testing.T) {
	address, root := serveSite(t, "")
	if n := runtimetest.CheckAnswers(t, "testdata/answers.txt", address, root); n < 150 {
		t.Errorf("compared only %d answers", n)
	}
}

// TestHugeFile sends a part of a file that is larger than memory should ever be asked for: it has a hole.
func TestHugeFile(t *testing.T) {
	address, root := serveSite(t, "")
	f, err := os.Create(filepath.Join(root, "www/huge.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 1 << 40
	if _, err := f.WriteAt([]byte("the end"), size-7); err != nil {
		t.Skipf("the file system has no files of this size: %v", err)
	}
	got := runtimetest.Ask(t, address, "GET /huge.bin", []string{fmt.Sprintf("Range: bytes=%d-%d", int64(size-7), int64(size-5))}, "")
	if !strings.Contains(got, fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n", int64(size-7), int64(size-5), int64(size))) || !strings.HasSuffix(got, "\r\n\r\nthe") {
		t.Errorf("got %q", got)
	}
	if got := runtimetest.Ask(t, address, "HEAD /huge.bin", nil, ""); !strings.Contains(got, fmt.Sprintf("Content-Length: %d\r\n", int64(size))) {
		t.Errorf("got %q", got)
	}
}

// TestPipe checks that a pipe in the place of a file is refused: httpd waits for someone to write into it.
func TestPipe(t *testing.T) {
	address, _ := serveSite(t, "")
	if got := runtimetest.Ask(t, address, "GET /fifo", nil, ""); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("got %q", got)
	}
}

// TestLinkOfAnother checks SymLinksIfOwnerMatch with a link that belongs to somebody else than its file.
func TestLinkOfAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a link away")
	}
	address, root := serveSite(t, "")
	if err := os.Lchown(filepath.Join(root, "www/own/o.txt"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if got := runtimetest.Ask(t, address, "GET /own/o.txt", nil, ""); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("got %q", got)
	}
}

// TestScript checks that no way leads to a script's source.
func TestScript(t *testing.T) {
	for _, line := range []string{"AddHandler cgi-script .cgi", "AddType application/x-httpd-php .php", "SetHandler application/x-httpd-php",
		"<Location /x>\nSetHandler CGI-Script\n</Location>", "ScriptAlias /cgi-bin/ /srv/cgi/"} {
		if g, _ := runtimetest.Compile(t, line+"\n", all.Modules()...); g != nil {
			t.Errorf("%s: accepted", line)
		}
	}
	address, _ := serveSite(t, "<Location /a/f.txt>\nSetHandler \"%{req:X-Handler}\"\n</Location>\n")
	if got := runtimetest.Ask(t, address, "GET /a/f.txt", []string{"X-Handler: cgi-script"}, ""); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("got %q", got)
	}
	if got := runtimetest.Ask(t, address, "GET /a/f.txt", []string{"X-Handler: default-handler"}, ""); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("got %q", got)
	}
}

func BenchmarkFile(b *testing.B) {
	address, _ := serveSite(b, "MaxKeepAliveRequests 0\n")
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(c, "GET /a/f.txt HTTP/1.1\r\nHost: example.test\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		if n, err := c.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 ") {
			b.Fatalf("got %q, %v", buf[:n], err)
		}
	}
}
