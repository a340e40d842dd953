package heartbeat

import (
	"os"
	"sync"
	"time"

	"pinion/runtime"
)

// Source is where elections learn of heartbeats. Safe for concurrent use.
type Source struct {
	Path string   // of the storage file
	live *servers // what a monitor of this process hears; nil where the file is read

	mu   sync.Mutex // guards what was read of the file; held while it is read anew
	info os.FileInfo
	read map[string]Beat
}

// Of returns the graph's source.
func Of(g *runtime.Graph) *Source {
	if c := runtime.ServerConf[monitorConf](g.Main, Monitor); c != nil {
		return c.source
	}
	return nil
}

// Beats returns a function that finds what is known of a server by its address, with Ready as elections count it. An error
// tells that the file can't be read.
func (s *Source) Beats() (find func(ip string) (Beat, bool), err error) {
	if s.live != nil {
		now := time.Now()
		return func(ip string) (Beat, bool) { return s.live.find(ip, now) }, nil
	}
	all, err := s.stored()
	return func(ip string) (Beat, bool) { b, ok := all[ip]; return b, ok }, err
}

// stored reads the file, when it is another one than the last time.
func (s *Source) stored() (map[string]Beat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.Path)
	if err != nil {
		s.info = nil
		return nil, err
	}
	if s.info != nil && os.SameFile(info, s.info) && info.Size() == s.info.Size() && info.ModTime().Equal(s.info.ModTime()) {
		return s.read, nil
	}
	s.info = nil
	f, err := os.Open(s.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s.read, err = readFile(f); err == nil {
		s.info = info
	}
	return s.read, err
}
