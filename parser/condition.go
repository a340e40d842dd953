package parser

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"pinion/grammar"
)

// condition makes a section of a test of its first word, which a "!" in front reverses.
func condition(test func(*loader, string) bool) func(*loader, *entry) {
	return func(l *loader, e *entry) {
		raw, not := strings.CutPrefix(e.line.Raw, "!")
		words := e.line.Args
		if not {
			words = grammar.SplitArgs(raw)
		}
		if len(words) == 0 || words[0].Text == "" {
			l.say(Error, e, e.line.Range, "wrong-arguments", "", "<%s> requires an argument, found none", e.line.Name.Text)
			l.skip(e)
			return
		}
		if test(l, words[0].Text) != not {
			l.enter(e)
		} else {
			l.skip(e)
		}
	}
}

func (l *loader) ifDefine(name string) bool { return l.defines[name] }

// ifModule is true for a module that there is and, as in httpd, that a LoadModule before has loaded. A configuration
// without LoadModule, as one written for pinion, has all modules.
func (l *loader) ifModule(name string) bool {
	if l.o.Modules == nil || !l.o.Modules(name) {
		return false
	}
	return len(l.loaded) == 0 || l.o.Static == nil || l.o.Static(name) || l.loaded[name]
}

// loadModule notes both names of a module: "ssl_module" and, of modules/mod_ssl.so, "mod_ssl.c".
func (l *loader) loadModule(args []string) {
	if len(args) != 2 {
		return
	}
	l.effect("LoadModule", args...)
	if l.loaded == nil {
		l.loaded = map[string]bool{}
	}
	l.loaded[args[0]] = true
	l.loaded[strings.TrimSuffix(path.Base(args[1]), ".so")+".c"] = true
}

func (l *loader) ifFile(name string) bool {
	path := l.absolute(name)
	l.watch(path)
	l.spoil()
	_, err := l.fs.Stat(path)
	return err == nil
}

func (l *loader) ifDirective(name string) bool {
	d := l.lookup(name, false).def
	return d != nil && !d.Section && d.Unsupported == ""
}

func (l *loader) ifSection(name string) bool {
	d := l.lookup(name, true).def
	return d != nil && d.Section && d.Unsupported == ""
}

// Version is the version of httpd whose configuration is spoken here, which <IfVersion> compares with.
const Version = "2.4.71"

// ifVersion works off <IfVersion>.
func (l *loader) ifVersion(e *entry) {
	yes, problem := testVersion(e.texts())
	if problem != "" {
		l.say(Error, e, e.line.Range, "bad-version", "write <IfVersion >= 2.4.10>", "%s", problem)
		l.skip(e)
		return
	}
	if yes {
		l.enter(e)
	} else {
		l.skip(e)
	}
}

// testVersion evaluates [[!]operator] version, and returns what is wrong with it.
func testVersion(args []string) (yes bool, problem string) {
	op, version := "=", ""
	switch len(args) {
	case 1:
		version = args[0]
	case 2, 3: // what follows the version is ignored
		op, version = args[0], args[1]
	}
	if version == "" {
		return false, "<IfVersion> takes an operator and a version, found " + strconv.Itoa(len(args)) + " arguments"
	}
	written := op
	op, not := strings.CutPrefix(op, "!")
	if op == "" && not {
		op = "!"
	}
	switch op {
	case "=", "==":
		pattern, isPattern := strings.CutPrefix(version, "/")
		if !isPattern {
			c, problem := compareVersion(version)
			return (c == 0) != not, problem
		}
		pattern, closed := strings.CutSuffix(pattern, "/")
		if !closed {
			return false, "expected a / at the end of the regular expression"
		}
		m, problem := matchVersion(pattern)
		return m != not, problem
	case "~":
		m, problem := matchVersion(version)
		return m != not, problem
	case "<", "<=":
		c, problem := compareVersion(version)
		return (c < 0 || c == 0 && op == "<=") != not, problem
	case ">", ">=":
		c, problem := compareVersion(version)
		return (c > 0 || c == 0 && op == ">=") != not, problem
	}
	return false, "unrecognized operator " + strconv.Quote(clip(written))
}

// compareVersion compares Version with a version of one to three numbers; a number after a dot may be missing.
func compareVersion(with string) (int, string) {
	var want [3]int
	parts := strings.Split(with, ".")
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 31)
		if i >= len(want) || err != nil && (p != "" || i == 0) {
			return 0, "expected a version major[.minor[.patch]] of numbers, found " + strconv.Quote(clip(with))
		}
		want[i] = int(n)
	}
	for i, v := range strings.Split(Version, ".") {
		if have, _ := strconv.Atoi(v); have != want[i] {
			return have - want[i], ""
		}
	}
	return 0, ""
}

func matchVersion(pattern string) (bool, string) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return false, "unable to compile regular expression: " + err.Error()
	}
	return re.MatchString(Version), ""
}
