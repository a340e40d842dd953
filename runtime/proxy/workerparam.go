package proxy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"pinion/grammar"
	"pinion/parser"
	"pinion/runtime"
)

// DefaultRetry is retry= where it is not given.
const DefaultRetry = 60 * time.Second

// defaultParams are a worker's parameters where none is given.
func defaultParams() Params {
	return Params{LBFactor: 100, Retry: DefaultRetry, SMax: -1, FlushWait: 10 * time.Millisecond, Health: DefaultHealth()}
}

// workerParams are the parameters of BalancerMember, ProxyPass, ProxySet and <Proxy> for a worker.
var workerParams = map[string]func(w *Worker, s *setting) error{
	"loadfactor": setLoadFactor,
	"retry": func(w *Worker, s *setting) (err error) {
		w.Params.Retry, err = s.seconds(0)
		return err
	},
	"ttl": func(w *Worker, s *setting) (err error) {
		w.TTL, err = s.seconds(1)
		return err
	},
	"min": func(w *Worker, s *setting) (err error) {
		w.Min, err = s.number(0, maxInt)
		s.noEffect("memory for connections is taken as they are made")
		return err
	},
	"max": func(w *Worker, s *setting) (err error) {
		w.Max, err = s.number(0, maxInt)
		return err
	},
	"smax": func(w *Worker, s *setting) (err error) {
		w.SMax, err = s.number(0, maxInt)
		return err
	},
	"acquire":           intervalParam("ms", func(w *Worker) *runtime.Opt[time.Duration] { return &w.Acquire }),
	"ping":              intervalParam("s", func(w *Worker) *runtime.Opt[time.Duration] { return &w.Ping }),
	"connectiontimeout": intervalParam("s", func(w *Worker) *runtime.Opt[time.Duration] { return &w.ConnTimeout }),
	"timeout": func(w *Worker, s *setting) error {
		d, err := s.seconds(1)
		w.Params.Timeout = runtime.Some(d)
		return err
	},
	"iobuffersize": func(w *Worker, s *setting) error {
		s.noEffect(ownBuffers)
		return bufferSize(&w.IOBuffer, s, 8192)
	},
	"receivebuffersize": func(w *Worker, s *setting) error { return bufferSize(&w.RecvBuffer, s, 0) },
	"responsefieldsize": func(w *Worker, s *setting) error {
		n, err := s.number(0, maxInt)
		if n == 0 {
			n = 8192
		}
		w.FieldSize = runtime.Some(n)
		return err
	},
	"keepalive":    func(w *Worker, s *setting) error { return s.optOnOff(&w.KeepAlive) },
	"disablereuse": func(w *Worker, s *setting) error { return s.optOnOff(&w.DisableReuse) },
	"enablereuse": func(w *Worker, s *setting) error {
		on, err := s.onOff()
		if err == nil {
			w.DisableReuse = runtime.Some(!on)
		}
		return err
	},
	"addressttl": setAddressTTL,
	"route": func(w *Worker, s *setting) (err error) {
		w.Params.Route, err = s.text(64)
		return err
	},
	"redirect": func(w *Worker, s *setting) (err error) {
		w.Params.Redirect, err = s.text(64)
		return err
	},
	"status":       setStatus,
	"flushpackets": setFlush,
	"flushwait": func(w *Worker, s *setting) error {
		n, err := s.number(0, 1000)
		if n == 0 {
			n = 10
		}
		w.FlushWait = time.Duration(n) * time.Millisecond
		return err
	},
	"lbset": func(w *Worker, s *setting) (err error) {
		w.Params.LBSet, err = s.number(0, 99)
		return err
	},
	"flusher": func(w *Worker, s *setting) (err error) {
		w.Flusher, err = s.text(16)
		s.noEffect("there is no mod_proxy_fdpass")
		return err
	},
	"upgrade": func(w *Worker, s *setting) (err error) {
		if w.Upgrade, err = s.text(16); runtime.EqualFold(s.val, "any") {
			w.Upgrade = "*"
		}
		return err
	},
	"secret": func(w *Worker, s *setting) (err error) {
		w.Secret, err = s.text(64)
		return err
	},
	"hcmethod":   setHealth,
	"hcinterval": setHealth,
	"hcpasses":   setHealth,
	"hcfails":    setHealth,
	"hcuri":      setHealth,
	"hcexpr":     setHealth,
	"hctemplate": setHealth,
}

