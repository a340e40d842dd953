package manager_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// crowd is a configuration of many balancers, each with members of its own.
func crowd(balancers, members int) string {
	var b strings.Builder
	for i := range balancers {
		fmt.Fprintf(&b, "<Proxy balancer://b%03d>\nProxySet stickysession=sid\n", i)
		for k := range members {
			fmt.Fprintf(&b, "BalancerMember http://10.%d.%d.%d:8080 route=r%d-%d\n", i/250, k/250, k%250, i, k)
		}
		b.WriteString("</Proxy>\n")
	}
	return b.String()
}

var rowName = regexp.MustCompile(`data-worker="([^"]*)"`)

func rows(page string) (names []string) {
	for _, m := range rowName.FindAllStringSubmatch(page, -1) {
		names = append(names, m[1])
	}
	return names
}

// TestFilter finds members by name, route, balancer and state, without a script, on the page and in JSON.
func TestFilter(t *testing.T) {
	s := serve(t, "<Proxy balancer://shop>\nBalancerMember http://10.0.0.1 route=red\nBalancerMember http://10.0.0.2 route=blue status=+D\nBalancerMember http://10.0.0.3 status=+H\n</Proxy>\n"+
		"<Proxy balancer://search>\nBalancerMember http://10.0.0.1:81 route=red2 status=+N\n</Proxy>\n<Proxy balancer://empty>\nProxySet growth=2\n</Proxy>\n")
	for filter, want := range map[string]string{
		"":               "http://10.0.0.1 http://10.0.0.2 http://10.0.0.3 http://10.0.0.1:81",
		"10.0.0.1":       "http://10.0.0.1 http://10.0.0.1:81",
		"RED":            "http://10.0.0.1 http://10.0.0.1:81",
		"red search":     "http://10.0.0.1:81",
		"shop":           "http://10.0.0.1 http://10.0.0.2 http://10.0.0.3",
		"disabled":       "http://10.0.0.2",
		"draining":       "http://10.0.0.1:81",
		"standby":        "http://10.0.0.3",
		"<b>":            "",
		"shop  disabled": "http://10.0.0.2",
	} {
		_, page := s.send("GET", here+"?filter="+url.QueryEscape(filter), "")
		if got := strings.Join(rows(page), " "); got != want {
			t.Errorf("%q finds %s, expected %s", filter, got, want)
		}
		if strings.Contains(page, "<b>\"") || strings.Contains(page, "“<b>”") {
			t.Errorf("%q is not escaped", filter)
		}
		_, text := s.send("GET", here+"?format=json&filter="+url.QueryEscape(filter), "")
		var o struct{ Balancers []balancerJSON }
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, b := range o.Balancers {
			for _, w := range b.Workers {
				names = append(names, w.Name)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("JSON: %q finds %s, expected %s", filter, got, want)
		}
	}
	if _, page := s.send("GET", here+"?filter=empty", ""); !strings.Contains(page, "No members") {
		t.Error("a balancer without members is not found by its name")
	}
	// The links of what was found lead back to it.
	if _, page := s.send("GET", here+"?filter=blue", ""); !strings.Contains(page, `&amp;filter=blue"`) || !strings.Contains(page, `action="/balancer-manager?filter=blue"`) {
		t.Error("the filter is lost by links or forms")
	}
}

// TestPages: each member is on one page, whatever their number, and no page is longer than a browser likes.
func TestPages(t *testing.T) {
	for _, c := range []struct{ balancers, members int }{{1, 450}, {150, 3}} {
		s := serve(t, crowd(c.balancers, c.members))
		seen, longest := map[string]int{}, 0
		next := regexp.MustCompile(`<a href="([^"]*)" rel="next">`)
		for target, pages := here, 0; target != "" && pages < 100; pages++ {
			_, page := s.send("GET", target, "")
			longest = max(longest, len(page))
			section := ""
			for _, line := range strings.Split(page, "\n") {
				if i := strings.Index(line, `data-balancer="`); i >= 0 {
					section = line[i:]
				}
				for _, name := range rows(line) {
					seen[section+name]++
				}
			}
			target = ""
			if m := next.FindStringSubmatch(page); m != nil {
				target = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if len(seen) != c.balancers*c.members {
			t.Errorf("%d balancers of %d members: %d are shown", c.balancers, c.members, len(seen))
		}
		for name, n := range seen {
			if n != 1 {
				t.Errorf("%s is shown %d times", name, n)
				break
			}
		}
		if longest > 600<<10 {
			t.Errorf("a page of %d balancers of %d members has %d bytes", c.balancers, c.members, longest)
		}
		t.Logf("%d balancers of %d members: the longest page has %d bytes", c.balancers, c.members, longest)
	}
}

// TestLive: what the page has already is not sent again.
func TestLive(t *testing.T) {
	one := backend(t, "one")
	s := serve(t, "<Proxy balancer://shop>\nBalancerMember "+one+" route=one\nProxySet stickysession=sid\n</Proxy>\nProxyPass /app balancer://shop\n"+crowd(1, 450))
	type live struct {
		Now   int64
		Shape string
		Rows  []struct {
			At  int
			Sum string
			F   map[string]any
		}
	}
	have := ""
	ask := func(query string) (x live, n int) {
		t.Helper()
		_, text := s.send("GET", here+"?format=json&live=1"+query, "", "Pinion-Have: "+have)
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			t.Fatal(err, text)
		}
		return x, len(text)
	}
	first, n := ask("")
	if len(first.Rows) != 100 {
		t.Fatalf("%d rows", len(first.Rows))
	}
	t.Logf("the first answer has %d bytes", n)
	for _, r := range first.Rows {
		have += r.Sum
	}
	still, n := ask("")
	if len(still.Rows) != 0 || still.Shape != first.Shape || n > 200 {
		t.Errorf("nothing has happened, and %d rows in %d bytes come", len(still.Rows), n)
	}
	s.send("GET", "/app", "", "Cookie: sid=1.one")
	next, _ := ask("")
	if len(next.Rows) != 1 || next.Rows[0].At != 0 || next.Rows[0].F["elected"] != 1.0 || next.Rows[0].F["own1"] != 1.0 || next.Shape != first.Shape {
		t.Errorf("after one request: %+v", next)
	}
	s.api(`{"balancer":"shop","worker":"` + one + `","action":"drain"}`)
	if x, _ := ask(""); x.Shape == first.Shape {
		t.Error("another state is the same shape")
	}
	have = ""
	if x, _ := ask("&filter=r0-19"); len(x.Rows) != 11 || x.Shape == first.Shape {
		t.Errorf("filter: %d rows", len(x.Rows))
	}
	for _, bad := range []string{"x", strings.Repeat("-", 4*100), strings.Repeat("-", 5000)} {
		have = bad
		if x, _ := ask(""); len(x.Rows) != 100 {
			t.Errorf("%.5s: %d rows", bad, len(x.Rows))
		}
	}
}
