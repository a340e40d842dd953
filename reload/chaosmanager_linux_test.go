package reload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// workerFigures are what the manager shows of a member.
type workerFigures struct {
	Name, Status, Flags, Route                         string
	Elected, Busy, Errors, Transferred, Read, LBStatus int64
	LoadFactor                                         float64
	Usable                                             bool
	ErrorTime                                          string
	ByHand                                             []setByHand
}

type setByHand struct{ Param, File, Value string }

// inUse tells whether it is neither in error nor out of use for its health check.
func (x workerFigures) inUse() bool { return !strings.ContainsAny(x.Flags, "EC") }

// keptFigures are what of a member outlives the process.
type keptFigures struct {
	route, flags, failed                         string
	elected, errors, transferred, read, lbstatus int64
	factor                                       float64
}

// kept leaves out what health checks may change at any time, and begin anew. The time of an error counts while it lasts.
func (x workerFigures) kept(checked bool) keptFigures {
	flags, failed := strings.ReplaceAll(x.Flags, "C", ""), ""
	if checked {
		flags = strings.ReplaceAll(flags, "E", "")
	} else if strings.Contains(flags, "E") {
		failed = x.ErrorTime
	}
	return keptFigures{x.Route, flags, failed, x.Elected, x.Errors, x.Transferred, x.Read, x.LBStatus, x.LoadFactor}
}

func (w *world) get(path string) []byte {
	w.t.Helper()
	res, err := w.api.Get(fmt.Sprintf("http://127.0.0.1:%d%s", w.port, path))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		w.t.Fatalf("%s: %v, %s: %s", path, err, res.Status, text)
	}
	return text
}

func (w *world) worker(i int) (x workerFigures) {
	w.t.Helper()
	if err := json.Unmarshal(w.get("/manager?format=json&b=app&w=http://"+w.members[i].addr), &x); err != nil || x.Name == "" {
		w.t.Fatal(err, x)
	}
	return x
}

func (w *world) post(i int, order map[string]any) {
	w.t.Helper()
	order["balancer"], order["worker"] = "app", "http://"+w.members[i].addr
	w.send(order)
}

func (w *world) send(order map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(order)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.api.Post(fmt.Sprintf("http://127.0.0.1:%d/manager", w.port), "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != 200 {
		w.t.Errorf("%s: %s: %s", body, res.Status, text)
	}
}