const ownBuffers = "buffers between client and server size themselves"

// noEffect notes a parameter that is read and then means nothing here.
func (s *setting) noEffect(why string) {
	d := s.keyErrorf("no-effect", "%s has no effect: %s", s.key, why)
	d.Severity = parser.Note
	s.cmd.Report(d)
}

var workerNames = sortedKeys(workerParams)

func sortedKeys[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (w *Worker) setParam(s *setting) error {
	set := workerParams[strings.ToLower(s.key)]
	if set == nil {
		return s.unknown("worker", workerNames)
	}
	return set(w, s)
}

// setLoadFactor reads 1 to 100 with decimals, of which httpd keeps two.
func setLoadFactor(w *Worker, s *setting) error {
	end := 0
	for end < len(s.val) && (s.val[end] >= '0' && s.val[end] <= '9' || s.val[end] == '.') {
		end++
	}
	f, err := strconv.ParseFloat(s.val[:end], 64)
	if err != nil || f*100 < 100 || f >= 101 || int(f*100) > 10000 {
		return s.errorf("bad-value", "loadfactor must be a number from 1 to 100, found %q", s.val)
	}
	if end < len(s.val) {
		s.cmd.Report(warning(s.errorf("not-a-number", "loadfactor expects a number, found %q: read as %v, as httpd does", s.val, f)))
	}
	w.Params.LBFactor = int(f * 100)
	return nil
}

func intervalParam(unit string, field func(*Worker) *runtime.Opt[time.Duration]) func(*Worker, *setting) error {
	return func(w *Worker, s *setting) error {
		d, err := s.interval(unit, time.Millisecond)
		*field(w) = runtime.Some(d)
		return err
	}
}

// bufferSize reads a size of at least 512 bytes, or 0 for def.
func bufferSize(o *runtime.Opt[int], s *setting, def int) error {
	n, err := s.number(0, maxInt)
	if err == nil && n < 512 && n != 0 {
		return s.errorf("bad-value", "%s must be at least 512 bytes, or 0 for the default, found %q", s.key, s.val)
	}
	if n == 0 {
		n = def
	}
	*o = runtime.Some(n)
	return err
}

func setAddressTTL(w *Worker, s *setting) error {
	if s.val == "-1" {
		w.AddressTTL = runtime.Some(-1)
		return nil
	}
	d, err := s.interval("s", 0)
	if err == nil && d%time.Second != 0 {
		return s.errorf("bad-value", "addressttl must be -1 or whole seconds, found %q", s.val)
	}
	w.AddressTTL = runtime.Some(int(d / time.Second))
	return err
}

func setFlush(w *Worker, s *setting) error {
	switch strings.ToLower(s.val) {
	case "off":
		w.Flush = FlushOff
	case "on":
		w.Flush = FlushOn
	case "auto":
		w.Flush = FlushAuto
	default:
		return s.errorf("bad-value", "flushpackets must be On, Off or Auto, found %q", s.val)
	}
	return nil
}

// setStatus reads letters with signs before them, such as "+D-N".
func setStatus(w *Worker, s *setting) error {
	flags, bad := grammar.ParseStatus(s.val)
	if bad != nil {
		d := s.cmd.ArgErrorf(s.arg, bad.Code, "%s", bad.Summary)
		return runtime.WithDetail(s.within(d, bad.Range.Start.Offset, bad.Range.End.Offset), "%s", bad.Detail)
	}
	for _, f := range flags {
		bit := StatusOf(f.Letter)
		if !f.Set {
			w.Params.Status &^= bit
			continue
		}
		w.Params.Status |= bit
		if bit == HotSpare {
			w.readR = s.within(s.errorf("route-only-flag", ""), f.Pos.Offset, f.Pos.Offset+1).Place
		}
	}
	return nil
}
