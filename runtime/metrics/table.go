package metrics

import (
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one row of the table of all metrics: what is exported and what docs/metrics.md says of it.
type metric struct {
	name, kind, help string
	labels           []string
	desc             *prometheus.Desc
}

// The kinds of metrics.
const (
	counter   = "counter"
	gauge     = "gauge"
	histo     = "histogram"
	ofVhost   = "vhost"
	ofMembers = "vhost balancer"
	ofWorkers = "vhost balancer worker"
)

// table is every metric of pinion's own, in the order of the documentation.
var table []*metric

func define(kind, name, labels, help string) *metric {
	m := &metric{name: name, kind: kind, help: help, labels: strings.Fields(labels)}
	m.desc = prometheus.NewDesc(name, help, m.labels, nil)
	table = append(table, m)
	return m
}

var (
	requestsTotal   = define(counter, "pinion_requests_total", ofVhost+" code method", "Requests answered, by the status that the client got (%>s).")
	requestDuration = define(histo, "pinion_request_duration_seconds", ofMembers, "Time from a request's head to the end of its answer (%D), by the balancer that it went to; none is an empty one.")

	stickyHits    = define(counter, "pinion_balancer_sticky_hits_total", ofMembers, "Requests whose session named a member and that went to it.")
	stickyMisses  = define(counter, "pinion_balancer_sticky_misses_total", ofMembers, "Requests to a balancer with stickysession that named no member.")
	routeChanges  = define(counter, "pinion_balancer_route_changes_total", ofMembers, "Elections of another member than the request's session named.")
	members       = define(gauge, "pinion_balancer_members", ofMembers, "Members of the balancer.")
	usableMembers = define(gauge, "pinion_balancer_usable_members", ofMembers, "Members that are usable now, draining and route-only ones included. 0 means that clients get 503.")

	workerInfo        = define(gauge, "pinion_worker_info", ofWorkers+" route", "1 for each worker, with its route.")
	workerStatus      = define(gauge, "pinion_worker_status", ofWorkers+" flag", "1 where the flag is set, 0 where not; docs/metrics.md lists the flags.")
	workerBusy        = define(gauge, "pinion_worker_busy_requests", ofWorkers, "Requests and tunnels that the worker is busy with; counted for members of balancers only.")
	workerElected     = define(counter, "pinion_worker_elected_total", ofWorkers, "Times that the balancer chose the worker.")
	workerOwn         = define(gauge, "pinion_worker_own_route_requests", ofWorkers+" window", "Requests that carried the worker's own route in the last 1m, 5m and 1h, wherever they were sent. 0 in the last hour: its sessions are gone.")
	workerOwnLast     = define(gauge, "pinion_worker_own_route_last_timestamp_seconds", ofWorkers, "When the last request that carried the worker's own route came, as Unix time; 0 where none has come.")
	workerErrors      = define(counter, "pinion_worker_errors_total", ofWorkers, "Times that the worker was put in error.")
	workerRetries     = define(counter, "pinion_worker_retries_total", ofWorkers, "Times that the worker was taken out of error to be tried again.")
	workerTransferred = define(counter, "pinion_worker_transferred_bytes_total", ofWorkers, "Bytes sent to the backend; those of a tunnel when it ends.")
	workerRead        = define(counter, "pinion_worker_read_bytes_total", ofWorkers, "Bytes read from the backend; those of a tunnel when it ends.")
	workerPool        = define(gauge, "pinion_worker_pool_connections", ofWorkers+" state", "Connections to the backend, by state: idle, or busy with a request.")
	workerChecks      = define(counter, "pinion_worker_healthchecks_total", ofWorkers+" result", "Health checks that ended, by result: passed or failed; of workers that have checks.")
	workerCheckTook   = define(gauge, "pinion_worker_healthcheck_duration_seconds", ofWorkers, "How long the last health check took.")

	clientConns    = define(gauge, "pinion_client_connections", "state", "Open client connections, by state: idle between requests, active, or a tunnel.")
	clientAccepted = define(counter, "pinion_client_connections_accepted_total", "", "Client connections accepted since the start.")

	reloads      = define(counter, "pinion_config_reloads_total", "result", "Loads of the configuration, the one at the start included, by result: success or failure.")
	reloadOK     = define(gauge, "pinion_config_last_reload_successful", "", "1 if the last load of the configuration succeeded; 0 if it was refused and the one before goes on.")
	reloadTime   = define(gauge, "pinion_config_last_reload_timestamp_seconds", "", "When the last load ended, as Unix time.")
	reloadOKTime = define(gauge, "pinion_config_last_reload_success_timestamp_seconds", "", "When the last load that succeeded ended, as Unix time.")
	reloadTook   = define(gauge, "pinion_config_last_reload_duration_seconds", "", "How long the last load took.")
	configInfo   = define(gauge, "pinion_config_info", "hash", "1, with the hash of the configuration's text that is in force.")

	buildInfo = define(gauge, "pinion_build_info", "version revision goversion", "1, with what pinion was built from.")
)

// WriteTable writes the table of metrics as Markdown, for docs/metrics.md.
func WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, m := range table {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), m.help)
	}
	b.WriteString("\nFlags of `pinion_worker_status`:\n\n| flag | set while the worker |\n| --- | --- |\n")
	for _, f := range flags {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
