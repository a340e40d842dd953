//go:build !linux

package runtime

import (
	"errors"
	"time"
)

// poller is what only Linux has: elsewhere connections are not parked.
type poller struct{}

func newPoller() *poller               { return nil }
func (*poller) add(int32) error        { return errors.ErrUnsupported }
func (*poller) remove(int32)           {}
func (*poller) wakeAt(time.Time)       {}
func (*poller) wait() ([]int32, error) { return nil, errors.ErrUnsupported }
func (*poller) close()                 {}
