package manager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"pinion/runtime"
	"pinion/runtime/proxy"
)

// wantsJSON tells whether the request is for the API: by format=json, by what it accepts, or by what it sends.
func (v *visit) wantsJSON() bool {
	for _, pair := range strings.Split(v.Args, "&") {
		if pair == "format=json" {
			return true
		}
	}
	if t, _, _ := mime.ParseMediaType(v.HeadersIn.Get("Content-Type")); v.Method == "POST" {
		return t == "application/json"
	}
	accept := v.HeadersIn.Get("Accept")
	return runtime.HasToken(accept, "application/json") && !runtime.HasToken(accept, "text/html")
}

// order is what the API is asked to change.
type order struct {
	Balancer string         `json:"balancer"`
	Worker   string         `json:"worker"`
	Set      map[string]any `json:"set"`
	Reset    []string       `json:"reset"` // parameters to give back to the file
	Action   string         `json:"action"`
	Add      string         `json:"add"` // the URL of a new member
	Remove   bool           `json:"remove"`
}

// failure is an answer that is no success.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func failf(status int, format string, args ...any) error {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// api answers as docs/manager-api.md says.
func (v *visit) api() runtime.Result {
	v.noStore()
	v.ContentType = "application/json"
	v.params.read(v.Args, []string{"w", "b", "live"})
	if v.Method != "POST" && v.params.get("live") != "" {
		return v.live()
	}
	if v.Method == "POST" {
		if err := v.order(); err != nil {
			return v.refuse(err)
		}
		v.refresh()
	}
	return v.answer()
}

// answer shows what b= and w= name, or all.
func (v *visit) answer() runtime.Result {
	b, w := v.params.get("b"), v.params.get("w")
	v.find(b, w)
	if b != "" && v.balancer == nil || w != "" && v.worker == nil {
		return v.refuse(failf(404, "expected a balancer in b= and one of its members in w=, found %q and %q", b, w))
	}
	o := v.overview()
	if s := readSelection(v.Args); s.Filter != "" {
		for i := range o.Balancers {
			o.Balancers[i].bind(o.Time)
		}
		o.Balancers = s.choose(o.Balancers, 0)
	}
	var body any = o
	if v.balancer != nil {
		x := viewBalancer(v.balancer, o.Time)
		body = &x
		v.HeadersOut.Set("ETag", `"`+x.ETag+`"`)
		for i := range x.Workers {
			if x.Workers[i].w == v.worker {
				body = &x.Workers[i]
				v.HeadersOut.Set("ETag", `"`+x.Workers[i].ETag+`"`)
			}
		}
	}
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return v.refuse(err)
	}
	return sent(v.SendText("", string(text)+"\n"))
}

func (v *visit) refuse(err error) runtime.Result {
	f := &failure{500, err.Error()}
	errors.As(err, &f)
	v.Status = f.status
	text, _ := json.Marshal(map[string]string{"error": err.Error()}) // strings can always be written
	return sent(v.SendText("", string(text)+"\n"))
}

// foreign tells whether another site made the browser send this. A browser sends JSON to another site only where that site
// lets it, which this one never does; this is the second lock.
func (v *visit) foreign() bool {
	if site := v.HeadersIn.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	for _, name := range []string{"Origin", "Referer"} {
		if from, ok := v.HeadersIn.Lookup(name); ok && !sameHost(v.Request, from) {
			return true
		}
	}
	return false
}

