package static

import (
	"crypto/sha1" //nolint:gosec // FileETag Digest is SHA-1 in httpd; it guards nothing
	"encoding/base64"
	"io"
	"strconv"
	"syscall"
	"time"

	"pinion/runtime"
	"pinion/runtime/file"
)

// fileETag is the entity tag of the file that r.FileInfo describes, as FileETag says (ap_set_etag_fd); "" for none.
func fileETag(r *runtime.Request, f *file.File) string {
	bits := r.Dir.Core.FileETag.Bits()
	if bits&runtime.ETagDigest != 0 {
		return digestETag(r, f)
	}
	if bits&runtime.ETagNone != 0 {
		return ""
	}
	info := r.FileInfo
	b := make([]byte, 0, 64)
	// A file that has just changed may change again within what a time can tell apart.
	if r.Time.Sub(info.ModTime()) < time.Second {
		b = append(b, "W/"...)
	}
	b = append(b, '"')
	start := len(b)
	add := func(bit uint8, n uint64) {
		if bits&bit != 0 {
			if len(b) > start {
				b = append(b, '-')
			}
			b = strconv.AppendUint(b, n, 16)
		}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		add(runtime.ETagINode, st.Ino)
	}
	add(runtime.ETagSize, uint64(info.Size()))
	add(runtime.ETagMTime, uint64(info.ModTime().UnixMicro()))
	return string(append(b, '"'))
}

// digestETag reads the whole file, as httpd does.
func digestETag(r *runtime.Request, f *file.File) string {
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, r.FileInfo.Size())); err != nil {
		r.Logf(nil, runtime.LogErr, "AH10254", "Make etag: could not read: %v", err)
		return ""
	}
	return `"` + base64.StdEncoding.EncodeToString(h.Sum(nil)) + `"`
}
