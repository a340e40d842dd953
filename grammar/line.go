// Package grammar holds the languages inside an Apache httpd configuration, one file a language: directive
// lines and sections (config.go), expressions (expr.go), %-formats of Header and LogFormat (format.go),
// rewrite rules (rewrite.go) and worker parameters (worker.go). Each is a grammar and its syntax tree,
// nothing more: no file is opened, no module is known, no request exists here.
//
// Values of this package are plain data; once made they are safe for concurrent reading.
package grammar

// Pos is a place in a source. Line and Col count from 1, Col in bytes; Offset counts bytes from 0.
// The zero Pos means "nowhere".
type Pos struct{ Line, Col, Offset int }

// Range is the half-open span [Start, End) of a source.
type Range struct{ Start, End Pos }

// Kind tells what a logical line is.
type Kind uint8

// The kinds of a logical line. Blank lines and comments yield no Line.
const (
	Simple Kind = iota // Name arg arg …
	Open               // <Name arg arg …>
	Close              // </Name>
)

// Line is one logical line: physical lines that end in a backslash are joined, as httpd's ap_cfg_getline
// joins them. A File is a flat list of them; which Close ends which Open is the parser's business.
type Line struct {
	Kind Kind
	Name Word   // directive or section name as written, without "<", "</" or ">"
	Args []Word // what ap_getword_conf cuts the rest into; for Open without the closing ">"
	// Raw is the text after the name with white space trimmed at both ends, neither unquoted nor
	// expanded; for Open without the closing ">". Directives of shape RAW_ARGS read this.
	Raw      string
	RawRange Range
	Text     string // the whole joined line, trimmed: what a Macro keeps and substitutes in
	Range    Range  // first byte of the name (or "<") to the end of the last physical line
	// Err is the mistake in a section line that is kept all the same, so that sections still nest: an Open
	// without its ">", a Close such as "</Name >". It is also in File.Errors. A Close with an Err closes
	// the innermost section, whatever its name.
	Err *Error
}

// Word is one argument.
type Word struct {
	Text  string // unquoted: surrounding quotes removed, \" and \\ resolved as httpd does
	Quote byte   // '"', '\'' or 0
	Range Range  // with its quotes
}

// Error is a mistake in one logical line.
type Error struct {
	Code    string // stable and short: "bad-section", "nul-byte", "line-too-long", …
	Summary string // lower case, what was expected and what was found
	Detail  string // what to do about it; may be empty
	Range   Range
}

// Error implements error.
func (e *Error) Error() string { return e.Summary }

// File is the syntax of one configuration file.
type File struct {
	Name   string
	Source []byte
	Lines  []Line
	// Errors holds the mistakes in file order. The lines they speak of are not in Lines, but for section
	// lines, which stay with Line.Err set.
	Errors []*Error
}
