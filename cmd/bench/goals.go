package main

import "fmt"

// goal is what pinion is to reach: a figure, usually a ratio of its cost to a peer's, that is no greater than limit.
type goal struct {
	workload string
	text     string
	limit    float64
	unit     string // "" is a ratio
	got      func(*results) spread
}

// against is the goal of a metric's ratio to a peer.
func against(workload, text, kase, metric, peer string, limit float64) goal {
	return goal{workload: workload, text: text, limit: limit, got: func(r *results) spread {
		return r.ratio(series{kase, "pinion", metric}, series{kase, peer, metric})
	}}
}

// within is the goal of a ratio of two of pinion's own figures.
func within(workload, text string, over, under series, limit float64) goal {
	return goal{workload: workload, text: text, limit: limit, got: func(r *results) spread { return r.ratio(over, under) }}
}

// allGoals in the order of the workloads.
func allGoals() []goal {
	kept, fresh, many := connectionCase("a", 64), connectionCase("b", 64), vhostCase(manyVhosts)
	own := func(kase, metric string) series { return series{kase, "pinion", metric} }
	goals := []goal{
		against("a", "keep-alive, 64 connections: processor time, to HAProxy's", kept, cost, "haproxy", 0.75),
		against("a", "the same, to nginx's", kept, cost, "nginx", 1.0),
		against("a", "the same, to httpd's", kept, cost, "httpd", 0.33),
		against("a", "p99, to httpd's", kept, p99, "httpd", 1.0),
		against("b", "new connections, 64: processor time, to HAProxy's", fresh, cost, "haproxy", 0.75),
		against("b", "the same, to nginx's", fresh, cost, "nginx", 1.05),
		against("c", "TLS, keep-alive: processor time, to nginx's", tlsKept, cost, "nginx", 1.1),
		against("c", "TLS, full handshakes: processor time, to nginx's", tlsFull, cost, "nginx", 1.5),
		against("d", "1 MiB answers: processor time, to HAProxy's", bodyMebi, perGiB, "haproxy", 0.8),
		against("e", "10,000 virtual hosts: time to the first answer, to HAProxy's", many, firstIn, "haproxy", 1),
		against("e", "the same: memory, to HAProxy's", many, memory, "haproxy", 1),
		within("e", "the same: a request at the last virtual host, to one at the first", own(many, costLast), own(many, costFirst), 1.03),
		within("e", "reload of one changed file of 10,000, to a full load", own(many, reloadCPU), own(many, loadCost), 0.1),
	}
	for _, k := range ruleKinds {
		goals = append(goals, within("f", fmt.Sprintf("last of 10,000 %s, to the last of 10", k.name),
			own(ruleCase(k.name, 10000), cost), own(ruleCase(k.name, 10), cost), 1.5))
	}
	return append(goals,
		goal{"g", "memory of an idle connection", 4, " KiB", func(r *results) spread {
			s := spreadOf(r.values(own(idleCase, perIdle)))
			return spread{s.median / 1024, s.low / 1024, s.high / 1024, s.n}
		}},
		within("h", "p99.9 while 10,000 virtual hosts are reloaded, to without", own(reloading, p999), own(undisturbed, p999), 2))
}
