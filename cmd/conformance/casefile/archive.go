package casefile

import (
	"bytes"
	"strings"
)

// A Section is one named part of a case file.
type Section struct {
	Name string
	Data string
}

// parseArchive splits the text of a txtar archive into its comment and its
// sections. Every text is a valid archive, as in the txtar format.
func parseArchive(text []byte) (comment string, sections []Section) {
	var (
		current bytes.Buffer
		name    string
		open    bool
	)
	flush := func() {
		if open {
			sections = append(sections, Section{name, current.String()})
		} else {
			comment = current.String()
		}
		current.Reset()
	}
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		text = text[len(line):]
		if next, ok := marker(string(line)); ok {
			flush()
			name, open = next, true
			continue
		}
		current.Write(line)
	}
	flush()
	return comment, sections
}

// marker reports the name in a line of the form "-- name --".
func marker(line string) (string, bool) {
	line = strings.TrimRight(line, "\r\n")
	if !strings.HasPrefix(line, "-- ") || !strings.HasSuffix(line, " --") || len(line) < len("-- x --") {
		return "", false
	}
	name := strings.TrimSpace(line[3 : len(line)-3])
	return name, name != ""
}

// formatArchive is the reverse of parseArchive. A section whose text doesn't
// end in a newline gets one, as txtar demands.
func formatArchive(comment string, sections []Section) []byte {
	var b bytes.Buffer
	write := func(s string) {
		b.WriteString(s)
		if s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
	}
	write(comment)
	for _, s := range sections {
		b.WriteString("-- " + s.Name + " --\n")
		write(s.Data)
	}
	return b.Bytes()
}
