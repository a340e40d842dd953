package grammar

import (
	"io"
	"testing"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// wordLexer gives the words of one logical line as participle's tokens.
type wordLexer struct {
	s string
	i int
}

const tokWord lexer.TokenType = -2

func (wordLexer) Symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{"EOF": lexer.EOF, "Word": tokWord}
}

func (wordLexer) Lex(_ string, r io.Reader) (lexer.Lexer, error) {
	b, err := io.ReadAll(r)
	return &wordLexer{s: string(b)}, err
}

func (w *wordLexer) Next() (lexer.Token, error) {
	w.i = skipSpace(w.s, w.i)
	if w.i == len(w.s) {
		return lexer.EOFToken(place(w.i)), nil
	}
	text, _, end := wordAt(w.s, w.i)
	t := lexer.Token{Type: tokWord, Value: text, Pos: place(w.i)}
	w.i = end
	return t, nil
}

// wordLine is the least that a participle grammar of directive lines could be.
type wordLine struct {
	Words []string `parser:"@Word*"`
}

var wordParser = participle.MustBuild[wordLine](participle.Lexer(wordLexer{}))

func participleWords(tb testing.TB, s string) []string {
	lex, err := lexer.Upgrade(&wordLexer{s: s})
	if err != nil {
		tb.Fatal(err)
	}
	line, err := wordParser.ParseFromLexer(lex)
	if err != nil {
		tb.Fatal(err)
	}
	return line.Words
}

// TestParticipleAgrees holds the hand-written cut against participle's.
func TestParticipleAgrees(t *testing.T) {
	f := Parse("", source150k()[:20_000])
	for _, l := range f.Lines {
		words := participleWords(t, l.Raw)
		if len(words) != len(l.Args) {
			t.Fatalf("%q: %d words, participle has %d", l.Raw, len(l.Args), len(words))
		}
		for i, w := range words {
			if w != l.Args[i].Text {
				t.Fatalf("%q: word %q, participle has %q", l.Raw, l.Args[i].Text, w)
			}
		}
	}
}

// BenchmarkParticiple150k is what participle alone takes for the words of the lines of BenchmarkParse150k.
func BenchmarkParticiple150k(b *testing.B) {
	f := Parse("b", source150k())
	for b.Loop() {
		for i := range f.Lines {
			participleWords(b, f.Lines[i].Text)
		}
	}
}
