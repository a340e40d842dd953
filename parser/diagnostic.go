package parser

// Severity tells a diagnostic's weight.
type Severity uint8

// The severities: an Error refuses the configuration, a Warning does with --strict, a Note never does.
const (
	Error Severity = iota
	Warning
	Note
)

// Diagnostic is one thing to say about a configuration. Writers turn it into text or JSON.
type Diagnostic struct {
	Severity Severity
	Code     string // stable: "unknown-directive", "bad-regex", …
	Summary  string // lower case, one line: what was expected, what was found
	Detail   string // what to do about it; may be empty
	Place    Place
}

// Error implements error with the summary alone; writers print the rest.
func (d *Diagnostic) Error() string { return d.Summary }
