// Command pinion is a reverse proxy and load balancer that runs Apache httpd's configuration files.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

// cli is the command line: httpd's flags, so that scripts and units go on working, and pinion's own commands.
type cli struct {
	Run   runCmd   `cmd:"" default:"withargs" hidden:""`
	Check checkCmd `cmd:"" help:"Check configuration files and folders of them; nothing is started."`
	Demo  demoCmd  `cmd:"" help:"Run a sticky load balancer with three sample backends, to play with."`
}

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
		printHelp(os.Stdout, args)
		return 0
	}
	ctx, err := parser.Parse(httpdFlags(args))
	if err != nil {
		fmt.Fprintf(os.Stderr, "pinion: %v\nTry 'pinion --help'.\n", err)
		return 2
	}
	if err := ctx.Run(); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "pinion:", err)
		}
		return 1
	}
	return 0
}
