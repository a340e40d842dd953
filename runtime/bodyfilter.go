package runtime

import (
	"io"

	"pinion/runtime/http1"
)

// FilterPlace is where on its way out an answer's body meets a filter (httpd's AP_FTYPE_*).
type FilterPlace uint8

// The places, in the body's order. mod_expires sets its headers between them, mod_headers after them.
const (
	ResourceFilter   FilterPlace = iota // changes the content: SUBSTITUTE
	ContentSetFilter                    // changes how the content is sent: DEFLATE
)

// OutputFilter is a filter by the name that SetOutputFilter and its like call it.
type OutputFilter struct {
	Name  string // in capitals
	Place FilterPlace
	// Insert is asked once for each answer that a directive wants the filter for, before its head goes out. It may
	// change the head; length is the body's, -1 where the body comes in pieces. It returns nil to stay out of the way.
	Insert func(r *Request, length int64) BodyFilter
}

// Passing says what goes with bytes on their way through the filters.
type Passing uint8

// The ways.
const (
	More  Passing = iota // there may be more
	Flush                // nothing is to be kept back: the source has nothing more to give for now
	End                  // these were the last ones
)

// BodyFilter changes the body of one answer. It belongs to the request's goroutine, and ends with End, an error or the request.
type BodyFilter interface {
	// Pass takes the body's next bytes, which may be none, and hands on what it makes of them. It must not keep p. It
	// must hand on Flush and End, and need not hand on anything else at once. How much it keeps back must be bounded.
	Pass(p []byte, how Passing, next Next) error
}

// Next is the way on, behind a filter.
type Next struct {
	r *Request
	i int
}

// Pass hands bytes on. They may be changed as soon as it returns.
func (n Next) Pass(p []byte, how Passing) error { return n.r.pass(n.i, p, how) }

// Done tells that nobody wants the rest of the body: the head is out, and was all that was asked for.
func (n Next) Done() bool { return n.r.NoBodyToSend() }

// filtering is what a request with filters needs. Others don't have it.
type filtering struct {
	filters []BodyFilter
	held    bool  // the head waits for the first bytes to come out of the filters: only then its length may be known
	left    int64 // of the body, where its length is known; else -1
	ended   bool
	err     error // nothing is passed on any more
}

// AddBodyFilter puts a filter behind those that the answer has. Only before the head goes out: for hooks in OutputHead.
func (r *Request) AddBodyFilter(f BodyFilter) {
	if r.filtering == nil {
		r.filtering = &filtering{}
	}
	r.filtering.filters = append(r.filtering.filters, f)
}

// Filtered tells that a filter changes the body.
func (r *Request) Filtered() bool { return r.filtering != nil }

// HeadHeld tells that the head has begun, but not gone out: an error can still be answered with its page.
func (r *Request) HeadHeld() bool { return r.filtering != nil && r.filtering.held }

// BodyLength is how long the body is that the handler is about to send, -1 where it comes in pieces. For hooks in OutputHead.
func (r *Request) BodyLength() int64 { return r.bodyLength }

func (r *Request) pass(i int, p []byte, how Passing) error {
	if f := r.filtering.filters; i < len(f) {
		return f[i].Pass(p, how, Next{r, i + 1})
	}
	return r.emit(p, how)
}

// emit sends what came out of the last filter.
func (r *Request) emit(p []byte, how Passing) error {
	if f := r.filtering; f.held {
		f.held = false
		length := int64(-1)
		if how == End {
			if p = r.cutFiltered(p); r.unwanted {
				return nil
			}
			length = int64(len(p))
		}
		if err := r.sendHead(length); err != nil {
			return err
		}
	}
	if len(p) > 0 && !r.eaten {
		n, err := r.Wire.Write(p)
		r.BytesSent += int64(n)
		if err != nil {
			r.aborted = true
			return err
		}
	}
	if how == Flush {
		return r.Wire.Flush()
	}
	return nil
}

// filter takes bytes from the handler, More or Flush.
func (r *Request) filter(p []byte, how Passing) error {
	f := r.filtering
	if f.err != nil || f.ended {
		return f.err
	}
	if f.left >= 0 && how == More {
		if f.left -= int64(len(p)); f.left <= 0 {
			f.ended, how = true, End
		}
	}
	f.err = r.pass(0, p, how)
	return f.err
}

// filterFrom takes the body from src. While a src that can tell would wait, nothing is kept back.
func (r *Request) filterFrom(src io.Reader) (total int64, err error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	waiter, _ := src.(interface{ Waits() bool })
	for !r.NoBodyToSend() && !r.filtering.ended {
		if waiter != nil && total > 0 && waiter.Waits() {
			if err := r.filter(nil, Flush); err != nil {
				return total, &http1.WriteError{Err: err}
			}
		}
		n, err := src.Read(*buf)
		total += int64(n)
		if n > 0 {
			if err := r.filter((*buf)[:n], More); err != nil {
				return total, &http1.WriteError{Err: err}
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// endFilters tells the filters that the body is complete.
func (r *Request) endFilters() error {
	f := r.filtering
	if f.err == nil && !f.ended {
		f.ended = true
		f.err = r.pass(0, nil, End)
	}
	return f.err
}

// cutFiltered answers a Range header, which counts for the body as the filters made it (httpd's byterange filter). A
// body of which a part has gone out before its end was known is sent whole, and so is one that several ranges are asked of.
func (r *Request) cutFiltered(p []byte) []byte {
	ranges, ok := r.ranges(int64(len(p)))
	if !ok {
		r.dropHeld()
		r.UnknownLength = true // the error is one of httpd's output filters
		r.die(416, 0)
		r.unwanted = true
		return nil
	}
	if len(ranges) != 1 {
		return p
	}
	part := ranges[0]
	r.setPart(part, int64(len(p)))
	return p[part.Start : part.End+1]
}

// dropHeld forgets an answer whose head was held back.
func (r *Request) dropHeld() {
	r.filtering = nil
	r.headSent = false
}

// Cut ends an answer that can't be completed: the client sees a broken one, or none at all while its head is held.
func (r *Request) Cut() {
	r.filtering = nil
	r.Wire.Abort()
}

// FiltersBody lets the OutputHead hooks have their say and tells whether a filter will change the body, of that length.
func (r *Request) FiltersBody(length int64) bool {
	r.outputHead(length)
	return r.filtering != nil
}

// OutputFilter returns the filter of that name, whose case doesn't matter; nil where no module has it.
func (c *Compiler) OutputFilter(name string) *OutputFilter {
	for _, m := range c.Graph.modules.list {
		for i := range m.OutputFilters {
			if EqualFold(m.OutputFilters[i].Name, name) {
				return &m.OutputFilters[i]
			}
		}
	}
	return nil
}

// OutputFilterNames are the names of all filters.
func (c *Compiler) OutputFilterNames() (names []string) {
	for _, m := range c.Graph.modules.list {
		for i := range m.OutputFilters {
			names = append(names, m.OutputFilters[i].Name)
		}
	}
	return names
}
