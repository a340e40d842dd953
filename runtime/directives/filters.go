package directives

import (
	"strings"

	"pinion/runtime"
)

// compressors are the output filters that pinion can do without: answers are the same, only longer.
var compressors = map[string]bool{"DEFLATE": true, "BROTLI_COMPRESS": true}

// outputFilters compiles SetOutputFilter and AddOutputFilterByType, whose first argument names filters: a filter that
// compresses is left out, any other would change what clients get.
func outputFilters(c *runtime.Cmd) error {
	for _, f := range strings.Split(c.Arg(0), ";") {
		if f != "" && !compressors[strings.ToUpper(f)] {
			return runtime.WithDetail(c.ArgErrorf(0, "unsupported-directive", "the filter %s is not supported", f),
				"pinion has no named filters; let the backend do it")
		}
	}
	c.Notef("no-effect", "responses are not compressed by pinion yet: %s has no effect", c.Node.Name)
	return nil
}
