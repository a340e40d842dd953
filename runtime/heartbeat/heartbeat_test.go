package heartbeat_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime"
	"pinion/runtime/all"
	"pinion/runtime/heartbeat"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

// site is a configuration that is in force, with its log.
type site struct {
	t      *testing.T
	dir    string
	state  *runtime.State
	engine *runtime.Engine
	log    sink
}

type sink chan string

func (s sink) Write(p []byte) (int, error) {
	s <- string(p)
	return len(p), nil
}

func begin(t *testing.T, config string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), state: runtime.NewState(), log: make(sink, 100000)}
	s.engine = runtime.NewEngine(s.load(config))
	t.Cleanup(func() {
		s.engine.Stop(context.Background())
		s.engine.Graph().Retire()
	})
	return s
}

func compile(t *testing.T, dir, config string, state *runtime.State) *reload.Loaded {
	t.Helper()
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte("Listen 127.0.0.1:1\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
	source := reload.Source{Path: file, Modules: all.Modules(), Parse: parser.Options{ServerRoot: dir}}
	return source.Load(state)
}

func (s *site) load(config string) *runtime.Graph {
	s.t.Helper()
	l := compile(s.t, s.dir, "LogLevel debug\n"+config, s.state)
	if l.Graph == nil {
		s.t.Fatal(l.Diags)
	}
	l.Graph.Main.Errors = &runtime.ErrorLog{Out: s.log}
	return l.Graph
}

func (s *site) reload(config string) { s.t.Helper(); s.engine.Swap(s.load(config)) }

// wait reads the log up to a line with text and fails at one with never.
func (s *site) wait(text, never string) {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line := <-s.log:
			if never != "" && strings.Contains(line, never) {
				s.t.Fatal(line)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-limit:
			s.t.Fatalf("%q was not logged", text)
		}
	}
}

// freePort is an address that nobody listens at by UDP.
func freePort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

func send(t *testing.T, to, text string) {
	t.Helper()
	c, err := net.Dial("udp4", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestMonitor hears heartbeats, over reloads too, until no graph listens any more.
func TestMonitor(t *testing.T) {
	at := freePort(t)
	s := begin(t, "HeartbeatListen "+at)
	s.wait("AH02091", "AH02090")
	send(t, at, "hello")
	s.wait("AH02087", "")
	send(t, at, "v=1&ready=40&busy=2")
	s.wait("busy=2 ready=40", "")
	seen := func(want heartbeat.Beat, ok bool) {
		t.Helper()
		find, err := heartbeat.Of(s.engine.Graph()).Beats()
		if err != nil {
			t.Fatal(err)
		}
		if b, known := find("127.0.0.1"); known != ok || b.Ready != want.Ready || b.Busy != want.Busy {
			t.Errorf("%+v %v, want %+v %v", b, known, want, ok)
		}
	}
	seen(heartbeat.Beat{Ready: 40, Busy: 2}, true)
	s.reload("HeartbeatMaxServers 20\nHeartbeatListen " + at)
	seen(heartbeat.Beat{Ready: 40, Busy: 2}, true)
	send(t, at, "v=1&ready=8&busy=0&"+strings.Repeat("x", 5000))
	s.wait("busy=0 ready=8", "AH02091")
	seen(heartbeat.Beat{Ready: 2}, true)
	s.reload("ServerName x")
	if c, err := net.ListenPacket("udp4", at); err != nil {
		t.Errorf("the listener has not ended: %v", err)
	} else {
		c.Close()
	}
	s.reload("HeartbeatListen " + at)
	s.wait("AH02091", "")
	seen(heartbeat.Beat{}, false)
}

// TestStorage keeps heartbeats in the file.
func TestStorage(t *testing.T) {
	at := freePort(t)
	s := begin(t, "HeartbeatMaxServers 0\nHeartbeatStorage beats\nPidFile run/pid\nHeartbeatListen "+at)
	// The folder is missing: that is logged and nothing else happens.
	s.wait("AH02081", "")
	if err := os.Mkdir(filepath.Join(s.dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	if p := heartbeat.Of(s.engine.Graph()).Path; p != filepath.Join(s.dir, "run", "beats") {
		t.Error(p)
	}
}

// TestSender receives what the server tells of itself.
func TestSender(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := begin(t, fmt.Sprintf("MaxRequestWorkers 90\nHeartbeatAddress %s\n", c.LocalAddr()))
	buf := make([]byte, 2000)
	read := func(want string) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			if string(buf[:n]) == want {
				return
			}
		}
	}
	read("v=1&ready=90&busy=0")
	s.reload(fmt.Sprintf("HeartbeatAddress %s\n", c.LocalAddr()))
	read("v=1&ready=400&busy=0")
}

func TestDiagnostics(t *testing.T) {
	for config, want := range map[string]string{
		"HeartbeatListen 27999":                                      "expects an address",
		"HeartbeatListen :27999":                                     "expects an address",
		"HeartbeatListen 239.0.0.1":                                  "expects a",
		"HeartbeatListen 239.0.0.1:0":                                "expects a port from 1 to 65535",
		"HeartbeatListen [::1]:27999":                                "expects an IPv4 address",
		"HeartbeatListen 127.0.0.1:2\nHeartbeatListen 127.0.0.1:2":   "once only",
		"HeartbeatAddress 239.0.0.1:70000":                           "expects a port from 1 to 65535",
		"HeartbeatAddress 127.0.0.1:2\nHeartbeatAddress 127.0.0.1:2": "once only",
		"HeartbeatMaxServers 9":                                      "expects 0, for a file, or 10 and more",
		"HeartbeatMaxServers -1":                                     "expects 0, for a file, or 10 and more",
	} {
		l := compile(t, t.TempDir(), config, runtime.NewState())
		if l.Graph != nil || !strings.Contains(fmt.Sprint(l.Diags), want) {
			t.Errorf("%s: %v", config, l.Diags)
		}
	}
}
