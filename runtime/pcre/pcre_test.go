package pcre

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/dlclark/regexp2/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	// regexp2 keeps its clock for a second after the last match.
	regexp2.StopTimeoutClock()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

type tableCase struct {
	subject string
	want    []int
}

func TestTable(t *testing.T) {
	for _, tt := range table {
		re, err := Compile(tt.pattern, tt.flags)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, c := range tt.cases {
			checkFind(t, re, c.subject, c.want)
		}
	}
}

func checkFind(t *testing.T, re *Regexp, subject string, want []int) {
	t.Helper()
	got, err := re.Find(subject, nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q on %q (%T): got %v, %v; want %v", re, subject, re.m, got, err, want)
	}
	if ok := re.MatchString(subject); ok != (want != nil) {
		t.Errorf("%q on %q (%T): MatchString is %v", re, subject, re.m, ok)
	}
	lit, anchored := re.Prefix()
	if want != nil && (anchored && !strings.HasPrefix(subject, lit) || !strings.Contains(subject, lit)) {
		t.Errorf("%q matches %q, which lacks the prefix %q (anchored %v)", re, subject, lit, anchored)
	}
}

// TestEngines runs the table on each engine that can take the pattern, not only
// the one that Compile prefers.
func TestEngines(t *testing.T) {
	ran := map[string]int{}
	for _, tt := range table {
		p, n := parse(tt.pattern, tt.flags)
		if p.err != nil {
			t.Fatal(p.err)
		}
		re := &Regexp{src: tt.pattern, names: p.names}
		var engines []matcher
		if linear(n) {
			m, err := newGo(n)
			if err != nil {
				t.Fatalf("%q: %v", tt.pattern, err)
			}
			engines = append(engines, m)
		}
		m, err := newBacktracker(n)
		if err != nil {
			t.Fatalf("%q: %v", tt.pattern, err)
		}
		for _, re.m = range append(engines, m) {
			ran[fmt.Sprintf("%T", re.m)]++
			for _, c := range tt.cases {
				checkFind(t, re, c.subject, c.want)
			}
		}
	}
	if len(ran) != 2 || ran["*pcre.goMatcher"] < 50 {
		t.Errorf("engines ran so often: %v", ran)
	}
}

