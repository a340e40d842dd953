//go:build e2e

package manager_test

import (
	"fmt"
	"testing"
)

// row finds the row of the n-th member.
func row(n int) string { return fmt.Sprintf(`document.querySelectorAll("tr[data-worker]")[%d]`, n) }

func button(n int, label string) string {
	return fmt.Sprintf(`[...%s.querySelectorAll("button")].find(b => b.textContent === %q)`, row(n), label)
}

func state(n int, words string) string {
	return fmt.Sprintf(`%s.querySelector(".pill").textContent === %q`, row(n), words)
}

const said = `document.getElementById("said").textContent`

// TestChromium fades a member out with a real browser, by mouse and by keyboard, and without scripts.
func TestChromium(t *testing.T) {
	b := startBrowser(t)
	one, other := backend(t, "one"), backend(t, "other")
	s := serve(t, fmt.Sprintf("<Proxy balancer://shop>\nBalancerMember %s route=one\nBalancerMember %s route=other\nBalancerMember http://127.0.0.1:1 route=spare status=+H hcmethod=GET hcuri=/up hcinterval=100\n"+
		"ProxySet stickysession=sid growth=3\n</Proxy>\nProxyPass /app balancer://shop\n<Proxy balancer://search lbmethod=bybusyness>\nBalancerMember http://127.0.0.1:2\n</Proxy>\n", one, other))
	session := func(n int) {
		for range n {
			s.send("GET", "/app", "", "Cookie: sid=1.one")
		}
	}
	fresh := func(n int) (served map[string]int) {
		served = map[string]int{}
		for range n {
			_, body := s.send("GET", "/app", "")
			served[body]++
		}
		return served
	}
	session(3)
	fresh(4)
	page := "http://" + s.address + here
	b.look(1280, "light")
	b.open(page)
	b.until("the page is live", `!document.getElementById("live").hidden && document.getElementById("live-text").textContent === "live"`)
	b.until("figures", row(0)+`.querySelector('[data-f="own1"]').textContent === "3"`)
	b.shot("1-start-light")

	// One click: route-only. Old sessions stay, new ones go elsewhere, and the page tells without being loaded anew.
	b.eval(`window.same = true`)
	b.click(button(0, "Route-only"))
	b.until("the member is route-only", state(0, "Route-only"))
	b.until("it is said to screen readers", said+`.includes("is route-only now")`)
	if served := fresh(6); served["one"] != 0 || served["other"] != 6 {
		t.Errorf("new sessions go to %v", served)
	}
	session(2)
	b.until("its sessions are still there", row(0)+`.querySelector('[data-f="own1"]').textContent === "5" && `+row(0)+`.querySelector(".leaving").textContent.startsWith("in use")`)
	b.until("what was set by hand is shown", row(0)+`.querySelector(".byhand").textContent.includes("status.R On")`)
	b.shot("2-route-only-light")
	b.look(1280, "dark")
	b.shot("2-route-only-dark")
	b.look(420, "dark")
	b.shot("2-route-only-dark-narrow")
	b.look(420, "light")
	b.shot("2-route-only-light-narrow")
	b.look(1280, "light")
	if b.eval(`window.same`) != "true" {
		t.Error("the page was loaded anew")
	}

	// By keyboard: the focus is where the last click was; on to the next button, and press it.
	b.until("the focus has stayed", `document.activeElement === `+button(0, "Route-only"))
	b.key("Tab", 9, "")
	b.key("Tab", 9, "")
	b.until("the focus is on Disable", `document.activeElement === `+button(0, "Disable"))
	b.key("Enter", 13, "\r")
	b.until("the member is disabled", state(0, "Disabled"))

	// Edit: the factor, then give it back to the file.
	b.click(row(1) + `.querySelector(".url a")`)
	b.loaded()
	b.until("the form is there, with the focus in it", `document.activeElement && document.activeElement.id === "w_lf"`)
	b.shot("3-edit-light")
	b.look(420, "dark")
	b.shot("3-edit-dark-narrow")
	b.look(1280, "light")
	b.eval(`document.getElementById("w_lf").select()`)
	b.do("Input.insertText", map[string]any{"text": "5.5"}, nil)
	b.key("Enter", 13, "\r")
	b.until("the factor is set by hand", `!document.getElementById("edit") && `+row(1)+`.querySelector(".byhand").textContent.includes("loadfactor 5.5")`)
	b.click(button(1, "Give back"))
	b.until("the factor is the file's", row(1)+`.querySelector(".byhand").textContent.trim() === ""`)

	// A member is added, and another operator is faster.
	b.click(`document.querySelector("section[data-balancer=shop] h3 a")`)
	b.loaded()
	b.shot("4-balancer-light")
	b.eval(`document.getElementById("b_nwrkr").focus()`)
	b.do("Input.insertText", map[string]any{"text": "http://127.0.0.1:9"}, nil)
	b.click(`document.getElementById("b_wyes")`)
	b.click(`document.querySelector(".add button")`)
	b.until("the member is there", state(3, "Disabled"))
	b.click(`document.getElementById("pause")`)
	b.until("the page is paused", `document.getElementById("live-text").textContent === "paused"`)
	s.api(`{"balancer":"shop","worker":"` + one + `","set":{"lbset":1}}`)
	b.click(button(0, "Enable"))
	b.until("the conflict is told", said+`.includes("somebody else")`)
	b.until("nothing was changed", state(0, "Disabled"))
	b.shot("5-conflict-light")
	b.click(button(0, "Enable"))
	b.until("the second try succeeds", state(0, "Enabled"))

	// Without scripts: plain forms.
	b.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.open(page)
	b.click(button(1, "Drain"))
	b.loaded()
	if w := s.look("shop").Workers[1]; w.State != "drain" {
		t.Errorf("without scripts: %s", w.State)
	}
	b.shot("6-without-scripts-light")
	b.clean(s.address)
}

