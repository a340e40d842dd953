// Package deflate is mod_deflate: the output filter DEFLATE, which compresses answers with gzip.
package deflate

import (
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"

	"pinion/parser"
	"pinion/runtime"
)

// Module is deflate_module.
var Module = runtime.Define(runtime.Module{Name: "deflate_module", File: "mod_deflate.c"})

const own = "the compressor chooses its own window, memory and buffers"

func init() {
	Module.Directives = []runtime.Directive{
		{Name: "DeflateCompressionLevel", Args: parser.Take1, In: parser.ServerWide, Syntax: "1 to 9",
			Help: "How much time is spent on small results, 9 the most", Set: setLevel},
		{Name: "DeflateFilterNote", Args: parser.Take12, In: parser.ServerWide, Syntax: "[Input|Output|Ratio] note",
			Help: "The note that gets the bytes before, the bytes after, or the percentage, for logs", Set: setNote},
		{Name: "DeflateAlterETag", Args: parser.Take1, In: parser.ServerWide, Syntax: "AddSuffix|NoChange|Remove",
			Help: "What becomes of the ETag of a compressed answer", Set: setETag},
		{Name: "DeflateWindowSize", Args: parser.Take1, In: parser.ServerWide, Syntax: "1 to 15", Help: "The compressor's window", NoEffect: own},
		{Name: "DeflateMemLevel", Args: parser.Take1, In: parser.ServerWide, Syntax: "1 to 9", Help: "The compressor's memory", NoEffect: own},
		{Name: "DeflateBufferSize", Args: parser.Take1, In: parser.ServerWide, Syntax: "bytes", Help: "The compressor's buffer", NoEffect: own},
	}
	Module.OutputFilters = []runtime.OutputFilter{{Name: "DEFLATE", Place: runtime.ContentSetFilter, Insert: insert}}
}

// config is one server's directives. As in httpd a virtual host with any of them inherits none.
type config struct {
	level                int // 0 is the default
	ratio, input, output string
	etag                 etagChange
}

type etagChange uint8

const (
	addSuffix etagChange = iota
	noChange
	remove
)

var defaults = &config{}

func setLevel(c *runtime.Cmd) error {
	n, err := strconv.Atoi(c.Arg(0))
	if err != nil || n < flate.BestSpeed || n > flate.BestCompression {
		return c.ArgErrorf(0, "bad-value", "expected a compression level from 1 to 9, found %q", c.Arg(0))
	}
	runtime.OwnServerConf[config](c.Server, Module).level = n
	return nil
}

func setNote(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[config](c.Server, Module)
	if len(c.Node.Args) == 1 {
		conf.ratio = c.Arg(0)
		return nil
	}
	switch strings.ToLower(c.Arg(0)) {
	case "ratio":
		conf.ratio = c.Arg(1)
	case "input":
		conf.input = c.Arg(1)
	case "output":
		conf.output = c.Arg(1)
	default:
		return c.ArgErrorf(0, "bad-value", "expected Input, Output or Ratio, found %q", c.Arg(0))
	}
	return nil
}

func setETag(c *runtime.Cmd) error {
	conf := runtime.OwnServerConf[config](c.Server, Module)
	switch strings.ToLower(c.Arg(0)) {
	case "addsuffix":
		conf.etag = addSuffix
	case "nochange":
		conf.etag = noChange
	case "remove":
		conf.etag = remove
	default:
		return c.ArgErrorf(0, "bad-value", "expected AddSuffix, NoChange or Remove, found %q", c.Arg(0))
	}
	return nil
}
