package manager

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"pinion/runtime"
	"pinion/runtime/balancer"
	"pinion/runtime/proxy"
)

//go:embed assets/page.html
var pageText string

//go:embed assets/style.css
var styleText string

//go:embed assets/app.js
var scriptText string

// policy lets the page run its own script and style, known by their hashes, and speak to this server alone.
var policy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	hashOf(scriptText), hashOf(styleText))

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(styleText) },
	"script": func() template.JS { return template.JS(scriptText) },
	"size":   runtime.SizeText, "spark": spark, "sum": sum, "ago": ago, "words": stateWords, "factor": func(f float64) string { return fmt.Sprintf("%.2f", f) },
	"clock": func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") },
}).Parse(pageText))

// pageView is what the template sees.
type pageView struct {
	*overview
	Balancer *balancerView // to edit, nil for none
	Worker   *workerView
	Sel      *selection
	Exprs    []proxy.HealthExpr
}

// Self is where forms go, so that the selection stays.
func (p *pageView) Self() template.URL { return template.URL(p.Sel.page(p.Action, p.Sel.From)) }

// Shape is what the page is, but for its figures.
func (p *pageView) Shape() string { return shape(p.Balancers) }

// More is a link to the next page of the selection, "" on the last.
func (p *pageView) More() template.URL {
	if p.Sel.From+perPage >= p.Sel.Found {
		return ""
	}
	return template.URL(p.Sel.page(p.Action, p.Sel.From+perPage))
}

// Less is a link to the page before, "" on the first.
func (p *pageView) Less() template.URL {
	if p.Sel.From == 0 {
		return ""
	}
	return template.URL(p.Sel.page(p.Action, p.Sel.From-perPage))
}

// States are what the filter suggests.
func (p *pageView) States() (names []string) {
	for _, s := range states {
		names = append(names, s.words)
	}
	return names
}

// page answers with the page, for people and, in its links, forms and tables, for scripts made for httpd's.
func (v *visit) page() runtime.Result {
	v.Logf(balancer.Module, runtime.LogDebug, "AH01204", "genning page")
	p := &pageView{overview: v.overview(), Sel: readSelection(v.Args), Exprs: proxy.HealthExprs(v.Server)}
	for i := range p.Balancers {
		b := &p.Balancers[i]
		b.bind(p.Time)
		b.sel = p.Sel
		for k := range b.Workers {
			if b.b == v.balancer && b.Workers[k].w == v.worker {
				p.Worker = &b.Workers[k]
			}
		}
		if b.b == v.balancer {
			p.Balancer = b
		}
	}
	p.Balancers = p.Sel.choose(p.Balancers, perPage)
	var text strings.Builder
	if err := pageTemplate.Execute(&text, p); err != nil {
		v.LogCausef(balancer.Module, runtime.LogErr, err, "", "making the balancer-manager's page")
		return 500
	}
	v.noStore()
	v.HeadersOut.Set("Content-Security-Policy", policy)
	v.HeadersOut.Set("Referrer-Policy", "same-origin") // forms need their Referer
	return sent(v.SendText("text/html; charset=utf-8", text.String()))
}

// B is the balancer's view, for the template.
func (w *workerView) B() *balancerView { return w.b }

// Action is a button of a member.
type Action struct {
	Do, Label, Title string
	Now              bool // it is what the member is
}

// Actions are the member's buttons.
func (w *workerView) Actions() []Action {
	r := Action{"route-only", "Route-only", "takes requests that carry its own route only: old sessions end here, no new ones begin", w.State == "route-only"}
	if rAction(w.w) == "spare" {
		r = Action{"spare", "Spare", "stands in for members that are unusable", w.State == "spare"}
	}
	return []Action{{"enable", "Enable", "takes requests", w.State == "ok"},
		{"drain", "Drain", "takes requests of its own sessions only", w.State == "drain"}, r,
		{"standby", "Standby", "takes requests when no other member is usable", w.State == "standby"},
		{"disable", "Disable", "takes no requests", w.State == "disabled"}}
}

// Bit is one of the status flags of the form.
type Bit struct {
	Letter, Label string
	On            bool
}

