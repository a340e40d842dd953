// Command pinion is a reverse proxy and load balancer that runs Apache httpd's configuration files.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the command line: httpd's flags, so that scripts and units go on working, and pinion's own commands.
type cli struct {
	Run   runCmd   `cmd:"" default:"withargs" hidden:""`
	Check checkCmd `cmd:"" help:"Check configuration files and folders of them; nothing is started."`
	Demo  demoCmd  `cmd:"" help:"Run a sticky load balancer with three sample backends, to play with."`
}

// shortNames gives the flags the names in messages that people know them by.
var shortNames = strings.NewReplacer("--file", "-f", "--root", "-d", "--define", "-D", "--before", "-C", "--after", "-c",
	"--control", "-k", "--level", "-e", "--start-log", "-E", `"",`, "")

func wrongLine(err error) (status int) {
	fmt.Fprintf(os.Stderr, "pinion: %s\nTry 'pinion --help'.\n", shortNames.Replace(err.Error()))
	return 2
}

// usageError is a command line that can't be meant.
type usageError string

// Error implements error.
func (e usageError) Error() string { return string(e) }

func main() { os.Exit(run(os.Args[1:])) }

// run is main with the exit status as its result: 0 is well, 1 a failure, 2 a wrong command line.
func run(args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("pinion"), kong.NoDefaultHelp(), kong.WithHyphenPrefixedParameters(true))
	if err != nil {
		fmt.Fprintln(os.Stderr, "pinion:", err)
		return 2
	}
	if wantsHelp(args) {
		return printHelp(args)
	}
	args = httpdFlags(args)
	if n := len(args); n > 0 && isValueFlag(args[n-1]) && (n == 1 || !isValueFlag(args[n-2])) {
		return wrongLine(fmt.Errorf("expected a value after %s", args[n-1]))
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return wrongLine(err)
	}
	if err := ctx.Run(); err != nil {
		var usage usageError
		if errors.As(err, &usage) {
			return wrongLine(err)
		}
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "pinion:", err)
		}
		return 1
	}
	return 0
}
