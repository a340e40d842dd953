package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
)

// workerHand is what the hot path reads of a worker's settings by hand.
type workerHand struct {
	mask, bits, base Status // bits under mask were set when the file said base
	factor, set      handed[int]
	route, redirect  handed[string]

	method, uri, expr handed[string] // of the health check
	interval          handed[time.Duration]
	passes, fails     handed[int]
}

type workerParam = param[*Worker, workerHand]

// LBFactor is loadfactor times 100: the file's, or what an operator set.
func (w *Worker) LBFactor() int {
	if h := w.State.hand.hot(); h != nil {
		return h.factor.over(w.Params.LBFactor)
	}
	return w.Params.LBFactor
}

// LBSet is lbset: the file's, or what an operator set.
func (w *Worker) LBSet() int {
	if h := w.State.hand.hot(); h != nil {
		return h.set.over(w.Params.LBSet)
	}
	return w.Params.LBSet
}

// Route is route: the file's, or what an operator set.
func (w *Worker) Route() string {
	if h := w.State.hand.hot(); h != nil {
		return h.route.over(w.Params.Route)
	}
	return w.Params.Route
}

// Redirect is redirect: the file's, or what an operator set.
func (w *Worker) Redirect() string {
	if h := w.State.hand.hot(); h != nil {
		return h.redirect.over(w.Params.Redirect)
	}
	return w.Params.Redirect
}

// Status returns the status of now: the file's, the operator's changes to it, and what running has set.
func (w *Worker) Status() Status {
	s := w.Params.Status&^transient | Initialized
	if h := w.State.hand.hot(); h != nil {
		keep := h.mask &^ (h.base ^ w.Params.Status)
		s = s&^keep | h.bits&keep
	}
	return s | Status(w.State.run.Load())
}

// HealthNow are the hc… parameters: the file's, or what an operator set.
func (w *Worker) HealthNow() Health {
	c := w.Params.Health
	if h := w.State.hand.hot(); h != nil {
		c.Method, c.URI, c.Expr = h.method.over(c.Method), h.uri.over(c.URI), h.expr.over(c.Expr)
		c.Interval, c.Passes, c.Fails = h.interval.over(c.Interval), h.passes.over(c.Passes), h.fails.over(c.Fails)
	}
	return c
}

// HandStatus are the letters of status= that can be set by hand and stay: "status." and one of them is the parameter.
const HandStatus = "INDSHR"

var workerHands = map[string]*workerParam{
	"loadfactor": {
		file: func(w *Worker) string { return FormatFactor(w.Params.LBFactor) },
		check: func(_ *Worker, v string) (string, error) {
			n, err := ParseFactor(v)
			return FormatFactor(n), err
		},
		compile: func(h *workerHand, file, value string) { h.factor = handed[int]{true, factorOf(file), factorOf(value)} },
		touches: (*Worker).refactored,
	},
	"lbset": {
		file:  func(w *Worker) string { return strconv.Itoa(w.Params.LBSet) },
		check: func(_ *Worker, v string) (string, error) { return checkNumber(v, 0, 99) },
		compile: func(h *workerHand, file, value string) {
			h.set = handed[int]{true, numberOf[int](file), numberOf[int](value)}
		},
		touches: (*Worker).retuned,
	},
	"route": {
		file:    func(w *Worker) string { return w.Params.Route },
		check:   func(_ *Worker, v string) (string, error) { return checkText(64)(v) },
		compile: func(h *workerHand, file, value string) { h.route = handed[string]{true, file, value} },
		touches: (*Worker).retuned,
	},
	"redirect": {
		file:    func(w *Worker) string { return w.Params.Redirect },
		check:   func(_ *Worker, v string) (string, error) { return checkText(64)(v) },
		compile: func(h *workerHand, file, value string) { h.redirect = handed[string]{true, file, value} },
		touches: (*Worker).retuned,
	},
	"hcmethod": {
		file:    func(w *Worker) string { return w.Params.Health.Method },
		check:   func(_ *Worker, v string) (string, error) { return checkHCMethod(v) },
		compile: func(h *workerHand, file, value string) { h.method = handed[string]{true, file, value} },
		touches: (*Worker).rechecked,
	},
	"hcuri": {
		file: func(w *Worker) string { return w.Params.Health.URI },
		check: func(_ *Worker, v string) (string, error) {
			if err := checkHCURI(v); err != nil {
				return "", err
			}
			return checkText(64)(v)
		},
		compile: func(h *workerHand, file, value string) { h.uri = handed[string]{true, file, value} },
		touches: (*Worker).rechecked,
	},
	"hcexpr": {
		file:    func(w *Worker) string { return w.Params.Health.Expr },
		check:   checkHCExpr,
		compile: func(h *workerHand, file, value string) { h.expr = handed[string]{true, file, value} },
		touches: (*Worker).rechecked,
	},
	"hcinterval": {
		file:  func(w *Worker) string { return milliseconds(w.Params.Health.Interval) },
		check: func(_ *Worker, v string) (string, error) { return checkNumber(v, 100, maxInt) },
		compile: func(h *workerHand, file, value string) {
			h.interval = handed[time.Duration]{true, numberOf[time.Duration](file) * time.Millisecond, numberOf[time.Duration](value) * time.Millisecond}
		},
		touches: (*Worker).rechecked,
	},
	"hcpasses": {
		file:  func(w *Worker) string { return strconv.Itoa(w.Params.Health.Passes) },
		check: func(_ *Worker, v string) (string, error) { return checkNumber(v, 0, maxInt) },
		compile: func(h *workerHand, file, value string) {
			h.passes = handed[int]{true, numberOf[int](file), numberOf[int](value)}
		},
		touches: (*Worker).rechecked,
	},
	"hcfails": {
		file:  func(w *Worker) string { return strconv.Itoa(w.Params.Health.Fails) },
		check: func(_ *Worker, v string) (string, error) { return checkNumber(v, 0, maxInt) },
		compile: func(h *workerHand, file, value string) {
			h.fails = handed[int]{true, numberOf[int](file), numberOf[int](value)}
		},
		touches: (*Worker).rechecked,
	},
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Millisecond), 10) }

