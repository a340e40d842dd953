//go:build e2e

package phpsessions

import (
	"testing"

	"pinion/examples/internal/try"
)

// TestPHP does the same with two real httpds in front of PHP-FPM.
func TestPHP(t *testing.T) {
	s := try.New(t, 8080, 13001, 13002, 13101, 13102).Release(8080, 13001, 13002, 13101, 13102)
	servers := s.Start("./backends.sh", "www1="+s.Port(13001)+":"+s.Port(13101), "www2="+s.Port(13002)+":"+s.Port(13102))
	for range 2 {
		servers.Await("ready to handle connections")
		servers.Await("resuming normal operations")
	}
	checkSessions(t, s, s.Pinion("httpd.conf"))
}
