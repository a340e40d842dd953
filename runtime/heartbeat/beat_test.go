package heartbeat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMessage(t *testing.T) {
	for _, c := range []struct {
		text string
		want Beat
		ok   bool
	}{
		{"v=1&ready=75&busy=0", Beat{Ready: 75, Port: 80}, true},
		{"v=1&ready=7&busy=3&port=8080&more=x", Beat{Ready: 7, Busy: 3, Port: 8080}, true},
		{"&&V&Busy=%31%32&READY=+4x", Beat{Ready: 4, Busy: 12, Port: 80}, true},
		{"v=1&ready=1&ready=2&busy=%", Beat{Ready: 2, Port: 80}, true},
		{"v=1&ready=-5&busy=99999999999999999999", Beat{Busy: maxFigure, Port: 80}, true},
		{"v=1&ready=5\x00&busy=1", Beat{Ready: 5, Port: 80}, false},
		{"ready=1&busy=1", Beat{Ready: 1, Busy: 1, Port: 80}, false},
		{"", Beat{Port: 80}, false},
	} {
		if b, ok := message(c.text); b != c.want || ok != c.ok {
			t.Errorf("%q: got %+v %v, want %+v %v", c.text, b, ok, c.want, c.ok)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("v=1&ready=75&busy=0&port=80")
	f.Add("%76=%31&&=&ready&busy=%zz%2")
	f.Fuzz(func(t *testing.T, text string) {
		b, _ := message(text)
		for _, n := range []int{b.Ready, b.Busy, b.Port} {
			if n < 0 || n > maxFigure {
				t.Fatalf("%q: %+v", text, b)
			}
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add("127.0.0.1 &ready=4&busy=1&lastseen=2&port=80\n# a comment\n\n")
	f.Add("x\n y=1\n" + strings.Repeat("z", maxLine))
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := readFile(strings.NewReader(text))
		for ip, b := range all {
			if b.Ready < 0 || b.Busy < 0 || b.Age < -1 || strings.ContainsAny(ip, " \n") {
				t.Fatalf("%q: %q %+v", text, ip, b)
			}
		}
	})
}

func TestServers(t *testing.T) {
	s, now := newServers(), time.Unix(1000, 0)
	for i := range 10 {
		if !s.hear(fmt.Sprintf("10.0.0.%d", i), Beat{Ready: 8, Busy: i % 2, Port: 80 + i}, now, 10) {
			t.Fatal(i)
		}
	}
	if s.hear("10.0.0.99", Beat{}, now.Add(30*time.Second), 10) {
		t.Error("an eleventh server of ten was taken")
	}
	if !s.hear("10.0.0.3", Beat{Ready: 5, Busy: 1}, now.Add(29*time.Second), 10) {
		t.Error("a known server was refused")
	}
	later := now.Add(30 * time.Second)
	if b, ok := s.find("10.0.0.3", later); !ok || b != (Beat{Ready: 5, Busy: 1, Age: 1, Port: 83}) {
		t.Errorf("%+v %v", b, ok)
	}
	if b, ok := s.find("10.0.0.4", later); !ok || b != (Beat{Ready: 2, Age: 30, Port: 84}) {
		t.Errorf("an idle server counts a quarter: %+v %v", b, ok)
	}
	later = now.Add(31 * time.Second)
	if _, ok := s.find("10.0.0.4", later); ok {
		t.Error("silent for 31 s, still there")
	}
	if text := string(s.file(later)); text != "10.0.0.3 &ready=5&busy=1&lastseen=2&port=83\n" {
		t.Errorf("%q", text)
	}
	if !s.hear("10.0.0.99", Beat{}, later, 10) || len(s.all) != 2 {
		t.Errorf("the silent made no room: %v", s.all)
	}
}

func TestStored(t *testing.T) {
	s := &Source{Path: filepath.Join(t.TempDir(), "hb.dat")}
	if _, err := s.Beats(); !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want map[string]Beat
	}{
		{"# x y\n1.2.3.4 &ready=8&busy=0&lastseen=3&port=8080\nnothing\n::1 ready=5&busy=1\n",
			map[string]Beat{"1.2.3.4": {Ready: 2, Age: 3, Port: 8080}, "::1": {Ready: 5, Busy: 1, Age: -1, Port: 80}}},
		{"1.2.3.4 &ready=8&busy=1&lastseen=11&port=80\n\n5.6.7.8 &ready=1&busy=1\n", map[string]Beat{"1.2.3.4": {Ready: 8, Busy: 1, Age: 11, Port: 80}}},
	} {
		tmp := s.Path + ".new"
		if err := os.WriteFile(tmp, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, s.Path); err != nil {
			t.Fatal(err)
		}
		for range 2 { // read, then remembered
			find, err := s.Beats()
			if err != nil {
				t.Fatal(err)
			}
			if len(s.read) != len(c.want) {
				t.Errorf("%v", s.read)
			}
			for ip, want := range c.want {
				if b, ok := find(ip); !ok || b != want {
					t.Errorf("%s: %+v, want %+v", ip, b, want)
				}
			}
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		busy, limit int
		want        string
	}{{0, 75, "v=1&ready=75&busy=0"}, {3, 10, "v=1&ready=7&busy=3"}, {12, 10, "v=1&ready=0&busy=12"}} {
		if got := text(c.busy, c.limit); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestStore writes the file that Source reads.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	m := newMonitor("127.0.0.1:1", newServers())
	defer m.Close()
	path := filepath.Join(dir, "hb.dat")
	m.order.Store(&order{path: path})
	m.heard.hear("10.0.0.1", Beat{Ready: 8, Busy: 2, Port: 80}, time.Now(), maxSenders)
	for range 2 { // the second time over the first
		m.store()
		find, err := (&Source{Path: path}).Beats()
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := find("10.0.0.1"); !ok || b.Ready != 8 || b.Busy != 2 {
			t.Errorf("%+v %v", b, ok)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("%v %v: temporary files are left over", names, err)
	}
	if info, err := names[0].Info(); err != nil || info.Mode() != 0o444 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
