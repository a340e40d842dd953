package reload
import ("testing";"runtime";"runtime/pprof";"os";"pinion/parser";prt "pinion/runtime";"pinion/runtime/all";"time")
func TestLive(t *testing.T){
 runtime.GC()
 var a,b runtime.MemStats
 runtime.ReadMemStats(&a)
 s := Source{Path: "/tmp/v10k/httpd.conf", Modules: all.Modules(), Parse: parser.Options{ServerRoot: "/tmp/v10k", Cache: &parser.Cache{}}}
 t0:=time.Now()
 l := s.Load(prt.NewState())
 t.Log(time.Since(t0), len(l.Diags))
 runtime.ReadMemStats(&b)
 t.Logf("allocated: %d MB in %d", (b.TotalAlloc-a.TotalAlloc)>>20, b.Mallocs-a.Mallocs)
 g:=l.Graph; s.Keep(l); l=nil
 t0=time.Now()
 runtime.GC();
 t.Log("gc",time.Since(t0))
 runtime.GC();
 runtime.ReadMemStats(&b)
 t.Logf("live: %d MB, objects %d", (b.HeapAlloc-a.HeapAlloc)>>20,b.HeapObjects)
 f,_:=os.Create("/tmp/live.mem"); pprof.WriteHeapProfile(f); f.Close()
 runtime.KeepAlive(g); runtime.KeepAlive(&s)
}
