package main

import (
	"fmt"
)

// ruleCounts of workload f.
var ruleCounts = []int{10, 1000, 10000}

// ruleKinds are the two kinds of lines of workload f.
var ruleKinds = []struct {
	name string
	set  func(*site, int)
}{
	{"RewriteRules", func(s *site, n int) { s.rewrites = n }},
	{"ProxyPass lines", func(s *site, n int) { s.mounts = n }},
}

func ruleCase(kind string, n int) string { return fmt.Sprintf("f, %d %s", n, kind) }

func manyRules() workload {
	var cases []string
	for _, k := range ruleKinds {
		for _, n := range ruleCounts {
			cases = append(cases, ruleCase(k.name, n))
		}
	}
	return workload{id: "f", measure: (*run).ruleLoads, tables: []table{{
		title: "f. The last of many rules",
		notes: "One virtual host whose last RewriteRule or ProxyPass line matches; 64 keep-alive connections, a balancer of two without sticky sessions. " +
			"nginx: rewrite lines and prefix locations; HAProxy: replace-path lines, and a map of prefixes.",
		cases: cases, columns: loadColumns,
	}}}
}

func (r *run) ruleLoads() error {
	for _, k := range ruleKinds {
		for _, n := range ruleCounts {
			r.row(ruleCase(k.name, n), func() (sample, error) {
				s, err := r.newSite()
				if err != nil {
					return nil, err
				}
				k.set(&s, n)
				srv, stop, err := r.serve(s)
				if err != nil {
					return nil, err
				}
				defer stop()
				if err := checkPath(s, "bench.test", fmt.Sprintf("/old%05d/check", n), "/new/check"); err != nil {
					return nil, err
				}
				p := plan{connections: 64, path: fmt.Sprintf("/old%05d/page", n)}
				if err := r.warm(srv, p); err != nil {
					return nil, err
				}
				return r.wrk(srv, p, r.slot)
			})
		}
	}
	return nil
}
