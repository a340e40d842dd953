package main

import (
	"fmt"
	"slices"
	"strings"
)

// column is a metric in a table; show writes a value with its unit.
type column struct {
	metric, heading string
	show            func(float64) string
}

func plainNumber(v float64) string    { return fmt.Sprintf("%.0f", v) }
func oneDecimal(v float64) string     { return fmt.Sprintf("%.1f", v) }
func twoDecimals(v float64) string    { return fmt.Sprintf("%.2f", v) }
func threeDecimals(v float64) string  { return fmt.Sprintf("%.3f", v) }
func mebibytes(v float64) string      { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }
func kibibytes(v float64) string      { return fmt.Sprintf("%.1f", v/1024) }
func bytesPerSecond(v float64) string { return fmt.Sprintf("%.2f GiB/s", v/(1<<30)) }

// seconds shows a time given in seconds.
func seconds(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.0f ms", v*1e3)
	}
	return fmt.Sprintf("%.2f s", v)
}

// duration shows a latency given in µs.
func duration(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.1f ms", us/1e3)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

// report is the whole text, as Markdown.
func report(r *results, chosen []workload, peers []peer, m machine) string {
	var b strings.Builder
	b.WriteString(heading)
	writeGoals(&b, r, chosen)
	if len(r.failed) > 0 {
		b.WriteString("\n## What failed\n\nThese measurements saw errors; they are in no figure here.\n\n")
		for _, f := range r.failed {
			fmt.Fprintf(&b, "- %s\n", strings.ReplaceAll(f, "\n", " "))
		}
	}
	for _, w := range chosen {
		for _, t := range w.tables {
			writeTable(&b, r, t, peers)
		}
	}
	m.write(&b)
	return b.String()
}

const heading = `# Benchmarks

Written by ` + "`make bench`" + `: pinion beside Debian's httpd, nginx and HAProxy, doing the same work in one run. **Ratios are pinion's figure
divided by the peer's**, taken round by round: the median, then the least and the greatest in brackets. For costs, times and memory less is
better, for rates more. Absolute figures vary from run to run and from machine to machine; the ratios within a run are the result.

## Goals

`

// writeGoals writes the table of what was to be reached by the workloads that were measured.
func writeGoals(b *strings.Builder, r *results, chosen []workload) {
	b.WriteString("| | goal | at most | got | met |\n| --- | --- | ---: | ---: | --- |\n")
	for _, g := range allGoals() {
		if !slices.ContainsFunc(chosen, func(w workload) bool { return w.id == g.workload }) {
			continue
		}
		got, met := g.got(r), "yes"
		text := got.show()
		switch {
		case got.n == 0:
			text, met = "–", "not measured"
		case got.median > g.limit:
			met = "**no**"
		}
		if got.n > 0 && g.unit != "" {
			text += g.unit
		}
		fmt.Fprintf(b, "| %s | %s | %.4g%s | %s | %s |\n", g.workload, g.text, g.limit, g.unit, text, met)
	}
}

// show is the median with what it lies between; of one value there is nothing between.
func (s spread) show() string {
	if s.n < 2 {
		return fmt.Sprintf("%.2f", s.median)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high)
}

// writeTable writes a table: for each case and peer the medians, and below a peer the ratios to it.
func writeTable(b *strings.Builder, r *results, t table, peers []peer) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", t.title, t.notes)
	for _, kase := range t.cases {
		fmt.Fprintf(b, "\n**%s**\n\n", strings.ToUpper(caseText(kase)[:1])+caseText(kase)[1:])
		used := usedColumns(r, kase, t.columns, peers)
		if len(used) == 0 {
			b.WriteString("Not measured.\n")
			continue
		}
		head, rule := "| |", "| --- |"
		for _, c := range used {
			head, rule = head+" "+c.heading+" |", rule+" ---: |"
		}
		fmt.Fprintf(b, "%s\n%s\n", head, rule)
		for _, p := range peers {
			writeRows(b, r, kase, p.name, used)
		}
	}
}

// caseText leaves out the letter that a case begins with.
func caseText(kase string) string {
	_, text, _ := strings.Cut(kase, ", ")
	return text
}

// usedColumns are those that anybody was measured for.
func usedColumns(r *results, kase string, columns []column, peers []peer) (used []column) {
	for _, c := range columns {
		if slices.ContainsFunc(peers, func(p peer) bool { return len(r.values(series{kase, p.name, c.metric})) > 0 }) {
			used = append(used, c)
		}
	}
	return used
}

func writeRows(b *strings.Builder, r *results, kase, peer string, columns []column) {
	fmt.Fprintf(b, "| %s |", peer)
	for _, c := range columns {
		text := "–"
		if v := r.values(series{kase, peer, c.metric}); len(v) > 0 {
			text = c.show(spreadOf(v).median)
		}
		b.WriteString(" " + text + " |")
	}
	b.WriteString("\n")
	if peer == "pinion" {
		return
	}
	fmt.Fprintf(b, "| *pinion ÷ %s* |", peer)
	for _, c := range columns {
		text := "–"
		if q := r.ratio(series{kase, "pinion", c.metric}, series{kase, peer, c.metric}); q.n > 0 {
			text = "*" + q.show() + "*"
		}
		b.WriteString(" " + text + " |")
	}
	b.WriteString("\n")
}

// missing lists the cases of peers that no round has a measurement of.
func (r *results) missing(chosen []workload, peers []peer) (names []string) {
	for _, w := range chosen {
		for _, p := range peers {
			if w.skips != nil && w.skips(p.name) {
				continue
			}
			for _, t := range w.tables {
				for _, kase := range t.cases {
					if !slices.ContainsFunc(r.samples[kase][p.name], func(s sample) bool { return s != nil }) {
						names = append(names, kase+" of "+p.name)
					}
				}
			}
		}
	}
	return names
}
