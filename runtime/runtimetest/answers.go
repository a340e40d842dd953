package runtimetest

import (
	"bufio"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// changed is when every file that Plant makes was changed last.
var changed = time.Unix(1577934245, 0)

// Plant makes the files below root that a file lists: "dir NAME", "file NAME TEXT", "link NAME TARGET" or "fifo NAME". All
// were changed at the same moment.
func Plant(t testing.TB, list, root string) {
	t.Helper()
	text, err := os.ReadFile(list)
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
	// A folder changes with each file that is made in it.
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chtimes(name, changed, changed)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Ask sends one request, its line without the protocol, on a connection of its own.
func Ask(t testing.TB, address, line string, headers []string, body string) string {
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

// Summary writes an answer as the files of CheckAnswers do: status, head without Date, Server and Connection, and the body
// of a success.
func Summary(answer string) string {
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

// CheckAnswers asks what a file of recorded answers asks, and compares. An entry is a request line, header lines and
// "= body", and then the answer as Summary writes it. ${ROOT} stands for root. It returns how many answers it compared.
func CheckAnswers(t *testing.T, file, address, root string) (count int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var line, body, want string
	var headers []string
	check := func() {
		if line == "" {
			return
		}
		count++
		got := strings.ReplaceAll(Summary(Ask(t, address, line, headers, body)), root, "${ROOT}")
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
	return count
}
