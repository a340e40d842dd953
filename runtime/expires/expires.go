// Package expires is mod_expires: it says how long an answer may be kept, by Expires and Cache-Control.
package expires

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"pinion/parser"
	"pinion/runtime"
)

// Module is expires_module.
var Module = runtime.Define(runtime.Module{Name: "expires_module", File: "mod_expires.c", MergeDir: runtime.Merger(merge)})

const anywhere = parser.Anywhere | parser.HTAccess // httpd's OR_INDEXES

const periods = `A or M with seconds, or "access|now|modification [plus] number years|months|weeks|days|hours|minutes|seconds ..."`

func init() {
	Module.Directives = []runtime.Directive{
		{Name: "ExpiresActive", Args: parser.Flag, In: anywhere, Syntax: "On|Off",
			Help: "Whether answers get Expires and Cache-Control: max-age", Set: func(c *runtime.Cmd) error {
				runtime.OwnDirConf[config](c.Dir, Module).active = runtime.Some(c.Flag())
				return nil
			}},
		{Name: "ExpiresByType", Args: parser.Take2, In: anywhere, Syntax: "media-type period: " + periods,
			Help: "How long answers of this media type may be kept; type/* means all of a kind", Set: setByType},
		{Name: "ExpiresDefault", Args: parser.Take1, In: anywhere, Syntax: "period: " + periods,
			Help: "How long answers of any other media type may be kept", Set: setDefault},
	}
	// httpd's filter stands in front of mod_headers', which so can change what it has set. An error's answer that is no
	// error, such as a redirect, gets the headers as well.
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.OutputHead, Order: runtime.First, Run: output},
		{Phase: runtime.ErrorHead, Order: runtime.First, Run: output},
	}
}

// config is one section's directives.
type config struct {
	active   runtime.Opt[bool]
	fallback *period           // ExpiresDefault
	types    map[string]period // by media type in lower case
	// wildcards tells that types has one like image/*. As in httpd, only the innermost section that says anything of
	// mod_expires counts for it.
	wildcards bool
}

func merge(base, add *config) *config {
	n := &config{active: add.active.Over(base.active), fallback: cmp.Or(add.fallback, base.fallback), wildcards: add.wildcards,
		types: make(map[string]period, len(base.types)+len(add.types))}
	for _, types := range []map[string]period{base.types, add.types} {
		for t, p := range types {
			n.types[t] = p
		}
	}
	return n
}

func setByType(c *runtime.Cmd) error {
	name := strings.ToLower(c.Arg(0))
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 {
		return c.ArgErrorf(0, "bad-value", "expected a media type with a slash, found %q", c.Arg(0))
	}
	p, err := readPeriod(c, 1)
	if err != nil {
		return err
	}
	d := runtime.OwnDirConf[config](c.Dir, Module)
	if d.types == nil {
		d.types = map[string]period{}
	}
	d.types[name] = p
	d.wildcards = d.wildcards || name[slash+1:] == "*"
	return nil
}

func setDefault(c *runtime.Cmd) error {
	p, err := readPeriod(c, 0)
	if err == nil {
		runtime.OwnDirConf[config](c.Dir, Module).fallback = &p
	}
	return err
}

// find returns the period for a media type, nil for none.
func (c *config) find(contentType string) *period {
	name, _, _ := strings.Cut(contentType, ";")
	if p, ok := c.types[strings.ToLower(strings.TrimRight(name, " \t"))]; ok && name != "" {
		return &p
	}
	if kind, _, slash := strings.Cut(contentType, "/"); slash && c.wildcards {
		if p, ok := c.types[strings.ToLower(kind)+"/*"]; ok {
			return &p
		}
	}
	return c.fallback
}

// output is httpd's filter MOD_EXPIRES.
func output(r *runtime.Request) runtime.Result {
	c := runtime.DirConf[config](r.Dir, Module)
	if c == nil || !c.active.Or(false) || r.Status >= 400 && r.Status < 600 || r.ErrHeadersOut.Has("Expires") || r.HeadersOut.Has("Expires") {
		return runtime.Declined
	}
	p := c.find(r.ContentType)
	if p == nil {
		return runtime.Declined
	}
	from := r.Time
	if p.modified {
		if r.FileInfo == nil {
			return runtime.Declined
		}
		from = r.FileInfo.ModTime()
	}
	// httpd's clock counts microseconds.
	now := r.Time.Truncate(time.Microsecond)
	until := from.Truncate(time.Microsecond).Add(p.length)
	if until.Before(now) {
		until = now
	}
	r.HeadersOut.Merge("Cache-Control", "max-age="+strconv.FormatInt(int64(until.Sub(now)/time.Second), 10))
	r.HeadersOut.Set("Expires", until.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
	return runtime.Declined
}
