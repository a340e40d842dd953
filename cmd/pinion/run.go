package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
)

// errReported is a failure that has been told already.
var errReported = errors.New("already reported")

// runCmd is what pinion does without a command: httpd's flags.
type runCmd struct {
	File     string        `short:"f"`
	Root     string        `short:"d"`
	Define   []string      `short:"D" sep:"none"`
	Before   []string      `short:"C" sep:"none"`
	After    []string      `short:"c" sep:"none"`
	Control  string        `short:"k" enum:",start,restart,graceful,graceful-stop,stop" default:""`
	Test     bool          `short:"t"`
	VHosts   bool          `short:"S"`
	Lists    bool          `short:"L"`
	Compiled bool          `short:"l"`
	Loaded   bool          `short:"M"`
	Version  bool          `short:"v"`
	Build    bool          `short:"V"`
	Single   bool          `short:"X"`
	Level    string        `short:"e"`
	StartLog string        `short:"E"`
	NoDocs   bool          `short:"T"`
	Format   string        `enum:"text,json" default:"text"`
	Strict   bool          ``
	Debounce time.Duration `default:"100ms"`
	NoWatch  bool          ``
	Metrics  string        ``
}

// Run does what the flags say.
func (c *runCmd) Run() error {
	if _, ok := runtime.ParseLevel(c.Level); c.Level != "" && !ok {
		return usageError(fmt.Sprintf("-e must be a LogLevel, from emerg to trace8, found %q", c.Level))
	}
	if c.StartLog != "" {
		if err := redirectStderr(c.StartLog); err != nil {
			return err
		}
	}
	switch {
	case c.Version && !c.Test:
		printVersion()
		return nil
	case c.Build:
		return printBuild(c)
	case c.Lists:
		return printDirectives(os.Stdout)
	case c.Compiled:
		printCompiled(os.Stdout)
		return nil
	}
	path, err := c.configPath()
	if err != nil {
		return err
	}
	dump := c.dumps()
	switch {
	case c.Test || len(dump) > 0:
		return c.test(path, dump)
	case c.Control != "" && c.Control != "start":
		if done, err := control(c.source(path), c.Control); done {
			return err
		}
		return c.start(path)
	case c.Control == "start" && !c.foreground():
		return c.start(path)
	}
	return c.serve(path)
}

// foreground tells that the process is to stay: -X, or one of the names by which httpd is told so in containers and units.
func (c *runCmd) foreground() bool {
	return c.Single || slices.ContainsFunc(c.Define, func(name string) bool {
		return name == "FOREGROUND" || name == "NO_DETACH" || name == "ONE_PROCESS" || name == "DEBUG"
	})
}

// redirectStderr is -E: what is said from now on until the error log is open goes to the file.
func redirectStderr(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("could not open the file of -E: %w", err)
	}
	defer f.Close()
	return unix.Dup3(int(f.Fd()), 2, 0)
}

// dumps are what -S, -M and -t -D DUMP_… ask to see.
func (c *runCmd) dumps() map[string]bool {
	d := map[string]bool{}
	if c.VHosts {
		d["DUMP_VHOSTS"], d["DUMP_RUN_CFG"] = true, true
	}
	if c.Loaded {
		d["DUMP_MODULES"] = true
	}
	for _, name := range c.Define {
		if strings.HasPrefix(name, "DUMP_") {
			d[name] = true
		}
	}
	return d
}

// usualPaths are where distributions keep httpd's main file.
var usualPaths = []string{"/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf", "/etc/apache2/httpd.conf"}

