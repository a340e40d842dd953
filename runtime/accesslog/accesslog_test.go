package accesslog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pinion/runtime"
	"pinion/runtime/accesslog"
	"pinion/runtime/core"
	"pinion/runtime/env"
	"pinion/runtime/runtimetest"
	"pinion/runtime/setenvif"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func modules() []*runtime.Module {
	return append(core.Modules(), accesslog.Module, accesslog.LogIO, env.Module, setenvif.Module)
}

// logged serves the configuration, in which LOG stands for a file, asks for the paths one after the other and returns the file once it has so many lines.
func logged(t *testing.T, config string, lines int, paths ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	address := runtimetest.Serve(t, strings.ReplaceAll(config, "LOG", file), modules()...)
	for _, p := range paths {
		runtimetest.Get(t, address, p, "Cookie: SID=one; other=two", "X-Odd: a\"b\\c\t\xff")
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(file)
		if strings.Count(string(b), "\n") >= lines || time.Now().After(end) {
			return string(b)
		}
	}
}

func TestItems(t *testing.T) {
	for format, want := range map[string]string{
		`%h %l %u \"%r\" %>s %b`: `127.0.0.1 - - "GET /page?x=1 HTTP/1.1" 200 3`,
		`%U|%q|%m|%H|%B`:         `/page|?x=1|GET|HTTP/1.1|3`,
		`%{SID}C %{none}C`:       `one -`,
		`%{X-Odd}i`:              `a\"b\\c\t\xff`,
		`%{V}e %{W}e`:            `set -`,
		`%404{X-Odd}i %!404U`:    `- /page`,
		`%v %V %{local}p`:        `log.test 127.0.0.1 PORT`,
		`%% %X %k`:               `% - 0`,
		`%{sec}t %{msec_frac}t`:  `N N`,
		`%D %T %{ms}T`:           `N N N`,
		`%I %O`:                  `N N`,
	} {
		got := strings.TrimSuffix(logged(t, "ServerName log.test\nSetEnv V set\nCustomLog LOG \""+format+"\"\n", 1, "/page?x=1"), "\n")
		pattern := strings.ReplaceAll(strings.ReplaceAll(regexp.QuoteMeta(want), "N", `\d+`), "PORT", `\d+`)
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

func TestConditionsAndNicknames(t *testing.T) {
	config := `LogFormat "named %U" mine
SetEnvIf Request_URI "^/quiet" quiet
CustomLog LOG mine env=!quiet
CustomLog LOG "only %U" env=quiet
CustomLog LOG "expr %U" "expr=%{REQUEST_URI} == '/loud'"
`
	if got, want := logged(t, config, 3, "/quiet", "/loud"), "only /quiet\nnamed /loud\nexpr /loud\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVHostLogsInsteadOfMain(t *testing.T) {
	config := "CustomLog LOG \"main %U\"\nGlobalLog LOG \"global %U\"\n<VirtualHost *:*>\nServerName v.test\nCustomLog LOG \"vhost %U\"\n</VirtualHost>\n"
	if got, want := logged(t, config, 2, "/x"), "vhost /x\nglobal /x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMistakes(t *testing.T) {
	for config, code := range map[string]string{
		`CustomLog LOG "%Z"`:                              "unknown-format",
		`CustomLog LOG "%{bad}p"`:                         "bad-format",
		`CustomLog LOG common if=x`:                       "bad-condition",
		`CustomLog /no/such/folder/log common`:            "no-log",
		`CustomLog "|/no/such/program" common`:            "no-log",
		fmt.Sprintf(`LogFormat "%%{%s" x`, "unclosed %h"): "bad-format",
	} {
		g, diags := runtimetest.Compile(t, strings.ReplaceAll(config, "LOG", filepath.Join(t.TempDir(), "log"))+"\n", modules()...)
		found := false
		for _, d := range diags {
			found = found || d.Code == code && d.Place.Range.Start.Line == 1
		}
		if g != nil || !found {
			t.Errorf("%s: expected %s, found %v", config, code, diags)
		}
	}
}
