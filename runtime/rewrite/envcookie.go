package rewrite

import (
	"slices"
	"strings"
	"time"

	"pinion/grammar"
	"pinion/runtime"
)

// requestState is what mod_rewrite keeps of a request and of those that it is redirected to inside.
type requestState struct {
	end     bool     // a rule had [END]
	cookies []string // names of those that were set
}

// requestStateOf returns the state, made at the first call.
func requestStateOf(r *runtime.Request) *requestState {
	r = r.First()
	s := runtime.RequestConf[requestState](r, Module)
	if s == nil {
		s = &requestState{}
		runtime.SetRequestConf(r, Module, s)
	}
	return s
}

// ended tells whether a rule had [END].
func ended(r *runtime.Request) bool {
	s := runtime.RequestConf[requestState](r.First(), Module)
	return s != nil && s.end
}

// setEnv obeys [E=spec].
func (x *rewriting) setEnv(spec string) {
	name, value, unset := grammar.SplitEnv(spec)
	if unset {
		x.r.Env.Del(name)
		if x.verbose >= 5 {
			x.logf(5, false, "unsetting env variable '%s'", name)
		}
		return
	}
	x.r.Env.Set(name, value)
	if x.verbose >= 5 {
		x.logf(5, false, "setting env variable '%s' to '%s'", name, value)
	}
}

// setCookie obeys [CO=spec]: the first rule that sets a cookie wins.
func (x *rewriting) setCookie(spec string) {
	c := grammar.SplitCookie(spec)
	if c.Name == "" || c.Value == "" || c.Domain == "" {
		return
	}
	main := x.r
	for main.Main != nil {
		main = main.Main
	}
	on := &rewriting{r: main, verbose: x.verbose}
	state := requestStateOf(main)
	if slices.Contains(state.cookies, c.Name) {
		if x.verbose >= 5 {
			on.logf(5, false, "skipping already set cookie '%s'", c.Name)
		}
		return
	}
	state.cookies = append(state.cookies, c.Name)
	text := cookieText(&c, x.r.Time)
	main.ErrHeadersOut.Add("Set-Cookie", text)
	if x.verbose >= 5 {
		on.logf(5, false, "setting cookie '%s'", text)
	}
}

// cookieText is the value of Set-Cookie.
func cookieText(c *grammar.Cookie, now time.Time) string {
	var b strings.Builder
	b.WriteString(c.Name + "=" + c.Value + "; path=")
	if c.Path != "" {
		b.WriteString(c.Path)
	} else {
		b.WriteByte('/')
	}
	b.WriteString("; domain=" + c.Domain)
	if minutes := atoi(c.Lifetime); minutes != 0 {
		at := now.Add(time.Duration(minutes) * time.Minute).UTC()
		b.WriteString("; expires=" + at.Format("Mon, 02-Jan-2006 15:04:05 GMT"))
	}
	if isOn(c.Secure, "secure") {
		b.WriteString("; secure")
	}
	if isOn(c.HTTPOnly, "HttpOnly") {
		b.WriteString("; HttpOnly")
	}
	if s := c.SameSite; s != "" && s != "0" && !runtime.EqualFold(s, "false") {
		b.WriteString("; SameSite=" + s)
	}
	return b.String()
}

func isOn(s, name string) bool {
	return s == "1" || runtime.EqualFold(s, "true") || runtime.EqualFold(s, name)
}
