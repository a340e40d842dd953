package proxy

import "strings"

// Status is a worker's status, httpd's PROXY_WORKER_* bits (mod_proxy.h).
type Status uint32

// The bits, in the order the balancer-manager shows them. Each has a letter for status=: see letters.
const (
	Initialized  Status = 1 << iota // O
	IgnoreErrors                    // I: never put in error
	Drain                           // N: only requests of its own sessions
	Generic                         // G: the worker for hosts that no other worker is for
	InShutdown                      // U
	Disabled                        // D
	Stopped                         // S: as disabled, and never retried
	InError                         // E
	HotStandby                      // H: only when no other member is usable
	Free                            // F
	HCFail                          // C: failed its health check
	HotSpare                        // R: hot spare, or route-only: see Worker.FlagR
)

// notUsable are the bits any of which takes a worker out of use.
const notUsable = InShutdown | Disabled | Stopped | InError | HCFail

// transient are the bits that running sets and clears. They live in WorkerState; all others come from the file or the operator.
const transient = InShutdown | InError | HCFail

// letters[i] is the letter of bit i, words[i] what the balancer-manager and server-status show for it.
const letters = "OINGUDSEHFCR"

var words = [...]string{"Init ", "Ign ", "Drn ", "Gen ", "Shut ", "Dis ", "Stop ", "Err ", "Stby ", "Free ", "HcFl ", "Spar "}

// shown is the order in which httpd lists the bits: spare stands before free.
var shown = [...]Status{Initialized, IgnoreErrors, Drain, Generic, InShutdown, Disabled, Stopped, InError, HotStandby, HotSpare, Free, HCFail}

// StatusOf returns the bit of a letter of status=, 0 for no such letter. Case is ignored.
func StatusOf(letter byte) Status {
	if 'a' <= letter && letter <= 'z' {
		letter -= 'a' - 'A'
	}
	if i := strings.IndexByte(letters, letter); i >= 0 {
		return 1 << i
	}
	return 0
}

// Has tells whether any of the bits is set.
func (s Status) Has(bits Status) bool { return s&bits != 0 }

// Usable is httpd's PROXY_WORKER_IS_USABLE.
func (s Status) Usable() bool { return s&notUsable == 0 && s&Initialized != 0 }

// Letters are the letters of status= for the bits that are set.
func (s Status) Letters() string {
	var b strings.Builder
	for i := range letters {
		if s.Has(1 << i) {
			b.WriteByte(letters[i])
		}
	}
	return b.String()
}

// String is the status as the balancer-manager and server-status show it: "Init Ok ", with the space at its end.
func (s Status) String() string {
	var b strings.Builder
	for _, bit := range shown {
		if s&bit != 0 {
			b.WriteString(bit.word())
		}
	}
	if b.Len() == 0 {
		b.WriteString("??? ")
	}
	if s.Usable() {
		b.WriteString("Ok ")
	}
	return b.String()
}

func (s Status) word() string {
	for i, w := range words {
		if s == 1<<i {
			return w
		}
	}
	return ""
}
