package status

import (
	"testing"

	"pinion/runtime"
	"pinion/runtime/core"
	"pinion/runtime/runtimetest"
)

type wire struct{ runtime.Wire }

func (wire) Counters() (in, out int64) { return 100, 500 }

// BenchmarkRequest is what a request pays where server-status is configured.
func BenchmarkRequest(b *testing.B) {
	g, diags := runtimetest.Compile(b, "<Location /s>\nSetHandler server-status\n</Location>\n", append(core.Modules(), Module)...)
	if g == nil {
		b.Fatal(diags)
	}
	defer g.Retire()
	r := runtime.NewRequest(g, g.Main, &runtime.Conn{Score: new(runtime.Score)}, wire{})
	defer r.Free()
	b.ReportAllocs()
	for b.Loop() {
		begin(r)
		end(r)
	}
}
