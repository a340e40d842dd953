// Command gendocs writes docs/directives.md from the modules' tables of directives. Run it at the top of the repository.
// With -check it only tells, by its exit status, whether the file is up to date.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/all"
)

const path = "docs/directives.md"

func main() {
	check := flag.Bool("check", false, "exit 1 if the file is not up to date; write nothing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	text := page(append(parser.Own(), runtime.Shapes(all.Modules())...), files())
	if !check {
		return os.WriteFile(path, text, 0o644)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s is out of date: run 'make generate'", path)
	}
	return nil
}

// files names each module's file, as in <IfModule mod_headers.c>.
func files() map[string]string {
	m := map[string]string{}
	for _, module := range all.Modules() {
		m[module.Name] = module.File
	}
	return m
}
