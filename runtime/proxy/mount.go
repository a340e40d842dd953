package proxy

import (
	"pinion/parser"
	"pinion/runtime"
	"pinion/runtime/pcre"
)

// Mount is one ProxyPass or ProxyPassMatch. Immutable once compiled.
type Mount struct {
	Path     string // or the regular expression as written
	URL      string // "!" for an exception
	NoCanon  bool
	NoQuery  bool
	Encoded  bool // mapping=encoded
	Servlet  bool // mapping=servlet; Encoded is true as well
	Balancer *Balancer
	Worker   *Worker
	Place    parser.Place

	interpolate bool
	regex       *pcre.Regexp
}

// mountIndex finds the mounts that may match a path.
type mountIndex struct{}

func translate(r *runtime.Request) runtime.Result { return runtime.Declined }