// TestChromiumCrowd finds one of thousands of members.
func TestChromiumCrowd(t *testing.T) {
	b := startBrowser(t)
	s := serve(t, "ProxyHCExpr ok234 {%{REQUEST_STATUS} =~ /^[234]/}\n<Proxy balancer://checked>\nBalancerMember http://127.0.0.1:1 route=one hcmethod=GET hcuri=/up hcinterval=100ms hcexpr=ok234 hcfails=3\n</Proxy>\n"+crowd(1, 2000))
	b.look(1280, "light")
	b.open("http://" + s.address + here)
	b.until("the page is live", `!document.getElementById("live").hidden && document.getElementById("live-text").textContent === "live"`)
	b.until("the failed check is the state", state(0, "Failed check"))
	b.until("a check is told", row(0)+`.querySelector(".check").textContent.includes("refused") && `+row(0)+`.querySelector('[data-f="failed"]').textContent >= 3`)
	b.until("the first page has a part of them", `document.querySelectorAll("tr[data-worker]").length === 100`)
	b.shot("7-crowd-light")
	b.look(420, "dark")
	b.shot("7-crowd-dark-narrow")
	b.look(1280, "light")
	b.eval(`document.getElementById("filter").focus()`)
	b.do("Input.insertText", map[string]any{"text": "r0-1777"}, nil)
	b.until("one is left", `document.querySelectorAll("tr[data-worker]").length === 1 && `+row(0)+`.dataset.worker.includes("10.0.7.27")`)
	b.until("the focus stays", `document.activeElement.id === "filter"`)
	b.until("the number is told", said+`.includes("1 of 2001 members")`)
	b.click(button(0, "Drain"))
	b.until("it is draining", state(0, "Draining"))
	b.shot("8-filter-light")
	b.look(1280, "dark")
	b.shot("8-filter-dark")
	b.look(1280, "light")
	b.eval(`document.getElementById("filter").select()`)
	b.do("Input.insertText", map[string]any{"text": "draining"}, nil)
	b.until("it is found by its state", `document.querySelectorAll("tr[data-worker]").length === 1 && `+state(0, "Draining"))
	b.eval(`document.getElementById("filter").select()`)
	b.do("Input.insertText", map[string]any{"text": "nowhere"}, nil)
	b.until("none is found", `document.querySelectorAll("tr[data-worker]").length === 0 && document.getElementById("count").textContent.startsWith("No member")`)
	b.shot("9-none-light")
	b.clean(s.address)
}

// TestChromiumKeyboard goes through all that an operator does, by keyboard alone.
func TestChromiumKeyboard(t *testing.T) {
	b := startBrowser(t)
	s := serve(t, "<Proxy balancer://shop>\nBalancerMember http://127.0.0.1:1 route=one\nBalancerMember http://127.0.0.1:2 route=two\nProxySet stickysession=sid growth=2\nBalancerFlagR hot-spare\n</Proxy>\n")
	b.look(1280, "light")
	b.open("http://" + s.address + here)
	b.until("the page is live", `document.getElementById("live-text").textContent === "live"`)
	// to presses Tab until the focus is on what the script finds.
	to := func(what, element string) {
		t.Helper()
		for range 100 {
			if b.eval(`document.activeElement === `+element) == "true" {
				return
			}
			b.key("Tab", 9, "")
		}
		t.Fatalf("no Tab leads to %s", what)
	}
	press := func(what, element string) {
		t.Helper()
		to(what, element)
		b.key("Enter", 13, "\r")
	}
	for _, c := range [][2]string{{"Drain", "Draining"}, {"Spare", "Spare"}, {"Standby", "Standby"}, {"Disable", "Disabled"}, {"Enable", "Enabled"}, {"Drain", "Draining"}} {
		press(c[0], button(0, c[0]))
		b.until("the member is "+c[1], state(0, c[1]))
		b.until("the focus has stayed", `document.activeElement === `+button(0, c[0]))
	}
	press("Give back", button(0, "Give back"))
	b.until("the state is the file's", state(0, "Enabled")+` && !`+row(0)+`.querySelector(".hand")`)
	press("Settings", `document.querySelector(".settings")`)
	b.loaded()
	to("the new member's URL", `document.getElementById("b_nwrkr")`)
	b.do("Input.insertText", map[string]any{"text": "http://127.0.0.1:9"}, nil)
	to("the question", `document.getElementById("b_wyes")`)
	b.key(" ", 32, " ")
	press("Add", `document.querySelector(".add button")`)
	b.until("the member is there", state(2, "Disabled"))
	press("Remove", button(2, "Remove"))
	b.until("the member is gone", `document.querySelectorAll("tr[data-worker]").length === 2`)
	b.clean(s.address)
}
