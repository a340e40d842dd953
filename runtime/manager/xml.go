package manager

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// xmlWriter writes httpd's xml=1 page.
type xmlWriter struct {
	strings.Builder
	indent int
}

func (x *xmlWriter) open(name string) {
	fmt.Fprintf(x, "%*s<httpd:%s>\n", x.indent, "", name)
	x.indent += 2
}

func (x *xmlWriter) end(name string) {
	x.indent -= 2
	fmt.Fprintf(x, "%*s</httpd:%s>\n", x.indent, "", name)
}

func (x *xmlWriter) put(name, value string) {
	fmt.Fprintf(x, "%*s<httpd:%s>%s</httpd:%s>\n", x.indent, "", name, runtime.EscapeHTML(value), name)
}

func (x *xmlWriter) number(name string, n int64) { x.put(name, strconv.FormatInt(n, 10)) }

// xml answers with the balancers as httpd's XML, elements, order and repetitions included.
func (v *visit) xml() runtime.Result {
	o := v.overview()
	x := &xmlWriter{}
	x.WriteString("<?xml version='1.0' encoding='UTF-8' ?>\n<httpd:manager xmlns:httpd='http://httpd.apache.org'>\n")
	x.indent = 2
	x.open("balancers")
	for i := range o.Balancers {
		x.balancer(&o.Balancers[i])
	}
	x.end("balancers")
	x.WriteString("</httpd:manager>")
	return sent(v.SendText("text/xml", x.String()))
}

func (x *xmlWriter) balancer(b *balancerView) {
	x.open("balancer")
	x.put("name", b.b.Name)
	x.put("nonce", b.Nonce)
	cookie, _ := b.b.Sticky()
	if cookie != "" {
		x.put("stickysession", cookie)
		x.put("nofailover", onOff(b.NoFailover))
	}
	fmt.Fprintf(x, "%*s<httpd:timeout>%d</httpd:timeout>", x.indent, "", b.Timeout) // httpd ends no line here
	if b.b.MaxAttempts.Set || len(b.Workers) > 1 {
		x.number("maxattempts", int64(b.MaxAttempts))
	}
	x.put("lbmethod", b.LBMethod)
	if cookie != "" {
		x.put("scolonpathdelim", onOff(b.b.ScolonPathDel.Or(false)))
	}
	x.open("workers")
	for i := range b.Workers {
		x.worker(&b.Workers[i])
	}
	x.end("workers")
	x.end("balancer")
}

func (x *xmlWriter) worker(i *workerView) {
	w := i.w
	x.open("worker")
	x.put("name", i.Name)
	x.put("scheme", w.Scheme)
	x.put("hostname", w.Hostname)
	x.put("loadfactor", fmt.Sprintf("%.2f", i.LoadFactor))
	x.number("port", int64(w.Port))
	least, soft := pool(w)
	x.number("min", int64(least))
	x.number("smax", int64(soft))
	x.number("max", int64(w.Max))
	x.number("ttl", int64(w.TTL/time.Second))
	x.given("timeout", w.Params.Timeout, time.Second)
	x.given("acquire", w.Acquire, time.Millisecond)
	if w.RecvBuffer.Set {
		x.number("recv_buffer_size", int64(w.RecvBuffer.V))
	}
	if w.IOBuffer.Set {
		x.number("io_buffer_size", int64(w.IOBuffer.V))
	}
	if w.KeepAlive.Set {
		x.put("keepalive", onOff(w.KeepAlive.V))
	}
	x.put("status", i.Status)
	if i.ErrorTime != nil {
		x.put("error_time", i.ErrorTime.Format("Mon, 02 Jan 2006 15:04:05 GMT"))
	}
	x.number("retries", i.Retries)
	x.number("lbstatus", i.LBStatus)
	x.put("loadfactor", fmt.Sprintf("%.2f", i.LoadFactor))
	x.number("transferred", i.Transferred)
	x.number("read", i.Read)
	x.number("elected", i.Elected)
	x.put("route", i.Route)
	x.put("redirect", i.Redirect)
	x.number("busy", i.Busy)
	x.number("lbset", int64(i.LBSet))
	if w.DisableReuse.Set {
		x.indent -= 4 // httpd's
		x.put("disablereuse", onOff(w.DisableReuse.V))
		x.indent += 4
	}
	// httpd writes the part of the second here, by mistake; the whole time is of more use.
	x.given("connectiontimeout", w.ConnTimeout, time.Millisecond)
	if w.Params.Retry != proxy.DefaultRetry {
		x.number("retry", int64(w.Params.Retry/time.Second))
	}
	x.end("worker")
}

// pool are min and smax as httpd bounds them by max, where that is given.
func pool(w *proxy.Worker) (least, soft int) {
	least, soft = w.Min, max(w.SMax, 0)
	if w.Max > 0 {
		if w.SMax < 0 || soft > w.Max {
			soft = w.Max
		}
		least = min(least, soft)
	}
	return least, soft
}

func (x *xmlWriter) given(name string, d runtime.Opt[time.Duration], unit time.Duration) {
	if d.Set {
		x.number(name, int64(d.V/unit))
	}
}
