package static_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pinion/runtime/all"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// changed is when every file of the tests was changed last.
var changed = time.Unix(1577934245, 0)

// plant makes the files that testdata/tree.txt lists.
func plant(t testing.TB, root string) {
	text, err := os.ReadFile("testdata/tree.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		i := strings.LastIndexByte(rest, ' ')
		switch kind {
		case "dir":
			err = os.MkdirAll(filepath.Join(root, rest), 0o755)
		case "file":
			name := filepath.Join(root, rest[:i])
			if err = os.WriteFile(name, []byte(rest[i+1:]+"\n"), 0o644); err == nil {
				err = os.Chtimes(name, changed, changed)
			}
		case "link":
			err = os.Symlink(rest[i+1:], filepath.Join(root, rest[:i]))
		case "fifo":
			err = syscall.Mkfifo(filepath.Join(root, rest), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serveSite serves the files with a configuration file of testdata and more lines, and returns the address.
func serveSite(t testing.TB, more string) (address, root string) {
	root = t.TempDir()
	plant(t, root)
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

// ask sends one request on a connection of its own.
func ask(t testing.TB, address, line string, headers []string, body string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := append([]string{line + " HTTP/1.1", "Host: example.test", "Connection: close"}, headers...)
	if _, err := io.WriteString(c, strings.Join(head, "\r\n")+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	boundaryName = regexp.MustCompile(`boundary=[0-9a-f]+`)
	boundaryLine = regexp.MustCompile(`--[0-9a-f]{10,16}`)
	lengthField  = regexp.MustCompile(`Content-Length: \d+`)
	allowField   = regexp.MustCompile(`Allow: [^\r]*`)
)

// summary writes an answer as testdata/answers.txt does: status, head without Date, Server and Connection, and the body
// of a success.
func summary(answer string) string {
	answer = boundaryLine.ReplaceAllString(boundaryName.ReplaceAllString(answer, "boundary=B"), "--B")
	if strings.Contains(answer, "multipart") {
		answer = lengthField.ReplaceAllString(answer, "Content-Length: N")
	}
	answer = allowField.ReplaceAllStringFunc(answer, func(s string) string {
		methods := strings.Split(strings.TrimPrefix(s, "Allow: "), ",")
		slices.Sort(methods)
		return "Allow: " + strings.Join(methods, ",")
	})
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	_, status, _ := strings.Cut(lines[0], " ")
	status, _, _ = strings.Cut(status, " ")
	out := "-> " + status + "\n"
	for _, l := range lines[1:] {
		switch name, _, _ := strings.Cut(l, ":"); name {
		case "Date", "Server", "Connection":
		default:
			out += "   " + l + "\n"
		}
	}
	if status[0] == '2' && body != "" {
		out += "   = " + strings.NewReplacer("\\", "\\\\", "\r", "\\r", "\n", "\\n").Replace(body) + "\n"
	}
	return out
}

// TestAnswers compares with what httpd 2.4.71 answered to the same requests with the same configuration and files.
func TestAnswers(t *testing.T) {
	address, root := serveSite(t, "")
	f, err := os.Open("testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var line, body, want string
	var headers []string
	count := 0
	check := func() {
		if line == "" {
			return
		}
		count++
		got := strings.ReplaceAll(summary(ask(t, address, line, headers, body)), root, "${ROOT}")
		if got != want {
			t.Errorf("%s %q:\ngot\n%swant\n%s", line, headers, got, want)
		}
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		switch l := lines.Text(); {
		case strings.HasPrefix(l, "= "):
			body = l[2:]
		case strings.HasPrefix(l, "-> "), strings.HasPrefix(l, "   "):
			want += l + "\n"
		case want != "":
			check()
			line, body, want, headers = l, "", "", nil
		case line == "":
			line = l
		default:
			headers = append(headers, l)
		}
	}
	check()
	if count < 150 {
		t.Errorf("compared only %d answers", count)
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
	got := ask(t, address, "GET /huge.bin", []string{fmt.Sprintf("Range: bytes=%d-%d", int64(size-7), int64(size-5))}, "")
	if !strings.Contains(got, fmt.Sprintf("Content-Range: bytes %d-%d/%d\r\n", int64(size-7), int64(size-5), int64(size))) || !strings.HasSuffix(got, "\r\n\r\nthe") {
		t.Errorf("got %q", got)
	}
	if got := ask(t, address, "HEAD /huge.bin", nil, ""); !strings.Contains(got, fmt.Sprintf("Content-Length: %d\r\n", int64(size))) {
		t.Errorf("got %q", got)
	}
}

// TestPipe checks that a pipe in the place of a file is refused: httpd waits for someone to write into it.
func TestPipe(t *testing.T) {
	address, _ := serveSite(t, "")
	if got := ask(t, address, "GET /fifo", nil, ""); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
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
	if got := ask(t, address, "GET /own/o.txt", nil, ""); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
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
	if got := ask(t, address, "GET /a/f.txt", []string{"X-Handler: cgi-script"}, ""); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("got %q", got)
	}
	if got := ask(t, address, "GET /a/f.txt", []string{"X-Handler: default-handler"}, ""); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
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
