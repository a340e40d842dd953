package metrics

import (
	"bytes"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"pinion/parser"
	"pinion/runtime"
)

// handlerName is what SetHandler calls this module.
const handlerName = "prometheus"

// handle answers with the metrics as text, whatever the client accepts: a scraper takes text always.
func handle(r *runtime.Request) runtime.Result {
	if r.Handler != handlerName {
		return runtime.Declined
	}
	if r.Method != "GET" && r.Method != "HEAD" {
		r.AllowedMethods = []string{"GET", "HEAD"}
		return 405
	}
	var body bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	if err := write(&body, format, Gatherer(r.Conn.Engine)); err != nil {
		r.LogCausef(Module, runtime.LogErr, err, "", "collecting metrics")
		if body.Len() == 0 {
			return 500
		}
	}
	// A client that is gone is none of our business.
	_ = r.SendText(string(format), body.String())
	return runtime.OK
}

// write encodes what could be gathered; an error tells of what could not.
func write(w *bytes.Buffer, format expfmt.Format, from prometheus.Gatherer) error {
	families, err := from.Gather()
	enc := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if e := enc.Encode(f); e != nil {
			return e
		}
	}
	return err
}

// warnOpen warns of each SetHandler prometheus that no Require guards: the metrics name every backend.
func warnOpen(c *runtime.Compiler) {
	for _, at := range handlers(c.Tree.Root, nil) {
		if guarded(at) {
			continue
		}
		d := &parser.Diagnostic{Severity: parser.Warning, Code: "open-metrics", Place: at.Place,
			Summary: "anybody may read the metrics here: no Require guards them",
			Detail:  "put Require ip with your scraper's address, or Require local, beside SetHandler"}
		c.Report(d)
	}
}

func handlers(n *parser.Node, found []*parser.Node) []*parser.Node {
	for _, k := range n.Children {
		if runtime.EqualFold(k.Name, "SetHandler") && len(k.Args) == 1 && k.Args[0] == handlerName {
			found = append(found, k)
		}
		found = handlers(k, found)
	}
	return found
}

// guarded tells whether a section around n has a directive of access control, or one for the same URL or a shorter one does.
func guarded(n *parser.Node) bool {
	path, known := "", false
	for s := n.Parent; s != nil; s = s.Parent {
		if isHost(s) {
			if known && locationGuards(s, path) {
				return true
			}
			continue
		}
		if guards(s.Children) {
			return true
		}
		if runtime.EqualFold(s.Name, "Location") && len(s.Args) == 1 {
			path, known = s.Args[0], true
		}
	}
	return false
}

// isHost tells whether the node is a virtual host or the main server.
func isHost(n *parser.Node) bool { return n.Parent == nil || runtime.EqualFold(n.Name, "VirtualHost") }

// locationGuards tells whether a <Location> of the host that applies to path has access control.
func locationGuards(host *parser.Node, path string) bool {
	for _, k := range host.Children {
		if !runtime.EqualFold(k.Name, "Location") || len(k.Args) != 1 || !guards(k.Children) {
			continue
		}
		above := strings.TrimRight(k.Args[0], "/")
		if rest, ok := strings.CutPrefix(path, above); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// guards tells whether there is access control among the directives, or in a container among them.
func guards(nodes []*parser.Node) bool {
	for _, n := range nodes {
		switch strings.ToLower(n.Name) {
		case "require", "allow", "deny", "order":
			return true
		case "requireall", "requireany", "requirenone", "limit", "limitexcept":
			if guards(n.Children) {
				return true
			}
		}
	}
	return false
}
