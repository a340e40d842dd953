// Package parser goes from a path to one resolved configuration tree: Include and IncludeOptional, Define,
// ${VAR}, IfDefine, IfModule, IfVersion, IfFile, IfDirective, IfSection, Macro and Use are worked off, each
// directive is looked up in the tables it is handed and its context and number of arguments are checked.
// It knows no module and no request.
package parser

import "pinion/grammar"

// Frame is one link of the chain that led to a place: an Include or a Use, and where it stands.
type Frame struct {
	What  string // "Include sites-enabled/*.conf", "Use VHost example.org"
	File  string
	Range grammar.Range
	Up    *Frame // the next link outwards, or nil
}

// Included is one reading of a file.
type Included struct {
	File  string
	Line  int // of its Include; 0 for the main file
	Depth int // how many Includes led to it
}

// Place is where something was written.
type Place struct {
	File  string
	Range grammar.Range
	Chain *Frame // innermost first; nil for a line of the main file
}

// Node is one directive or section of the resolved tree.
type Node struct {
	Def      *Directive // never nil, but for the root
	Name     string     // as written
	Args     []string   // unquoted and with ${VAR} expanded, not to be changed; nil for shape Raw
	Words    []grammar.Word
	Raw      string // with ${VAR} expanded
	RawRange grammar.Range
	Place    Place
	Parent   *Node
	Children []*Node // of a section, in order

	// ID names a <VirtualHost> that stands in no other section, over Loads with one Cache: the same ID is the same section with the
	// same content. 0 for all else.
	ID uint64
	// Stub says that only Def, Name, Place and ID are there: see Cache.Keep.
	Stub bool
}

// Tree is what a configuration says after everything that is decided at reading time has been decided.
type Tree struct {
	Root       *Node // its Children are the directives outside of every section
	ServerRoot string
	Files      []string          // every file read, in order of the first reading, absolute
	Globs      []string          // absolute: every Include pattern and folder, each path that was missing, and what <IfFile> asks for
	Included   []Included        // each reading of a file, in order
	Defines    map[string]string // at the end of reading; "" for a name without a value

	sources  map[string][]byte
	sums     map[string][32]byte  // of sources, as far as asked for
	kept     map[string]*fragment // files that were taken from the cache
	readings map[string]*reading  // files that were read; nil for one that can't be kept
	needed   map[string]*needed   // files that others include by name
	listed   map[string]bool      // those of them that are in Files
}
