package heartbeat

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"

	"pinion/runtime/table"
)

// Bounds of what comes from outside.
const (
	maxMessage = 1000    // bytes of a datagram that are looked at, as in httpd
	maxFigure  = 1 << 24 // of ready and busy; negative ones count as 0
	maxLine    = 4096    // bytes of a line in the storage file
	maxFile    = 1 << 20 // bytes of the storage file
	maxSenders = 4096    // that are remembered where HeartbeatMaxServers is 0
	seenMax    = 30 * time.Second
)

// defaultPort is that of a server that doesn't tell.
const defaultPort = 80

// Beat is what is known of one server.
type Beat struct {
	Ready, Busy int
	Age         int // seconds since it was heard, -1 where the file doesn't say
	Port        int
}

// fields are the figures of a message or a line; has tells which of them were there.
type fields struct {
	ready, busy, seen, port                   int
	hasV, hasReady, hasBusy, hasSeen, hasPort bool
}

// pairs calls f with each name and value of "v=1&ready=75&busy=0". What has no "=" is 1.
func pairs(text string, f func(key, value string)) {
	for text != "" {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			value = "1"
		}
		f(unescape(key), unescape(value))
	}
}

// parseFields reads the pairs. Names are compared without case, the last of a name counts, and unknown names are passed over.
func parseFields(text string) (f fields) {
	pairs(text, func(key, value string) {
		n := leadingInt(value)
		switch {
		case table.EqualFold(key, "v"):
			f.hasV = true
		case table.EqualFold(key, "ready"):
			f.ready, f.hasReady = n, true
		case table.EqualFold(key, "busy"):
			f.busy, f.hasBusy = n, true
		case table.EqualFold(key, "lastseen"):
			f.seen, f.hasSeen = n, true
		case table.EqualFold(key, "port"):
			f.port, f.hasPort = n, true
		}
	})
	return f
}

// leadingInt is atoi, from 0 to maxFigure.
func leadingInt(s string) (n int) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	s = strings.TrimPrefix(s, "+")
	for i := 0; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), maxFigure)
	}
	return n
}

// unescape decodes %XX; what is no such escape stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// message reads a datagram; ok is false for one that is no heartbeat.
func message(text string) (b Beat, ok bool) {
	// httpd sees a C string: nothing behind a NUL counts.
	text, _, _ = strings.Cut(text, "\x00")
	f := parseFields(text)
	b = Beat{Ready: f.ready, Busy: f.busy, Port: defaultPort}
	if f.hasPort {
		b.Port = f.port
	}
	return b, f.hasV && f.hasReady && f.hasBusy
}

// readFile reads what a monitor has stored: a line for each server, "address &ready=1&busy=0&lastseen=2&port=80".
func readFile(r io.Reader) (map[string]Beat, error) {
	all := map[string]Beat{}
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			break
		}
		ip, text, ok := strings.Cut(line, " ")
		if !ok || line[0] == '#' {
			continue
		}
		b, known := all[ip]
		if !known {
			b = Beat{Port: defaultPort, Age: -1}
		}
		f := parseFields(text)
		if f.hasBusy {
			b.Busy = f.busy
		}
		if f.hasReady {
			b.Ready = f.ready
		}
		if f.hasSeen {
			b.Age = f.seen
		}
		if f.hasPort {
			b.Port = f.port
		}
		all[ip] = b.settled()
	}
	return all, lines.Err()
}

// settled is b as elections see it: a server with nothing to do has likely just begun, so it isn't flooded.
func (b Beat) settled() Beat {
	if b.Busy == 0 {
		b.Ready /= 4
	}
	return b
}

// servers are the senders that a monitor has heard of. It outlives graphs. Safe for concurrent use.
type servers struct {
	mu  sync.RWMutex // held for map operations
	all map[string]heard
}

type heard struct {
	Beat
	at time.Time
}

func newServers() *servers { return &servers{all: map[string]heard{}} }

// hear notes a beat. When there are limit servers already, those that have been silent for long make room; else it is dropped and ok is
// false.
func (s *servers) hear(ip string, b Beat, now time.Time, limit int) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, known := s.all[ip]; known {
		b.Port = old.Port // the first message of a server decides, as in httpd
	}
	return s.put(ip, b, now, limit)
}

// post is hear for a beat that was posted: its port counts each time, as in httpd.
func (s *servers) post(ip string, b Beat, now time.Time, limit int) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(ip, b, now, limit)
}

// put is hear and post; mu is held.
func (s *servers) put(ip string, b Beat, now time.Time, limit int) (ok bool) {
	if _, known := s.all[ip]; !known && len(s.all) >= limit {
		for k, h := range s.all {
			if silent(h, now) {
				delete(s.all, k)
			}
		}
		if len(s.all) >= limit {
			return false
		}
	}
	s.all[ip] = heard{b, now}
	return true
}

func silent(h heard, now time.Time) bool { return now.Sub(h.at) >= seenMax+time.Second }

// find returns what is known of a server.
func (s *servers) find(ip string, now time.Time) (Beat, bool) {
	s.mu.RLock()
	h, ok := s.all[ip]
	s.mu.RUnlock()
	if !ok || silent(h, now) {
		return Beat{}, false
	}
	h.Age = int(now.Sub(h.at) / time.Second)
	return h.settled(), true
}

// file returns the content of the storage file, in the order of the addresses.
func (s *servers) file(now time.Time) []byte {
	s.mu.RLock()
	ips := make([]string, 0, len(s.all))
	for ip, h := range s.all {
		if !silent(h, now) {
			ips = append(ips, ip)
		}
	}
	sort.Strings(ips)
	var b bytes.Buffer
	for _, ip := range ips {
		h := s.all[ip]
		fmt.Fprintf(&b, "%s &ready=%d&busy=%d&lastseen=%d&port=%d\n", ip, h.Ready, h.Busy, int(now.Sub(h.at)/time.Second), h.Port)
	}
	s.mu.RUnlock()
	return b.Bytes()
}