// numberOf reads a number that was checked.
func numberOf[T ~int | ~int64](s string) T {
	n, _ := strconv.Atoi(s)
	return T(n)
}

// checkHCExpr takes the name of a ProxyHCExpr, in whatever case, or none.
func checkHCExpr(w *Worker, v string) (string, error) {
	if v == "" || v == w.Params.Health.Expr {
		return v, nil
	}
	var known []string
	for _, e := range HealthExprs(w.Server) {
		if runtime.EqualFold(e.Name, v) {
			return e.Name, nil
		}
		known = append(known, e.Name)
	}
	return "", fmt.Errorf("expected the name of a ProxyHCExpr of this server (%s), found %q", strings.Join(known, ", "), v)
}

// checkHCMethod takes a method of health checks in whatever case.
func checkHCMethod(v string) (string, error) {
	m := strings.ToUpper(v)
	if !slices.Contains(healthMethods, m) {
		return "", fmt.Errorf("expected one of %s, found %q", strings.Join(healthMethods, ", "), v)
	}
	return m, nil
}

func init() {
	for i := range HandStatus {
		bit := StatusOf(HandStatus[i])
		workerHands["status."+HandStatus[i:i+1]] = &workerParam{
			file:  func(w *Worker) string { return onOffText(w.Params.Status.Has(bit)) },
			check: func(_ *Worker, v string) (string, error) { return checkOnOff(v) },
			compile: func(h *workerHand, file, value string) {
				h.mask |= bit
				if file == "On" {
					h.base |= bit
				}
				if value == "On" {
					h.bits |= bit
				}
			},
			touches: (*Worker).changed,
		}
	}
}

func factorOf(s string) int {
	n, _ := ParseFactor(s) // it was checked
	return n
}

func compileWorkerHand(all []Setting) (h workerHand) {
	for _, s := range all {
		if p := workerHands[s.Param]; p != nil {
			p.compile(&h, s.File, s.Value)
		}
	}
	return h
}

// Set sets a parameter by hand: "status.D" and the other letters of HandStatus (On or Off), "loadfactor", "lbset", "route" or
// "redirect". It returns the value that was in force and the one that is. A value that the file has itself gives it back to the file.
func (w *Worker) Set(name, value string, by Hand) (from, to string, err error) {
	p := workerHands[name]
	if p == nil {
		return "", "", ErrNoParam
	}
	return operate(w, &w.State.hand, name, p, value, by, compileWorkerHand)
}

// Check tells whether Set would take the value.
func (w *Worker) Check(name, value string) error {
	p := workerHands[name]
	if p == nil {
		return ErrNoParam
	}
	_, err := p.check(w, value)
	return err
}

// FileValue is what the file says of a parameter that can be set by hand.
func (w *Worker) FileValue(name string) (string, error) {
	if p := workerHands[name]; p != nil {
		return p.file(w), nil
	}
	return "", ErrNoParam
}

// ByHand returns what is set by hand and stands, in the order of the parameters' names.
func (w *Worker) ByHand() []Setting { return live(w.State.hand.settings(), w.FileValue) }

// Operate sets or clears bits on the operator's behalf. It stands over reloads as long as the file's own value of the bit
// stays what it is now. InError and HCFail are only noted until running changes them.
func (w *Worker) Operate(bits Status, on bool) {
	if t := bits & transient; t != 0 {
		if on {
			w.set(t)
		} else {
			w.clear(t)
		}
	}
	for i := range HandStatus {
		if bits.Has(StatusOf(HandStatus[i])) {
			// A known name and a good value: there is no error.
			_, _, _ = w.Set("status."+HandStatus[i:i+1], onOffText(on), Hand{When: time.Now()})
		}
	}
}

// retuned tells the balancer's elections that something they are built from is another one now.
func (w *Worker) retuned() {
	if w.Balancer != nil && w.Balancer.State != nil {
		w.Balancer.State.Tuned.Add(1)
	}
}

func (w *Worker) refactored() {
	w.retuned()
	if w.Balancer != nil && selector.Refactored != nil {
		selector.Refactored(w.Balancer)
	}
}
