package runtime

// Opt is a setting that knows whether it was set, so that a vhost or section can inherit it.
type Opt[T any] struct {
	V   T
	Set bool
}

// Some returns a setting that is set.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Over returns o if it is set, else base: a merge of one setting.
func (o Opt[T]) Over(base Opt[T]) Opt[T] {
	if o.Set {
		return o
	}
	return base
}

// Or returns the value, or def where none is set.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.V
	}
	return def
}
