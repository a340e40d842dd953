package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// runVar makes the test's own program be pinion.
const runVar = "PINION_TEST_RUN"

func init() {
	if os.Getenv(runVar) != "" {
		os.Exit(run(os.Args[1:]))
	}
}

// pinion is the program with these arguments.
func pinion(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), runVar+"=1", "NO_COLOR=1")
	return cmd
}

// writeConfig writes a configuration that serves on a free port.
func writeConfig(t *testing.T) (file string) {
	t.Helper()
	port, err := freePort(0)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "httpd.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, "ServerName main.test\nListen 127.0.0.1:%d\nPidFile pinion.pid\n", port), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// get reads a page of the metrics' listener.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestMetricsFlag runs pinion with --metrics: what it says, a refused reload, and its end.
func TestMetricsFlag(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	file := writeConfig(t)
	cmd := pinion(t, "-f", file, "--metrics", "127.0.0.1:0", "--no-watch")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	until := func(part string) string {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), part) {
				return lines.Text()
			}
		}
		t.Fatalf("pinion ended without saying %q", part)
		return ""
	}
	_, url, _ := strings.Cut(until("metrics at "), "metrics at ")
	base := strings.TrimSuffix(url, "/metrics")
	if status, _ := get(t, base+"/readyz"); status != 200 {
		t.Errorf("readyz: %d", status)
	}
	expect := func(want ...string) {
		t.Helper()
		_, body := get(t, url)
		for _, line := range want {
			if !strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("the metrics lack %s", line)
			}
		}
	}
	expect("pinion_config_last_reload_successful 1", `pinion_config_reloads_total{result="success"} 1`, `pinion_config_reloads_total{result="failure"} 0`)

	if err := os.WriteFile(file, []byte("ServerNam x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	until("was refused")
	// The line is written before the metrics are told.
	for range 10000 {
		if _, body := get(t, url); strings.Contains(body, `result="failure"} 1`) {
			break
		}
	}
	expect("pinion_config_last_reload_successful 0", `pinion_config_reloads_total{result="success"} 1`, `pinion_config_reloads_total{result="failure"} 1`)
	if status, _ := get(t, base+"/readyz"); status != 200 {
		t.Errorf("readyz after a refused reload: %d", status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("pinion ended with %v", err)
	}
}

// TestMetricsAddressTaken checks that pinion doesn't start without the metrics it was asked for.
func TestMetricsAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, part := range map[string]string{taken.Addr().String(): "address already in use", "9180": "expected ADDRESS:PORT, :PORT or unix:/path"} {
		out, err := pinion(t, "-f", writeConfig(t), "--metrics", address).CombinedOutput()
		if code := err.(*exec.ExitError).ExitCode(); code != 1 || !strings.Contains(string(out), part) {
			t.Errorf("--metrics %s: exit status %d, %s", address, code, out)
		}
	}
}
