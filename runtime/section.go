package runtime

import (
	"sort"
	"strings"
	"sync/atomic"

	"pinion/parser"
	"pinion/runtime/pcre"
)

// SectionKind tells what a Section is matched against.
type SectionKind uint8

// The kinds, in httpd's order of merging.
const (
	DirectorySection SectionKind = iota
	FilesSection
	LocationSection
	IfSection
	ProxySection
)

// The places of an IfSection in its chain: <If>, <ElseIf>, <Else>.
const (
	ifFirst uint8 = iota
	ifNext
	ifLast
)

// Section is one <Directory>, <Files>, <Location>, <If> or <Proxy> section, or a Match form of it. Immutable once compiled.
type Section struct {
	Kind    SectionKind
	Path    string       // as compared: cleaned of double slashes and, but for "/", of a trailing one in Directory
	Glob    bool         // Path holds *, ? or [ and is matched as by fnmatch
	Regex   *pcre.Regexp // of the Match forms and of "~"; else nil
	Env     []string     // names of Regex's named groups as env variables, MATCH_NAME; "" for an unnamed one
	Cond    func(*Request) bool
	Else    uint8 // of IfSection: ifFirst, ifNext, ifLast
	Config  *DirConfig
	Place   parser.Place
	dirSegs int // number of slashes in a Directory section's path or regular expression
}

// memo finds the merge of a configuration with a section. The merged configurations of a server form a trie, so
// that each set of matched sections is merged once however many requests match it.
type memo struct {
	p atomic.Pointer[map[*Section]*DirConfig]
}

// memoCount bounds the tries of one server: requests choose which sections match, so they must not choose how much memory it takes.
type memoCount struct{ n atomic.Int64 }

const maxMemo = 4096

// With returns d with the section laid over it. Safe for concurrent use.
func (d *DirConfig) With(s *Section) *DirConfig {
	old := d.next.p.Load()
	if old != nil {
		if m, ok := (*old)[s]; ok {
			return m
		}
	}
	m := mergeDir(d.server, d, s.Config)
	if d.server.memoSize.n.Add(1) > maxMemo {
		return m
	}
	for {
		next := map[*Section]*DirConfig{s: m}
		if old != nil {
			for k, v := range *old {
				if k == s {
					return v
				}
				next[k] = v
			}
		}
		if d.next.p.CompareAndSwap(old, &next) {
			return m
		}
		old = d.next.p.Load()
	}
}

func mergeDir(s *Server, base, add *DirConfig) *DirConfig {
	d := &DirConfig{server: s, conf: add.conf.over(&base.conf, s.modules, mergeDirOf), Core: add.Core.over(&base.Core)}
	d.bindPhases()
	return d
}

func mergeConf(merge func(base, add any) any, base, add any) any {
	switch {
	case add == nil:
		return base
	case base == nil || merge == nil:
		return add
	}
	return merge(base, add)
}

// bindPhases keeps of each phase's hooks those whose module has something to say here.
func (d *DirConfig) bindPhases() {
	d.phases = d.server.modules.phasesOf(d.conf.set.or(d.server.conf.set))
}

// locationIndex finds the <Location> sections of a path without trying each.
type locationIndex struct {
	literal map[string][]int // by path, without trailing slash
	other   []int            // patterns and regular expressions
	all     []*Section
}

func indexLocations(all []*Section) locationIndex {
	x := locationIndex{all: all, literal: map[string][]int{}}
	for i, s := range all {
		if s.Regex != nil || s.Glob {
			x.other = append(x.other, i)
		} else {
			key := s.Path
			x.literal[key] = append(x.literal[key], i)
		}
	}
	return x
}

// locationWalk lays the matching <Location> sections of r's URI over base, in the order of the file.
func (r *Request) locationWalk(base *DirConfig) *DirConfig {
	x := &r.Server.locations
	if len(x.all) == 0 {
		return base
	}
	// Paths are compared with slashes merged, whatever MergeSlashes says; regular expressions see the URI as it is.
	uri := mergeSlashes(r.URI)
	var buf [16]int
	hits := buf[:0]
	if len(x.literal) > 0 {
		hits = append(hits, x.literal[""]...)
		hits = append(hits, x.literal[uri]...)
		for i := len(uri) - 1; i >= 0; i-- {
			if uri[i] != '/' {
				continue
			}
			// "/a" is a prefix of "/a/b"; "/a/" is too. Both spellings stand in the index.
			if i+1 < len(uri) {
				hits = append(hits, x.literal[uri[:i+1]]...)
			}
			if i > 0 {
				hits = append(hits, x.literal[uri[:i]]...)
			}
		}
	}
	for _, i := range x.other {
		subject := uri
		if x.all[i].Regex != nil {
			subject = r.URI
		}
		if r.matches(x.all[i], subject) {
			hits = append(hits, i)
		}
	}
	if len(hits) > 1 {
		sort.Ints(hits)
	}
	last := -1
	for _, i := range hits {
		if i != last {
			base = base.With(x.all[i])
		}
		last = i
	}
	return base
}

// matches tells whether the section's pattern matches, and sets MATCH_ variables of named groups.
func (r *Request) matches(s *Section, subject string) bool {
	if s.Regex == nil {
		if s.Glob {
			return fnmatch(s.Path, subject, s.Kind != ProxySection)
		}
		return s.Path == subject
	}
	loc, err := s.Regex.Find(subject, r.loc[:0])
	if err != nil || loc == nil {
		return false
	}
	r.loc = loc
	for i, name := range s.Env {
		if name != "" && loc[2*i] >= 0 {
			r.Env.Set(name, subject[loc[2*i]:loc[2*i+1]])
		}
	}
	return true
}

// ifWalk lays the <If> sections whose expression is true over base, then those that stand inside of the ones that matched.
func (r *Request) ifWalk(base *DirConfig, ifs []*Section) *DirConfig {
	var inner []*Section
	taken := false
	for _, s := range ifs {
		if s.Else != ifFirst && taken {
			continue
		}
		if s.Else != ifLast {
			if taken = s.Cond(r); !taken {
				continue
			}
		}
		base = base.With(s)
		inner = append(inner, s.Config.Core.Ifs...)
	}
	if len(inner) > 0 {
		return r.ifWalk(base, inner)
	}
	return base
}

// walkLocationAndIf is httpd's walk_location_and_if on the configuration the request has by now.
func (r *Request) walkLocationAndIf() {
	r.Dir = r.locationWalk(r.Dir)
	if len(r.Dir.Core.Ifs) > 0 {
		r.Dir = r.ifWalk(r.Dir, r.Dir.Core.Ifs)
	}
}

// WalkProxySections lays the <Proxy> sections that match url ("http://host/…") over the server's defaults, as
// mod_proxy's map_to_storage does.
func (r *Request) WalkProxySections(url string) {
	d := r.Server.Dir
	for _, s := range r.Server.ProxySects {
		if s.Regex != nil || s.Glob {
			if r.matches(s, url) {
				d = d.With(s)
			}
		} else if strings.HasPrefix(url, s.Path) {
			d = d.With(s)
		}
	}
	r.Dir = d
}

func mergeSlashes(p string) string {
	if !strings.Contains(p, "//") {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '/' && len(b) > 0 && b[len(b)-1] == '/' {
			continue
		}
		b = append(b, p[i])
	}
	return string(b)
}
