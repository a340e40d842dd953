package reload

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"pinion/parser"
	pinion "pinion/runtime"
	"pinion/runtime/all"
)

// TestKeepForgetsTheTree loads each recorded configuration and looks whether its tree is garbage while the graph serves: with
// thousands of virtual hosts it takes as much memory as the graph.
func TestKeepForgetsTheTree(t *testing.T) {
	cases, err := filepath.Glob("../testdata/conformance/*.txtar")
	if err != nil || len(cases) < 100 {
		t.Fatalf("expected the recorded cases, found %d: %v", len(cases), err)
	}
	loaded := 0
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, f := range archive.Files {
			write(t, filepath.Join(dir, f.Name), string(f.Data))
		}
		s := Source{Path: filepath.Join(dir, "httpd.conf"), Modules: all.Modules(), Parse: parser.Options{ServerRoot: dir, Cache: &parser.Cache{}}}
		l := s.Load(pinion.NewState())
		g := l.Graph
		if g == nil {
			continue // it needs what only the recording has
		}
		loaded++
		gone := make(chan struct{})
		runtime.AddCleanup(l.Tree.Root, func(c chan struct{}) { close(c) }, gone)
		s.Keep(l)
		l = nil
		if !collected(gone) {
			t.Errorf("%s: the graph keeps the tree that it was compiled from", filepath.Base(name))
		}
		g.Retire()
	}
	if loaded < len(cases)/2 {
		t.Errorf("only %d of %d configurations could be loaded", loaded, len(cases))
	}
}

// collected waits until the collector has closed gone, for a minute at most.
func collected(gone chan struct{}) bool {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		runtime.GC()
		select {
		case <-gone:
			return true
		case <-time.After(time.Millisecond):
		}
	}
	return false
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// manyFiles is a configuration of many files that is changed at random.
type manyFiles struct {
	t    *testing.T
	dir  string
	rand *rand.Rand
	last string // the file that was changed last
}

func (m *manyFiles) path(name string) string { return filepath.Join(m.dir, name) }

// main writes the main file; variant says which settings of it hold.
func (m *manyFiles) main(variant int) {
	text := "Listen 127.0.0.1:18999\nServerName main.example\nDefine WHAT " + []string{"one", "two"}[variant%2] + "\n" +
		"<Macro Site $name>\n<VirtualHost *:18999>\nServerName $name.example\nHeader set X-Macro \"$name\"\n</VirtualHost>\n</Macro>\n" +
		"<Proxy balancer://shared>\nBalancerMember http://127.0.0.1:1 route=a\nBalancerMember http://127.0.0.1:2 route=b\n</Proxy>\n"
	if variant%3 == 1 {
		text += "ProxyPass /shared balancer://shared/ stickysession=SHARED\n"
	}
	text += "<IfModule mod_headers.c>\nIncludeOptional sites/*.conf\n</IfModule>\n"
	if variant%5 == 2 {
		text += "Timeout 7\n"
	}
	write(m.t, m.path("httpd.conf"), text)
}

// host returns the text of a file, of one of several kinds: most with a virtual host, some with mistakes or warnings.
func (m *manyFiles) host(i int) string {
	n := m.rand.IntN(1000)
	switch m.rand.IntN(15) {
	case 12: // what several have in common
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName c%d.example\nInclude common.conf\n</VirtualHost>\n", n)
	case 13:
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName d%d.example\nInclude common.conf\nInclude more.conf\nIncludeOptional common*.conf\n</VirtualHost>\n", n)
	case 14:
		return "Include more.conf\n" + fmt.Sprintf("<VirtualHost *:18999>\nServerName e%d.example\n<Location /e>\nInclude more.conf\n</Location>\n</VirtualHost>\n", n)
	case 0:
		return "Use Site macro" + fmt.Sprint(n%7) + "\n"
	case 1: // a name that others have, too
		return "<VirtualHost *:18999>\nServerName same.example\nDocumentRoot /\n</VirtualHost>\n"
	case 2:
		return fmt.Sprintf("Define SITE%d x%d\n<VirtualHost *:18999>\nServerName ${SITE%d}.example\n</VirtualHost>\n", i, n, i)
	case 3:
		return "# nothing yet\n"
	case 4: // a cookie that nothing sets, members of one route
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName s%d.example\n<Proxy balancer://x>\nBalancerMember http://127.0.0.1:3 route=r\nBalancerMember http://127.0.0.1:4 route=r\n</Proxy>\nProxyPass / balancer://x/ stickysession=C%d\n</VirtualHost>\n", n, n%3)
	case 5:
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName s%d.example\nHeader add Set-Cookie \"C%d=.r; path=/\" env=BALANCER_ROUTE_CHANGED\n</VirtualHost>\n", n, n%3)
	case 6: // two, and something outside of them
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName a%d.example\n</VirtualHost>\nSetEnv OUTSIDE%d 1\n<VirtualHost *:18999>\nServerName b%d.example\n</VirtualHost>\n", n, i, n)
	case 7:
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName ${WHAT}%d.example\n<Location /m>\nSetHandler balancer-manager\n</Location>\n</VirtualHost>\n", n)
	case 8:
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName w%d.example\nRewriteEngine On\nRewriteCond %%{HTTP_HOST} x\n</VirtualHost>\n", n)
	case 9:
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName i%d.example\nProxyPass /i balancer://shared/\nRemoteIPProxyProtocol O%s\n</VirtualHost>\n", n, []string{"n", "ff"}[n%2])
	case 10:
		if m.rand.IntN(3) == 0 {
			return "<VirtualHost *:18999>\nServerNam broken.example\n</VirtualHost>\n"
		}
		fallthrough
	default:
		return fmt.Sprintf("<VirtualHost *:18999>\nServerName v%d.example\nServerAlias *.v%d.example\nProxyPass /a http://127.0.0.1:%d/\nProxyPass /a/b !\n</VirtualHost>\n", n, n, 1000+n)
	}
}