func (c *runCmd) configPath() (string, error) {
	if c.File != "" {
		if !filepath.IsAbs(c.File) && c.Root != "" {
			return filepath.Abs(filepath.Join(c.Root, c.File))
		}
		return filepath.Abs(c.File)
	}
	paths := usualPaths
	if c.Root != "" {
		paths = []string{filepath.Join(c.Root, "conf/httpd.conf"), filepath.Join(c.Root, "apache2.conf"), filepath.Join(c.Root, "httpd.conf")}
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("expected a configuration file, found none at %s\nName one with -f FILE, or try 'pinion demo'", strings.Join(paths, ", "))
}

func (c *runCmd) source(path string) reload.Source {
	root := c.Root
	if root == "" {
		root = filepath.Dir(path)
	}
	before := c.Before
	if c.Level != "" {
		before = append([]string{"LogLevel " + c.Level}, before...)
	}
	return reload.Source{Path: path, Modules: all.Modules(), Parse: parser.Options{
		ServerRoot: root, Defines: c.Define, Before: before, After: c.After, Cache: &parser.Cache{},
	}}
}

// serve runs the configuration in the foreground until a signal ends it.
func (c *runCmd) serve(path string) error {
	defer goruntime.KeepAlive(ballast())
	s := reload.New(c.source(path))
	s.Debounce = c.Debounce
	if c.NoWatch {
		s.Debounce = -1
	}
	exporter, err := listenMetrics(c.Metrics)
	if err != nil {
		return err
	}
	defer exporter.close()
	var pid pidFile
	s.Admit = func(l *reload.Loaded) error {
		file := pidPath(l.Tree, path)
		if other, _ := running(file); other != 0 {
			return fmt.Errorf("already running as process %d, says %s\nEnd it with -k stop, let it read its files again with -k graceful, or give this one a PidFile of its own", other, file)
		}
		return nil
	}
	s.Report = func(l *reload.Loaded, st *reload.Status) {
		reportMetrics(st)
		if st.Reason == "start" {
			printDiagnostics(os.Stderr, "text", l, false)
		}
		if st.Success {
			pid.move(pidPath(l.Tree, path))
		}
	}
	s.Ready = func(addresses []net.Addr) {
		fmt.Fprintf(os.Stderr, "pinion: serving %s on %s (pid %d)\n", path, joinAddresses(addresses), os.Getpid())
		exporter.serve(s.Engine())
		notifyReady(c.StartLog != "")
	}
	defer pid.remove()
	return reported(runWithSignals(s))
}

// runWithSignals runs the supervisor under httpd's signals: HUP and USR1 reload, TERM and INT stop, WINCH stops
// after running requests have ended.
func runWithSignals(s *reload.Supervisor) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT)
	if !anyTerminal() {
		// A terminal sends it to whom it belongs at each change of its size.
		signal.Notify(signals, syscall.SIGWINCH)
	}
	defer signal.Stop(signals)
	// Without a taker, a reader of standard error that goes away would end the process at its next word.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan reload.Stop)
	go func() {
		stops, graceful := 0, false
		for {
			var sig os.Signal
			select {
			case sig = <-signals:
			case <-ctx.Done():
				return
			}
			end := reload.Stop{Grace: promptStop}
			switch {
			case (sig == syscall.SIGHUP || sig == syscall.SIGUSR1) && stops > 0:
				continue
			case sig == syscall.SIGHUP || sig == syscall.SIGUSR1:
				s.Reload(ctx, "signal", true)
				continue
			case sig == syscall.SIGWINCH && stops > 0:
				continue
			case sig == syscall.SIGWINCH:
				end.GraceOf = gracefulStop
			case stops > 0 && !graceful:
				end.Grace = 0 // who says it twice does not want to wait
			}
			stops, graceful = stops+1, sig == syscall.SIGWINCH
			select {
			case stop <- end:
			case <-ctx.Done():
				return
			}
		}
	}()
	return s.Run(ctx, stop)
}

// promptStop is how long running requests may take after a TERM: httpd's children get some ten seconds.
const promptStop = 3 * time.Second

// gracefulStop is GracefulShutdownTimeout; 0, as without it, is as long as they like.
func gracefulStop(g *runtime.Graph) time.Duration {
	if v := g.Process["gracefulshutdowntimeout"]; len(v) > 0 {
		if n, err := strconv.Atoi(v[0]); err == nil && n > 0 {
			return time.Duration(n) * time.Second
		}
	}
	return math.MaxInt64
}

func anyTerminal() bool {
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			return true
		}
	}
	return false
}

// reported tells of a configuration's errors only that there are some: the diagnostics have been printed.
func reported(err error) error {
	var bad *reload.ErrConfig
	if errors.As(err, &bad) {
		return errReported
	}
	return err
}

func joinAddresses(addresses []net.Addr) string {
	var names []string
	for _, a := range addresses {
		names = append(names, a.String())
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
