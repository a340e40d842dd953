package grammar

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show prints a file's lines and errors, one a line, with places as line:col-line:col.
func show(f *File) []string {
	var out []string
	for _, l := range f.Lines {
		kind := [...]string{"", "<", "</"}[l.Kind]
		s := fmt.Sprintf("%s%s %s", kind, l.Name.Text, places(l.Name.Range))
		for _, a := range l.Args {
			q := ""
			if a.Quote != 0 {
				q = string(a.Quote)
			}
			s += fmt.Sprintf(" %s%s%s %s", q, a.Text, q, places(a.Range))
		}
		out = append(out, s+" | "+places(l.Range))
	}
	for _, e := range f.Errors {
		out = append(out, fmt.Sprintf("%s %s: %s", e.Code, places(e.Range), e.Summary))
	}
	return out
}

func places(r Range) string {
	return fmt.Sprintf("%d:%d-%d:%d", r.Start.Line, r.Start.Col, r.End.Line, r.End.Col)
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{"empty", "", nil},
		{"blank lines and comments", "\n  \t\n# x\n  # y\n", nil},
		{"no final newline", "Listen 80", []string{`Listen 1:1-1:7 80 1:8-1:10 | 1:1-1:10`}},
		{"crlf", "Listen 80\r\n\r\nUser x\r\n", []string{
			`Listen 1:1-1:7 80 1:8-1:10 | 1:1-1:10`, `User 3:1-3:5 x 3:6-3:7 | 3:1-3:7`}},
		{"blanks trimmed", "\t Listen\t 80  \n", []string{`Listen 1:3-1:9 80 1:11-1:13 | 1:3-1:15`}},
		{"every kind of blank", "A\vb\fc\rd\n", []string{`A 1:1-1:2 b 1:3-1:4 c 1:5-1:6 d 1:7-1:8 | 1:1-1:8`}},
		{"quotes", `A "b c" 'd "e' "f\"g\\h\i"` + "\n", []string{
			`A 1:1-1:2 "b c" 1:3-1:8 'd "e' 1:9-1:15 "f"g\h\i" 1:16-1:27 | 1:1-1:27`}},
		{"end quote missing", `A "b c`, []string{`A 1:1-1:2 "b c" 1:3-1:7 | 1:1-1:7`}},
		{"quote ends a word", `A "b"c`, []string{`A 1:1-1:2 "b" 1:3-1:6 c 1:6-1:7 | 1:1-1:7`}},
		{"quote inside a word", `A b"c d"`, []string{`A 1:1-1:2 b"c 1:3-1:6 d" 1:7-1:9 | 1:1-1:9`}},
		{"backslashes in a bare word", `A \\b \c \"d`, []string{`A 1:1-1:2 \b 1:3-1:6 \c 1:7-1:9 \"d 1:10-1:13 | 1:1-1:13`}},
		{"quoted name", `"Listen" 80`, []string{`Listen 1:1-1:9 80 1:10-1:12 | 1:1-1:12`}},
		{"empty quoted name", `"" 80`, nil},
		{"name with a bracket", `Listen> 80`, []string{`Listen 1:1-1:7 80 1:9-1:11 | 1:1-1:11`}},

		{"continued", "A b \\\n  c\\\n d\nE\n", []string{
			`A 1:1-1:2 b 1:3-1:4 c 2:3-2:4 d 3:2-3:3 | 1:1-3:3`, `E 4:1-4:2 | 4:1-4:2`}},
		{"continued inside a word", "A bc\\\nde f\n", []string{`A 1:1-1:2 bcde 1:3-2:3 f 2:4-2:5 | 1:1-2:5`}},
		{"word ends at the join", "A bc\\\n d\n", []string{`A 1:1-1:2 bc 1:3-1:5 d 2:2-2:3 | 1:1-2:3`}},
		{"continued crlf", "A b\\\r\nc\r\n", []string{`A 1:1-1:2 bc 1:3-2:2 | 1:1-2:2`}},
		{"continued at the end", "A b\\\n", []string{`A 1:1-1:2 b 1:3-1:4 | 1:1-1:5`}},
		{"backslash without newline", "A b\\", []string{`A 1:1-1:2 b\ 1:3-1:5 | 1:1-1:5`}},
		{"two backslashes", "A b\\\\\nc\n", []string{`A 1:1-1:2 b\c 1:3-2:2 | 1:1-2:2`}},
		{"two backslashes and an empty line", "A b\\\\\n\nc\n", []string{`A 1:1-1:2 bc 1:3-3:2 | 1:1-3:2`}},
		{"backslash and blank do not join", "A b\\ \nC\n", []string{`A 1:1-1:2 b\ 1:3-1:5 | 1:1-1:6`, `C 2:1-2:2 | 2:1-2:2`}},
		{"comment swallows", "# a \\\nA\nB\n", []string{`B 3:1-3:2 | 3:1-3:2`}},
		{"no comment behind a directive", "A # b\n", []string{`A 1:1-1:2 # 1:3-1:4 b 1:5-1:6 | 1:1-1:6`}},
		{"joined comment", " \\\n# a\nB\n", []string{`B 3:1-3:2 | 3:1-3:2`}},

		{"section", "<Location />\n</Location>\n", []string{
			`<Location 1:2-1:10 / 1:11-1:12 | 1:1-1:13`, `</Location 2:3-2:11 | 2:1-2:12`}},
		{"section with blanks", "<Location / >\n</Location> x\n", []string{
			`<Location 1:2-1:10 / 1:11-1:12 | 1:1-1:14`, `</Location 2:3-2:11 | 2:1-2:14`}},
		{"odd case", "<lOCATION \"/\">\n", []string{`<lOCATION 1:2-1:10 "/" 1:11-1:14 | 1:1-1:15`}},
		{"text behind", "<Location />  foo bar\n", []string{`<Location 1:2-1:10 / 1:11-1:12 | 1:1-1:22`}},
		{"no arguments", "<RequireAll>\n", []string{`<RequireAll 1:2-1:12 | 1:1-1:13`}},
		{"no arguments, no bracket", "<RequireAll\n", []string{`<RequireAll 1:2-1:12 | 1:1-1:12`}},
		{"bracket in an argument", `<If "%{X} > 3">`, []string{`<If 1:2-1:4 "%{X} > 3" 1:5-1:15 | 1:1-1:16`}},
		{"quoted section", "\"<Location\" />\n\"</Location>\"\n", []string{
			`<Location 1:1-1:12 / 1:13-1:14 | 1:1-1:15`, `</Location 2:1-2:14 | 2:1-2:14`}},
		{"section continued", "<VirtualHost a \\\n  b>\n", []string{`<VirtualHost 1:2-1:13 a 1:14-1:15 b 2:3-2:4 | 1:1-2:5`}},

		{"open without bracket", "<Location /\nA\n", []string{
			`<Location 1:2-1:10 / 1:11-1:12 | 1:1-1:12`, `A 2:1-2:2 | 2:1-2:2`,
			`bad-section 1:1-1:12: <Location> directive missing closing '>'`}},
		{"open with blank", "< Location />\n", []string{`< 1:2-1:2 Location 1:3-1:11 / 1:12-1:13 | 1:1-1:14`,
			`bad-section 1:1-1:2: expected the section's name right after '<'`}},
		{"close with blank", "</ Location>\n", []string{`</ 1:3-1:3 | 1:1-1:13`,
			`bad-section 1:1-1:3: expected the section's name right after '</'`}},
		{"close, blank before bracket", "</Location >\n", []string{`</Location 1:3-1:11 | 1:1-1:13`,
			`bad-section 1:1-1:11: </Location> directive missing closing '>'`}},
		{"close without bracket", "</Location\n", []string{`</Location 1:3-1:11 | 1:1-1:11`,
			`bad-section 1:1-1:11: </Location> directive missing closing '>'`}},
		{"empty close", "</>\n", []string{`</ 1:3-1:3 | 1:1-1:4`,
			`bad-section 1:1-1:4: expected the section's name after '</'`}},
		{"lone bracket", " > x\n", []string{`bad-section 1:2-1:3: expected a directive's name, found '>'`}},

		{"nul byte", "A b\x00c\nD\n", []string{`D 2:1-2:2 | 2:1-2:2`, `nul-byte 1:4-1:5: expected text, found a NUL byte`}},
		{"binary zeros", "\x00\x00\x00", []string{`nul-byte 1:1-1:2: expected text, found a NUL byte`}},
		{"byte order mark", "\xef\xbb\xbfA b\nC\n", []string{`C 2:1-2:2 | 2:1-2:2`,
			`byte-order-mark 1:1-1:4: expected a directive, found a UTF-8 byte order mark`}},
		{"byte order mark before a section", "\xef\xbb\xbf<A b>\n", []string{`<A 1:5-1:6 b 1:7-1:8 | 1:4-1:9`,
			`byte-order-mark 1:1-1:4: expected a directive, found a UTF-8 byte order mark`}},
		{"all errors in file order", "<A b\n\x00\n</A >\n", []string{
			`<A 1:2-1:3 b 1:4-1:5 | 1:1-1:5`, `</A 3:3-3:4 | 3:1-3:6`,
			`bad-section 1:1-1:5: <A> directive missing closing '>'`,
			`nul-byte 2:1-2:2: expected text, found a NUL byte`,
			`bad-section 3:1-3:4: </A> directive missing closing '>'`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Parse("x.conf", []byte(c.src))
			if d := cmp.Diff(c.want, show(f)); d != "" {
				t.Error(d)
			}
			checkRanges(t, f)
		})
	}
}

