// Package substitute is mod_substitute: the output filter SUBSTITUTE, which changes the text of answers line by line.
package substitute

import (
	"slices"
	"strconv"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// Module is substitute_module.
var Module = runtime.Define(runtime.Module{Name: "substitute_module", File: "mod_substitute.c", MergeDir: runtime.Merger(merge)})

const anywhere = parser.Anywhere | parser.HTAccess // httpd's OR_FILEINFO

func init() {
	Module.Directives = []runtime.Directive{
		{Name: "Substitute", Args: parser.Take1, In: anywhere, Syntax: "s/pattern/replacement/[infq]",
			Help: "What is replaced in each line; needs the filter SUBSTITUTE", Set: setPattern},
		{Name: "SubstituteMaxLineLength", Args: parser.Take1, In: anywhere, Syntax: "bytes[b|k|m|g]",
			Help: "How long a line may be; an answer with a longer one fails", Set: setMaxLine},
		{Name: "SubstituteInheritBefore", Args: parser.Flag, In: anywhere, Syntax: "On|Off",
			Help: "Whether the patterns of outer sections come first", Set: func(c *runtime.Cmd) error {
				runtime.OwnDirConf[config](c.Dir, Module).inheritBefore = runtime.Some(c.Flag())
				return nil
			}},
	}
	Module.OutputFilters = []runtime.OutputFilter{{Name: "SUBSTITUTE", Place: runtime.ResourceFilter, Insert: insert}}
}

const defaultMaxLine = 1 << 20

// config is one section's directives.
type config struct {
	patterns      []*pattern
	maxLine       runtime.Opt[int] // in bytes
	inheritBefore runtime.Opt[bool]
}

func merge(base, add *config) *config {
	n := &config{maxLine: add.maxLine.Over(base.maxLine), inheritBefore: add.inheritBefore.Over(base.inheritBefore)}
	if n.inheritBefore.Or(false) {
		n.patterns = slices.Concat(base.patterns, add.patterns)
	} else {
		n.patterns = slices.Concat(add.patterns, base.patterns)
	}
	return n
}

func setMaxLine(c *runtime.Cmd) error {
	digits := strings.TrimRight(c.Arg(0), "bBkKmMgG")
	n, err := strconv.ParseUint(digits, 10, 40)
	unit := strings.ToLower(c.Arg(0)[len(digits):])
	shift, ok := map[string]int{"": 0, "b": 0, "k": 10, "m": 20, "g": 30}[unit]
	if err != nil || !ok || n > 1<<40>>shift {
		return c.ArgErrorf(0, "bad-value", "expected a number of bytes, with b, k, m or g perhaps, found %q", c.Arg(0))
	}
	runtime.OwnDirConf[config](c.Dir, Module).maxLine = runtime.Some(int(n) << shift)
	return nil
}

var none config

func insert(r *runtime.Request, _ int64) runtime.BodyFilter {
	r.HeadersOut.Del("Content-Length")
	conf := runtime.DirConf[config](r.Dir, Module)
	if conf == nil {
		conf = &none
	}
	return &lines{r: r, patterns: conf.patterns, max: conf.maxLine.Or(defaultMaxLine)}
}
