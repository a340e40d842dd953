package grammar

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// refused reads which lines of the corpus httpd refuses, as "file:line".
func refused(t *testing.T, files []string) map[string]bool {
	verdicts, err := os.ReadFile(filepath.Join(filepath.Dir(files[0]), "..", "httpd-verdict.tsv"))
	if err != nil {
		t.Skip("no verdicts of httpd beside the corpus: ", err)
	}
	out := map[string]bool{}
	for row := range strings.Lines(string(verdicts)) {
		if col := strings.Split(row, "\t"); len(col) > 2 && col[1] == "refused" {
			out[col[0]+":"+col[2]] = true
		}
	}
	return out
}

// TestCorpusLanguages reads what real files hold of each language. What httpd takes must be taken.
func TestCorpusLanguages(t *testing.T) {
	files := corpusFiles(t)
	bad := refused(t, files)
	counts := map[string]int{}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range Parse(name, src).Lines {
			what, err := readLanguage(&l)
			counts[what]++
			end := filepath.Base(name) + ":" + strconv.Itoa(l.Range.End.Line) // httpd counts to a line's end
			if err != nil && !bad[end] {
				t.Errorf("%s: %s: %s [%s]", end, l.Text, located(err), err.Code)
			}
		}
	}
	for _, what := range []string{"rule", "cond", "log", "header", "expr", "params"} {
		if counts[what] == 0 {
			t.Errorf("no line of the corpus holds a %s", what)
		}
	}
	t.Log(counts)
}

// readLanguage reads a line in the language that its directive has.
func readLanguage(l *Line) (what string, err *Error) {
	name := strings.ToLower(l.Name.Text)
	switch {
	case name == "rewriterule" && l.Kind == Simple:
		_, err = ParseRewriteRule(l.Raw)
		return "rule", err
	case name == "rewritecond":
		_, err = ParseRewriteCond(l.Raw)
		return "cond", err
	case name == "logformat" && len(l.Args) > 0:
		_, err = ParseLogFormat(l.Args[0].Text)
		return "log", err
	case name == "customlog" && len(l.Args) > 1 && strings.Contains(l.Args[1].Text, "%"):
		_, err = ParseLogFormat(l.Args[1].Text)
		return "log", err
	case (name == "if" || name == "elseif") && l.Kind == Open && len(l.Args) > 0:
		_, err = ParseExpr(l.Args[0].Text)
		return "expr", err
	case name == "setenvifexpr" && len(l.Args) > 0:
		_, err = ParseExpr(l.Args[0].Text)
		return "expr", err
	case name == "require" && len(l.Args) > 1 && l.Args[0].Text == "expr":
		_, err = ParseExpr(strings.Trim(l.Raw[len("expr"):], " \t\"")) // quotes are optional there
		return "expr", err
	case name == "header" || name == "requestheader":
		if v := headerValue(l.Args); v != "" {
			_, err = ParseHeaderFormat(v)
		}
		return "header", err
	case name == "balancermember" || name == "proxypass" || name == "proxyset":
		for _, p := range Params(l.Args) {
			if strings.EqualFold(p.Key, "status") && err == nil {
				_, err = ParseStatus(p.Value)
			}
		}
		return "params", err
	}
	return "", nil
}

// headerValue is the argument of Header that holds a format.
func headerValue(args []Word) string {
	if len(args) > 0 && (strings.EqualFold(args[0].Text, "always") || strings.EqualFold(args[0].Text, "onsuccess")) {
		args = args[1:]
	}
	if len(args) < 3 {
		return ""
	}
	switch strings.ToLower(args[0].Text) {
	case "edit", "edit*":
		if len(args) > 3 {
			return args[3].Text
		}
	case "set", "append", "add", "merge", "setifempty", "note":
		return args[2].Text
	}
	return ""
}
