package main

import (
	"strings"
	"testing"

	"pinion/parser"
)

func TestPage(t *testing.T) {
	got := string(page([]*parser.Directive{
		{Name: "Zeta", Module: "some_module", In: parser.ServerWide, Syntax: "on|off", Help: "Does <this>"},
		{Name: "Alpha", Module: "some_module", In: parser.Anywhere | parser.HTAccess, Help: "Does that"},
		{Name: "Idle", Module: "some_module", In: parser.InDir, Help: "?", NoEffect: "nothing to tune"},
		{Name: "Box", Module: "core", In: parser.Server, Section: true, Syntax: "name", Help: "A section"},
		{Name: "Gone", Module: "absent_module", In: parser.Anywhere, Help: "?", Unsupported: "use Alpha"},
		{Name: "Lost", Module: "absent_module", In: parser.Anywhere, Help: "?", Unsupported: "use Alpha"},
	}, map[string]string{"some_module": "mod_some.c", "bare_module": "mod_bare.c"}))
	_, got, _ = strings.Cut(got, "\n## ")
	want := `core

| directive | where | |
| --- | --- | --- |
| ` + "`<Box name>`" + ` | server config | A section |

## mod_some (some_module)

| directive | where | |
| --- | --- | --- |
| ` + "`Alpha`" + ` | everywhere | Does that |
| ` + "`Zeta on\\|off`" + ` | server config, virtual host | Does \<this> |
| ` + "`Idle`" + ` | sections | *Without effect:* nothing to tune |

## Modules without directives of their own

mod\_bare

## Modules that pinion doesn't have

| module | directives | |
| --- | --- | --- |
| absent_module | ` + "`Gone`, `Lost`" + ` | *Unsupported:* use Alpha |
`
	if got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}
