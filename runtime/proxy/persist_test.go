package proxy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// FuzzSaved restores states from whatever is in the file: what comes out is sound, or an error.
func FuzzSaved(f *testing.F) {
	f.Add([]byte(`{"program":"pinion","format":1,"balancers":{" balancer://p":{"byHand":[{"param":"timeout","file":"0","value":"7"}],"added":[{"url":"http://c"},{"url":"x"}],"stickyHits":-5}},` +
		`"workers":{" balancer://p http://a":{"byHand":[{"param":"route","file":"","value":"r"},{"param":"status.N","file":"Off","value":"On"},{"param":"lbset","file":"0","value":"100"},{"param":"route","file":"x","value":"x"}],"run":"EXOD","elected":-1,"lbstatus":-7}}}`))
	f.Add([]byte(`{"program":"pinion","format":1,"workers":null}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSaved(text)
		if err != nil {
			return
		}
		b := NewBalancer("balancer://p")
		w := &Worker{Name: "http://a", Params: defaultParams(), Balancer: b, State: &WorkerState{}}
		b.Members = []*Worker{w}
		for _, x := range s.Workers {
			x.restore(w, w.State)
		}
		for _, x := range s.Balancers {
			x.restore(b, b.State)
			x.restoreHand(b, b.hand)
		}
		if w.LBSet() < 0 || w.LBSet() > 99 || w.LBFactor() < 100 || w.LBFactor() > 10000 || len(w.Route()) > 63 || w.State.Elected.Load() < 0 || w.Status().Has(Free|Generic|InShutdown) {
			t.Errorf("%d %d %q %d %v", w.LBSet(), w.LBFactor(), w.Route(), w.State.Elected.Load(), w.Status())
		}
		if b.Timeout() < 0 || len(b.State.AddedMembers()) > 100 {
			t.Errorf("%v %v", b.Timeout(), b.State.AddedMembers())
		}
		for _, x := range append(w.ByHand(), b.ByHand()...) {
			if x.Value == x.File {
				t.Errorf("%+v is the file's", x)
			}
		}
	})
}

// TestWriteWhole replaces a file and leaves nothing else behind, also where it fails.
func TestWriteWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "another"} {
		if err := writeWhole(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Error(string(got), err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "folder", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(filepath.Join(dir, "folder"), nil); err == nil {
		t.Error("a folder was replaced")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Error(left, err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
	if _, err := json.Marshal((&store{}).collect()); err != nil {
		t.Error(err)
	}
}
