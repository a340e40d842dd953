package headers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"pinion/grammar"
	"pinion/runtime"
)

// null is what httpd writes for a variable that isn't set.
const null = "(null)"

// formatItem compiles one item of a format.
func formatItem(item *grammar.FormatItem) (func(*runtime.Request) string, error) {
	name := item.Arg
	switch item.Op {
	case "":
		text := item.Literal
		return func(*runtime.Request) string { return text }, nil
	case "e":
		return func(r *runtime.Request) string {
			if v, ok := r.Env.Lookup(name); ok {
				return unwrap(v)
			}
			return null
		}, nil
	case "s":
		return sslItem(name), nil
	case "t":
		return func(r *runtime.Request) string { return "t=" + strconv.FormatInt(r.Time.UnixMicro(), 10) }, nil
	case "D":
		return func(r *runtime.Request) string {
			return "D=" + strconv.FormatInt(time.Since(r.Time).Microseconds(), 10)
		}, nil
	case "l":
		return func(*runtime.Request) string { return "l=" + loadAverage() }, nil
	// httpd counts idle and busy threads of a fixed number. Here a connection takes no thread from another one.
	case "i":
		return func(*runtime.Request) string { return "i=100" }, nil
	case "b":
		return func(*runtime.Request) string { return "b=0" }, nil
	}
	return nil, fmt.Errorf("unrecognized header format %%%s", item.Op)
}

func sslItem(name string) func(*runtime.Request) string {
	get, known := runtime.LookupSSL(name)
	if !known {
		return func(*runtime.Request) string { return null }
	}
	return func(r *runtime.Request) string {
		if v := get(r); v != "" {
			return unwrap(v)
		}
		return null
	}
}

// unwrap turns line breaks, which would end a header, into blanks.
func unwrap(s string) string {
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(s)
}

// loadAverage is the machine's load over 1, 5 and 15 minutes; zeros where it can't be had.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return "0.00/0.00/0.00"
	}
	return strings.Join(f[:3], "/")
}