// change changes something; after a load that was refused, it repairs what it changed last.
func (m *manyFiles) change(step int, refused bool) {
	name := fmt.Sprintf("sites/%02d.conf", m.rand.IntN(80))
	if refused {
		if !strings.HasPrefix(m.last, "sites/") {
			write(m.t, m.path(m.last), "")
			return
		}
		write(m.t, m.path(m.last), fmt.Sprintf("<VirtualHost *:18999>\nServerName repaired%d.example\n</VirtualHost>\n", step))
		return
	}
	m.last = name
	switch k := m.rand.IntN(11); {
	case k == 10:
		m.last = []string{"common.conf", "more.conf"}[step%2]
		write(m.t, m.path(m.last), fmt.Sprintf("SetEnv COMMON %d\n<IfModule mod_headers.c>\nHeader set X-Common %d\n</IfModule>\n", step, step))
	case k == 0:
		m.main(step)
	case k == 1:
		_ = os.Remove(m.path(name))
	case k > 5: // the same names with something else
		if text, err := os.ReadFile(m.path(name)); err == nil {
			write(m.t, m.path(name), strings.Replace(string(text), "</VirtualHost>", fmt.Sprintf("SetEnv STEP %d\n</VirtualHost>", step), 1))
		}
	case k == 2:
		_ = os.Rename(m.path(name), m.path(fmt.Sprintf("sites/%02d.conf", m.rand.IntN(80))))
	default:
		write(m.t, m.path(name), m.host(step))
	}
}

// TestLoadChangedIsLoad changes files at random and looks whether loading what has changed comes to the same as loading all.
func TestLoadChangedIsLoad(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := &manyFiles{t: t, dir: t.TempDir(), rand: rand.New(rand.NewPCG(seed, 1))}
	m.main(0)
	write(t, m.path("common.conf"), "# nothing\n")
	write(t, m.path("more.conf"), "SetEnv MORE 1\n")
	for i := range 80 {
		write(t, m.path(fmt.Sprintf("sites/%02d.conf", i)), fmt.Sprintf("<VirtualHost *:18999>\nServerName first%d.example\n</VirtualHost>\n", i))
	}
	source := func() *Source {
		return &Source{Path: m.path("httpd.conf"), Modules: all.Modules(), Parse: parser.Options{ServerRoot: m.dir, Cache: &parser.Cache{}}}
	}
	s, state := source(), pinion.NewState()
	var inForce *pinion.Graph
	reused, refused := 0, false
	for step := range 150 {
		m.change(step, refused)
		l := s.Load(state)
		fresh := source().Load(pinion.NewState())
		if diff := cmp.Diff(summary(fresh), summary(l)); diff != "" {
			t.Fatalf("step %d: loaded whole (-) and by what has changed (+):\n%s", step, diff)
		}
		if fresh.Graph != nil {
			fresh.Graph.Retire()
		}
		if refused = l.Graph == nil; refused {
			continue
		}
		if inForce != nil {
			for _, v := range l.Graph.Servers[1:] {
				if slices.Contains(inForce.Servers, v) {
					reused++
				}
			}
		}
		s.Keep(l)
		if inForce != nil {
			inForce.Retire()
		}
		inForce = l.Graph
	}
	if reused < 200 {
		t.Errorf("only %d virtual hosts were taken over in 150 steps", reused)
	}
	if inForce != nil {
		inForce.Retire()
	}
	state.Each(func(key string, _ any) { t.Errorf("%s is left when no graph is", key) })
}

// summary is what there is to compare of a load.
func summary(l *Loaded) []string {
	var b strings.Builder
	if err := parser.WriteText(&b, l.Diags, parser.TextOptions{Source: l.Tree.Source}); err != nil {
		panic(err)
	}
	out := strings.Split(b.String(), "\n")
	out = append(out, l.Tree.Files...)
	if l.Graph == nil {
		return append(out, "refused")
	}
	out = append(out, l.Graph.Hash, fmt.Sprint(l.Graph.Files, l.Graph.Folders, l.Graph.Preface != nil, l.Graph.Secure != nil))
	for _, v := range l.Graph.Servers {
		out = append(out, fmt.Sprintf("%s %v %v %v %v", v.ServerName, v.Aliases, v.Place, v.Settings.Timeout, v.Dir.Core.LogLevel))
		for _, name := range append([]string{v.ServerName}, v.Aliases...) {
			name = strings.Replace(name, "*", "any", 1)
			out = append(out, fmt.Sprint(name, l.Graph.ServerFor(netip.MustParseAddrPort("127.0.0.1:18999"), name).Place))
		}
	}
	return out
}
