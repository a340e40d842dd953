// Package gitops tests the example in this folder.
package gitops

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pinion/examples/internal/app"
	"pinion/examples/internal/try"
)

func TestMain(m *testing.M) { try.Main(m) }

// repository is a copy of the example, and its script runs.
type repository struct {
	*try.Site
	t *testing.T
}

func newRepository(t *testing.T) *repository {
	return &repository{try.New(t, 8080, 13001, 13002, 13003), t}
}

func (r *repository) script(name string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(r.Dir, name), args...)
	cmd.Dir, cmd.Env = r.Dir, append(r.Env, "PINION="+try.Binary())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *repository) deploy(to string) {
	r.t.Helper()
	if out, err := r.script("deploy.sh", to); err != nil {
		r.t.Fatalf("deploy.sh: %v\n%s", err, out)
	}
}

const blog = `<VirtualHost 127.0.0.1:8080>
  ServerName blog.example.com
  ProxyPass / http://127.0.0.1:13003/blog/
</VirtualHost>
`

func (r *repository) addBlog() {
	r.Write("conf/sites/blog.conf", strings.NewReplacer("8080", r.Port(8080), "13003", r.Port(13003)).Replace(blog))
}

func TestThePipeline(t *testing.T) {
	r := newRepository(t)
	if out, err := r.script("ci.sh"); err != nil {
		t.Fatalf("ci.sh: %v\n%s", err, out)
	}
	r.Edit("conf/sites/wiki.conf", "ProxyPass  ", "ProxyPas  ")
	out, err := r.script("ci.sh")
	if err == nil || !strings.Contains(out, "wiki.conf:3:3: error: ") || !strings.Contains(out, "ProxyPass") {
		t.Errorf("ci.sh with a broken site: %v\n%s", err, out)
	}
}

func TestDeploy(t *testing.T) {
	r := newRepository(t)
	r.Backend(13001, app.Sample("shop 1"))
	r.Backend(13002, app.Sample("shop 2"))
	r.Backend(13003, app.Sample("wiki"))
	srv := filepath.Join(r.Dir, "srv")
	r.deploy(srv)
	pinion := r.Release(8080).Pinion("srv/current/httpd.conf")

	shopper := r.Client(8080)
	shop := func(when string) string {
		t.Helper()
		a := shopper.Get("http://shop.example.com/")
		name, _, _ := strings.Cut(a.Body, ",")
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: the shop answers %s", when, a.Status)
		}
		return name
	}
	status := func(host string) int { t.Helper(); return r.Client(8080).Get("http://" + host + "/").StatusCode }

	first := shop("release 1")
	if got := status("blog.example.com"); got != http.StatusForbidden {
		t.Errorf("a name that no site has: %d", got)
	}

	r.addBlog()
	r.deploy(srv)
	pinion.Await("is live (file")
	if a := r.Client(8080).Get("http://blog.example.com/page"); !strings.Contains(a.Body, "GET /blog/page,") {
		t.Errorf("the new site: %s %s", a.Status, a.Body)
	}
	if got := shop("release 2"); got != first {
		t.Errorf("the shopper was with %s and is now with %s", first, got)
	}

	r.Edit("conf/sites/blog.conf", "ProxyPass /", "ProxyPass")
	if out, err := r.script("deploy.sh", srv); err == nil || !strings.Contains(out, "nothing was changed") {
		t.Errorf("deploy.sh with a broken site: %v\n%s", err, out)
	}
	if link, err := os.Readlink(filepath.Join(srv, "current")); err != nil || link != "releases/2" {
		t.Errorf("after a broken release, current is %s %v", link, err)
	}

	// Somebody changes the link to a release that nobody has checked.
	if out, err := exec.Command("cp", "-R", filepath.Join(r.Dir, "conf"), filepath.Join(srv, "releases/bad")).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	r.link("releases/bad")
	pinion.Await("the new configuration was refused")
	if got := status("blog.example.com"); got != http.StatusOK || shop("a broken release") != first {
		t.Errorf("after a broken release, the blog answers %d", got)
	}

	r.link("releases/1")
	pinion.Await("is live (file")
	if got := status("blog.example.com"); got != http.StatusForbidden {
		t.Errorf("back at release 1, the blog answers %d", got)
	}
	if got := shop("release 1 again"); got != first {
		t.Errorf("the shopper was with %s and is now with %s", first, got)
	}
}

func (r *repository) link(to string) {
	r.t.Helper()
	if out, err := exec.Command("ln", "-sfn", to, filepath.Join(r.Dir, "srv/current")).CombinedOutput(); err != nil {
		r.t.Fatalf("ln: %v\n%s", err, out)
	}
}