// checkRanges holds every range against the source bytes it speaks of.
func checkRanges(t *testing.T, f *File) {
	t.Helper()
	src := string(f.Source)
	check := func(what, text string, r Range) {
		t.Helper()
		for _, p := range []Pos{r.Start, r.End} {
			if p.Offset < 0 || p.Offset > len(src) {
				t.Fatalf("%s: offset %d outside of the source", what, p.Offset)
			}
			before := src[:p.Offset]
			if line := strings.Count(before, "\n") + 1; line != p.Line {
				t.Fatalf("%s %q: offset %d is in line %d, not %d", what, text, p.Offset, line, p.Line)
			}
			if col := p.Offset - strings.LastIndexByte(before, '\n'); col != p.Col {
				t.Fatalf("%s %q: offset %d is in column %d, not %d", what, text, p.Offset, col, p.Col)
			}
		}
		if r.End.Offset < r.Start.Offset {
			t.Fatalf("%s %q: range ends at %d before its start %d", what, text, r.End.Offset, r.Start.Offset)
		}
		if got := src[r.Start.Offset:r.End.Offset]; text != "" && r.Start.Line == r.End.Line && got != text {
			t.Fatalf("%s: the range holds %q, not %q", what, got, text)
		}
	}
	for _, l := range f.Lines {
		check("line", "", l.Range)
		check("raw", l.Raw, l.RawRange)
		if l.Name.Quote == 0 && !strings.Contains(l.Name.Text, `\`) {
			check("name", l.Name.Text, l.Name.Range)
		}
		for _, a := range l.Args {
			if a.Quote == 0 && !strings.Contains(a.Text, `\`) {
				check("word", a.Text, a.Range)
			} else {
				check("word", "", a.Range)
			}
		}
	}
	for _, e := range f.Errors {
		check("error", "", e.Range)
		if e.Code == "" || e.Summary == "" {
			t.Fatalf("error without code or summary: %+v", e)
		}
	}
}

func TestRawAndText(t *testing.T) {
	f := Parse("", []byte("  Foo \"a b\" \\\n c  \n<Loc \"x\" > y\n"))
	want := []string{`"a b"  c`, `"x"`}
	for i, l := range f.Lines {
		if l.Raw != want[i] {
			t.Errorf("Raw is %q, not %q", l.Raw, want[i])
		}
	}
	if got := f.Lines[0].Text; got != `Foo "a b"  c` {
		t.Errorf("Text is %q", got)
	}
	if got := f.Lines[1].After(); got != "y" {
		t.Errorf("After is %q", got)
	}
}

func TestParseLine(t *testing.T) {
	at := Range{Pos{3, 4, 50}, Pos{3, 9, 55}}
	l, err := ParseLine(` <Location "/a b"> `, at)
	want := Line{Kind: Open, Name: Word{Text: "Location", Range: at}, Args: []Word{{"/a b", '"', at}},
		Raw: `"/a b"`, RawRange: at, Text: `<Location "/a b">`, Range: at}
	if d := cmp.Diff(want, l); d != "" || err != nil {
		t.Error(err, d)
	}
	for _, s := range []string{"", "  ", "# a"} {
		if l, err := ParseLine(s, at); err != nil || l.Name.Text != "" {
			t.Errorf("%q: %v %v", s, l, err)
		}
	}
	if l, err := ParseLine("<Location /", at); err == nil || err.Range != at || l.Err != err {
		t.Errorf("%v %v", l, err)
	}
	for _, s := range []string{"a\x00", ">"} {
		if l, err := ParseLine(s, at); err == nil || err.Range != at || l.Name.Text != "" {
			t.Errorf("%q: %v %v", s, l, err)
		}
	}
}

func TestSplitArgs(t *testing.T) {
	got := SplitArgs(` a "b \"c" d`)
	want := []Word{
		{"a", 0, Range{Pos{1, 2, 1}, Pos{1, 3, 2}}},
		{`b "c`, '"', Range{Pos{1, 4, 3}, Pos{1, 11, 10}}},
		{"d", 0, Range{Pos{1, 12, 11}, Pos{1, 13, 12}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := SplitArgs("  "); got != nil {
		t.Error(got)
	}
}

func TestLongLines(t *testing.T) {
	mega := bytes.Repeat([]byte("a "), 500_000)
	if f := Parse("", mega); len(f.Lines) != 1 || len(f.Lines[0].Args) != 499_999 || len(f.Errors) != 0 {
		t.Errorf("a megabyte of words: %d lines, errors %v", len(f.Lines), f.Errors)
	}
	joined := []byte("A " + strings.Repeat("b\\\n", 300_000) + "\nC\n")
	if f := Parse("", joined); len(f.Lines) != 2 || len(f.Lines[0].Args) != 1 || f.Lines[1].Range.Start.Line != 300_002 {
		t.Errorf("300000 joined lines: %d lines, errors %v", len(f.Lines), f.Errors)
	}
	words := []byte("A " + strings.Repeat("b \\\n", 300_000) + "\nC\n")
	if f := Parse("", words); len(f.Lines) != 2 || len(f.Lines[0].Args) != 300_000 {
		t.Errorf("300000 joined words: %d lines, errors %v", len(f.Lines), f.Errors)
	}
	huge := append(bytes.Repeat([]byte("a"), maxLine), "\nB c\n"...)
	f := Parse("", huge)
	if len(f.Lines) != 1 || len(f.Errors) != 1 || f.Errors[0].Code != "line-too-long" {
		t.Errorf("a line of 16 MiB: %d lines, errors %v", len(f.Lines), f.Errors)
	}
	f = Parse("", bytes.Repeat([]byte("\x00\n"), 1000))
	if len(f.Errors) != maxNULLines || !strings.Contains(f.Errors[maxNULLines-1].Summary, "not read") {
		t.Errorf("a binary file gives %d errors", len(f.Errors))
	}
}

// corpusFiles returns the names of the real configuration files, or skips.
func corpusFiles(t testing.TB) []string {
	dir := os.Getenv("PINION_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "files", "*"))
	if len(names) == 0 {
		t.Skip("no corpus of real configuration files: set PINION_CORPUS to its folder")
	}
	return names
}

func TestCorpus(t *testing.T) {
	for _, name := range corpusFiles(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f := Parse(name, src)
		checkRanges(t, f)
		for _, e := range f.Errors {
			t.Errorf("%s:%d:%d: %s", filepath.Base(name), e.Range.Start.Line, e.Range.Start.Col, e.Summary)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "A b \\\r\n c\n", "<A b>\n</A>\n", "A \"b\\\"c' d", "\xef\xbb\xbf<A \\\nb", "A\x00b\n", "</\n<\n>\n", "a\\\\\n\nb"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file := Parse("f", src)
		checkRanges(t, file)
		at := Range{Pos{7, 7, 7}, Pos{7, 8, 8}}
		for _, l := range file.Lines {
			again, err := ParseLine(l.Text, at)
			if (err != nil) != (l.Err != nil && l.Err.Code != "byte-order-mark") || again.Name.Text != l.Name.Text || len(again.Args) != len(l.Args) || again.Raw != l.Raw {
				t.Fatalf("%q: ParseLine gives %+v, Parse gave %+v", l.Text, again, l)
			}
			if len(SplitArgs(l.Raw)) != len(l.Args) {
				t.Fatalf("%q: SplitArgs differs from Args", l.Raw)
			}
		}
	})
}

// source150k makes a configuration of 150,000 lines: vhosts with proxies, rules and headers.
func source150k() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() == 0 || i < 10_000; i++ {
		fmt.Fprintf(&b, `# host %d
<VirtualHost *:80>
    ServerName host%d.example.com
    ServerAlias www.host%d.example.com "alias%d.example.com"
    <Proxy balancer://b%d>
        BalancerMember http://127.0.0.1:8001 route=a status=+D
        BalancerMember http://127.0.0.1:8002 \
            route=b
    </Proxy>
    RequestHeader set X-Host "host%d" env=!x
    RewriteRule ^/old/(.*)$ /new/$1 [R=301,L]
    ProxyPass / balancer://b%d/ stickysession=JSESSIONID
    LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b" f%d

</VirtualHost>
`, i, i, i, i, i, i, i, i)
	}
	return b.Bytes()
}

func BenchmarkParse150k(b *testing.B) {
	src := source150k()
	if n := bytes.Count(src, []byte("\n")); n != 150_000 {
		b.Fatalf("%d lines", n)
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if f := Parse("b", src); len(f.Errors) > 0 || len(f.Lines) != 120_000 {
			b.Fatal(len(f.Lines), f.Errors)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		src      string
		from, to int // within the first argument's text
		want     string
	}{
		{"A bcd", 1, 2, "1:4-1:5"},
		{"A bcd", 3, 3, "1:6-1:6"},
		{"A bcd", 0, 3, "1:3-1:6"},
		{`A "bcd"`, 1, 3, "1:5-1:7"},
		{`A "bcd`, 3, 3, "1:7-1:7"},
		{`A "b\"c\\d"`, 3, 4, "1:8-1:10"},
		{`A "b\"c\\d"`, 4, 5, "1:10-1:11"},
		{"A bc\\\ndef", 1, 4, "1:4-2:3"},
		{"A bc\\\r\ndef", 3, 4, "2:2-2:3"},
		{"A bc\\\n\\\ndef", 2, 3, "3:1-3:2"},
		{`A ""`, 0, 0, "1:4-1:4"},
	} {
		f := Parse("", []byte(c.src))
		if got := places(f.Place(f.Lines[0].Args[0], within(c.from, c.to))); got != c.want {
			t.Errorf("%q [%d,%d) gives %s, not %s", c.src, c.from, c.to, got, c.want)
		}
	}
	f := Parse("", []byte("Use ${X}"))
	w := f.Lines[0].Args[0]
	w.Text = "expanded"
	if got := f.Place(w, within(2, 3)); got != w.Range {
		t.Errorf("a word that the file does not hold gives %s", places(got))
	}
}

func TestPlaceRaw(t *testing.T) {
	f := Parse("", []byte("RewriteRule \"^/a\\\\b\" /c \\\n  [R=1]\n"))
	l := &f.Lines[0]
	_, err := ParseRewriteRule(l.Raw)
	if err == nil || places(f.PlaceRaw(l, err.Range)) != "2:6-2:7" {
		t.Errorf("%v in %q", err, l.Raw)
	}
	if got := places(f.PlaceRaw(l, within(0, 8))); got != "1:13-1:21" {
		t.Errorf("the pattern stands at %s", got)
	}
}
