package parser

import (
	"fmt"
	"slices"
	"strings"

	multierror "github.com/hashicorp/go-multierror"
)

// Severity tells a diagnostic's weight.
type Severity uint8

// The severities: an Error refuses the configuration, a Warning does with --strict, a Note never does.
const (
	Error Severity = iota
	Warning
	Note
)

// String returns "error", "warning" or "note".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}

// Diagnostic is one thing to say about a configuration. Writers turn it into text or JSON.
type Diagnostic struct {
	Severity Severity
	Code     string // stable: "unknown-directive", "bad-regex", …
	Summary  string // lower case, one line: what was expected, what was found
	Detail   string // what to do about it; may be empty
	Place    Place
	Also     []Related // other places that belong to it, such as the section that was never closed
	Repeated int       // how often more the same was found at the same place, in a file or Macro that is read again

	seq int // order of finding
}

// Related is another place that a diagnostic speaks of.
type Related struct {
	Summary string // "opened here"
	Place   Place
}

// Error implements error with the summary alone; writers print the rest.
func (d *Diagnostic) Error() string { return d.Summary }

// String returns "file:line:col: error: summary [code]".
func (d *Diagnostic) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", d.Place, d.Severity, d.Summary, d.Code)
}

// String returns "file:line:col", or the file alone when no line is known.
func (p Place) String() string {
	if p.Range.Start.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Range.Start.Line, p.Range.Start.Col)
}

// Diagnostics is all that there is to say about a configuration, in file order. Being a slice it is an
// error even when it is empty: give Err away as an error, not the slice.
type Diagnostics []*Diagnostic

// HasErrors reports whether the configuration is refused.
func (d Diagnostics) HasErrors() bool { return d.Count(Error) > 0 }

// Count returns how many diagnostics have the severity.
func (d Diagnostics) Count(s Severity) int {
	n := 0
	for _, x := range d {
		if x.Severity == s {
			n++
		}
	}
	return n
}

// Err returns a *multierror.Error of the diagnostics of severity Error, or nil when there is none.
func (d Diagnostics) Err() error {
	var m *multierror.Error
	for _, x := range d {
		if x.Severity == Error {
			m = multierror.Append(m, x)
		}
	}
	if m == nil {
		return nil
	}
	m.ErrorFormat = formatErrors
	return m
}

// Error implements error: one line for each diagnostic of severity Error.
func (d Diagnostics) Error() string {
	if err := d.Err(); err != nil {
		return err.Error()
	}
	return "no errors"
}

// Unwrap gives errors.Is and errors.As each diagnostic of severity Error.
func (d Diagnostics) Unwrap() []error {
	m, ok := d.Err().(*multierror.Error)
	if !ok {
		return nil
	}
	return m.Errors
}

func formatErrors(errs []error) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
		if d, ok := err.(*Diagnostic); ok {
			lines[i] = d.String()
		}
	}
	return strings.Join(lines, "\n")
}

// Sort brings the diagnostics into file order: files as Tree.Files has them, then all others by name; within
// a file by offset; at one place errors first, else as they were found.
func (d Diagnostics) Sort(files []string) {
	if len(d) < 2 {
		return
	}
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	at := func(x *Diagnostic) int {
		if r, ok := rank[x.Place.File]; ok {
			return r
		}
		return len(files)
	}
	slices.SortStableFunc(d, func(a, b *Diagnostic) int {
		if c := at(a) - at(b); c != 0 {
			return c
		}
		if c := strings.Compare(a.Place.File, b.Place.File); c != 0 {
			return c
		}
		if c := a.Place.Range.Start.Offset - b.Place.Range.Start.Offset; c != 0 {
			return c
		}
		return int(a.Severity) - int(b.Severity)
	})
}
