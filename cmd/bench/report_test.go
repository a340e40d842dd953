package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedianAndQuantile(t *testing.T) {
	if got := median([]float64{1, 2, 9}); got != 2 {
		t.Errorf("median of three: %v", got)
	}
	if got := median([]float64{1, 2, 4, 9}); got != 3 {
		t.Errorf("median of four: %v", got)
	}
	v := make([]int, 1000)
	for i := range v {
		v[i] = i + 1
	}
	if a, b, c := quantile(v, 0.99), quantile(v, 0.999), quantile(v[:1], 0.99); a != 991 || b != 1000 || c != 1 {
		t.Errorf("got %d, %d, %d", a, b, c)
	}
}

// sampleResults are three rounds in which what drifts is in both peers; the peer's second round failed.
func sampleResults() *results {
	r := newResults()
	kase := connectionCase("a", 64)
	for round, drift := range []float64{1, 2, 4} {
		r.add(kase, "pinion", round, sample{cost: 10 * drift, rate: 1000})
		if round != 1 {
			r.add(kase, "nginx", round, sample{cost: 20 * drift, rate: 500})
		}
	}
	return r
}

func TestRatiosAreRoundByRound(t *testing.T) {
	kase := connectionCase("a", 64)
	got := sampleResults().ratio(series{kase, "pinion", cost}, series{kase, "nginx", cost})
	if got != (spread{0.5, 0.5, 0.5, 2}) {
		t.Errorf("got %+v", got)
	}
	if got := sampleResults().ratio(series{kase, "pinion", cost}, series{kase, "haproxy", cost}); got.n != 0 {
		t.Errorf("got %+v of a peer that was not measured", got)
	}
}

func TestAddMerges(t *testing.T) {
	r := newResults()
	r.add("e", "pinion", 0, sample{firstIn: 1})
	r.add("e", "pinion", 0, sample{shown: 2})
	if diff := cmp.Diff([]sample{{firstIn: 1, shown: 2}}, r.samples["e"]["pinion"]); diff != "" {
		t.Error(diff)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	peers := []peer{{name: "pinion"}, {name: "nginx"}, {name: "haproxy"}}
	writeTable(&b, sampleResults(), table{title: "T", notes: "N.", cases: []string{connectionCase("a", 64), connectionCase("a", 1)},
		columns: []column{{rate, "requests/s", plainNumber}, {cost, "µs/request", oneDecimal}, {p99, "p99", duration}}}, peers)
	want := `
## T

N.

**64 connections**

| | requests/s | µs/request |
| --- | ---: | ---: |
| pinion | 1000 | 20.0 |
| nginx | 500 | 50.0 |
| *pinion ÷ nginx* | *2.00 (2.00–2.00)* | *0.50 (0.50–0.50)* |
| haproxy | – | – |
| *pinion ÷ haproxy* | – | – |

**1 connection**

Not measured.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestGoals(t *testing.T) {
	var b strings.Builder
	writeGoals(&b, sampleResults(), []workload{keepAlive()})
	for _, want := range []string{
		"| a | the same, to nginx's | 1 | 0.50 (0.50–0.50) | yes |\n",
		"| a | the same, to httpd's | 0.33 | – | not measured |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("expected %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "| b |") {
		t.Errorf("a goal of a workload that did not run:\n%s", b.String())
	}
}

// Each goal must name a case and a metric that a table of its workload has.
func TestGoalsNameWhatIsMeasured(t *testing.T) {
	for _, g := range allGoals() {
		i := slices.IndexFunc(allWorkloads(), func(w workload) bool { return w.id == g.workload })
		if i < 0 {
			t.Errorf("%s: no workload %q", g.text, g.workload)
			continue
		}
		r := newResults()
		for _, table := range allWorkloads()[i].tables {
			for _, kase := range table.cases {
				for _, p := range allPeers("pinion") {
					s := sample{}
					for _, c := range table.columns {
						s[c.metric] = 1
					}
					r.add(kase, p.name, 0, s)
				}
			}
		}
		if got := g.got(r); got.n != 1 {
			t.Errorf("%s: got %+v from tables that are full", g.text, got)
		}
	}
}

func TestMissingAndFailed(t *testing.T) {
	r := sampleResults()
	r.failed = []string{"a, 64 connections, nginx, round 2: the load saw errors"}
	peers := []peer{{name: "pinion"}, {name: "nginx"}}
	want := []string{"a, 1 connection of pinion", "a, 512 connections of pinion", "a, 1 connection of nginx", "a, 512 connections of nginx"}
	if diff := cmp.Diff(want, r.missing([]workload{keepAlive()}, peers)); diff != "" {
		t.Error(diff)
	}
	text := report(r, []workload{keepAlive()}, peers, machine{began: time.Unix(0, 0)})
	if !strings.Contains(text, "## What failed") || !strings.Contains(text, r.failed[0]) {
		t.Errorf("the failure is not in\n%s", text)
	}
}

func TestOnly(t *testing.T) {
	for _, o := range []options{{only: "x"}, {only: "a,,b"}} {
		if w, err := o.workloads(); err == nil {
			t.Errorf("--only %s: expected an error, got %d workloads", o.only, len(w))
		}
	}
	w, err := options{only: "b,a"}.workloads()
	if err != nil || len(w) != 2 || w[0].id != "b" {
		t.Errorf("got %v, %v", w, err)
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{duration(999), "999 µs"}, {duration(1500), "1.5 ms"}, {duration(2.5e6), "2.50 s"},
		{seconds(0.25), "250 ms"}, {seconds(31), "31.00 s"}, {mebibytes(3 << 20), "3.0 MiB"}, {kibibytes(2048), "2.0"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}
