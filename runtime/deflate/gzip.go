package deflate

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"sync"

	"github.com/klauspost/compress/flate"

	"pinion/runtime"
)

const (
	header  = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" // as httpd's: no time, no name, Unix
	trailer = 8                                          // CRC and length
	// piece is how much is sent at once (DeflateBufferSize's default). What is shorter is sent with its length.
	piece = 8096
)

// compression is the filter of one body. It is reused.
type compression struct {
	r       *runtime.Request
	conf    *config
	level   int
	w       *flate.Writer
	next    runtime.Next
	crc     uint32
	in, out int64
	buf     []byte // the gzip stream, up to a piece of it
}

// compressors are filters for each level, whose writers hold about a megabyte.
var compressors [flate.BestCompression + 1]sync.Pool

// newFilter makes a filter, which goes back to its pool when the request ends.
func newFilter(r *runtime.Request, conf *config) *compression {
	f, _ := compressors[conf.level].Get().(*compression)
	if f == nil {
		f = &compression{level: conf.level, buf: make([]byte, 0, piece+trailer)}
		level := conf.level
		if level == 0 {
			level = flate.DefaultCompression
		}
		f.w, _ = flate.NewWriter(f, level) // fails for no level that the configuration can have
	} else {
		f.w.Reset(f)
	}
	f.r, f.conf = r, conf
	f.buf = append(f.buf[:0], header...)
	r.AtEnd(f)
	return f
}

// End implements runtime.Ender.
func (f *compression) End() {
	*f = compression{level: f.level, w: f.w, buf: f.buf}
	compressors[f.level].Put(f)
}

// Pass implements runtime.BodyFilter.
func (f *compression) Pass(p []byte, how runtime.Passing, next runtime.Next) error {
	if next.Done() {
		return nil
	}
	f.next = next
	if len(p) > 0 {
		f.crc = crc32.Update(f.crc, crc32.IEEETable, p)
		f.in += int64(len(p))
		if _, err := f.w.Write(p); err != nil {
			return err
		}
	}
	switch how {
	case runtime.Flush:
		if err := f.w.Flush(); err != nil {
			return err
		}
		return f.send(runtime.Flush)
	case runtime.End:
		if err := f.w.Close(); err != nil {
			return err
		}
		f.buf = binary.LittleEndian.AppendUint32(f.buf, f.crc)
		f.buf = binary.LittleEndian.AppendUint32(f.buf, uint32(f.in))
		f.note()
		return f.send(runtime.End)
	}
	return nil
}

// Write takes what the compressor has made.
func (f *compression) Write(p []byte) (int, error) {
	f.out += int64(len(p))
	n := len(p)
	for len(p) > 0 {
		if len(f.buf) >= piece {
			if err := f.send(runtime.More); err != nil {
				return 0, err
			}
		}
		k := min(piece-len(f.buf), len(p))
		f.buf = append(f.buf, p[:k]...)
		p = p[k:]
	}
	return n, nil
}

func (f *compression) send(how runtime.Passing) error {
	err := f.next.Pass(f.buf, how)
	f.buf = f.buf[:0]
	return err
}

// note leaves the sizes for logs.
func (f *compression) note() {
	if f.r.LogOn(Module, runtime.LogDebug) {
		f.r.Logf(Module, runtime.LogDebug, "AH01384", "Zlib: Compressed %d to %d : URL %s", f.in, f.out, f.r.URI)
	}
	set := func(name string, n, of int64) {
		switch {
		case name == "":
		case of > 0:
			f.r.Notes.Set(name, strconv.FormatInt(n, 10))
		default:
			f.r.Notes.Set(name, "-")
		}
	}
	set(f.conf.input, f.in, f.in)
	set(f.conf.output, f.out, f.out)
	set(f.conf.ratio, f.out*100/max(f.in, 1), f.in)
}
