package authz

import "pinion/runtime"

// judge is httpd's apply_authz_sections: the verdict of a rule and those below.
func (n *rule) judge(r *runtime.Request, parent logic) verdict {
	if !n.speaksOf(r.Method) {
		v := neutral
		if parent == and {
			v = granted
		}
		if r.LogOn(Module, runtime.LogDebug) {
			r.Logf(Module, runtime.LogDebug, "AH01625", "authorization result of %s: %s (directive limited to other methods)", n.text, v)
		}
		return v
	}
	v := neutral
	if n.check != nil {
		v = n.check(r)
	} else {
		for i := 0; i < len(n.children); i++ {
			c := n.children[i]
			var w verdict
			if len(c.beside) > 0 && !r.LogOn(Module, runtime.LogDebug) { // the log would name the one that passes
				w = answer(c.all().Contains(clientAddr(r)))
				i += len(c.beside)
			} else {
				w = c.judge(r, n.op)
			}
			if w == failed {
				return failed
			}
			if w == neutral {
				continue
			}
			done := false
			if v, done = n.combine(v, w); done {
				break
			}
		}
	}
	if n.negate {
		switch v {
		case granted:
			v = denied
		case denied, deniedNoUser:
			// That a rule didn't apply is no reason to let anybody in.
			v = neutral
		}
	}
	if r.LogOn(Module, runtime.LogDebug) {
		r.Logf(Module, runtime.LogDebug, "AH01626", "authorization result of %s: %s", n.text, v)
	}
	return v
}

// combine adds the verdict w of one more rule to v; done says that no further rule can change it. A denial that a user
// could lift is kept apart from one that is final.
func (n *rule) combine(v, w verdict) (_ verdict, done bool) {
	if n.op == and {
		if w == denied {
			return denied, true
		}
		if w == deniedNoUser && v != denied || v == neutral {
			return w, false
		}
		return v, false
	}
	if w == granted {
		return granted, true
	}
	if w == deniedNoUser && v == denied || v == neutral {
		return w, false
	}
	return v, false
}

// what is how the log names what was asked for.
func what(r *runtime.Request) (prefix, name string) {
	if r.Filename == "" {
		return "uri ", r.URI
	}
	return "", r.Filename
}

// authorize is mod_authz_core's authorize_user_core, before a user is known and after.
func authorize(r *runtime.Request, afterAuthn bool) runtime.Result {
	conf := runtime.DirConf[rules](r.Dir, Module)
	if conf == nil || conf.top == nil {
		if authType(r) != "" {
			r.Logf(Module, runtime.LogErr, "AH01627", "AuthType configured with no corresponding authorization directives")
			return 500
		}
		r.Logf(Module, runtime.LogDebug, "AH01628", "authorization result: granted (no directives)")
		return runtime.OK
	}
	switch conf.top.judge(r, and) {
	case granted:
		return runtime.OK
	case deniedNoUser:
		if !afterAuthn {
			return runtime.Declined
		}
		r.Logf(Module, runtime.LogErr, "AH01629", "authorization failure (no authenticated user): %s", r.URI)
		if r.User != "" {
			challenge(r)
		}
		return 401
	case denied, neutral:
		if !afterAuthn || authType(r) == "" {
			prefix, name := what(r)
			r.Logf(Module, runtime.LogErr, "AH01630", "client denied by server configuration: %s%s", prefix, name)
			return 403
		}
		r.Logf(Module, runtime.LogErr, "AH01631", "user %s: authorization failure for \"%s\": ", r.User, r.URI)
		if conf.forbidden.Or(false) {
			return 403
		}
		if r.User != "" {
			challenge(r)
		}
		return 401
	}
	return 500
}
