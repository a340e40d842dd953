package manager_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	gort "runtime"
	"strings"
	"sync"
	"testing"
)

const two = "<Proxy balancer://app>\nBalancerMember http://127.0.0.1:1 route=one loadfactor=2\nBalancerMember http://127.0.0.1:2/x%20y route=two\n" +
	"ProxySet stickysession=sid nonce=abc growth=1\n</Proxy>\nProxyPass /app balancer://app\n"

// TestForm sends what httpd's page sends.
func TestForm(t *testing.T) {
	s := serve(t, two)
	const one, other = "w=http://127.0.0.1:1", "w=http://127.0.0.1:2/x%2520y"
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{[]string{one, "w_lf=2.5", "w_ls=3", "w_wr=uno", "w_rr=two"}, `2.5 3 "uno" "two" O`},
		{[]string{one, "w_status_D=1", "w_status_N=1", "w_status_I=7", "w_status_C=1"}, `2.5 3 "uno" "two" OINDC`},
		{[]string{one, "w_status_d=0", "w_status_N=0", "w_status_I=x", "w_status_H=1", "w_status_S=1", "w_status_R=1", "w_status_C=0"}, `2.5 3 "uno" "two" OSHR`},
		{[]string{one, "w_lf=0.5", "w_ls=100", "w_wr=" + strings.Repeat("x", 64), "w_rr=", "w_status_H=0", "w_status_S=0", "w_status_R=0"}, `2.5 3 "" "" O`},
		{[]string{one, "w_lf=101", "w_ls=-1"}, `2.5 3 "" "" O`},
		{[]string{one, "w_wr=a%41", "w_lf=3junk", "w_ls= 4x"}, `3 4 "aA" "" O`},
		{[]string{other, "w_wr=dos"}, `3 4 "aA" "" O`},
		{[]string{one, "w_back=route"}, `3 4 "one" "" O`},
		{[]string{one, "w_do=drain"}, `3 4 "one" "" ON`},
	} {
		if status := s.form(append([]string{"b=app", "nonce=abc"}, c.fields...)...); status != 200 {
			t.Errorf("%q: status %d", c.fields, status)
		}
		if b := s.look("app"); b.Workers[0].in() != c.want {
			t.Errorf("%q: %s, want %s", c.fields, b.Workers[0].in(), c.want)
		}
	}
	if w := s.look("app").Workers[1]; w.Route != "dos" {
		t.Errorf("the other member's name was not found: %+v", w)
	}
	log := s.logged()
	if want := `balancer-manager: balancer://app http://127.0.0.1:1: loadfactor from "2" to "2.5", by 127.0.0.1 (user -)`; !strings.Contains(log, want) {
		t.Errorf("expected %s, logged %s", want, log)
	}
	if n := strings.Count(log, "balancer-manager: "); n != 26 {
		t.Errorf("expected a line for each change, 26, found %d:\n%s", n, log)
	}
}

func TestBalancerForm(t *testing.T) {
	s := serve(t, two)
	show := func() string {
		b := s.look("app")
		return fmt.Sprintf("%s %s %d %d %v", b.LBMethod, b.StickySession, b.Timeout, b.MaxAttempts, b.NoFailover)
	}
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{[]string{"b_lbm=bytraffic", "b_ss=A|b", "b_tmo=9", "b_max=4", "b_sforce=1"}, "bytraffic A|b 9 4 true"},
		{[]string{"b_lbm=nope", "b_ss=", "b_tmo=7201", "b_max=100", "b_sforce=0"}, "bytraffic A|b 9 4 false"},
		{[]string{"b_ss=-", "b_tmo=0", "b_max=0"}, "bytraffic  0 0 false"},
		{[]string{"b_ss=" + strings.Repeat("x", 63), "b_tmo=-1"}, "bytraffic  0 0 false"},
		{[]string{"b_back=lbmethod"}, "byrequests  0 0 false"},
	} {
		if status := s.form(append([]string{"b=app", "nonce=abc"}, c.fields...)...); status != 200 || show() != c.want {
			t.Errorf("%q: status %d, %s, want %s", c.fields, status, show(), c.want)
		}
	}
}

