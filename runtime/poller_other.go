//go:build !linux

package runtime

import (
	"errors"
	"time"
)

// poller is what only Linux has: elsewhere connections are not parked.
type poller struct{}

func newPoller() *poller             { return nil }
func (*poller) add(int) error        { return errors.ErrUnsupported }
func (*poller) remove(int)           {}
func (*poller) wakeAt(time.Time)     {}
func (*poller) wait() ([]int, error) { return nil, errors.ErrUnsupported }
func (*poller) close()               {}
