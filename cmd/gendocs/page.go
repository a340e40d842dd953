package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pinion/parser"
)

const intro = `<!-- Written by cmd/gendocs from the modules' tables: change those, then run "make generate". -->
# Directives

Every directive of httpd 2.4, those that it has dropped and those of well-known modules by others are each one of three things to
pinion. None is skipped in silence:

| | | |
| --- | --- | --- |
| implemented | %d | does what it does in httpd; what differs on purpose stands in [differences](differences.md) |
| without effect | %d | accepted, because it tunes something that pinion doesn't have; ` + "`pinion -t -v`" + ` names each that it meets |
| unsupported | %d | an error that says what to use instead |

"Where" names the sections a directive may stand in. *everywhere* is the server's configuration, virtual hosts and every
section; *sections* are ` + "`<Directory>`, `<Location>`, `<Files>`, `<If>`, `<Proxy>`, `<Limit>`" + ` and their like. pinion reads no .htaccess files.
The same from the command line: ` + "`pinion -L`" + `.
`

// page lays the document out: first the modules that pinion has, each with all of its directives, then the others.
func page(directives []*parser.Directive, files map[string]string) []byte {
	modules := map[string][]*parser.Directive{}
	counts := map[class]int{}
	for _, d := range directives {
		modules[d.Module] = append(modules[d.Module], d)
		counts[classOf(d)]++
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, intro, counts[implemented], counts[noEffect], counts[unsupported])
	var absent []string
	for _, name := range slices.SortedFunc(maps.Keys(modules), coreFirst) {
		rows := modules[name]
		if !slices.ContainsFunc(rows, func(d *parser.Directive) bool { return classOf(d) == implemented }) {
			absent = append(absent, name)
			continue
		}
		title := name
		if f := files[name]; f != "" && name != "core" {
			title = fmt.Sprintf("%s (%s)", strings.TrimSuffix(f, ".c"), name)
		}
		fmt.Fprintf(&out, "\n## %s\n\n| directive | where | |\n| --- | --- | --- |\n", title)
		sortRows(rows)
		for _, d := range rows {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", usage(d), where(d.In), describe(d))
		}
	}
	var bare []string
	for name := range files {
		if modules[name] == nil && files[name] != "" {
			bare = append(bare, strings.TrimSuffix(files[name], ".c"))
		}
	}
	slices.Sort(bare)
	if len(bare) > 0 {
		fmt.Fprintf(&out, "\n## Modules without directives of their own\n\n%s\n", text(strings.Join(bare, ", ")))
	}
	out.WriteString("\n## Modules that pinion doesn't have\n\n| module | directives | |\n| --- | --- | --- |\n")
	for _, name := range absent {
		writeAbsent(&out, name, modules[name])
	}
	return out.Bytes()
}

// writeAbsent writes a line for each thing that there is to say of a module's directives.
func writeAbsent(out *bytes.Buffer, module string, rows []*parser.Directive) {
	sortRows(rows)
	var order []string
	names := map[string][]string{}
	for _, d := range rows {
		text := describe(d)
		if names[text] == nil {
			order = append(order, text)
		}
		names[text] = append(names[text], code(title(d)))
	}
	for _, text := range order {
		fmt.Fprintf(out, "| %s | %s | %s |\n", module, strings.Join(names[text], ", "), text)
	}
}

type class int

const (
	implemented class = iota
	noEffect
	unsupported
)

func classOf(d *parser.Directive) class {
	switch {
	case d.Unsupported != "":
		return unsupported
	case d.NoEffect != "":
		return noEffect
	}
	return implemented
}

func sortRows(rows []*parser.Directive) {
	slices.SortStableFunc(rows, func(a, b *parser.Directive) int {
		return cmp.Or(cmp.Compare(classOf(a), classOf(b)), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)))
	})
}

func coreFirst(a, b string) int {
	if (a == "core") != (b == "core") {
		if a == "core" {
			return -1
		}
		return 1
	}
	return cmp.Compare(a, b)
}

func title(d *parser.Directive) string {
	if d.Section {
		return "<" + d.Name + ">"
	}
	return d.Name
}

// usage is the directive with its arguments.
func usage(d *parser.Directive) string {
	if d.Syntax == "" {
		return code(title(d))
	}
	if d.Section {
		return code("<" + d.Name + " " + d.Syntax + ">")
	}
	return code(d.Name + " " + d.Syntax)
}

func describe(d *parser.Directive) string {
	switch classOf(d) {
	case noEffect:
		return "*Without effect:* " + text(d.NoEffect)
	case unsupported:
		return "*Unsupported:* " + text(d.Unsupported)
	}
	return text(d.Help)
}

// code is s as code in a cell of a table.
func code(s string) string { return "`" + strings.ReplaceAll(s, "|", `\|`) + "`" }

// text is s as running text in a cell of a table.
func text(s string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`).Replace(s)
}

// where is shorter than the context's own words, and leaves .htaccess out, which pinion doesn't read.
func where(c parser.Context) string {
	c &^= parser.HTAccess
	var words []string
	take := func(all parser.Context, word string) {
		if c&all == all {
			c &^= all
			words = append(words, word)
		}
	}
	take(parser.Anywhere, "everywhere")
	take(parser.InDir, "sections")
	if c != 0 {
		words = append(words, text(c.String()))
	}
	return strings.Join(words, ", ")
}