// TestForeign sends what must change nothing.
func TestForeign(t *testing.T) {
	s := serve(t, two+"<Proxy balancer://none>\nBalancerMember http://127.0.0.1:3\nProxySet nonce=None\n</Proxy>\n<Proxy balancer://auto>\nBalancerMember http://127.0.0.1:3\n</Proxy>\n")
	const change = "b=app&w=http://127.0.0.1:1&nonce=abc&w_status_D=1"
	for _, c := range []struct {
		why, method, target, body, referer string
		logs                               bool
	}{
		{"no referer", "POST", here, change, "", true},
		{"another host's referer", "POST", here, change, "http://evil.test/127.0.0.1", true},
		{"a relative referer", "POST", here, change, "/balancer-manager", true},
		{"no nonce", "POST", here, strings.Replace(change, "nonce=abc&", "", 1), "http://127.0.0.1:99/", false},
		{"another nonce", "POST", here, strings.Replace(change, "abc", "abd", 1), "http://127.0.0.1/", false},
		{"a GET", "GET", here + "?" + change, "", "http://127.0.0.1/", false},
		{"parameters in the URL of a POST", "POST", here + "?" + change, "x=y", "http://127.0.0.1/", false},
		{"nonce=None", "POST", here, "b=none&w=http://127.0.0.1:3&nonce=&w_status_D=1", "http://127.0.0.1/", false},
		{"an empty nonce", "POST", here, "b=auto&w=http://127.0.0.1:3&nonce=&w_status_D=1", "http://127.0.0.1/", false},
	} {
		var fields []string
		if c.referer != "" {
			fields = append(fields, "Referer: "+c.referer)
		}
		r, _ := s.send(c.method, c.target, c.body, fields...)
		log := s.logged()
		if r.StatusCode != 200 || strings.Contains(log, "AH10187") != c.logs {
			t.Errorf("%s: status %d, log %s", c.why, r.StatusCode, log)
		}
		for _, name := range []string{"app", "none", "auto"} {
			if w := s.look(name).Workers[0]; w.Flags != "O" {
				t.Errorf("%s: %s is %s", c.why, w.Name, w.Status)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	s := serve(t, two)
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 200, "PUT": 405, "DELETE": 405, "PATCH": 405} {
		r, body := s.send(method, here, "")
		if r.StatusCode != want || want == 405 && !strings.Contains(r.Header.Get("Allow"), "POST") || method == "HEAD" && body != "" {
			t.Errorf("%s: %s, Allow %s, %d bytes", method, r.Status, r.Header.Get("Allow"), len(body))
		}
	}
	if r, _ := s.send("POST", here, strings.Repeat("x", 70_000), "Referer: http://127.0.0.1/"); r.StatusCode != 413 {
		t.Errorf("a large form: %s", r.Status)
	}
}

// TestPage looks for what scripts made for httpd's page look for, and what keeps the page safe.
func TestPage(t *testing.T) {
	s := serve(t, two+"<Proxy balancer://x>\nBalancerMember http://127.0.0.1:4 route=<b>\n</Proxy>\n")
	r, page := s.send("GET", here, "")
	for _, want := range []string{
		`<h3 id="b-app">LoadBalancer Status for <a href="/balancer-manager?b=app&amp;nonce=abc">balancer://app</a> [p`,
		`<th>MaxMembers</th><th>StickySession</th><th>DisableFailover</th><th>Timeout</th><th>FailoverAttempts</th><th>Method</th><th>Path</th><th>Active</th>`,
		`<a href="/balancer-manager?b=app&amp;w=http://127.0.0.1:1&amp;nonce=abc">http://127.0.0.1:1</a></td>`,
		`?b=app&amp;w=http://127.0.0.1:2/x%2520y&amp;nonce=abc">http://127.0.0.1:2/x%20y</a>`,
		`>3 [2 Used]</td>`, `>Init Ok </span>`, `&lt;b&gt;`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("expected the page to have %s", want)
		}
	}
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.Header)
	}
	for _, bad := range []string{" onclick=", " style=", "javascript:", "ZgotmplZ", "//cdn", "route=<b>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	_, page = s.send("GET", here+"?b=app&w=http://127.0.0.1:1&nonce=abc", "", "Referer: http://127.0.0.1/")
	for _, name := range []string{"w_lf", "w_ls", "w_wr", "w_rr", "w_status_I", "w_status_N", "w_status_D", "w_status_H", "w_status_R", "w_status_S", "nonce", "b", "w"} {
		if !strings.Contains(page, ` name="`+name+`"`) {
			t.Errorf("the worker's form has no %s", name)
		}
	}
	_, page = s.send("GET", here+"?b=app&nonce=abc", "", "Referer: http://127.0.0.1/")
	for _, name := range []string{"b_lbm", "b_tmo", "b_max", "b_sforce", "b_ss", "b_nwrkr", "b_wyes", "nonce", "b"} {
		if !strings.Contains(page, ` name="`+name+`"`) {
			t.Errorf("the balancer's form has no %s", name)
		}
	}
}