// Bits are the flags that httpd's form has.
func (w *workerView) Bits() []Bit {
	r := "Hot Spare"
	if rAction(w.w) == "route-only" {
		r = "Route-only"
	}
	all := []Bit{{"I", "Ignore Errors", false}, {"N", "Draining Mode", false}, {"D", "Disabled", false}, {"H", "Hot Standby", false}, {"R", r, false},
		{"C", "HC Fail", false}, {"S", "Stopped", false}}
	for i := range all {
		all[i].On = strings.Contains(w.Flags, all[i].Letter)
	}
	return all
}

// CheckMethods are the values of hcmethod.
func (w *workerView) CheckMethods() []string { return proxy.HealthMethods() }

// CheckExprs are the values of hcexpr, none included.
func (w *workerView) CheckExprs() []string {
	names := []string{""}
	for _, e := range proxy.HealthExprs(w.w.Server) {
		names = append(names, e.Name)
	}
	return names
}

// UDS tells that the member is a unix socket.
func (w *workerView) UDS() bool { return w.w.UDS != "" }

// Field is the member's name as httpd's forms hold it.
func (w *workerView) Field() string { return escapeURI(w.w.Name) }

// Link leads to the page where the member can be edited.
func (w *workerView) Link(action string) template.URL {
	return template.URL(escapeURI(action) + "?b=" + w.b.Name + "&w=" + escapeURI(w.w.Name) + "&nonce=" + escapeURI(w.b.Nonce) + w.b.sel.query(w.b.sel.From))
}

// Link leads to the page where the balancer can be edited.
func (b *balancerView) Link(action string) template.URL {
	return template.URL(escapeURI(action) + "?b=" + b.Name + "&nonce=" + escapeURI(b.Nonce) + b.sel.query(b.sel.From))
}

// Used is how many members there are.
func (b *balancerView) Used() int { return b.used }

// Room tells whether a member can be added.
func (b *balancerView) Room() bool { return b.used < b.MaxMembers }

// Path is where the balancer is mounted.
func (b *balancerView) Path() string { return b.b.VPath }

// FullName is the name with its scheme.
func (b *balancerView) FullName() string { return b.b.Name }

// leaving says how far the member's fade-out is, "" for one that takes new sessions.
func (w *workerView) leaving(now time.Time) string {
	switch w.State {
	case "drain", "route-only", "disabled", "stopped":
	default:
		return ""
	}
	switch o, since := w.OwnRoute, now.Sub(w.OwnRoute.Since); {
	case w.Route == "":
		return ""
	case w.Busy > 0:
		return fmt.Sprintf("in use: %d requests are open", w.Busy)
	case o.Minute > 0:
		return "in use: requests with its route still come"
	case o.Hour > 0:
		return "quiet: the last request with its route came " + ago(now, o.Last)
	case since < time.Hour:
		return "quiet since counting began " + ago(now, &o.Since)
	}
	return "safe to stop: no request with its route for an hour"
}

// Safe tells that leaving found the member's sessions gone.
func (w *workerView) Safe() bool { return strings.HasPrefix(w.Leaving, "safe") }

// words are what a state is called and what it means.
func stateWords(state string) []string {
	for _, s := range states {
		if s.name == state {
			return []string{s.words, s.meaning}
		}
	}
	return []string{state, ""}
}

// The sparkline's size in SVG's units.
const sparkWidth, sparkHeight = 120, 28

// spark is the path of a sparkline.
func spark(recent []uint32) string {
	top := uint32(1)
	for _, n := range recent {
		top = max(top, n)
	}
	var b strings.Builder
	step := float64(sparkWidth) / float64(max(len(recent)-1, 1))
	for i, n := range recent {
		if i > 0 && i+1 < len(recent) && recent[i-1] == n && recent[i+1] == n {
			continue // on a level line
		}
		c := 'L'
		if i == 0 {
			c = 'M'
		}
		fmt.Fprintf(&b, "%c%.1f %.1f", c, float64(i)*step, sparkHeight-1-float64(n)/float64(top)*(sparkHeight-3))
	}
	return b.String()
}

func sum(recent []uint32) (n uint64) {
	for _, x := range recent {
		n += uint64(x)
	}
	return n
}

// ago says how long ago something was.
func ago(now time.Time, t *time.Time) string {
	if t == nil {
		return "never"
	}
	switch d := now.Sub(*t); {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	}
}

// escapeURI is ap_escape_uri: what may stand in a path stays.
func escapeURI(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte("/:@!$&'()*+,;=~-._", c) >= 0 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
