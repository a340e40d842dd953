// Package casefile reads a conformance case, runs it against a server and
// compares what the server did with what httpd was recorded to do.
//
// A case is one txtar file: a configuration, scripted backends, the steps of a
// client, and a transcript of all that was seen on the wire. Its format is
// described in testdata/conformance/README.md. Everything is exact: header
// order and case, bodies, and the request heads that the backends received.
// The runner needs Linux.
package casefile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Names of the sections that mean something; all others are files that the
// configuration refers to as ${DIR}/name.
const (
	sectionConfig      = "httpd.conf"
	sectionModules     = "modules"
	sectionEnvironment = "environment"
	sectionBackends    = "backends"
	sectionRequests    = "requests"
	sectionAnswers     = "answers"
	sectionErrorLog    = "error_log"
	sectionAccessLog   = "access_log"
	sectionDiffers     = "differs"
)

// A Case is a parsed case file. It is not changed by running it, except by
// Record.
type Case struct {
	// Name is the file's name without its extension.
	Name string
	// Path is where the file lies.
	Path string
	// Comment is the text at the top: what the case shows.
	Comment string

	sections []Section
	rules    []*rule
	steps    []*step
	backends []string // names in order: B1, B2…
	differs  *difference
}

// Load reads and parses one case file. An error names the file and, where it
// can, the section and the line within it.
func Load(path string) (*Case, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(path, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// LoadDir reads every *.txtar file of a folder, in order of their names.
func LoadDir(dir string) ([]*Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: expected *.txtar files, found none", dir)
	}
	cases := make([]*Case, 0, len(paths))
	for _, p := range paths {
		c, err := Load(p)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, nil
}

var backendName = regexp.MustCompile(`\$\{(B[1-9])(?:_PORT)?\}`)

// Parse parses the text of a case file; path gives its name.
func Parse(path string, text []byte) (*Case, error) {
	c := &Case{Name: strings.TrimSuffix(filepath.Base(path), ".txtar"), Path: path}
	c.Comment, c.sections = parseArchive(text)
	if strings.TrimSpace(c.Comment) == "" {
		return nil, fmt.Errorf("expected a comment at the top that says what the case shows")
	}
	seen := map[string]bool{}
	for _, s := range c.sections {
		if seen[s.Name] {
			return nil, fmt.Errorf("section %q stands twice", s.Name)
		}
		seen[s.Name] = true
		if !filepath.IsLocal(s.Name) {
			return nil, fmt.Errorf("section %q: expected a path below the case's folder", s.Name)
		}
	}
	for _, name := range []string{sectionConfig, sectionRequests} {
		if !seen[name] {
			return nil, fmt.Errorf("expected a section %q", name)
		}
	}
	var err error
	if c.rules, err = parseBackends(c.section(sectionBackends)); err != nil {
		return nil, fmt.Errorf("%s: %w", sectionBackends, err)
	}
	if c.steps, err = parseRequests(c.section(sectionRequests)); err != nil {
		return nil, fmt.Errorf("%s: %w", sectionRequests, err)
	}
	if seen[sectionDiffers] {
		if c.differs, err = parseDifference(c.section(sectionDiffers)); err != nil {
			return nil, fmt.Errorf("%s: %w", sectionDiffers, err)
		}
	}
	for _, r := range c.rules {
		c.backends = append(c.backends, r.backend)
	}
	for _, s := range c.sections {
		for _, m := range backendName.FindAllStringSubmatch(s.Data, -1) {
			c.backends = append(c.backends, m[1])
		}
	}
	slices.Sort(c.backends)
	c.backends = slices.Compact(c.backends)
	return c, nil
}

func (c *Case) section(name string) string {
	for _, s := range c.sections {
		if s.Name == name {
			return s.Data
		}
	}
	return ""
}

func (c *Case) has(name string) bool {
	return slices.ContainsFunc(c.sections, func(s Section) bool { return s.Name == name })
}

// set replaces a section's text, or puts a new section behind `after`.
func (c *Case) set(name, data, after string) {
	for i := range c.sections {
		if c.sections[i].Name == name {
			c.sections[i].Data = data
			return
		}
	}
	at := slices.IndexFunc(c.sections, func(s Section) bool { return s.Name == after }) + 1
	c.sections = slices.Insert(c.sections, at, Section{name, data})
}

// files are the sections that the server finds below ${DIR}.
func (c *Case) files() []Section {
	var files []Section
	for _, s := range c.sections {
		switch s.Name {
		case sectionConfig, sectionModules, sectionEnvironment, sectionBackends, sectionRequests,
			sectionAnswers, sectionErrorLog, sectionAccessLog, sectionDiffers:
		default:
			files = append(files, s)
		}
	}
	return files
}

// Differs gives the reason why pinion answers otherwise than httpd on purpose,
// or the empty string.
func (c *Case) Differs() string {
	if c.differs == nil {
		return ""
	}
	return c.differs.reason
}

// A difference holds the blocks of the transcript in which pinion is to differ.
type difference struct {
	reason string
	blocks []block
	// refuses is what pinion says when it doesn't take the configuration at all.
	refuses string
}

// A block is what a transcript says of one step, by the step's title line.
type block struct {
	title string
	lines []string
}

func parseDifference(text string) (*difference, error) {
	d := &difference{}
	var rest []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if reason, ok := strings.CutPrefix(line, "#"); ok && len(rest) == 0 {
			d.reason = strings.TrimSpace(d.reason + " " + strings.TrimSpace(reason))
			continue
		}
		if strings.TrimSpace(line) != "" {
			rest = append(rest, line)
		}
	}
	if d.reason == "" {
		return nil, fmt.Errorf("expected the reason in lines that start with #")
	}
	if len(rest) == 1 {
		if text, ok := strings.CutPrefix(rest[0], "refuses "); ok {
			d.refuses = strings.TrimSpace(text)
			return d, nil
		}
	}
	d.blocks = splitBlocks(rest)
	if len(d.blocks) == 0 {
		return nil, fmt.Errorf("expected the answers that pinion gives instead")
	}
	return d, nil
}

// splitBlocks groups the lines of a transcript by step: a title line starts in
// the first column and its lines are indented.
func splitBlocks(lines []string) []block {
	var blocks []block
	for _, line := range lines {
		if !strings.HasPrefix(line, " ") || len(blocks) == 0 {
			blocks = append(blocks, block{title: line})
			continue
		}
		last := &blocks[len(blocks)-1]
		last.lines = append(last.lines, line)
	}
	return blocks
}

// stepName is the part of a title that names the step ("3/2" of "3/2 GET / -> B1 200").
func stepName(title string) string {
	name, _, _ := strings.Cut(title, " ")
	return name
}

// expected is the transcript that a target has to give.
func (c *Case) expected(reference bool) string {
	if reference || c.differs == nil {
		return c.section(sectionAnswers)
	}
	var b strings.Builder
	for _, want := range splitBlocks(strings.Split(strings.TrimRight(c.section(sectionAnswers), "\n"), "\n")) {
		i := slices.IndexFunc(c.differs.blocks, func(d block) bool { return stepName(d.title) == stepName(want.title) })
		if i >= 0 {
			want = c.differs.blocks[i]
		}
		b.WriteString(want.title + "\n")
		for _, line := range want.lines {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