func TestXML(t *testing.T) {
	s := serve(t, two)
	r, body := s.send("GET", here+"?xml=1", "", "Referer: http://127.0.0.1/")
	var got struct {
		Balancers []struct {
			Name    string `xml:"name"`
			Nonce   string `xml:"nonce"`
			Method  string `xml:"lbmethod"`
			Workers []struct {
				Name    string   `xml:"name"`
				Status  string   `xml:"status"`
				Factors []string `xml:"loadfactor"`
			} `xml:"workers>worker"`
		} `xml:"balancers>balancer"`
	}
	if err := xml.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Balancers) != 1 || got.Balancers[0].Name != "balancer://app" || got.Balancers[0].Nonce != "abc" || got.Balancers[0].Method != "byrequests" ||
		got.Balancers[0].Workers[0].Status != "Init Ok " || strings.Join(got.Balancers[0].Workers[0].Factors, " ") != "2.00 2.00" || r.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("%+v", got)
	}
	if r, _ := s.send("GET", here+"?xml=1", ""); !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Error("without a Referer the parameter doesn't count")
	}
}

func TestAPI(t *testing.T) {
	s := serve(t, two)
	before := s.look("app")
	r, body := s.api(`{"balancer":"app","worker":"http://127.0.0.1:1","set":{"loadfactor":2.5,"status.N":true,"route":"x"}}`,
		`If-Match: "`+before.Workers[0].ETag+`"`)
	if r.StatusCode != 200 || !strings.Contains(body, `"state": "drain"`) || r.Header.Get("ETag") == "" {
		t.Fatal(r.Status, body)
	}
	after := s.look("app")
	if w := after.Workers[0]; w.in() != `2.5 0 "x" "" ON` || len(w.ByHand) != 3 || w.ByHand[0].Who != "127.0.0.1" || w.ByHand[0].File != "2" || w.ETag == before.Workers[0].ETag ||
		`"`+w.ETag+`"` != r.Header.Get("ETag") || after.ETag == before.ETag {
		t.Errorf("%+v", w)
	}
	for _, c := range []struct {
		status int
		body   string
		fields []string
	}{
		{412, `{"balancer":"app","worker":"http://127.0.0.1:1","set":{"route":"y"}}`, []string{`If-Match: "` + before.Workers[0].ETag + `"`}},
		{412, `{"balancer":"app","set":{"timeout":1}}`, []string{`If-Match: "` + before.ETag + `"`}},
		{403, `{"balancer":"app","set":{"timeout":1}}`, []string{"Origin: http://evil.test"}},
		{403, `{"balancer":"app","set":{"timeout":1}}`, []string{"Sec-Fetch-Site: cross-site"}},
		{400, `{"balancer":"app","set":{"timeout":1,"nope":2}}`, nil},
		{400, `{"balancer":"app","set":{"timeout":[1]}}`, nil},
		{400, `{"balancer":"app","sett":{}}`, nil},
		{400, `{"balancer":"app"} x`, nil},
		{400, `[]`, nil},
		{400, `{"balancer":"app","action":"drain"}`, nil},
		{400, `{"balancer":"app","worker":"http://127.0.0.1:1","action":"spare"}`, nil},
		{400, `{"balancer":"app","worker":"http://127.0.0.1:1","set":{"route":"y"},"add":"http://127.0.0.1:9"}`, nil},
		{400, `{"balancer":"app","worker":"http://127.0.0.1:1","set":{"route":"y"},"reset":["nope"]}`, nil},
		{404, `{"balancer":"nope","set":{"timeout":1}}`, nil},
		{404, `{"balancer":"app","worker":"http://127.0.0.1:7","set":{"route":"y"}}`, nil},
		{409, `{"balancer":"app","worker":"http://127.0.0.1:1","remove":true}`, nil},
	} {
		if r, body := s.api(c.body, c.fields...); r.StatusCode != c.status || !strings.Contains(body, `"error":`) {
			t.Errorf("%s: %s %s, want %d", c.body, r.Status, body, c.status)
		}
	}
	if b := s.look("app"); b.ETag != after.ETag {
		t.Errorf("what was refused has changed something: %+v", b)
	}
	if r, body := s.send("POST", here+"?format=json", `{"balancer":"app"}`, "Content-Type: text/plain"); r.StatusCode != 415 {
		t.Errorf("JSON by another name: %s %s", r.Status, body)
	}
	s.api(`{"balancer":"app","worker":"http://127.0.0.1:1","reset":["route","loadfactor","status.N"]}`)
	if b := s.look("app"); b.ETag != before.ETag || len(b.Workers[0].ByHand) != 0 {
		t.Errorf("all was given back: %+v", b)
	}
	for target, want := range map[string]int{"?format=json": 200, "?format=json&b=app": 200, "?format=json&b=app&w=" + url.QueryEscape("http://127.0.0.1:1"): 200,
		"?format=json&b=nope": 404, "?format=json&b=app&w=x": 404} {
		if r, body := s.send("GET", here+target, ""); r.StatusCode != want || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %s", target, r.Status, body)
		}
	}
	if r, _ := s.send("GET", here, "", "Accept: application/json"); r.Header.Get("Content-Type") != "application/json" {
		t.Error("Accept: application/json gets the page")
	}
}

