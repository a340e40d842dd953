// Command conformance records what httpd answers in the cases of
// testdata/conformance and replays them against another server.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"pinion/cmd/conformance/casefile"
)

const usage = `usage: conformance record [-dir D] [-j N] [CASE…]
       conformance replay [-dir D] [-j N] [--target 'COMMAND {conf}' | --target httpd] [CASE…]

A CASE is the path of a file or its name without .txtar; none means all.`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("expected record or replay\n%s", usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	dir := flags.String("dir", "testdata/conformance", "folder of the cases")
	jobs := flags.Int("j", 2, "cases at a time")
	command := flags.String("target", "./pinion -f {conf}", "command line of the server, or httpd")
	flags.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	cases, err := load(*dir, flags.Args())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch args[0] {
	case "record":
		return each(ctx, cases, *jobs, "recorded", func(c *casefile.Case) (string, error) { return "", c.Record(ctx) })
	case "replay":
		target, err := casefile.ParseTarget(*command)
		if err != nil {
			return err
		}
		return each(ctx, cases, *jobs, "same", func(c *casefile.Case) (string, error) { return c.Replay(ctx, target) })
	default:
		return fmt.Errorf("expected record or replay, found %q\n%s", args[0], usage)
	}
}

func load(dir string, names []string) ([]*casefile.Case, error) {
	if len(names) == 0 {
		return casefile.LoadDir(dir)
	}
	var cases []*casefile.Case
	for _, name := range names {
		if _, err := os.Stat(name); err != nil {
			name = filepath.Join(dir, name+".txtar")
		}
		c, err := casefile.Load(name)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// each runs all cases, prints those that aren't good and the sum of all.
func each(ctx context.Context, cases []*casefile.Case, jobs int, good string, do func(*casefile.Case) (string, error)) error {
	var (
		wait          sync.WaitGroup
		mu            sync.Mutex
		failed, wrong int
	)
	slots := make(chan struct{}, max(jobs, 1))
	for _, c := range cases {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			diff, err := do(c)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed++
				fmt.Printf("--- %s: error: %v\n", c.Name, err)
			case diff != "":
				wrong++
				fmt.Printf("--- %s (- recorded, + found)\n%s", c.Name, diff)
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted")
	}
	fmt.Printf("%d cases: %d %s, %d differ, %d failed\n", len(cases), len(cases)-wrong-failed, good, wrong, failed)
	if wrong+failed > 0 {
		return fmt.Errorf("%d of %d cases failed or differ", wrong+failed, len(cases))
	}
	return nil
}
