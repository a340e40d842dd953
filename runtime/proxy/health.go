package proxy

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pinion/runtime"
)

// Health are the hc… parameters of mod_proxy_hcheck.
type Health struct {
	Method   string // upper case, "NONE" by default
	Interval time.Duration
	Passes   int
	Fails    int
	URI      string
	Expr     string // name of a ProxyHCExpr; "" for none
}

// DefaultHealth are the parameters where none is given.
func DefaultHealth() Health {
	return Health{Method: "NONE", Interval: 30 * time.Second, Passes: 1, Fails: 1}
}

// HealthHooks are what mod_proxy_hcheck does for the parameters. The first two ask the configuration that is read.
type HealthHooks struct {
	Template func(c *runtime.Cmd, name string) (Health, bool)
	Expr     func(c *runtime.Cmd, name string) bool
	Changed  func(w *Worker) // is told that HealthNow of w may be another one
	// Exprs are what hcexpr= may name in a server, in the order of the names.
	Exprs func(s *runtime.Server) []HealthExpr
}

// HealthExpr is a condition of ProxyHCExpr.
type HealthExpr struct{ Name, Text string }

var healthHooks HealthHooks

// HookHealth registers mod_proxy_hcheck. Only while packages are initialized.
func HookHealth(h HealthHooks) { healthHooks = h }

// HealthExprs are what hcexpr= may name in a server, in the order of the names.
func HealthExprs(s *runtime.Server) []HealthExpr {
	if healthHooks.Exprs == nil {
		return nil
	}
	return healthHooks.Exprs(s)
}

// HealthMethods are the values of hcmethod=.
func HealthMethods() []string { return healthMethods }

var (
	healthMethods = []string{"NONE", "TCP", "OPTIONS", "HEAD", "GET", "OPTIONS11", "HEAD11", "GET11"}
	healthParams  = []string{"hcexpr", "hcfails", "hcinterval", "hcmethod", "hcpasses", "hctemplate", "hcuri"}
)

// SetHealth sets the parameter that stands as key=value in argument arg of a ProxyHCTemplate (set_worker_hc_param).
func SetHealth(c *runtime.Cmd, arg int, h *Health) error {
	s, err := keyValue(c, arg)
	if err != nil {
		return err
	}
	if !slices.Contains(healthParams, strings.ToLower(s.key)) {
		return s.unknown("health check", healthParams)
	}
	return h.set(&s)
}

func setHealth(w *Worker, s *setting) error { return w.Health.set(s) }

func (h *Health) set(s *setting) (err error) {
	switch strings.ToLower(s.key) {
	case "hctemplate":
		return h.setTemplate(s)
	case "hcmethod":
		return h.setMethod(s)
	case "hcinterval":
		h.Interval, err = s.interval("s", 100*time.Millisecond)
	case "hcpasses":
		h.Passes, err = s.number(0, maxInt)
	case "hcfails":
		h.Fails, err = s.number(0, maxInt)
	case "hcuri":
		if err := checkHCURI(s.val); err != nil {
			return s.errorf("bad-value", "hcuri: %v", err)
		}
		h.URI, err = s.text(64)
	case "hcexpr":
		if healthHooks.Expr == nil || !healthHooks.Expr(s.cmd, s.val) {
			return runtime.WithDetail(s.errorf("unknown-name", "no ProxyHCExpr %q is defined before this line in this server", s.val),
				"a virtual host does not know the expressions of the main server")
		}
		h.Expr, err = s.text(16)
	}
	return err
}

// setTemplate takes over all that the template says, defaults included: what comes after it in the line holds.
func (h *Health) setTemplate(s *setting) error {
	if healthHooks.Template != nil {
		if t, ok := healthHooks.Template(s.cmd, s.val); ok {
			*h = t
			return nil
		}
	}
	return runtime.WithDetail(s.errorf("unknown-name", "no ProxyHCTemplate %q is defined before this line in this server", s.val),
		"a virtual host does not know the templates of the main server")
}

func (h *Health) setMethod(s *setting) error {
	m := strings.ToUpper(s.val)
	if m == "CPING" {
		return runtime.WithDetail(s.errorf("unsupported-value", "health checks by CPING are not supported: no backend speaks AJP here"),
			"use TCP, or GET with a page of the application")
	}
	if !slices.Contains(healthMethods, m) {
		return runtime.WithDetail(s.errorf("bad-value", "unknown health check method %q", s.val), "known are %s", strings.Join(healthMethods, ", "))
	}
	h.Method = m
	return nil
}

// checkHCURI refuses what would be more than the path of a request.
func checkHCURI(v string) error {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] == 0x7f {
			return fmt.Errorf("expected a path of a URL, found a blank or control character in %q", v)
		}
	}
	return nil
}

// rechecked tells mod_proxy_hcheck that an operator has changed its parameters.
func (w *Worker) rechecked() {
	w.changed()
	if healthHooks.Changed != nil {
		healthHooks.Changed(w)
	}
}

// HealthStats are the health checks of a worker. Safe for concurrent use.
type HealthStats struct {
	Passed, Failed atomic.Int64
	Took           atomic.Int64 // the last one, in nanoseconds
	Last           atomic.Pointer[HealthResult]
	// Retune is told that the parameters of a check may be others now; nil where nothing is checked.
	Retune atomic.Pointer[func()]
}

// HealthResult is what one health check found, and where the worker stands by it.
type HealthResult struct {
	Ended  time.Time
	Took   time.Duration
	Passed bool
	Why    string // what was found, in a few words
	// Passes and Fails count toward hcpasses and hcfails: since the worker was put out of use, or back into it.
	Passes, Fails int
}

// HCPass takes the worker back into use after its health checks have passed: out of error, too.
func (w *Worker) HCPass() { w.clear(HCFail | InError) }
