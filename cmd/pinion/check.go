package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
)

// checkCmd is pinion check.
type checkCmd struct {
	Paths   []string `arg:"" name:"path"`
	Offline bool     ``
	Root    string   `short:"d"`
	Define  []string `short:"D" sep:"none"`
	Strict  bool     ``
	Notes   bool     `short:"v"`
	Format  string   `enum:"text,json" default:"text"`
}

// Run checks each file by itself, and of a folder every file that ends in .conf.
func (c *checkCmd) Run() error {
	var files []string
	for _, p := range c.Paths {
		found, err := configFiles(p)
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("expected files that end in .conf, found none in %s", strings.Join(c.Paths, ", "))
	}
	var all parser.Diagnostics
	sources := map[string][]byte{}
	for _, f := range files {
		l := c.check(f)
		for _, d := range l.Diags {
			if d.Severity != parser.Note || c.Notes {
				all = append(all, d)
				if l.Tree != nil {
					sources[d.Place.File] = l.Tree.Source(d.Place.File)
				}
			}
		}
	}
	errors, warnings := all.Count(parser.Error), all.Count(parser.Warning)
	if c.Format == "json" {
		_ = parser.WriteJSON(os.Stdout, all)
	} else {
		_ = parser.WriteText(os.Stderr, all, parser.TextOptions{Color: isTerminal(os.Stderr), Source: func(f string) []byte { return sources[f] }})
		fmt.Printf("%s checked: %s, %s\n", count(len(files), "file"), count(errors, "error"), count(warnings, "warning"))
	}
	if errors > 0 || c.Strict && warnings > 0 {
		return errReported
	}
	return nil
}

func (c *checkCmd) check(file string) *reload.Loaded {
	root := c.Root
	if root == "" {
		root = filepath.Dir(file)
	}
	s := reload.Source{Path: file, Modules: all.Modules(), Offline: c.Offline, Test: true,
		Parse: parser.Options{ServerRoot: root, Defines: c.Define}}
	l := s.Load(runtime.NewState())
	if l.Graph != nil {
		l.Graph.Retire()
	}
	return l
}

func configFiles(path string) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return []string{abs}, nil
	}
	var files []string
	err = filepath.WalkDir(abs, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(p, ".conf") {
			files = append(files, p)
		}
		return nil
	})
	sort.Strings(files)
	return files, err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
