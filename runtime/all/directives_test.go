package all

import (
	"strings"
	"testing"

	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/directives"
)

// TestEveryDirectiveHasOneClass checks that each directive of httpd is implemented, accepted without effect or
// unsupported, and no two of these; and that no two modules have one name.
func TestEveryDirectiveHasOneClass(t *testing.T) {
	type key struct {
		name    string
		section bool
	}
	rows := map[key]*parser.Directive{}
	classes := map[string]int{}
	for _, d := range append(parser.Own(), runtime.Shapes(Modules())...) {
		k := key{strings.ToLower(d.Name), d.Section}
		if other := rows[k]; other != nil {
			t.Errorf("%s is in the tables of %s and %s", d.Name, other.Module, d.Module)
		}
		rows[k] = d
		set := false
		if own, ok := d.Owner.(*runtime.Directive); ok {
			set = own.Set != nil
		}
		if d.NoEffect != "" && d.Unsupported != "" || set && (d.NoEffect != "" || d.Unsupported != "") {
			t.Errorf("%s is in more than one class", d.Name)
		}
		if d.Owner != nil && !set && d.NoEffect == "" && d.Unsupported == "" {
			t.Errorf("%s would be skipped in silence", d.Name)
		}
		if d.Help == "" || d.In == 0 {
			t.Errorf("%s has no help or no contexts", d.Name)
		}
		switch {
		case d.NoEffect != "":
			classes["no effect"]++
		case d.Unsupported != "":
			classes["unsupported"]++
		default:
			classes["implemented"]++
		}
	}
	directives.Each(func(name, module string) {
		if rows[key{strings.ToLower(name), false}] == nil && rows[key{strings.ToLower(name), true}] == nil {
			t.Errorf("%s (%s) is not known", name, module)
		}
	})
	t.Logf("%v", classes)
}

// TestModuleNames checks that <IfModule> finds each module by one name only; httpd's core is spread over several folders.
func TestModuleNames(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Modules() {
		for _, n := range []string{m.Name, m.File} {
			if n != "" && m.Name != "core" && seen[n] {
				t.Errorf("two modules are called %s", n)
			}
			seen[n] = true
		}
	}
	for _, absent := range []string{"lua_module", "mod_lua.c", "security2_module"} {
		if runtime.HasModule(Modules(), absent) {
			t.Errorf("<IfModule %s> is true", absent)
		}
	}
}
