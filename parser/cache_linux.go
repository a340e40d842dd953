package parser

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is the time of the inode's last change, which nobody can set back as rsync and cp -p set back the
// time of the content's.
func changeTime(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(int64(s.Ctim.Sec), int64(s.Ctim.Nsec))
	}
	return time.Time{}
}