// TestChoice holds which patterns need no engine, so that a change that makes
// them slow doesn't pass unseen.
func TestChoice(t *testing.T) {
	for pattern, want := range map[string]string{
		`^/app/`:                         "*pcre.direct",
		`^/app(/.*)?$`:                   "*pcre.direct",
		`^(.*)$`:                         "*pcre.direct",
		`^/([^/]+)/(\d+)/(.*)$`:          "*pcre.direct",
		`(?i)\.(gif|jpe?g|js|json|css)$`: "*pcre.direct",
		`^(.*)\.html$`:                   "*pcre.direct",
		`.*\.html$`:                      "*pcre.direct",
		`^(?:www\.)?a`:                   "*pcre.direct",
		// These could be direct only with choices undone.
		`^/(w|wiki)/?`:   "*pcre.goMatcher",
		`[^/]+$`:         "*pcre.goMatcher", // the square of the length
		`^(a*)(a*)b`:     "*pcre.goMatcher",
		`(a|b)*?c`:       "*pcre.goMatcher",
		`(a*)*`:          "*pcre.backtracker",
		`a++a`:           "*pcre.backtracker",
		`^(?!/static)/a`: "*pcre.backtracker",
	} {
		re, err := Compile(pattern, Default)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		} else if got := fmt.Sprintf("%T", re.m); got != want {
			t.Errorf("%s runs on %s, want %s", pattern, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		offset  int
		summary string
	}{
		{`a(b`, 1, "missing )"},
		{`a)b`, 1, "unmatched )"},
		{`a[b`, 1, "missing ]"},
		{`[]`, 0, "missing ]"},
		{`a[z-a]`, 3, "range out of order"},
		{`[\d-z]`, 3, "range from a class"},
		{`[a-\d]`, 2, "range to a class"},
		{`[[:foo:]]`, 1, "unknown class"},
		{`[[.a.]]`, 1, "unknown class"},
		{`[[:<:]]a`, 0, "not supported"},
		{`a**`, 2, "quantifier without"},
		{`*a`, 0, "quantifier without"},
		{`^*`, 1, "quantifier without"},
		{`(?i)+`, 4, "quantifier without"},
		{`a{3,2}`, 1, "out of order"},
		{`a{65536}`, 1, "too big"},
		{`ab\`, 2, `\ at the end`},
		{`a\y`, 1, `unknown escape \y`},
		{`a\p{L}`, 1, "not supported"},
		{`a\X`, 1, "not supported"},
		{`[\R]`, 1, "not allowed in a class"},
		{`\x{100}`, 0, "more than one byte"},
		{`\x{zz}`, 3, "expected"},
		{`\400`, 0, "more than one byte"},
		{"\\c\x01", 0, "printable"},
		{`\N{U+41}`, 0, "not supported"},
		{`(a)\2`, 3, "does not exist"},
		{`\k<n>`, 0, "does not exist"},
		{`(?<n>a)(?<n>b)\k<n>`, 14, "several groups"},
		{`\g<1>(a)`, 0, "subroutine call"},
		{`(?<1a>b)`, 3, "name of a group expected"},
		{`(?<a-b>b)`, 4, "does not end"},
		{`a(?R)`, 1, "recursion"},
		{`(a)(?1)`, 3, "subroutine call"},
		{`(a)(?-1)`, 3, "subroutine call"},
		{`(a)(?+1)`, 3, "subroutine call"},
		{`(?<n>a)(?&n)`, 7, "subroutine call"},
		{`(?<n>a)(?P>n)`, 7, "subroutine call"},
		{`x(?|a|b)`, 1, "branch reset"},
		{`a(*SKIP)b`, 1, "verbs"},
		{`(*UTF)a`, 0, "verbs"},
		{`a(?C1)`, 1, "callout"},
		{`a(?z)`, 3, "unknown character after (?"},
		{`a(?i`, 1, "missing )"},
		{`a(?#b`, 1, "comment without end"},
		{`(?(?=a)b|c)`, 3, "condition is not supported"},
		{`(a)(?(1)b|c|d)`, 3, "more than two branches"},
		{`x(?<=a+)b`, 1, "not of fixed length"},
		{`(a)(?<=\1)b`, 3, "lookbehind with a back-reference"},
		{`(?<=(a){2})b`, 0, "repeated capture in a lookbehind"},
		{`a\Kb\Kc`, 4, `second \K`},
		{`(?=a\Kb)`, 4, "not allowed in an assertion"},
		{"a\x00b", 1, "NUL"},
		{strings.Repeat("(", 300), 250, "nested too deeply"},
		{strings.Repeat("a", maxPattern+1), maxPattern, "too long"},
		{strings.Repeat("()", maxGroups+1), 2 * maxGroups, "too many groups"},
	} {
		_, err := Compile(tt.pattern, Default)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.40q: got %v, want an *Error", tt.pattern, err)
			continue
		}
		if e.Offset != tt.offset || !strings.Contains(e.Summary, tt.summary) {
			t.Errorf("%.40q: got %v, want %q at %d", tt.pattern, e, tt.summary, tt.offset)
		}
		if !strings.Contains(e.Error(), fmt.Sprint("offset ", e.Offset)) {
			t.Errorf("%.40q: message %q lacks the offset", tt.pattern, e)
		}
	}
}

// TestLimit gives patterns that take time without end in a naive engine. Those
// that need backtracking must stop with ErrLimit, the others just answer.
func TestLimit(t *testing.T) {
	as := strings.Repeat("a", 5000) + "!"
	for _, tt := range []struct {
		pattern string
		limit   bool
	}{
		{`(a+)+$`, false},
		{`^(a|a)*$`, false},
		{`^(([a-z])+.)+[A-Z]([a-z])+$`, false},
		{`(?=a)(a+)+$`, true},
		{`^(a+)+(?!!)$`, true},
		{`(a*)*\1$`, true},
	} {
		re, err := Compile(tt.pattern, Default)
		if err != nil {
			t.Fatal(err)
		}
		got, err := re.Find(as, nil)
		if got != nil || errors.Is(err, ErrLimit) != tt.limit {
			t.Errorf("%s: got %v, %v", tt.pattern, got, err)
		}
		if re.MatchString(as) {
			t.Errorf("%s: MatchString is true", tt.pattern)
		}
	}
}

// TestSquare runs searches that would take the square of the subject's length if
// they were tried at each start; at this length that takes minutes.
func TestSquare(t *testing.T) {
	long := strings.Repeat("a", 1<<18)
	for _, pattern := range []string{`[^/]+$`, `a*b`, `(a,?)+b`, `.*b`, `a+?b`, `(?:a|b)*c`} {
		re, err := Compile(pattern, Default)
		if err != nil {
			t.Fatal(err)
		}
		if pattern != `[^/]+$` && re.MatchString(long) {
			t.Errorf("%s matches", pattern)
		}
	}
}

func TestCompileIsBounded(t *testing.T) {
	for _, pattern := range []string{
		strings.Repeat("(?:", 240) + strings.Repeat("){4}", 240),
		strings.Repeat("(?:", 100) + "a" + strings.Repeat("){4}", 100),
		strings.Repeat("(", 240) + "a*" + strings.Repeat(")*", 240),
		strings.Repeat("a|", 10000),
		strings.Repeat("(?:a|b)?", 4000),
		strings.Repeat("[^a]", 8000),
		"(?:(?:a{1000}){1000}){1000}",
		strings.Repeat("(?=", 200) + "a" + strings.Repeat(")", 200),
		strings.Repeat("(?<=", 200) + "a" + strings.Repeat(")", 200),
	} {
		re, err := Compile(pattern, Default)
		if err != nil {
			t.Logf("%.20q: %v", pattern, err)
			continue
		}
		if _, err := re.Find("aaaaaaaa", nil); err != nil && !errors.Is(err, ErrLimit) {
			t.Errorf("%.20q: %v", pattern, err)
		}
	}
}

func TestNames(t *testing.T) {
	re, err := Compile(`(a)(?<host>b)(?P<port>c)(?:d)(?'uri'e)`, Default)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "", "host", "port", "uri"}; !reflect.DeepEqual(re.Names(), want) {
		t.Errorf("names: got %q, want %q", re.Names(), want)
	}
	if re.NumSubexp() != 4 {
		t.Errorf("NumSubexp: got %d, want 4", re.NumSubexp())
	}
}

func TestPrefix(t *testing.T) {
	for _, tt := range []struct {
		pattern  string
		flags    Flags
		lit      string
		anchored bool
	}{
		{`^/app/(.*)$`, Default, "/app/", true},
		{`/app/?`, Default, "/app", false},
		{`^(/ab|/ac)x`, Default, "/a", true},
		{`^a|^b`, Default, "", true},
		{`^a|b`, Default, "", false},
		{`^ab`, Default | ICase, "", true},
		{`^1a`, Default | ICase, "1", true},
		{`^ab`, Default | MultiLine, "ab", false},
		{`(?=x)abc`, Default, "abc", false},
		{`(ab)+c`, Default, "ab", false},
		{`a?b`, Default, "", false},
		{`\Aa{1}b`, Default, "ab", true},
		{`(?:^a)?b`, Default, "", false},
		{``, Default, "", false},
	} {
		re, err := Compile(tt.pattern, tt.flags)
		if err != nil {
			t.Fatal(err)
		}
		if lit, anchored := re.Prefix(); lit != tt.lit || anchored != tt.anchored {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.pattern, lit, anchored, tt.lit, tt.anchored)
		}
	}
}

func TestFindReusesMemory(t *testing.T) {
	re, err := Compile(`^/([^/]+)(/.*)?$`, Default)
	if err != nil {
		t.Fatal(err)
	}
	loc := make([]int, 0, 16)
	if n := testing.AllocsPerRun(100, func() { loc, _ = re.Find("/a/b", loc[:0]) }); n != 0 {
		t.Errorf("Find allocates %v times", n)
	}
	if want := []int{0, 4, 1, 2, 2, 4}; !reflect.DeepEqual(loc, want) {
		t.Errorf("got %v, want %v", loc, want)
	}
	if loc, _ = re.Find("/a", loc); !reflect.DeepEqual(loc, []int{0, 2, 1, 2, -1, -1}) {
		t.Errorf("got %v: offsets of the match before are left", loc)
	}
}

func TestFlagByName(t *testing.T) {
	for name, want := range map[string]Flags{"icase": ICase, "DOTALL": DotAll, "Dollar_EndOnly": DollarEndOnly, "EXTENDED": 0} {
		if f, ok := FlagByName(name); !ok || f != want {
			t.Errorf("%s: got %v, %v", name, f, ok)
		}
	}
	if _, ok := FlagByName("NEWLINE"); ok {
		t.Error("NEWLINE is an option")
	}
}

func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for _, pattern := range []string{`^/(.*)/x$`, `/(a|ab)/x`, `^(?!/b)/(.+)/x`} {
		re, err := Compile(pattern, Default)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			wg.Go(func() {
				for i := range 200 {
					s := strings.Repeat("\xe9", i%7) + "/ab/x"
					re.MatchString(s)
					if got, err := re.Find("/ab/x", nil); err != nil || !reflect.DeepEqual(got, []int{0, 5, 1, 3}) {
						t.Errorf("%s: got %v, %v", re, got, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// corpus returns the folder of collected configurations.
func corpus(t *testing.T) string {
	dir := os.Getenv("PINION_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus of configurations, set PINION_CORPUS: %v", err)
	}
	return filepath.Join(dir, "files")
}

// regexArg says at which argument a directive has its regex, from 1 on.
var regexArg = map[string]int{
	"rewriterule": 1, "rewritecond": 2, "locationmatch": 1, "directorymatch": 1, "filesmatch": 1, "proxymatch": 1,
	"aliasmatch": 1, "scriptaliasmatch": 1, "proxypassmatch": 1, "browsermatch": 1, "browsermatchnocase": 1,
	"setenvif": 2, "setenvifnocase": 2,
}

func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t), "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			pattern := regexOf(strings.TrimSpace(line))
			if pattern == "" {
				continue
			}
			seen++
			re, err := Compile(pattern, Default)
			if err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(file), pattern, err)
				continue
			}
			if _, err := re.Find("/some/path/index.html?a=b;c=d&e=caf\xc3\xa9", nil); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(file), pattern, err)
			}
		}
	}
	if seen < 500 {
		t.Errorf("only %d patterns found", seen)
	}
}

