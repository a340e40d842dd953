package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
	"pinion/runtime/errorlog"
)

// version is the program's; a release sets it by -ldflags "-X main.version=…".
var version = "0.1.0-dev"

func printVersion() {
	fmt.Printf("Server version: pinion/%s (runs Apache/2.4.71 configurations)\nServer built:   %s\n", version, built())
}

func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			return s.Value
		}
	}
	return "without a record of its commit"
}

func printBuild(c *runCmd) error {
	printVersion()
	fmt.Printf("Go:             %s %s/%s, GOMAXPROCS %d\n", goruntime.Version(), goruntime.GOOS, goruntime.GOARCH, goruntime.GOMAXPROCS(0))
	path, err := c.configPath()
	if err != nil {
		path = "none found"
	}
	fmt.Printf("Server MPM:     none: a goroutine for each connection\n -D SERVER_CONFIG_FILE=%q\n", path)
	return nil
}

func printCompiled(w io.Writer) {
	fmt.Fprintln(w, "Compiled in modules:")
	for _, m := range fileNames() {
		fmt.Fprintf(w, "  %s\n", m)
	}
}

func fileNames() (names []string) {
	seen := map[string]bool{}
	for _, m := range all.Modules() {
		if !seen[m.File] {
			seen[m.File] = true
			names = append(names, m.File)
		}
	}
	return names
}

func printModules(w io.Writer) {
	fmt.Fprintln(w, "Loaded Modules:")
	seen := map[string]bool{}
	for _, m := range all.Modules() {
		name := m.Name
		if name == "core" {
			name = "core_module"
		}
		if !seen[name] {
			seen[name] = true
			fmt.Fprintf(w, " %s (static)\n", name)
		}
	}
}

// printDirectives is -L: every directive with its module, help and contexts.
func printDirectives(out io.Writer) error {
	w := bufio.NewWriter(out)
	shapes := append(parser.Own(), runtime.Shapes(all.Modules())...)
	sort.SliceStable(shapes, func(i, j int) bool { return shapes[i].Module < shapes[j].Module })
	for _, d := range shapes {
		if d.Unsupported != "" {
			continue
		}
		name := d.Name
		if d.Section {
			name = "<" + name
		}
		fmt.Fprintf(w, "%s (%s)\n\t%s\n", name, d.Module, d.Help)
		if d.NoEffect != "" {
			fmt.Fprintf(w, "\tAccepted without effect: %s\n", d.NoEffect)
		}
		fmt.Fprintf(w, "\tAllowed in %s\n", d.In)
	}
	return w.Flush()
}

// test is -t, and whatever is to be dumped with it.
func (c *runCmd) test(path string, dump map[string]bool) error {
	source := c.source(path)
	source.Test = true
	l := source.Load(runtime.NewState())
	printDiagnostics(os.Stderr, c.Format, l, c.Version)
	if l.Graph == nil || c.Strict && l.Diags.Count(parser.Warning) > 0 {
		return errReported
	}
	defer l.Graph.Retire()
	if dump["DUMP_VHOSTS"] {
		l.Graph.DumpVHosts(os.Stdout)
	}
	if dump["DUMP_RUN_CFG"] {
		dumpRun(l, path)
	}
	if dump["DUMP_MODULES"] {
		printModules(os.Stdout)
	}
	if dump["DUMP_INCLUDES"] {
		fmt.Println("Included configuration files:")
		// In httpd's format, which certbot and others read.
		for _, f := range l.Tree.Included {
			line := "*"
			if f.Line > 0 {
				line = strconv.Itoa(f.Line)
			}
			fmt.Printf("%*s(%s) %s\n", 2+2*f.Depth, "", line, f.File)
		}
	}
	if len(dump) == 0 && c.Format == "text" {
		fmt.Fprintln(os.Stderr, "Syntax OK")
	}
	return nil
}

func dumpRun(l *reload.Loaded, path string) {
	fmt.Printf("ServerRoot: %q\nMain DocumentRoot: %q\n", l.Tree.ServerRoot, l.Graph.Main.DocRoot.Or(""))
	if name := errorlog.File(l.Graph.Main); name != "" {
		if name[0] != '|' && !strings.HasPrefix(name, "syslog") && !filepath.IsAbs(name) {
			name = filepath.Join(l.Tree.ServerRoot, name)
		}
		fmt.Printf("Main ErrorLog: %q\n", name)
	}
	fmt.Printf("PidFile: %q\n", pidPath(l.Tree, path))
	var names []string
	for n := range l.Tree.Defines {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if v := l.Tree.Defines[n]; v != "" {
			fmt.Printf("Define: %s=%s\n", n, v)
		} else {
			fmt.Printf("Define: %s\n", n)
		}
	}
	for _, what := range []string{"User", "Group"} {
		if v := l.Graph.Process[strings.ToLower(what)]; len(v) > 0 {
			fmt.Printf("%s: name=%q%s\n", what, v[0], number(what, v[0]))
		}
	}
}

// number is the number of a user or group as -S shows it.
func number(what, name string) string {
	if n, ok := strings.CutPrefix(name, "#"); ok {
		return " id=" + n
	}
	if what == "User" {
		if u, err := user.Lookup(name); err == nil {
			return " id=" + u.Uid
		}
	} else if g, err := user.LookupGroup(name); err == nil {
		return " id=" + g.Gid
	}
	return ""
}

// printDiagnostics writes what a load had to say; notes only when asked for.
func printDiagnostics(f *os.File, format string, l *reload.Loaded, notes bool) {
	var show parser.Diagnostics
	for _, d := range l.Diags {
		if d.Severity != parser.Note || notes {
			show = append(show, d)
		}
	}
	if format == "json" {
		_ = parser.WriteJSON(os.Stdout, show)
		return
	}
	more := map[string]int{}
	if !notes {
		show, more = fold(show)
	}
	var source func(string) []byte
	if l.Tree != nil {
		source = l.Tree.Source
	}
	_ = parser.WriteText(f, show, parser.TextOptions{Color: isTerminal(f), Source: source})
	for _, code := range slices.Sorted(maps.Keys(more)) {
		fmt.Fprintf(f, "… and %s more like these [%s]; -t -v shows all\n", count(more[code], "warning"), code)
	}
}

// maxAlike is how many warnings of one kind are shown: ten thousand virtual hosts made by one template make each of
// its warnings ten thousand times.
const maxAlike = 10

// fold leaves out what is beyond the first warnings of each code, and counts it.
func fold(all parser.Diagnostics) (show parser.Diagnostics, more map[string]int) {
	seen, more := map[string]int{}, map[string]int{}
	for _, d := range all {
		if d.Severity == parser.Warning {
			if seen[d.Code]++; seen[d.Code] > maxAlike {
				more[d.Code]++
				continue
			}
		}
		show = append(show, d)
	}
	return show, more
}

func isTerminal(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || strings.HasPrefix(os.Getenv("TERM"), "dumb") {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
