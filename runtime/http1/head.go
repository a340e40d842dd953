package http1

import (
	"strconv"

	"pinion/runtime/table"
)

// The versions that heads are written with; 1.0 only where force-proxy-request-1.0 and its kind ask for it.
const (
	HTTP10 = "HTTP/1.0"
	HTTP11 = "HTTP/1.1"
)

// AppendRequestHead appends the head of an HTTP/1.1 request. With an error, which is a *FieldError, dst is returned as
// it was: a control character in the target or a field would let its value forge further fields.
func AppendRequestHead(dst []byte, method, target string, fields *table.Table) ([]byte, error) {
	return AppendRequestHeadProto(dst, HTTP11, method, target, fields)
}

// AppendRequestHeadProto is AppendRequestHead for the version proto.
func AppendRequestHeadProto(dst []byte, proto, method, target string, fields *table.Table) ([]byte, error) {
	if !ValidName(method) || target == "" || span(target, isTarget) != len(target) {
		return dst, &FieldError{method, target}
	}
	start := len(dst)
	dst = append(append(dst, method...), ' ')
	dst = append(append(dst, target...), ' ')
	dst = append(append(dst, proto...), '\r', '\n')
	dst, err := AppendFields(dst, fields)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '\r', '\n'), nil
}

// AppendResponseHead appends the head of an HTTP/1.1 response; statusLine is code and reason, as "200 OK". Errors are
// as those of AppendRequestHead.
func AppendResponseHead(dst []byte, statusLine string, fields *table.Table) ([]byte, error) {
	return AppendResponseHeadProto(dst, HTTP11, statusLine, fields)
}

// AppendResponseHeadProto is AppendResponseHead for the version proto.
func AppendResponseHeadProto(dst []byte, proto, statusLine string, fields *table.Table) ([]byte, error) {
	if !ValidValue(statusLine) {
		return dst, &FieldError{proto, statusLine}
	}
	start := len(dst)
	dst = append(append(dst, proto...), ' ')
	dst = append(append(dst, statusLine...), '\r', '\n')
	dst, err := AppendFields(dst, fields)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '\r', '\n'), nil
}

// AppendFields appends field lines, without the empty line that ends a head. With an error dst is returned as it was.
func AppendFields(dst []byte, fields *table.Table) ([]byte, error) {
	start := len(dst)
	for i := range fields.Fields() {
		f := &fields.Fields()[i]
		if !ValidName(f.Key) || !ValidValue(f.Value) {
			return dst[:start], &FieldError{f.Key, f.Value}
		}
		dst = append(append(dst, f.Key...), ':', ' ')
		dst = append(append(dst, f.Value...), '\r', '\n')
	}
	return dst, nil
}

// AppendField appends one field line; key and value must be known to be valid.
func AppendField(dst []byte, key, value string) []byte {
	dst = append(append(dst, key...), ':', ' ')
	return append(append(dst, value...), '\r', '\n')
}

// AppendInt appends n in decimal.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// WriteRequestHead puts a request's head into the write buffer.
func (c *Conn) WriteRequestHead(method, target string, fields *table.Table) error {
	dst, err := AppendRequestHead(c.writeBuffer(), method, target, fields)
	return c.appended(dst, err)
}

// WriteResponseHead puts a response's head into the write buffer.
func (c *Conn) WriteResponseHead(statusLine string, fields *table.Table) error {
	dst, err := AppendResponseHead(c.writeBuffer(), statusLine, fields)
	return c.appended(dst, err)
}

// appended makes dst the write buffer; an empty one goes back.
func (c *Conn) appended(dst []byte, err error) error {
	if c.wb = dst; len(dst) == 0 {
		c.releaseWrite()
	}
	return err
}

// AppendTo lets f append to the write buffer: for a head made without a table.
func (c *Conn) AppendTo(f func(dst []byte) []byte) { _ = c.appended(f(c.writeBuffer()), nil) }
