package runtime

import (
	"net/netip"
	"time"

	"pinion/parser"
)

// Server is one server_rec: the main server or a virtual host, with what it inherited already merged in.
// It is immutable once its Graph is compiled, and safe for concurrent use from then on. Graphs share it as long as what it was
// compiled from stays the same, so it knows none: a request knows its own.
type Server struct {
	Main  bool // the server outside of every <VirtualHost>
	Place parser.Place

	Addrs      []ListenAddr // of <VirtualHost addr …>
	ServerName string       // without scheme and port; "" when nothing says it
	Scheme     string       // of ServerName scheme://…; else ""
	Port       int          // of ServerName; 0 where it has none
	Aliases    []string     // ServerAlias, in order, wildcards included
	Admin      Opt[string]
	Path       string // legacy ServerPath
	Settings   ServerSettings
	DocRoot    Opt[string]
	Errors     *ErrorLog // never nil in a compiled graph
	TLS        any       // the tls module's, where SSLEngine is on; nil for plain

	// Dir is httpd's lookup_defaults: the per-directory configuration outside of every section.
	Dir *DirConfig

	Directories []*Section // literal ones sorted by depth, then the regular expressions
	Locations   []*Section
	ProxySects  []*Section
	locations   locationIndex
	directories directoryIndex

	conf     confs // what modules keep of it
	modules  *moduleSet
	memoSize memoCount
}

// ServerSettings are the core directives of a server that the engine itself obeys.
type ServerSettings struct {
	Timeout              Opt[time.Duration] // Timeout, 60 s
	KeepAlive            Opt[bool]          // On
	KeepAliveTimeout     Opt[time.Duration] // 5 s
	MaxKeepAliveRequests Opt[int]           // 100; 0 is no limit
	LimitRequestLine     Opt[int]           // 8190
	LimitRequestField    Opt[int]           // LimitRequestFieldSize, 8190
	LimitRequestFields   Opt[int]           // 100
	MergeSlashes         Opt[bool]          // On
	TraceEnable          Opt[string]        // "on", "off", "extended"
	HTTP09               Opt[bool]          // HttpProtocolOptions Allow0.9: On
	Unsafe               Opt[bool]          // HttpProtocolOptions Unsafe: Off
	RegisteredMethods    Opt[bool]
	StrictHostCheck      Opt[bool]
	Protocols            Opt[[]string] // h2, http/1.1
	ProtocolsHonorOrder  Opt[bool]
	InternalRedirects    Opt[int]           // LimitInternalRecursion, 10
	SubRequestDepth      Opt[int]           // LimitInternalRecursion's second figure, 10
	HeaderTimeout        Opt[time.Duration] // RequestReadTimeout header=20-…: the first figure; 0 is no limit
	HeaderRate           Opt[ReadRate]      // what follows it, header=…-40,MinRate=500
	BodyTimeout          Opt[time.Duration] // RequestReadTimeout body=20
	BodyRate             Opt[ReadRate]
}

// ReadRate stretches a timeout of RequestReadTimeout: every MinRate bytes that arrive buy the client one second more,
// up to Max in all (0 is no bound). A MinRate of 0 stretches nothing.
type ReadRate struct {
	Max     time.Duration
	MinRate int // bytes a second
}

func (s *ServerSettings) over(b *ServerSettings) ServerSettings {
	return ServerSettings{
		s.Timeout.Over(b.Timeout), s.KeepAlive.Over(b.KeepAlive), s.KeepAliveTimeout.Over(b.KeepAliveTimeout),
		s.MaxKeepAliveRequests.Over(b.MaxKeepAliveRequests), s.LimitRequestLine.Over(b.LimitRequestLine),
		s.LimitRequestField.Over(b.LimitRequestField), s.LimitRequestFields.Over(b.LimitRequestFields),
		s.MergeSlashes.Over(b.MergeSlashes), s.TraceEnable.Over(b.TraceEnable), s.HTTP09.Over(b.HTTP09),
		s.Unsafe.Over(b.Unsafe), s.RegisteredMethods.Over(b.RegisteredMethods), s.StrictHostCheck.Over(b.StrictHostCheck),
		s.Protocols.Over(b.Protocols), s.ProtocolsHonorOrder.Over(b.ProtocolsHonorOrder),
		s.InternalRedirects.Over(b.InternalRedirects), s.SubRequestDepth.Over(b.SubRequestDepth), s.HeaderTimeout.Over(b.HeaderTimeout),
		s.HeaderRate.Over(b.HeaderRate), s.BodyTimeout.Over(b.BodyTimeout), s.BodyRate.Over(b.BodyRate),
	}
}

// ListenAddr is an address of Listen or <VirtualHost>. An invalid IP stands for every address; port 0 for every port.
type ListenAddr struct {
	IP       netip.Addr
	Port     uint16
	Default  bool   // _default_
	Protocol string // Listen's second argument: "https", "http" or ""
	Host     string // the address as written, in lower case, without port and brackets
	Place    parser.Place
}

// DirConfig is one per-directory configuration: of a section as written, or merged. Immutable once compiled.
type DirConfig struct {
	Core CoreDir
	conf confs

	// Set on merged configurations only.
	server *Server
	phases *phases
	next   memo
}

