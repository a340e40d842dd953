//go:build e2e

package tomcatjsessionid

import (
	"testing"

	"pinion/examples/internal/try"
)

// TestTomcat does the same with two real Tomcats.
func TestTomcat(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002).Release(8080, 13001, 13002)
	a := s.Start("./tomcats.sh", "a="+s.Port(13001))
	b := s.Start("./tomcats.sh", "b="+s.Port(13002))
	a.Await("Server startup in")
	b.Await("Server startup in")
	pinion := s.Pinion("httpd.conf")
	checkSessions(t, s)
	checkFadeOut(t, s, pinion)
	checkLoss(t, s, a.Stop)
}
