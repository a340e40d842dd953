package main

import (
	"bufio"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseWrk(t *testing.T) {
	o, err := parseWrk("Running 1s test\n  1 threads\nRESULT requests 1000 us 2000000 connect 0 read 0 write 0 status 0 timeout 0 p50 10 p99 20 p999 30 max 40\n")
	if err != nil {
		t.Fatal(err)
	}
	want := sample{rate: 500, p50: 10, p99: 20, p999: 30, latest: 40}
	if diff := cmp.Diff(want, o.latencies()); diff != "" {
		t.Error(diff)
	}
}

func TestParseWrkErrors(t *testing.T) {
	line := "RESULT requests 1000 us 1000000 connect 0 read %R write 0 status %S timeout 0 p50 1 p99 1 p999 1 max 1\n"
	for _, c := range []struct {
		read, status string
		reopened     float64
		err          string
	}{
		{read: "50", status: "0", reopened: 50},
		{read: "51", status: "0", err: "51 read"},
		{read: "0", status: "1", err: "1 status"},
	} {
		o, err := parseWrk(strings.NewReplacer("%R", c.read, "%S", c.status).Replace(line))
		if o.reopened != c.reopened || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("read %s, status %s: got %v reopened and %v, want %v and %q", c.read, c.status, o.reopened, err, c.reopened, c.err)
		}
	}
	for _, out := range []string{"", "unable to connect", "RESULT requests", "RESULT requests many\n",
		"RESULT requests 0 us 1000000 connect 0\n"} {
		if o, err := parseWrk(out); err == nil {
			t.Errorf("%q: expected an error, got %v", out, o)
		}
	}
}

const h2loadReport = `starting benchmark...
Application protocol: h2
finished in 2.00s, 40173.00 req/s, 11.50MB/s
requests: 80346 total, 80746 started, 80346 done, 80346 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 80346 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 23.00MB (24117248) total
`

func TestParseH2load(t *testing.T) {
	o, err := parseH2load(h2loadReport)
	if err == nil {
		err = o.addLog("1700000000000000\t200\t300\n1700000000000001\t200\t100\n1700000000000002\t200\t200\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	want := sample{rate: 40173, p50: 200, p99: 300, p999: 300, latest: 300}
	if diff := cmp.Diff(want, o.latencies()); diff != "" {
		t.Error(diff)
	}
}

func TestParseH2loadErrors(t *testing.T) {
	for from, to := range map[string]string{
		"0 failed":      "3 failed",
		"0 errored":     "2 errored",
		"0 5xx":         "1 5xx",
		"protocol: h2":  "protocol: http/1.1",
		"status codes:": "codes:",
		"finished in":   "ended in",
	} {
		if o, err := parseH2load(strings.Replace(h2loadReport, from, to, 1)); err == nil {
			t.Errorf("%s: expected an error, got %v", to, o)
		}
	}
	var o outcome
	for _, log := range []string{"1 200\n", "1 200 soon\n"} {
		if err := o.addLog(log); err == nil {
			t.Errorf("%q: expected an error", log)
		}
	}
}

func TestParseStat(t *testing.T) {
	p, ok := parseStat("812 (nginx: (a) b) S 1 800 800 0 -1 4194624 100 0 0 0 11 12 13 14 20 0 1 0 100 200 300\n")
	if !ok || p.pid != "812" || p.group != 800 || p.times != [4]int64{11, 12, 13, 14} {
		t.Errorf("got %+v %v", p, ok)
	}
	for _, text := range []string{"", "1 (a", "1 (a) S 1 2"} {
		if p, ok := parseStat(text); ok {
			t.Errorf("%q: got %+v", text, p)
		}
	}
}

func TestParsePss(t *testing.T) {
	if got := parsePss("Rss:   900 kB\nPss:    512 kB\nPss_Dirty: 7 kB\n"); got != 512<<10 {
		t.Errorf("got %d", got)
	}
}

func TestReadAnswer(t *testing.T) {
	for text, want := range map[string]answer{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc":                                        {status: 200, length: 3},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n":   {status: 200, length: 4},
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n":                         {status: 101},
		"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /new\r\n\r\n": {status: 302, closes: true},
	} {
		a, err := readAnswer(bufio.NewReader(strings.NewReader(text)))
		if err != nil || a.status != want.status || a.length != want.length || a.closes != want.closes {
			t.Errorf("%q: got %+v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "hello\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"} {
		if a, err := readAnswer(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q: expected an error, got %+v", text, a)
		}
	}
}
