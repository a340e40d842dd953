package runtime

// ETagSet is what FileETag lines of one place say: components as a whole, and ones to add and to remove.
type ETagSet struct{ Whole, Add, Sub uint8 }

// Components of a file's ETag (FileETag).
const (
	ETagNone uint8 = 1 << iota
	ETagMTime
	ETagINode
	ETagSize
	ETagDigest
	ETagAll = ETagMTime | ETagINode | ETagSize
)

// Bits returns the components in force; httpd's default is MTime and Size.
func (e ETagSet) Bits() uint8 {
	if b := e.Whole&^e.Sub | e.Add; b != 0 {
		return b
	}
	return ETagMTime | ETagSize
}

func (e ETagSet) over(b ETagSet) ETagSet {
	n := e
	if e.Whole == 0 {
		n.Add = b.Add&^e.Sub | e.Add
		n.Sub = b.Sub&^e.Add | e.Sub
		n.Whole = b.Whole&^n.Sub | n.Add
	}
	if n.Whole != ETagNone {
		n.Whole &^= ETagNone
	}
	return n
}
