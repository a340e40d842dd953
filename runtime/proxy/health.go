package proxy

import (
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

// HealthNames finds what hctemplate= and hcexpr= name in the configuration so far.
type HealthNames struct {
	Template func(c *runtime.Cmd, name string) (Health, bool)
	Expr     func(c *runtime.Cmd, name string) bool
	// Exprs are the names that hcexpr= may have in a server, in order.
	Exprs func(s *runtime.Server) []string
}

var healthNames HealthNames

// HealthExprs are the names that hcexpr= may have in a server, in order.
func HealthExprs(s *runtime.Server) []string {
	if healthNames.Exprs == nil {
		return nil
	}
	return healthNames.Exprs(s)
}

// HealthMethods are the values of hcmethod=.
func HealthMethods() []string { return healthMethods }

// NameHealth registers mod_proxy_hcheck's templates and expressions. Only while packages are initialized.
func NameHealth(n HealthNames) { healthNames = n }

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
		if i := strings.IndexFunc(s.val, func(c rune) bool { return c <= ' ' || c == 0x7f }); i >= 0 {
			return s.errorf("bad-value", "hcuri must be a path of a URL, found a blank or control character in %q", s.val)
		}
		h.URI, err = s.text(64)
	case "hcexpr":
		if healthNames.Expr == nil || !healthNames.Expr(s.cmd, s.val) {
			return runtime.WithDetail(s.errorf("unknown-name", "no ProxyHCExpr %q is defined before this line in this server", s.val),
				"a virtual host does not know the expressions of the main server")
		}
		h.Expr, err = s.text(16)
	}
	return err
}

// setTemplate takes over all that the template says, defaults included: what comes after it in the line holds.
func (h *Health) setTemplate(s *setting) error {
	if healthNames.Template != nil {
		if t, ok := healthNames.Template(s.cmd, s.val); ok {
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

// HealthStats are the health checks of a worker. Safe for concurrent use.
type HealthStats struct {
	Passed, Failed atomic.Int64
	Took           atomic.Int64 // the last one, in nanoseconds
}

// HCPass takes the worker back into use after its health checks have passed: out of error, too.
func (w *Worker) HCPass() { w.clear(HCFail | InError) }
