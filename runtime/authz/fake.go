package authz

import (
	"encoding/base64"

	"pinion/runtime"
)

// fake is mod_auth_basic's configuration: what AuthBasicFake makes up.
type fake struct {
	user, password func(*runtime.Request) string // user is nil for "off"
	set            bool
}

func mergeFake(base, add *fake) *fake {
	if add.set {
		return add
	}
	return base
}

func setBasicFake(c *runtime.Cmd) error {
	conf := runtime.OwnDirConf[fake](c.Dir, Basic)
	*conf = fake{set: true}
	if runtime.EqualFold(c.Arg(0), "off") {
		return nil
	}
	user, err := c.StringExpr(0, c.Arg(0))
	if err != nil {
		return err
	}
	password := func(*runtime.Request) string { return "password" }
	if len(c.Node.Args) > 1 {
		if password, err = c.StringExpr(1, c.Arg(1)); err != nil {
			return err
		}
	}
	conf.user, conf.password = user, password
	return nil
}

// fakeBasic gives the request a made up Authorization header, for the backend that it goes to.
func fakeBasic(r *runtime.Request) runtime.Result {
	conf := runtime.DirConf[fake](r.Dir, Basic)
	if conf == nil || conf.user == nil {
		return runtime.Declined
	}
	user := conf.user(r)
	if user == "" {
		r.Logf(Basic, runtime.LogInfo, "AH02458", "AuthBasicFake: empty username expression for URI '%s', ignoring", r.URI)
		r.HeadersIn.Del("Authorization")
		return runtime.Declined
	}
	password := conf.password(r)
	if password == "" {
		r.Logf(Basic, runtime.LogInfo, "AH02459", "AuthBasicFake: empty password expression for URI '%s', ignoring", r.URI)
		r.HeadersIn.Del("Authorization")
		return runtime.Declined
	}
	line := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	r.HeadersIn.Set("Authorization", line)
	r.Logf(Basic, runtime.LogInfo, "AH02457", "AuthBasicFake: \"Authorization: %s\"", line)
	return runtime.OK
}
