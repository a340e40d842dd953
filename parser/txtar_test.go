package parser

import "strings"

// archive is a txtar archive: a comment and files. go-internal's package needs golang.org/x/tools, which
// this module has no other use for.
type archive struct {
	comment string
	files   []archived
}

type archived struct{ name, data string }

func parseArchive(s string) archive {
	var a archive
	at := &a.comment
	for line := range strings.Lines(s) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if name, end := strings.CutSuffix(name, " --"); ok && end {
			a.files = append(a.files, archived{name: name})
			at = &a.files[len(a.files)-1].data
			continue
		}
		*at += line
	}
	return a
}

func (a archive) String() string {
	s := a.comment
	for _, f := range a.files {
		s += "-- " + f.name + " --\n" + f.data
	}
	return s
}
