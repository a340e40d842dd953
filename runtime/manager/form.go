package manager

import (
	"errors"
	"strconv"
	"strings"

	"pinion/runtime/balancer"
	"pinion/runtime/proxy"
)

// applyForm does what a form says, in httpd's words and order (balancer_process_balancer_worker), and a few words of pinion's
// own: w_back and b_back give a parameter back to the file, w_do is one of actions, w_del=1 removes a member that was added. What is
// out of range is passed over, as in httpd. An error is for what can't be done at all.
func (v *visit) applyForm() error {
	changing.Lock()
	defer changing.Unlock()
	defer v.saved()
	if v.worker != nil {
		if err := v.workerForm(v.balancer, v.worker); err != nil {
			return err
		}
	}
	return v.balancerForm(v.balancer)
}

// maxText is what httpd has place for in a route, a redirect and the path of a health check.
const maxText = 64

func (v *visit) workerForm(b *proxy.Balancer, w *proxy.Worker) error {
	p := v.params
	var errs []error
	set := func(name, value string) { errs = append(errs, v.setWorker(b, w, name, value)) }
	text := func(field, name string, max int) {
		if !p.has(field) {
			return
		}
		value := p.get(field)
		if len(value) >= max || w.Check(name, value) != nil {
			value = ""
		}
		set(name, value)
	}
	if f := p.factor("w_lf"); f >= 100 && f <= 10000 {
		if len(b.Members) == 1 {
			f = 100 // httpd: of one member it always is
		}
		set("loadfactor", proxy.FormatFactor(f))
		balancer.Refactor(b)
	}
	text("w_wr", "route", maxText)
	text("w_rr", "redirect", maxText)
	for _, letter := range []string{"I", "N", "D", "H", "R", "S", "C"} {
		if field := "w_status_" + strings.ToLower(letter); p.has(field) {
			set("status."+letter, onOff(p.number(field) != 0))
		}
	}
	number := func(field, name string, n, least int) {
		if value := strconv.Itoa(n); p.has(field) && n >= least && w.Check(name, value) == nil {
			set(name, value)
		}
	}
	number("w_ls", "lbset", p.number("w_ls"), 0)
	number("w_hi", "hcinterval", p.milliseconds("w_hi"), 0)
	number("w_hp", "hcpasses", p.number("w_hp"), 1)
	number("w_hf", "hcfails", p.number("w_hf"), 1)
	if method := p.get("w_hm"); p.has("w_hm") && w.Check("hcmethod", method) == nil {
		set("hcmethod", method)
	}
	text("w_hu", "hcuri", maxText)
	text("w_he", "hcexpr", 16)
	if m := w.HealthNow().Method; p.has("w_hm") && (m == "NONE" || m == "TCP") {
		set("hcexpr", "") // they see no answer
	}
	if name := p.get("w_back"); name != "" {
		errs = append(errs, v.giveBackWorker(b, w, name))
	}
	if action := p.get("w_do"); action != "" {
		errs = append(errs, v.act(b, w, action))
	}
	if p.get("w_del") == "1" {
		errs = append(errs, v.remove(b, w))
	}
	return errors.Join(errs...)
}

func (v *visit) balancerForm(b *proxy.Balancer) error {
	p := v.params
	var errs []error
	set := func(name, value string) {
		if b.Check(name, value) == nil {
			errs = append(errs, v.setBalancer(b, name, value))
		}
	}
	if p.has("b_lbm") {
		set("lbmethod", p.get("b_lbm"))
	}
	if p.has("b_tmo") {
		set("timeout", strconv.Itoa(p.number("b_tmo")))
	}
	if p.has("b_max") && p.number("b_max") != b.Attempts() {
		set("maxattempts", strconv.Itoa(p.number("b_max")))
	}
	if p.has("b_sforce") {
		set("nofailover", onOff(p.number("b_sforce") != 0))
	}
	switch s := p.get("b_ss"); s {
	case "":
	case "-":
		set("stickysession", "")
	default:
		set("stickysession", s)
	}
	if name := p.get("b_back"); name != "" {
		errs = append(errs, v.giveBackBalancer(b, name))
	}
	if p.get("b_wyes") == "1" && p.has("b_nwrkr") {
		errs = append(errs, v.add(b, p.get("b_nwrkr")))
	}
	return errors.Join(errs...)
}

func (v *visit) giveBackWorker(b *proxy.Balancer, w *proxy.Worker, name string) error {
	value, err := w.FileValue(name)
	if err != nil {
		return err
	}
	return v.setWorker(b, w, name, value)
}

func (v *visit) giveBackBalancer(b *proxy.Balancer, name string) error {
	value, err := b.FileValue(name)
	if err != nil {
		return err
	}
	return v.setBalancer(b, name, value)
}