// CoreDir is core's per-directory configuration: what the engine itself obeys.
type CoreDir struct {
	// ErrorDocuments holds what to answer for a status: text that starts with '"', a path, or a URL; "" is the
	// canned page (ErrorDocument 404 default).
	ErrorDocuments      map[int]func(*Request) string
	UseCanonicalName    Opt[string] // "on", "off", "dns"
	UseCanonicalPort    Opt[bool]   // UseCanonicalPhysicalPort
	AllowEncodedSlashes Opt[string] // "on", "off", "nodecode"
	LimitRequestBody    Opt[int64]  // 1 GiB since httpd 2.4.53
	ServerSignature     Opt[string] // "on", "off", "email"
	AddDefaultCharset   Opt[string] // "off" or a charset
	SetHandler          Opt[func(*Request) string]
	ForceType           Opt[string]
	AcceptPathInfo      Opt[string] // "on", "off", "default"
	FileETag            ETagSet
	Options             OptionSet
	MaxRanges           Opt[int] // -1 is no limit, 0 is no ranges at all; so too below
	MaxRangeOverlaps    Opt[int]
	MaxRangeReversals   Opt[int]
	// SatisfyAny tells whether being let in by address is enough (Satisfy Any); nil is Satisfy All.
	SatisfyAny func(*Request) bool
	LogLevel   *LogLevels
	// Files and Ifs are sections inside of this one, outer ones first.
	Files, Ifs []*Section
}

// Option bits of the Options directive.
const (
	OptIndexes uint16 = 1 << iota
	OptIncludes
	OptSymLinks
	OptExecCGI
	OptIncNoExec
	OptSymOwner
	OptMultiViews
	OptAll = OptIndexes | OptIncludes | OptSymLinks | OptExecCGI
)

// OptionSet is what Options lines of one place say: either a whole set, or bits to add and to remove.
type OptionSet struct {
	Whole    bool
	Set      uint16
	Add, Sub uint16
}

// Bits returns the options in force; httpd's default is FollowSymLinks.
func (o OptionSet) Bits() uint16 {
	if o.Whole {
		return o.Set
	}
	return (OptSymLinks | o.Add) &^ o.Sub
}

func (o OptionSet) over(b OptionSet) OptionSet {
	if o.Whole {
		return o
	}
	if b.Whole {
		return OptionSet{Whole: true, Set: (b.Set | o.Add) &^ o.Sub}
	}
	return OptionSet{Add: (b.Add &^ o.Sub) | o.Add, Sub: (b.Sub &^ o.Add) | o.Sub}
}

func (c *CoreDir) over(b *CoreDir) CoreDir {
	n := CoreDir{
		ErrorDocuments:      b.ErrorDocuments,
		UseCanonicalName:    c.UseCanonicalName.Over(b.UseCanonicalName),
		UseCanonicalPort:    c.UseCanonicalPort.Over(b.UseCanonicalPort),
		AllowEncodedSlashes: c.AllowEncodedSlashes, // a virtual host doesn't inherit it
		LimitRequestBody:    c.LimitRequestBody.Over(b.LimitRequestBody),
		ServerSignature:     c.ServerSignature.Over(b.ServerSignature),
		AddDefaultCharset:   c.AddDefaultCharset.Over(b.AddDefaultCharset),
		SetHandler:          c.SetHandler.Over(b.SetHandler),
		ForceType:           c.ForceType.Over(b.ForceType),
		AcceptPathInfo:      c.AcceptPathInfo.Over(b.AcceptPathInfo),
		FileETag:            c.FileETag.over(b.FileETag),
		Options:             c.Options.over(b.Options),
		MaxRanges:           c.MaxRanges.Over(b.MaxRanges),
		MaxRangeOverlaps:    c.MaxRangeOverlaps.Over(b.MaxRangeOverlaps),
		MaxRangeReversals:   c.MaxRangeReversals.Over(b.MaxRangeReversals),
		SatisfyAny:          c.SatisfyAny,
		LogLevel:            c.LogLevel.over(b.LogLevel),
		Files:               append(b.Files[:len(b.Files):len(b.Files)], c.Files...),
		Ifs:                 append(b.Ifs[:len(b.Ifs):len(b.Ifs)], c.Ifs...),
	}
	if n.SatisfyAny == nil {
		n.SatisfyAny = b.SatisfyAny
	}
	if len(c.ErrorDocuments) > 0 {
		n.ErrorDocuments = make(map[int]func(*Request) string, len(b.ErrorDocuments)+len(c.ErrorDocuments))
		for k, v := range b.ErrorDocuments {
			n.ErrorDocuments[k] = v
		}
		for k, v := range c.ErrorDocuments {
			n.ErrorDocuments[k] = v
		}
	}
	return n
}

// ServerConf returns the module's configuration of s, nil where no directive made one.
func ServerConf[T any](s *Server, m *Module) *T {
	v, _ := s.conf.get(m.index).(*T)
	return v
}

// OwnServerConf returns the module's configuration of s to write to, made new at the first call. Only while compiling.
func OwnServerConf[T any](s *Server, m *Module) *T {
	if v, ok := s.conf.get(m.index).(*T); ok {
		return v
	}
	v := new(T)
	s.conf.put(m.index, v)
	return v
}

// GraphConf returns what the module keeps of a whole Graph, nil where it keeps nothing.
func GraphConf[T any](g *Graph, m *Module) *T {
	v, _ := g.conf.get(m.index).(*T)
	return v
}

// OwnGraphConf returns what the module keeps of a whole Graph to write to, made new at the first call. Only while compiling.
func OwnGraphConf[T any](g *Graph, m *Module) *T {
	if v, ok := g.conf.get(m.index).(*T); ok {
		return v
	}
	v := new(T)
	g.conf.put(m.index, v)
	return v
}

// DirConf returns the module's configuration of d, nil where no directive made one.
func DirConf[T any](d *DirConfig, m *Module) *T {
	v, _ := d.conf.get(m.index).(*T)
	return v
}

// OwnDirConf returns the module's configuration of d to write to, made new at the first call. Only while compiling.
func OwnDirConf[T any](d *DirConfig, m *Module) *T {
	if v, ok := d.conf.get(m.index).(*T); ok {
		return v
	}
	v := new(T)
	d.conf.put(m.index, v)
	return v
}
