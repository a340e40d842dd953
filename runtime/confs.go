package runtime

import (
	"math/bits"
	"slices"
)

// maxModules is how many modules there may be: the bits of a moduleBits.
const maxModules = 128

// moduleBits is a set of modules by their index.
type moduleBits [maxModules / 64]uint64

func (b *moduleBits) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

func (b moduleBits) or(o moduleBits) moduleBits {
	for i := range b {
		b[i] |= o[i]
	}
	return b
}

// confs are what modules keep of one server or section. Of some fifty modules most have nothing to say of it, so those that have lie
// side by side: with a place for each, 10,000 virtual hosts took 30 MB more. The zero value is empty; it is not changed once compiled.
type confs struct {
	set  moduleBits
	list []any // of those in set, in the order of their index
}

// place is where in list the module's is, or would be.
func (c *confs) place(i int) int {
	n := bits.OnesCount64(c.set[i/64] & (1<<(i%64) - 1))
	if i >= 64 {
		n += bits.OnesCount64(c.set[0])
	}
	return n
}

// get returns what the module keeps, nil for nothing.
func (c *confs) get(i int) any {
	if !c.set.has(i) {
		return nil
	}
	return c.list[c.place(i)]
}

// put sets what the module keeps. Only while compiling, and not on a copy.
func (c *confs) put(i int, v any) {
	at := c.place(i)
	if c.set.has(i) {
		c.list[at] = v
		return
	}
	c.list = slices.Insert(c.list, at, v)
	c.set[i/64] |= 1 << (i % 64)
}

func (c *confs) clone() confs { return confs{c.set, slices.Clone(c.list)} }

// trim gives back what list has grown too large.
func (c *confs) trim() {
	if cap(c.list) > len(c.list) {
		c.list = append(make([]any, 0, len(c.list)), c.list...)
	}
}

// over is what add says laid over base, by the modules' merge functions. Of base, only what the modules of the set keep counts.
func (add *confs) over(base *confs, set *moduleSet, mergeOf func(*Module) func(base, add any) any) confs {
	var n confs
	n.set = add.set.or(base.set)
	n.list = make([]any, 0, n.place(maxModules-1)+1)
	for w, left := range n.set {
		for ; left != 0; left &= left - 1 {
			i := w*64 + bits.TrailingZeros64(left)
			if m := set.byIndex[i]; m != nil {
				n.list = append(n.list, mergeConf(mergeOf(m), base.get(i), add.get(i)))
			} else if v := add.get(i); v != nil {
				n.list = append(n.list, v)
			} else {
				n.set[w] &^= 1 << (i % 64)
			}
		}
	}
	return n
}

func mergeServerOf(m *Module) func(base, add any) any { return m.MergeServer }

func mergeDirOf(m *Module) func(base, add any) any { return m.MergeDir }
