// Package filter is mod_filter, as far as it chooses filters by media type, and core's SetOutputFilter: which output
// filters an answer's body goes through.
package filter

import (
	"slices"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

// Module is filter_module.
var Module = runtime.Define(runtime.Module{Name: "filter_module", File: "mod_filter.c", MergeDir: runtime.Merger(merge)})

const anywhere = parser.Anywhere | parser.HTAccess

func init() {
	Module.Directives = []runtime.Directive{
		{Name: "SetOutputFilter", Of: "core", Args: parser.Take1, In: anywhere, Syntax: "filter[;filter...]|NONE",
			Help: "The filters of all answers", Set: setFilter},
		{Name: "AddOutputFilterByType", Args: parser.TakeArgv, In: anywhere, Syntax: "filter[;filter...] media-type [media-type] ...",
			Help: "The filters of answers with one of these media types and status 200", Set: addByType},
	}
	// Between them mod_expires has its say, after them mod_headers.
	Module.Hooks = []runtime.Hook{
		{Phase: runtime.OutputHead, Order: runtime.ReallyFirst, Run: func(r *runtime.Request) runtime.Result { return insert(r, runtime.ResourceFilter) }},
		{Phase: runtime.OutputHead, Order: runtime.Middle, Run: func(r *runtime.Request) runtime.Result { return insert(r, runtime.ContentSetFilter) }},
	}
}

// List is what a directive names, in order.
type List []*runtime.OutputFilter

// config is one section's directives.
type config struct {
	set runtime.Opt[List]
	// chain are names in types. One that two sections name is in it twice, and its filter is asked twice, as in httpd.
	chain []string
	types map[string][]byType
}

// byType is one AddOutputFilterByType for one filter.
type byType struct {
	filter *runtime.OutputFilter
	types  []string
}

// merge is filter_merge: an inner section's types of a filter replace those of an outer one.
func merge(base, add *config) *config {
	n := &config{set: add.set.Over(base.set), chain: slices.Concat(base.chain, add.chain), types: make(map[string][]byType, len(base.types)+len(add.types))}
	for _, types := range []map[string][]byType{base.types, add.types} {
		for name, t := range types {
			n.types[name] = t
		}
	}
	return n
}

// without are filters that pinion can do without: answers are the same, only longer.
var without = map[string]bool{"BROTLI_COMPRESS": true}

// Parse reads the i-th argument: names with semicolons between them.
func Parse(c *runtime.Cmd, i int) (List, error) {
	list := List{}
	at := 0
	for _, name := range strings.Split(c.Arg(i), ";") {
		from := at
		at += len(name) + 1
		f := c.OutputFilter(name)
		switch {
		case f != nil:
			list = append(list, f)
		case name == "":
		case without[strings.ToUpper(name)]:
			c.Notef("no-effect", "pinion does not compress with brotli: %s has no effect", name)
		default:
			return nil, runtime.WithDetail(c.Within(c.ArgErrorf(i, "unsupported-directive", "the filter %s is not supported", name), i, from, from+len(name)),
				"pinion's filters are %s; let the backend do it", strings.Join(c.OutputFilterNames(), ", "))
		}
	}
	return list, nil
}

// Use makes requests under the directive's configuration ask what Add has chosen for them.
func Use(c *runtime.Cmd) { runtime.OwnDirConf[config](c.Dir, Module) }

// added are the filters that were chosen for one request by other means.
type added struct{ list List }

// Add puts the filters into the way of the request's answer, before those of this package's directives.
func Add(r *runtime.Request, list List) {
	if a := runtime.RequestConf[added](r, Module); a != nil {
		a.list = append(a.list[:len(a.list):len(a.list)], list...)
		return
	}
	runtime.SetRequestConf(r, Module, &added{list})
}

func setFilter(c *runtime.Cmd) error {
	list := List{}
	if !runtime.EqualFold(c.Arg(0), "none") {
		var err error
		if list, err = Parse(c, 0); err != nil {
			return err
		}
	}
	runtime.OwnDirConf[config](c.Dir, Module).set = runtime.Some(list)
	return nil
}

func addByType(c *runtime.Cmd) error {
	if len(c.Node.Args) < 2 {
		return c.Errorf("wrong-arguments", "AddOutputFilterByType requires at least two arguments")
	}
	list, err := Parse(c, 0)
	if err != nil {
		return err
	}
	d := runtime.OwnDirConf[config](c.Dir, Module)
	if d.types == nil {
		d.types = map[string][]byType{}
	}
	for _, f := range list {
		if d.types[f.Name] == nil {
			d.chain = append(d.chain, f.Name)
		}
		d.types[f.Name] = append(d.types[f.Name], byType{f, c.Node.Args[1:]})
	}
	return nil
}

// insert asks the filters of one place: mod_mime's, SetOutputFilter's, AddOutputFilterByType's.
func insert(r *runtime.Request, place runtime.FilterPlace) runtime.Result {
	c := runtime.DirConf[config](r.Dir, Module)
	if c == nil || r.Main != nil {
		return runtime.Declined
	}
	if a := runtime.RequestConf[added](r, Module); a != nil {
		for _, f := range a.list {
			ask(r, f, place)
		}
	}
	for _, f := range c.set.V {
		ask(r, f, place)
	}
	if len(c.chain) == 0 || r.Status != 200 && !r.Env.Has("filter-errordocs") {
		return runtime.Declined
	}
	kind := r.ContentType
	if i := strings.IndexAny(kind, "; \t"); i >= 0 {
		kind = kind[:i]
	}
	if kind == "" {
		return runtime.Declined
	}
	for _, name := range c.chain {
		for _, t := range c.types[name] {
			if slices.Contains(t.types, kind) {
				ask(r, t.filter, place)
				break
			}
		}
	}
	return runtime.Declined
}

func ask(r *runtime.Request, f *runtime.OutputFilter, place runtime.FilterPlace) {
	if f.Place != place {
		return
	}
	// Behind another filter the body comes in pieces.
	length := int64(-1)
	if !r.Filtered() {
		length = r.BodyLength()
	}
	if b := f.Insert(r, length); b != nil {
		r.AddBodyFilter(b)
	}
}