// order reads what to change and changes it, all or nothing.
func (v *visit) order() error {
	if t, _, _ := mime.ParseMediaType(v.HeadersIn.Get("Content-Type")); t != "application/json" {
		return failf(415, "expected Content-Type: application/json, found %q", v.HeadersIn.Get("Content-Type"))
	}
	if v.foreign() {
		return failf(403, "a page of another site can't change anything here")
	}
	body, res := v.readBody()
	if res != runtime.OK {
		return failf(int(res), "the body can't be read, or is longer than %d bytes", maxBody)
	}
	var o order
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		return failf(400, "expected an object as docs/manager-api.md describes it: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return failf(400, "expected nothing behind the object")
	}
	v.params["b"], v.params["w"] = o.Balancer, o.Worker
	if v.find(o.Balancer, o.Worker); v.balancer == nil || o.Worker != "" && v.worker == nil {
		return failf(404, "expected a balancer in \"balancer\" and, if given, one of its members in \"worker\", found %q and %q", o.Balancer, o.Worker)
	}
	changing.Lock()
	defer changing.Unlock()
	// Who waited for the lock may find another Graph.
	v.refresh()
	if v.balancer == nil || o.Worker != "" && v.worker == nil {
		return failf(404, "%s %s is gone", o.Balancer, o.Worker)
	}
	if err := v.condition(); err != nil {
		return err
	}
	settings, err := v.settings(&o)
	if err != nil {
		return err
	}
	defer v.saved()
	return v.carryOut(&o, settings)
}

// condition compares If-Match with what is there.
func (v *visit) condition() error {
	want, ok := v.HeadersIn.Lookup("If-Match")
	if !ok || strings.TrimSpace(want) == "*" {
		return nil
	}
	x := viewBalancer(v.balancer, v.Time)
	now := x.ETag
	for i := range x.Workers {
		if x.Workers[i].w == v.worker {
			now = x.Workers[i].ETag
		}
	}
	if !runtime.HasToken(want, `"`+now+`"`) {
		v.HeadersOut.Set("ETag", `"`+now+`"`)
		return failf(412, "somebody else has changed it meanwhile")
	}
	return nil
}

// settings are the parameters to set, checked.
func (v *visit) settings(o *order) (all []proxy.Setting, err error) {
	check, file := v.balancer.Check, v.balancer.FileValue
	if v.worker != nil {
		check, file = v.worker.Check, v.worker.FileValue
	}
	for name, value := range o.Set {
		text, err := asText(value)
		switch {
		case err != nil:
		case v.worker != nil && isTransient(name):
			err = check("status.D", text)
			text = onOff(text == "1" || text == "true" || runtime.EqualFold(text, "on"))
		default:
			err = check(name, text)
		}
		if err != nil {
			return nil, failf(400, "%s: %v", name, err)
		}
		all = append(all, proxy.Setting{Param: name, Value: text})
	}
	for _, name := range o.Reset {
		value, err := file(name)
		if err != nil {
			return nil, failf(400, "%s: %v", name, err)
		}
		all = append(all, proxy.Setting{Param: name, Value: value})
	}
	return all, nil
}

func asText(value any) (string, error) {
	switch x := value.(type) {
	case string:
		return x, nil
	case json.Number:
		return x.String(), nil
	case bool:
		return onOff(x), nil
	}
	return "", errors.New("expected text, a number, true or false")
}

func (v *visit) carryOut(o *order, settings []proxy.Setting) error {
	b, w := v.balancer, v.worker
	if (o.Action != "" || o.Remove) && w == nil || o.Add != "" && w != nil {
		return failf(400, "\"action\" and \"remove\" are for a worker, \"add\" is for a balancer")
	}
	if o.Action != "" {
		if err := canAct(w, o.Action); err != nil {
			return failf(400, "%v", err)
		}
	}
	for _, s := range settings {
		err := error(nil)
		if w != nil {
			err = v.setWorker(b, w, s.Param, s.Value)
		} else {
			err = v.setBalancer(b, s.Param, s.Value)
		}
		if err != nil {
			return failf(400, "%v", err)
		}
	}
	if o.Action != "" {
		if err := v.act(b, w, o.Action); err != nil {
			return failf(400, "%v", err)
		}
	}
	if o.Add != "" {
		if err := v.add(b, o.Add); err != nil {
			return failf(409, "%v", err)
		}
	}
	if o.Remove {
		if err := v.remove(b, w); err != nil {
			return failf(409, "%v", err)
		}
		delete(v.params, "w")
	}
	return nil
}
