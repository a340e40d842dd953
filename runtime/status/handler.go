package status

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// handle answers for server-status (status_handler). Options are found anywhere in the query, as in httpd.
func handle(r *runtime.Request) runtime.Result {
	if r.Handler != handlerName && r.Handler != magicType {
		return runtime.Declined
	}
	if r.Method == "OPTIONS" {
		r.AllowedMethods = []string{"GET", "POST", "OPTIONS", "HEAD"} // what is left to the default handler, in httpd's order
	}
	if r.Method != "GET" && r.Method != "HEAD" {
		return runtime.Declined
	}
	if i := strings.Index(r.Args, "refresh"); i >= 0 {
		r.HeadersOut.Set("Refresh", strconv.Itoa(refresh(r.Args[i+len("refresh"):])))
	}
	var body bytes.Buffer
	rep := newReport(r)
	kind := "text/html; charset=ISO-8859-1"
	if strings.Contains(r.Args, "auto") {
		kind = "text/plain; charset=ISO-8859-1"
		rep.auto(&body)
		balancersAuto(&body, r)
	} else {
		rep.page(&body, !strings.Contains(r.Args, "notable"))
		balancersPage(&body, r)
		body.WriteString("</body></html>\n")
	}
	// A client that is gone is none of our business.
	_ = r.SendText(kind, body.String())
	return runtime.OK
}

// refresh reads the seconds behind refresh, "=5"; 10 where there are none.
func refresh(s string) int {
	s, ok := strings.CutPrefix(s, "=")
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if n, err := strconv.Atoi(s[:end]); ok && err == nil && n >= 1 {
		return n
	}
	return 10
}

// auto writes httpd's lines for machines, in httpd's order.
func (rep *report) auto(b *bytes.Buffer) {
	kbytes := rep.bytes >> 10
	fmt.Fprintf(b, "%s\nServerVersion: %s\nServerMPM: pinion\nServer Built: %s\n", rep.name, rep.version, rep.built)
	fmt.Fprintf(b, "CurrentTime: %s\nRestartTime: %s\n", clock(rep.now), clock(started))
	fmt.Fprintf(b, "ParentServerConfigGeneration: %d\nParentServerMPMGeneration: %d\n", rep.generation, rep.generation-1)
	fmt.Fprintf(b, "ServerUptimeSeconds: %d\nServerUptime:%s\n", rep.uptime, span(rep.uptime))
	fmt.Fprintf(b, "Load1: %s\nLoad5: %s\nLoad15: %s\n", rep.load[0], rep.load[1], rep.load[2])
	fmt.Fprintf(b, "Total Accesses: %d\nTotal kBytes: %d\nTotal Duration: %d\n", rep.requests, kbytes, rep.duration.Milliseconds())
	fmt.Fprintf(b, "CPUUser: %s\nCPUSystem: %s\nCPUChildrenUser: %s\nCPUChildrenSystem: %s\n",
		figure(rep.user), figure(rep.system), figure(rep.cuser), figure(rep.csystem))
	if cpu := rep.cpu(); cpu > 0 && rep.uptime > 0 {
		fmt.Fprintf(b, "CPULoad: %s\n", figure(cpu/float64(rep.uptime)*100))
	}
	fmt.Fprintf(b, "Uptime: %d\n", rep.uptime)
	if rep.uptime > 0 {
		fmt.Fprintf(b, "ReqPerSec: %s\nBytesPerSec: %s\n", figure(float64(rep.requests)/float64(rep.uptime)), figure(1024*float64(kbytes)/float64(rep.uptime)))
	}
	if rep.requests > 0 {
		fmt.Fprintf(b, "BytesPerReq: %s\nDurationPerReq: %s\n",
			figure(1024*float64(kbytes)/float64(rep.requests)), figure(float64(rep.duration.Milliseconds())/float64(rep.requests)))
	}
	fmt.Fprintf(b, "BusyWorkers: %d\nGracefulWorkers: %d\nIdleWorkers: %d\n", rep.busy, rep.graceful, rep.idle)
	fmt.Fprintf(b, "Processes: 1\nStopping: %d\nConnsTotal: %d\n", number(rep.stopping), len(rep.slots))
	fmt.Fprintf(b, "ConnsAsyncWaitIO: 0\nConnsAsyncWriting: 0\nConnsAsyncKeepAlive: %d\nConnsAsyncClosing: 0\n", rep.idle)
	fmt.Fprintf(b, "Scoreboard: %s\n", rep.board())
}

func (rep *report) cpu() float64 { return rep.user + rep.system + rep.cuser + rep.csystem }

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

// shown returns the balancers of the server that was asked, where ProxyStatus is On or Full.
func shown(r *runtime.Request) []*proxy.Balancer {
	c := proxy.Conf(r)
	if c.Status.Or("off") == "off" {
		return nil
	}
	return c.Balancers
}

// balancersAuto is mod_proxy's part of the lines (proxy_status_hook).
func balancersAuto(b *bytes.Buffer, r *runtime.Request) {
	for i, bal := range shown(r) {
		fmt.Fprintf(b, "ProxyBalancer[%d]Name: %s\n", i, bal.Name)
		for n, w := range bal.Members {
			at := fmt.Sprintf("ProxyBalancer[%d]Worker[%d]", i, n)
			fmt.Fprintf(b, "%sName: %s\n%sStatus: %s\n", at, w.DisplayName(), at, w.Status())
			fmt.Fprintf(b, "%sElected: %d\n%sBusy: %d\n", at, w.State.Elected.Load(), at, w.State.Busy.Load())
			fmt.Fprintf(b, "%sSent: %dK\n%sRcvd: %dK\n", at, w.State.Transferred.Load()>>10, at, w.State.Read.Load()>>10)
		}
	}
}
