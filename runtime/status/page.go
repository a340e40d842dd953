package status

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"pinion/runtime"
)

// rows bounds the table of connections: those that are busy come first.
const rows = 1000

const head = `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html><head>
<title>Apache Status</title>
<meta name="viewport" content="width=device-width">
<style type="text/css">
:root { color-scheme: light dark }
body { font-family: system-ui, sans-serif; margin: 1em 2em; line-height: 1.4 }
table { border-collapse: collapse; font-size: 90% }
th, td { padding: .15em .6em; text-align: left; vertical-align: top }
tr + tr { border-top: 1px solid #8885 }
pre { overflow-wrap: anywhere; white-space: pre-wrap }
</style>
</head><body>
`

const key = `<p>Scoreboard Key, one letter a connection:<br>
"<b><code>_</code></b>" Waiting for a Request,
"<b><code>R</code></b>" Reading Request,
"<b><code>W</code></b>" Sending Reply, or a tunnel,
"<b><code>G</code></b>" Gracefully finishing
</p>
`

// page writes the page for people, but for what the balancers add and the page's end.
func (rep *report) page(b *bytes.Buffer, table bool) {
	esc := runtime.EscapeHTML
	b.WriteString(head)
	fmt.Fprintf(b, "<h1>Apache Server Status for %s (via %s)</h1>\n\n", esc(rep.name), esc(rep.via))
	fmt.Fprintf(b, "<dl><dt>Server Version: %s</dt>\n<dt>Server MPM: pinion</dt>\n<dt>Server Built: %s\n</dt></dl><hr><dl>\n", esc(rep.version), esc(rep.built))
	fmt.Fprintf(b, "<dt>Current Time: %s</dt>\n<dt>Restart Time: %s</dt>\n", clock(rep.now), clock(started))
	fmt.Fprintf(b, "<dt>Parent Server Config. Generation: %d</dt>\n<dt>Parent Server MPM Generation: %d</dt>\n", rep.generation, rep.generation-1)
	fmt.Fprintf(b, "<dt>Server uptime: %s</dt>\n<dt>Server load: %s %s %s</dt>\n", span(rep.uptime), rep.load[0], rep.load[1], rep.load[2])
	fmt.Fprintf(b, "<dt>Total accesses: %d - Total Traffic: %s - Total Duration: %d</dt>\n", rep.requests, traffic(rep.bytes>>10), rep.duration.Milliseconds())
	fmt.Fprintf(b, "<dt>CPU Usage: u%s s%s cu%s cs%s", figure(rep.user), figure(rep.system), figure(rep.cuser), figure(rep.csystem))
	if cpu := rep.cpu(); cpu > 0 && rep.uptime > 0 {
		fmt.Fprintf(b, " - %s%% CPU load", strconv.FormatFloat(cpu/float64(rep.uptime)*100, 'g', 3, 64))
	}
	b.WriteString("</dt>\n<dt>")
	rep.rates(b)
	fmt.Fprintf(b, "</dt>\n<dt>%d requests currently being processed, %d workers gracefully restarting, %d idle workers</dt>\n</dl>\n", rep.busy, rep.graceful, rep.idle)
	b.WriteString("<pre>")
	b.Write(rep.board())
	b.WriteString("</pre>\n" + key)
	if !table {
		b.WriteString("<hr><h2>Server Details</h2>\n\n")
		rep.each(func(s *slot) { s.paragraph(b, rep.now) })
		return
	}
	b.WriteString("\n<table><tr><th>Srv</th><th>Acc</th><th>M</th><th>SS</th><th>Req</th><th>Dur</th><th>Conn</th><th>Client</th><th>Protocol</th><th>VHost</th><th>Request</th></tr>\n\n")
	left := rep.each(func(s *slot) { s.row(b, rep.now) })
	b.WriteString("</table>\n")
	if left > 0 {
		fmt.Fprintf(b, "<p>and %d more connections</p>\n", left)
	}
	b.WriteString(`<hr><table>
<tr><th>Srv</th><td>Number of the connection since the start</td></tr>
<tr><th>Acc</th><td>Number of accesses this connection</td></tr>
<tr><th>M</th><td>Mode of operation</td></tr>
<tr><th>SS</th><td>Seconds since beginning of most recent request</td></tr>
<tr><th>Req</th><td>Milliseconds required to process most recent request</td></tr>
<tr><th>Dur</th><td>Sum of milliseconds required to process all requests</td></tr>
<tr><th>Conn</th><td>Kilobytes transferred this connection</td></tr>
</table>
`)
}

// rates are the figures per second and per request.
func (rep *report) rates(b *bytes.Buffer) {
	kbytes := float64(rep.bytes >> 10)
	if rep.uptime > 0 {
		up := float64(rep.uptime)
		fmt.Fprintf(b, "%s requests/sec - %s/second", strconv.FormatFloat(float64(rep.requests)/up, 'g', 3, 64), size(int64(1024*kbytes/up)))
	}
	if rep.requests > 0 {
		if rep.uptime > 0 {
			b.WriteString(" - ")
		}
		n := float64(rep.requests)
		fmt.Fprintf(b, "%s/request - %s ms/request", size(int64(1024*kbytes/n)), figure(float64(rep.duration.Milliseconds())/n))
	}
}

// each calls f with the connections that have had a request, busy ones first, and returns how many it left out.
func (rep *report) each(f func(*slot)) (left int) {
	n := 0
	for _, idle := range []bool{false, true} {
		for i := range rep.slots {
			s := &rep.slots[i]
			if (s.mode == '_') != idle || idle && s.score.Requests == 0 {
				continue
			}
			if n++; n > rows {
				left++
				continue
			}
			f(s)
		}
	}
	return left
}

