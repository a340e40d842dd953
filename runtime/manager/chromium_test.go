//go:build e2e

package manager_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser drives a Chromium over its DevTools protocol: messages in JSON, each ended by a NUL, over a pipe.
type browser struct {
	t       *testing.T
	to      *os.File
	mu      sync.Mutex // guards what follows
	nextID  int
	waiting map[int]chan message
	session string
	asked   []string // URLs of all requests
	bad     []string // exceptions, refused by policy, errors on the console
	page    chan struct{}
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// patience bounds each wait for the browser.
const patience = 30 * time.Second

// startBrowser starts Debian's chromium with a new profile and opens an empty page.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Debian's package chromium")
	}
	theirIn, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "pinion-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{t: t, to: to, waiting: map[int]chan message{}, page: make(chan struct{}, 100)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(from)
	}()
	t.Cleanup(func() {
		to.Close()
		if cmd.Process.Kill() == nil {
			_ = cmd.Wait() // it was killed: that is its error
		}
		from.Close()
		<-read
		// Its helpers may still write there for a moment; what is left is in the folder for temporary files.
		_ = os.RemoveAll(profile)
	})
	var target struct{ TargetID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		b.do(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) read(from *os.File) {
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if m.ID != 0 {
			b.waiting[m.ID] <- m
			delete(b.waiting, m.ID)
		} else {
			b.event(&m)
		}
		b.mu.Unlock()
	}
}

// event notes what the page does.
func (b *browser) event(m *message) {
	switch m.Method {
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &p) == nil {
			b.asked = append(b.asked, p.Request.URL)
		}
	case "Runtime.exceptionThrown", "Log.entryAdded":
		b.bad = append(b.bad, string(m.Params))
	case "Page.loadEventFired":
		b.page <- struct{}{}
	}
}

// do sends a command and reads its result.
func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		b.t.Fatal(err)
	}
	if params == nil {
		raw = []byte("{}")
	}
	answer := make(chan message, 1)
	b.mu.Lock()
	b.nextID++
	m := message{ID: b.nextID, Method: method, Params: raw, SessionID: b.session}
	b.waiting[m.ID] = answer
	b.mu.Unlock()
	text, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	select {
	case got := <-answer:
		if got.Error != nil {
			b.t.Fatalf("%s: %s", method, got.Error)
		}
		if result != nil {
			if err := json.Unmarshal(got.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer", method)
	}
}

// open goes to a page and waits until it is loaded.
func (b *browser) open(url string) {
	b.t.Helper()
	b.do("Page.navigate", map[string]any{"url": url}, nil)
	b.loaded()
}

func (b *browser) loaded() {
	b.t.Helper()
	select {
	case <-b.page:
	case <-time.After(patience):
		b.t.Fatal("the page was not loaded")
	}
}

// eval runs a script in the page and returns its value, or what its promise yields, as JSON.
func (b *browser) eval(script string) string {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.do("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, got.ExceptionDetails)
	}
	return string(got.Result.Value)
}

// until waits until the script's value is true: the page is looked at whenever it changes.
func (b *browser) until(what, script string) {
	b.t.Helper()
	ok := b.eval(fmt.Sprintf(`new Promise(done => {
		const holds = () => { try { return !!(%s); } catch { return false; } };
		if (holds()) return done(true);
		const seen = new MutationObserver(() => { if (holds()) { seen.disconnect(); done(true); } });
		seen.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		setTimeout(() => { seen.disconnect(); done(holds()); }, %d);
	})`, script, patience/time.Millisecond/2))
	if ok != "true" {
		b.shot("failed")
		b.t.Fatalf("expected: %s", what)
	}
}

// click presses the mouse in the middle of what the script finds.
func (b *browser) click(element string) {
	b.t.Helper()
	var at struct{ X, Y float64 }
	where := b.eval(`(() => { const e = ` + element + `; e.scrollIntoView({ block: "center" }); const r = e.getBoundingClientRect();
		return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`)
	if err := json.Unmarshal([]byte(where), &at); err != nil {
		b.t.Fatal(err)
	}
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// key presses a key; text is what it types.
func (b *browser) key(name string, code int, text string) {
	b.t.Helper()
	b.do("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text}, nil)
	b.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": name, "code": name, "windowsVirtualKeyCode": code}, nil)
}

func (b *browser) look(width int, scheme string) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shot takes a picture of the whole page into the folder that PINION_SHOTS names, if any.
func (b *browser) shot(name string) {
	b.t.Helper()
	var got struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &got)
	picture, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil || len(picture) < 1000 {
		b.t.Fatalf("a picture of %d bytes: %v", len(picture), err)
	}
	if dir := os.Getenv("PINION_SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// clean checks that the page asked nobody else for anything, and did nothing that it was not allowed.
func (b *browser) clean(address string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.asked {
		if u, err := url.Parse(a); err != nil || u.Host != address && u.Scheme != "data" && u.Scheme != "about" {
			b.t.Errorf("the page asked for %s", a)
		}
	}
	for _, text := range b.bad {
		if !strings.Contains(text, "412") { // a refused change is told on the console, too
			b.t.Errorf("the browser says: %s", text)
		}
	}
}
