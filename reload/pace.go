package reload

import "time"

// A server that loads its configuration again has requests to answer meanwhile. On a machine of two processors all that is left for
// them, for clients and backends beside it is the other one; so a load rests as long as it has worked, again and again. Measured with
// 10,000 virtual hosts (workload h of make bench): see docs/reload.md.
const (
	worksFor = 400 * time.Microsecond
	restsFor = 400 * time.Microsecond
)

// pace slows a load down. Not safe for concurrent use.
type pace struct{ resumed time.Time }

func newPace() *pace { return &pace{time.Now()} }

// pause rests, if it is time.
func (p *pace) pause() {
	if time.Since(p.resumed) >= worksFor {
		time.Sleep(restsFor)
		p.resumed = time.Now()
	}
}