// since is how many seconds ago the connection's last request began.
func (s *slot) since(now time.Time) int64 {
	if s.score.Began.IsZero() {
		return 0
	}
	return int64(now.Sub(s.score.Began) / time.Second)
}

// vhost is the server of the last request with the port it came in on, as httpd shows it.
func (s *slot) vhost() string {
	if s.score.Line == "" {
		return ""
	}
	return s.score.VHost + ":" + strconv.Itoa(int(s.port))
}

func (s *slot) line() string {
	return runtime.EscapeHTML(string(runtime.AppendLogEscaped(nil, s.score.Line)))
}

func (s *slot) row(b *bytes.Buffer, now time.Time) {
	esc, c := runtime.EscapeHTML, &s.score
	letter := string(s.mode)
	if s.mode != '_' {
		letter = "<b>" + letter + "</b>"
	}
	fmt.Fprintf(b, "<tr><td><b>%d</b></td><td>%d</td><td>%s</td><td>%d</td><td>%d</td><td>%d</td><td>%.1f</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
		s.id, c.Requests, letter, s.since(now), c.Took.Milliseconds(), c.Duration.Milliseconds(), float64(c.Bytes)/1024,
		esc(c.Client), esc(c.Protocol), esc(s.vhost()), s.line())
}

var modeNames = map[byte]string{'_': "Ready", 'R': "<b>Read</b>", 'W': "<b>Write</b>", 'G': "Graceful"}

func (s *slot) paragraph(b *bytes.Buffer, now time.Time) {
	esc, c := runtime.EscapeHTML, &s.score
	fmt.Fprintf(b, "<p><b>Server %d</b>: %d [%s]\n %d %d %d(%s)\n <i>%s {%s}</i> <i>(%s)</i> <b>[%s]</b></p>\n\n",
		s.id, c.Requests, modeNames[s.mode], s.since(now), c.Took.Milliseconds(), c.Duration.Milliseconds(), size(c.Bytes),
		esc(c.Client), s.line(), esc(c.Protocol), esc(s.vhost()))
}

// balancersPage is mod_proxy's part of the page (proxy_status_hook).
func balancersPage(b *bytes.Buffer, r *runtime.Request) {
	all, esc := shown(r), runtime.EscapeHTML
	for _, bal := range all {
		fmt.Fprintf(b, "<hr>\n<h1>Proxy LoadBalancer Status for %s</h1>\n\n", esc(bal.Name))
		cookie, path := bal.Sticky()
		switch {
		case cookie == "":
			cookie = " - "
		case path != cookie:
			cookie += " | " + path
		}
		fmt.Fprintf(b, "<table><tr><th>SSes</th><th>Timeout</th><th>Method</th></tr>\n<tr><td>%s</td><td>%d</td><td>%s</td></tr>\n</table>\n\n",
			esc(cookie), bal.Timeout()/time.Second, esc(bal.LBMethod()))
		b.WriteString("<table><tr><th>Sch</th><th>Host</th><th>Stat</th><th>Route</th><th>Redir</th><th>F</th><th>Set</th><th>Acc</th><th>Busy</th><th>Wr</th><th>Rd</th></tr>\n")
		for _, w := range bal.Members {
			st := w.State
			fmt.Fprintf(b, "<tr>\n<td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%.2f</td><td>%d</td><td>%d</td><td>%d</td><td>%s</td><td>%s</td>\n</tr>\n",
				esc(w.Scheme), esc(w.Hostname), w.Status(), esc(w.Route()), esc(w.Redirect()), float64(w.LBFactor())/100, w.LBSet(),
				st.Elected.Load(), st.Busy.Load(), runtime.SizeText(st.Transferred.Load()), runtime.SizeText(st.Read.Load()))
		}
		b.WriteString("</table>\n")
	}
	if len(all) == 0 {
		return
	}
	b.WriteString(`<hr><table>
<tr><th>SSes</th><td>Sticky session name</td></tr>
<tr><th>Timeout</th><td>Balancer Timeout</td></tr>
<tr><th>Sch</th><td>Connection scheme</td></tr>
<tr><th>Host</th><td>Backend Hostname</td></tr>
<tr><th>Stat</th><td>Worker status</td></tr>
<tr><th>Route</th><td>Session Route</td></tr>
<tr><th>Redir</th><td>Session Route Redirection</td></tr>
<tr><th>F</th><td>Load Balancer Factor</td></tr>
<tr><th>Acc</th><td>Number of uses</td></tr>
<tr><th>Wr</th><td>Number of bytes transferred</td></tr>
<tr><th>Rd</th><td>Number of bytes read</td></tr>
</table>
`)
}

// size writes bytes as httpd does (format_byte_out).
func size(n int64) string {
	switch f := float64(n); {
	case n < 5<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<19:
		return fmt.Sprintf("%.1f kB", f/(1<<10))
	case n < 1<<29:
		return fmt.Sprintf("%.1f MB", f/(1<<20))
	default:
		return fmt.Sprintf("%.1f GB", f/(1<<30))
	}
}

// traffic writes kilobytes (format_kbyte_out).
func traffic(k int64) string {
	switch f := float64(k); {
	case k < 1<<10:
		return strconv.FormatInt(k, 10) + " kB"
	case k < 1<<20:
		return fmt.Sprintf("%.1f MB", f/(1<<10))
	default:
		return fmt.Sprintf("%.1f GB", f/(1<<20))
	}
}