// TestConditions lets many operators change one thing under a condition: each ETag may be used up once only.
func TestConditions(t *testing.T) {
	s := serve(t, two)
	tag := s.look("app").ETag
	var wg sync.WaitGroup
	status := make([]int, 8)
	for i := range status {
		wg.Go(func() {
			r, _ := s.api(fmt.Sprintf(`{"balancer":"app","set":{"timeout":%d}}`, i+1), `If-Match: "`+tag+`"`)
			status[i] = r.StatusCode
		})
	}
	wg.Wait()
	won := 0
	for _, st := range status {
		if st == 200 {
			won++
		} else if st != 412 {
			t.Errorf("status %d", st)
		}
	}
	if won != 1 {
		t.Errorf("%d of them won", won)
	}
}

// TestAdd adds a member that then serves, keeps it over a reload and takes it away.
func TestAdd(t *testing.T) {
	s := serve(t, strings.Replace(two, "BalancerMember http://127.0.0.1:1 ", "BalancerMember http://127.0.0.1:1 status=+D ", 1))
	url := backend(t, "new")
	if status := s.form("b=app", "nonce=abc", "b_nwrkr="+url, "b_wyes=1"); status != 200 {
		t.Fatal(status)
	}
	if b := s.look("app"); len(b.Workers) != 3 || b.Workers[2].State != "disabled" || b.Workers[2].Added == nil {
		t.Fatalf("%+v", b)
	}
	if r, body := s.api(`{"balancer":"app","add":"http://127.0.0.1:77"}`); r.StatusCode != 409 {
		t.Error(r.Status, body)
	}
	if status := s.form("b=app", "nonce=abc", "b_nwrkr=http://127.0.0.1:78", "b_wyes=1"); status != 400 {
		t.Error(status)
	}
	s.api(`{"balancer":"app","worker":"` + url + `","action":"enable","set":{"route":"new"}}`)
	if err := s.reload(""); err != nil {
		t.Fatal(err)
	}
	if _, body := s.send("GET", "/app", "", "Cookie: sid=1.new"); body != "new" {
		t.Errorf("the new member does not serve: %s", body)
	}
	if w := s.look("app").Workers[2]; w.OwnRoute.Minute != 1 || w.OwnRoute.Hour != 1 || w.OwnRoute.Last == nil {
		t.Errorf("%+v", w.OwnRoute)
	}
	if r, body := s.api(`{"balancer":"app","worker":"` + url + `","remove":true}`); r.StatusCode != 200 || strings.Contains(body, url) {
		t.Error(r.Status, body)
	}
	if log := s.logged(); !strings.Contains(log, "member "+url+" added, disabled, by 127.0.0.1") || !strings.Contains(log, "member "+url+" removed, by 127.0.0.1") {
		t.Error(log)
	}
}

