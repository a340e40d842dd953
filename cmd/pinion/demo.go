package main

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"pinion/parser"
	"pinion/reload"
	"pinion/runtime/all"
)

//go:embed demo.conf
var demoConf []byte

// demoCmd is pinion demo.
type demoCmd struct {
	Port int `default:"8080"`
}

// Run serves the demo until a signal ends it.
func (c *demoCmd) Run() error {
	dir, err := os.MkdirTemp("", "pinion-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	conf := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(conf, demoConf, 0o644); err != nil {
		return err
	}
	vars := map[string]string{}
	for i := 1; i <= 3; i++ {
		port, stop, err := startSampleBackend(i)
		if err != nil {
			return err
		}
		defer stop()
		vars["DEMO_BACKEND_"+strconv.Itoa(i)] = strconv.Itoa(port)
	}
	port, err := freePort(c.Port)
	if err != nil {
		return err
	}
	vars["DEMO_PORT"] = strconv.Itoa(port)
	s := reload.New(reload.Source{Path: conf, Modules: all.Modules(), Parse: parser.Options{
		ServerRoot: dir, Cache: &parser.Cache{},
		Getenv: func(name string) (string, bool) {
			if v, ok := vars[name]; ok {
				return v, true
			}
			return os.LookupEnv(name)
		},
	}})
	s.Report = func(l *reload.Loaded, st *reload.Status) {
		reportMetrics(st)
		if st.Reason == "start" || !st.Success {
			printDiagnostics(os.Stderr, "text", l, false)
		}
	}
	s.Ready = func([]net.Addr) { greet(port, conf) }
	return reported(runWithSignals(s))
}

func greet(port int, conf string) {
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	fmt.Printf(`pinion demo: a sticky load balancer with three backends

  address        %[1]s/
  configuration  %[2]s

Try, in another terminal:

  curl -i %[1]s/                                  # a new session: Set-Cookie names its route
  curl -s -c jar -b jar %[1]s/                    # with a cookie jar: repeat it, the backend stays
  for i in 1 2 3 4 5 6; do curl -s %[1]s/; done   # without one: the backends take turns

Look at %[1]s/balancer-manager in a browser: live figures, and a member drained with one click.

Then edit the configuration, for instance put status=+R behind route=3, and repeat: the change is
live within a second. Ctrl-C ends the demo.

`, url, conf)
}

// freePort is the wanted port, or any other where that is taken.
func freePort(want int) (int, error) {
	for _, p := range []int{want, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port, nil
		}
	}
	return 0, fmt.Errorf("found no free port on 127.0.0.1")
}

// startSampleBackend serves a page that says which backend it is and how often it was asked.
func startSampleBackend(number int) (port int, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	var served atomic.Int64
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "backend %d, request %d, route cookie %q, path %s\n", number, served.Add(1), routeCookie(r), r.URL.Path)
	})}
	go s.Serve(l)
	return l.Addr().(*net.TCPAddr).Port, func() { s.Close() }, nil
}

func routeCookie(r *http.Request) string {
	c, err := r.Cookie("ROUTEID")
	if err != nil {
		return ""
	}
	return c.Value
}