// regexOf takes the regex out of a line, roughly as httpd splits it.
func regexOf(line string) string {
	if strings.HasPrefix(line, "<") {
		line = strings.TrimSuffix(line[1:], ">")
	}
	words := split(line)
	if len(words) == 0 {
		return ""
	}
	name := strings.ToLower(words[0])
	at := regexArg[name]
	if at == 0 || at >= len(words) || name == "rewritecond" && strings.EqualFold(words[1], "expr") {
		return ""
	}
	pattern := words[at]
	if strings.HasPrefix(name, "rewrite") {
		pattern = strings.TrimPrefix(pattern, "!")
	}
	if name == "rewritecond" && strings.ContainsAny(pattern[:min(1, len(pattern))], "-<>=") {
		return ""
	}
	return pattern
}

func split(line string) []string {
	var words []string
	for {
		if line = strings.TrimLeft(line, " \t\r"); line == "" {
			return words
		}
		quote := line[0]
		if quote != '"' && quote != '\'' {
			i := 0
			for ; i < len(line) && line[i] != ' ' && line[i] != '\t'; i++ {
				if line[i] == '\\' && i+1 < len(line) { // mod_rewrite: "\ " doesn't end a word
					i++
				}
			}
			words, line = append(words, line[:i]), line[i:]
			continue
		}
		i, word := 1, ""
		for ; i < len(line) && line[i] != quote; i++ {
			if line[i] == '\\' && i+1 < len(line) && (line[i+1] == quote || line[i+1] == '\\') {
				i++
			}
			word += line[i : i+1]
		}
		words, line = append(words, word), line[min(i+1, len(line)):]
	}
}