// TestAddFails checks that a configuration that is broken by now takes no member.
func TestAddFails(t *testing.T) {
	s := serve(t, two)
	if err := os.WriteFile(filepath.Join(s.dir, "httpd.conf"), []byte("Nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, body := s.api(`{"balancer":"app","add":"http://127.0.0.1:9"}`); r.StatusCode != 409 {
		t.Error(r.Status, body)
	}
	if err := s.reload(two); err != nil {
		t.Fatal(err)
	}
	if b := s.look("app"); len(b.Workers) != 2 {
		t.Errorf("%+v", b)
	}
}

// TestFadeOut fades a member out: route-only keeps its sessions and gets no new ones.
func TestFadeOut(t *testing.T) {
	a, b := backend(t, "a"), backend(t, "b")
	s := serve(t, fmt.Sprintf("<Proxy balancer://app>\nBalancerMember %s route=a\nBalancerMember %s route=b\nProxySet stickysession=sid\n</Proxy>\nProxyPass /app balancer://app\n", a, b))
	if r, _ := s.api(`{"balancer":"app","worker":"` + a + `","action":"route-only"}`); r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	for range 4 {
		if _, body := s.send("GET", "/app", ""); body != "b" {
			t.Errorf("a new session goes to %s", body)
		}
	}
	if _, body := s.send("GET", "/app", "", "Cookie: sid=1.a"); body != "a" {
		t.Errorf("an old session goes to %s", body)
	}
	w := s.look("app").Workers[0]
	if w.State != "route-only" || w.OwnRoute.Hour != 1 || !strings.HasPrefix(w.Leaving, "in use") || w.Elected != 1 {
		t.Errorf("%+v", w)
	}
	s.api(`{"balancer":"app","worker":"` + a + `","action":"disable"}`)
	if _, body := s.send("GET", "/app", "", "Cookie: sid=1.a"); body != "b" {
		t.Errorf("the session of a disabled member goes to %s", body)
	}
	if w := s.look("app").Workers[0]; w.OwnRoute.Hour != 2 || w.Elected != 1 {
		t.Errorf("a request for a disabled member's route was not counted: %+v", w)
	}
}

// TestPersist ends a server and begins another one with the same files.
func TestPersist(t *testing.T) {
	dir, url := t.TempDir(), backend(t, "a")
	config := func(route string) string {
		return "BalancerPersist On\n<Proxy balancer://app>\nBalancerMember " + url + " route=" + route + "\nBalancerMember http://127.0.0.1:1 route=two retry=1000\nProxySet growth=3 nonce=abc stickysession=sid\n</Proxy>\nProxyPass /app balancer://app\n"
	}
	s := serveIn(t, dir, config("one"))
	s.api(`{"balancer":"app","worker":"` + url + `","set":{"route":"by-hand","loadfactor":3,"status.I":true}}`)
	s.api(`{"balancer":"app","set":{"timeout":4},"add":"http://127.0.0.1:9"}`)
	s.send("GET", "/app", "", "Cookie: sid=1.two") // refused: in error
	s.send("GET", "/app", "", "Cookie: sid=1.by-hand")
	was := s.look("app")
	s.stop()

	s = serveIn(t, dir, config("one"))
	b := s.look("app")
	if len(b.Workers) != 3 || b.Timeout != 4 || b.Workers[0].in() != `3 0 "by-hand" "" OI` || b.Workers[0].Elected != was.Workers[0].Elected || b.Workers[0].Elected == 0 ||
		b.Workers[1].State != "error" || b.Workers[2].Added == nil || b.StickyHits != was.StickyHits {
		t.Errorf("%+v\nwas %+v", b, was)
	}
	s.stop()

	s = serveIn(t, dir, config("edited"))
	if w := s.look("app").Workers[0]; w.in() != `3 0 "edited" "" OI` || !strings.Contains(s.logged(), `route "by-hand"`) {
		t.Errorf("an edited file must win: %s", w.in())
	}
	s.stop()

	file := filepath.Join(dir, "pinion-balancers.json")
	for _, bad := range []string{"", "{", `{"program":"other","format":1}`, `{"program":"pinion","format":99}`, "\x00\xff", `{"program":"pinion","format":1,"workers":[]}`} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		s = serveIn(t, dir, config("one"))
		if w := s.look("app").Workers[0]; w.in() != `1 0 "one" "" O` || !strings.Contains(s.logged(), "was set aside as") {
			t.Errorf("%q: %s", bad, w.in())
		}
		s.stop()
	}
	aside, err := filepath.Glob(file + ".*.bad")
	if err != nil || len(aside) != 6 {
		t.Error(aside, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".pinion-*")); len(left) > 0 {
		t.Errorf("temporary files were left: %v", left)
	}
}

