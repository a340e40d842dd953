package main

import (
	"fmt"
	"os"
	"strings"
)

// withValue are httpd's flags whose value may be glued to them or follow.
const withValue = "fdDcCkeE"

// wantsHelp tells that the arguments ask for help; -h as httpd's, too.
func wantsHelp(args []string) bool {
	for i, a := range args {
		switch {
		case a == "--":
			return false
		case i > 0 && isValueFlag(args[i-1]):
		case a == "--help" || a == "-h" || a == "-?" || a == "help" && i == 0:
			return true
		}
	}
	return false
}

func isValueFlag(a string) bool {
	return len(a) == 2 && a[0] == '-' && strings.IndexByte(withValue, a[1]) >= 0
}

// httpdFlags turns what httpd's getopt takes and kong doesn't into what both take: values glued to their flag.
func httpdFlags(args []string) []string {
	var out []string
	for i, a := range args {
		if i > 0 && isValueFlag(args[i-1]) {
			out = append(out, a)
			continue
		}
		if len(a) > 2 && a[0] == '-' && strings.IndexByte(withValue, a[1]) >= 0 {
			out = append(out, a[:2], strings.TrimPrefix(a[2:], "="))
			continue
		}
		out = append(out, a)
	}
	return out
}

const mainHelp = `pinion runs Apache httpd's configuration files: a reverse proxy and load balancer
whose files you can change while it serves.

  pinion -f httpd.conf          serve it; a change of any of its files is live within a second
  pinion -t -f httpd.conf       check it and say everything that is wrong with it
  pinion demo                   a sticky load balancer with three backends, to play with
  pinion check --offline conf/  check a repository of vhost files, for instance in CI

Which configuration
  -f FILE              the main file (without it: httpd's usual places)
  -d DIR               ServerRoot until the file sets it (default: the file's folder)
  -D NAME              define NAME for <IfDefine NAME>
  -C "directive"       process the directive before the files; -c after them

Running
  -X                   stay in the foreground (pinion does unless -k start is given)
  -k start             run in the background; returns when it serves
  -k graceful|restart  reload the files now (SIGUSR1, SIGHUP); a broken file changes nothing
  -k stop              stop (SIGTERM);  -k graceful-stop: after running requests (SIGWINCH)
  --debounce TIME      how long files must be quiet before a change is taken in (100ms)
  --no-watch           reload by signal only
  --metrics ADDRESS    serve Prometheus metrics at http://ADDRESS/metrics
  -e LEVEL             LogLevel until the file sets it;  -E FILE: write start-up errors there

Looking
  -t                   check the configuration; -t -v with notes on what has no effect
     --strict          warnings fail too;  --format json: diagnostics as data
  -S                   the virtual hosts and the settings of the process
  -M                   the modules;  -l: their files;  -L: every directive with help
  -t -D DUMP_INCLUDES  the files that were read
  -v, -V               the version, and how it was built

Commands
  pinion check [--offline] [--strict] [--format json] PATH…
  pinion demo [--port N]
  pinion help check, pinion help demo

Documentation: docs/ in the source; every directive: pinion -L.
`

const checkHelp = `pinion check [flags] PATH…

Checks configuration files without starting anything. Each file is read as a configuration of its
own; of a folder every file below it that ends in .conf. Every mistake of every file is shown with
file, line, column and what to do. Exit status: 0 well, 1 with an error, 2 for a wrong command line.

  --offline      open no certificate, resolve no name, start no program; a missing Include is a note:
                 for a lone vhost file as it lies in a Git repository, far from its server
  --strict       warnings fail too
  --format json  diagnostics as JSON, for an editor or a review bot
  -d DIR         ServerRoot (default: each file's folder)
  -D NAME        define NAME for <IfDefine NAME>
  -v             notes too: what is accepted without effect

  pinion check --offline --strict sites/     # one line in a pipeline
`

const demoHelp = `pinion demo [--port N]

Runs three sample backends and, in front of them, a balancer with sticky sessions (cookie ROUTEID, at /),
all in one process on 127.0.0.1. It writes the configuration it runs to a temporary file and says where:
edit the file while it runs and see the reload. Ctrl-C ends it and removes the file.

  --port N   the address to take (default 8080, another when that is taken)
`

func printHelp(args []string) (status int) {
	text := mainHelp
	for i, a := range args {
		switch {
		case a == "check":
			text = checkHelp
		case a == "demo":
			text = demoHelp
		case i == 1 && args[0] == "help" && a != "help" && !strings.HasPrefix(a, "-"):
			fmt.Fprintf(os.Stderr, "pinion: no help on %q\nTry 'pinion help', 'pinion help check' or 'pinion help demo'.\n", a)
			return 2
		}
	}
	fmt.Print(text)
	return 0
}
