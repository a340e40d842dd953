package manager_test

import "testing"

// TestAddedAgain: a member that is added again after its removal is new, whatever it was before: disabled, as the file's defaults
// say. Neither what BalancerPersist kept of the last process comes back, nor what a request still uses that runs since then.
func TestAddedAgain(t *testing.T) {
	const (
		config = "BalancerPersist On\n<Proxy balancer://app>\nBalancerMember http://127.0.0.1:1\nProxySet growth=3 stickysession=sid\n</Proxy>\nProxyPass /app balancer://app\n"
		member = `{"balancer":"app","worker":"http://127.0.0.1:9",`
		add    = `{"balancer":"app","add":"http://127.0.0.1:9"}`
		enable = member + `"action":"enable","set":{"route":"r"}}`
		remove = member + `"remove":true}`
		fresh  = `1 0 "" "" OD`
	)
	dir := t.TempDir()
	s := serveIn(t, dir, config)
	s.api(add)
	s.api(enable)
	if w := s.look("app").Workers[1]; w.in() != `1 0 "r" "" O` {
		t.Fatal(w.in())
	}
	s.stop()

	s = serveIn(t, dir, config)
	if w := s.look("app").Workers[1]; w.in() != `1 0 "r" "" O` {
		t.Fatal(w.in())
	}
	s.api(remove)
	s.api(add)
	if w := s.look("app").Workers[1]; w.in() != fresh {
		t.Errorf("added again after a restart: %s", w.in())
	}

	s.api(enable)
	g := s.engine.Acquire(1) // as a request that runs does
	s.api(remove)
	s.api(add)
	if w := s.look("app").Workers[1]; w.in() != fresh {
		t.Errorf("added again while a request runs since before: %s", w.in())
	}
	g.Release(1)
}