// TestPersistFolder keeps the states in DefaultRuntimeDir, and goes on where that is no folder.
func TestPersistFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	const config = `BalancerPersist On
<Proxy balancer://app>
BalancerMember http://127.0.0.1:1
ProxySet nonce=abc
</Proxy>
`
	s := serveIn(t, dir, "DefaultRuntimeDir run\n"+config)
	s.form("b=app", "nonce=abc", "b_tmo=7")
	s.stop()
	if _, err := os.Stat(filepath.Join(dir, "run", "pinion-balancers.json")); err != nil {
		t.Error(err)
	}
	s = serveIn(t, dir, "DefaultRuntimeDir run\n"+config)
	if b := s.look("app"); b.Timeout != 7 {
		t.Errorf("timeout %d", b.Timeout)
	}
	s.stop()

	s = serveIn(t, dir, "DefaultRuntimeDir nowhere\n"+config)
	if log := s.logged(); !strings.Contains(log, "BalancerPersist can't keep states in") {
		t.Errorf("no warning of a folder that is missing: %s", log)
	}
	s.form("b=app", "nonce=abc", "b_tmo=9")
	if b, log := s.look("app"), s.logged(); b.Timeout != 9 || !strings.Contains(log, "the change is made, but not saved") {
		t.Errorf("timeout %d: %s", b.Timeout, log)
	}
}

// TestHealth changes how a member is checked: the checks follow at once.
func TestHealth(t *testing.T) {
	up := backend(t, "fine")
	s := serve(t, "ProxyHCExpr fine {hc('body') =~ /fine/}\n<Proxy balancer://app>\nBalancerMember http://127.0.0.1:1 hcmethod=TCP hcinterval=1000 hcfails=9\nBalancerMember "+up+"\nProxySet nonce=abc\n</Proxy>\n")
	for _, c := range []struct{ field, param, want string }{{"w_hm=get", "hcmethod", "GET"}, {"w_hi=250", "hcinterval", "250"}, {"w_hp=3", "hcpasses", "3"}, {"w_hf=2", "hcfails", "2"},
		{"w_hu=/up", "hcuri", "/up"}, {"w_he=fine", "hcexpr", "fine"}, {"w_hm=nope", "hcmethod", "GET"}, {"w_hi=99", "hcinterval", "250"},
		{"w_hi=2s", "hcinterval", "2000"}, {"w_hi=300x", "hcinterval", "2000"}, {"w_hi=1mi", "hcinterval", "60000"}, {"w_hp=0", "hcpasses", "3"}, {"w_hf=0", "hcfails", "2"},
		{"w_hm=TCP", "hcexpr", ""}} {
		s.form("b=app", "nonce=abc", "w="+up, c.field)
		got := ""
		for _, x := range s.look("app").Workers[1].ByHand {
			if x.Param == c.param {
				got = x.Value
			}
		}
		if got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.field, c.param, got, c.want)
		}
	}
	if r, body := s.api(`{"balancer":"app","worker":"http://127.0.0.1:1","set":{"hcfails":1,"hcinterval":100}}`); r.StatusCode != 200 {
		t.Fatal(r.Status, body)
	}
	for s.look("app").Workers[0].State != "failed-check" {
		gort.Gosched() // until the check has failed, or the test's time is over
	}
}
