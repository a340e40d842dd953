package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answer is what the checks look at; the body is read and counted, not kept.
type answer struct {
	status int
	header map[string][]string // names in lower case
	length int64               // bytes of the body
	closes bool
}

func (a answer) field(name string) string { return strings.Join(a.header[strings.ToLower(name)], ", ") }

// errStale is a kept connection that the server closed before it answered anything: a client asks again on a new one.
var errStale = errors.New("the kept connection was closed")

// roundTrip sends a request as it is and reads its answer.
func roundTrip(c net.Conn, in *bufio.Reader, request []byte) (answer, error) {
	if _, err := c.Write(request); err != nil {
		return answer{}, fmt.Errorf("%w: %w", errStale, err)
	}
	if _, err := in.Peek(1); err != nil {
		return answer{}, fmt.Errorf("%w: %w", errStale, err)
	}
	a, err := readAnswer(in)
	if err != nil {
		return a, fmt.Errorf("expected an answer: %w", err)
	}
	return a, nil
}

// readAnswer reads the head and skips the body.
func readAnswer(in *bufio.Reader) (answer, error) {
	a := answer{header: map[string][]string{}}
	line, err := in.ReadString('\n')
	if err != nil {
		return a, err
	}
	parts := strings.SplitN(strings.TrimSpace(line), " ", 3)
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "HTTP/1.") {
		return a, fmt.Errorf("expected a status line, got %q", line)
	}
	if a.status, err = strconv.Atoi(parts[1]); err != nil {
		return a, fmt.Errorf("expected a status line, got %q", line)
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return a, err
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		a.header[name] = append(a.header[name], strings.TrimSpace(value))
	}
	a.closes = strings.EqualFold(a.field("Connection"), "close")
	if a.status == 101 {
		return a, nil
	}
	return a, a.skipBody(in)
}

// skipBody reads a body of known or chunked length.
func (a *answer) skipBody(in *bufio.Reader) error {
	if strings.EqualFold(a.field("Transfer-Encoding"), "chunked") {
		return a.skipChunks(in)
	}
	n, err := strconv.ParseInt(a.field("Content-Length"), 10, 64)
	if err != nil {
		return fmt.Errorf("expected a Content-Length, got %q", a.field("Content-Length"))
	}
	for a.length < n {
		// Discard reads through the buffer, which is as large as its owner wants.
		k, err := in.Discard(int(min(n-a.length, 1<<30)))
		a.length += int64(k)
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) skipChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return fmt.Errorf("expected a chunk size, got %q", line)
		}
		if _, err := in.Discard(int(n) + 2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		a.length += n
	}
}

// get builds a GET request. Fields are whole lines.
func get(path, host string, fields ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n", path, host)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// dialer opens a connection for a worker.
type dialer func() (net.Conn, error)

func plainDialer(address string) dialer {
	return func() (net.Conn, error) { return net.DialTimeout("tcp", address, 10*time.Second) }
}

// clientTLS is what the Go client offers: TLS 1.3 with X25519 alone, so that servers that know newer key exchanges than
// others aren't made to do more work.
func clientTLS(cache tls.ClientSessionCache) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
		ServerName: "bench.test", ClientSessionCache: cache}
}

// tlsDialer makes full handshakes, or resumed ones from the second on. It fails if a handshake isn't what was wanted.
func tlsDialer(address string, resume bool) dialer {
	var cache tls.ClientSessionCache
	if resume {
		cache = tls.NewLRUClientSessionCache(4)
	}
	config, first := clientTLS(cache), true
	return func() (net.Conn, error) {
		d := &net.Dialer{Timeout: 10 * time.Second}
		c, err := tls.DialWithDialer(d, "tcp", address, config)
		if err != nil {
			return nil, err
		}
		if s := c.ConnectionState(); s.DidResume != (resume && !first) {
			c.Close()
			return nil, fmt.Errorf("expected resumption %v, got %v", resume, s.DidResume)
		}
		first = false
		return c, nil
	}
}

// load is what the Go client sends where wrk can't.
type load struct {
	workers int
	dial    func(worker int) dialer
	request func(worker, i int) []byte
	fresh   bool          // a new connection for each request
	every   time.Duration // pace of one worker; 0 is as fast as answers come
	buffer  int           // bytes of the read buffer; 0 is 4 KiB
	length  int64         // of the body that must come
}

// run sends until the time is over; requests that are under way then are finished and count.
func (l load) run(d time.Duration) (outcome, error) {
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		sum   outcome
		times []float64
	)
	begin := time.Now()
	for w := range l.workers {
		wait.Go(func() {
			t, r, err := l.worker(w, begin.Add(d))
			mu.Lock()
			defer mu.Unlock()
			times = append(times, t...)
			sum.reopened += r.reopened
			if err != nil {
				sum.errors = append(sum.errors, err.Error())
			}
		})
	}
	wait.Wait()
	sum.seconds, sum.requests = time.Since(begin).Seconds(), float64(len(times))
	sum.errors = sum.errors[:min(len(sum.errors), 3)] // one says what all say
	sum.setTimes(times)
	return sum, sum.err()
}

// worker is one connection at a time. The time of a request counts from when it was due if an answer before it was late,
// so that a stall counts for all it delays; but not from when a timer of this client should have fired.
func (l load) worker(w int, until time.Time) (times []float64, r outcome, err error) {
	dial := l.dial(w)
	var c net.Conn
	in := bufio.NewReaderSize(nil, max(l.buffer, 4096))
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	due := time.Now().Add(l.every * time.Duration(w) / time.Duration(l.workers))
	for i := 0; time.Now().Before(until); i++ {
		begin := time.Now()
		if l.every > 0 {
			if begin.Before(due) {
				time.Sleep(time.Until(due))
				begin = time.Now()
			} else {
				begin = due
			}
			due = due.Add(l.every)
		}
		a, err := l.once(&c, in, dial, l.request(w, i), &r)
		if err != nil {
			return times, r, err
		}
		if a.status != 200 || l.length != a.length {
			return times, r, fmt.Errorf("expected status 200 with %d bytes, got %d with %d", l.length, a.status, a.length)
		}
		times = append(times, float64(time.Since(begin).Nanoseconds())/1e3)
		if l.fresh || a.closes {
			c.Close()
			c = nil
		}
	}
	return times, r, nil
}

// once sends a request, on a new connection if there is none or if the kept one turns out to be closed.
func (l load) once(c *net.Conn, in *bufio.Reader, dial dialer, request []byte, r *outcome) (answer, error) {
	for kept := *c != nil; ; kept = false {
		if *c == nil {
			n, err := dial()
			if err != nil {
				return answer{}, err
			}
			*c = n
			in.Reset(n)
		}
		_ = (*c).SetDeadline(time.Now().Add(30 * time.Second))
		a, err := roundTrip(*c, in, request)
		if err == nil {
			return a, nil
		}
		(*c).Close()
		*c = nil
		if !kept || !errors.Is(err, errStale) {
			return a, err
		}
		r.reopened++
	}
}
