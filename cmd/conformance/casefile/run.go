package casefile

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func sum(b []byte) string {
	h := fnv.New64a()
	h.Write(b)
	return fmt.Sprintf("%016x", h.Sum64())
}

// A Result is what a server did in one run of a case, normalised.
type Result struct {
	// Answers is the transcript.
	Answers string
	// ErrorLog and AccessLog are the lines that the case asks for.
	ErrorLog, AccessLog string
}

// places are the ports and the folder of one run.
type places struct {
	dir      string
	front    map[string]int // PORT, PORT2
	backends map[string]int
}

var placeholder = regexp.MustCompile(`\$\{(PORT2?|DIR|B[1-9](?:_PORT)?)\}`)

// expand replaces the runner's own placeholders and leaves all others.
func (p *places) expand(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		name := m[2 : len(m)-1]
		if name == "DIR" {
			return p.dir
		}
		if port, ok := p.front[name]; ok {
			return strconv.Itoa(port)
		}
		if base, ok := strings.CutSuffix(name, "_PORT"); ok {
			return strconv.Itoa(p.backends[base])
		}
		return "127.0.0.1:" + strconv.Itoa(p.backends[name])
	})
}

// Front ports lie below the range that the system hands out by itself, and have
// five digits, as those have, so that lengths are the same.
const (
	firstFrontPort = 10000
	lastFrontPort  = 31999
)

// nextFrontPort makes sure that no two cases of this process try the same port.
var nextFrontPort atomic.Int64

func init() { nextFrontPort.Store(rand.Int64N(lastFrontPort - firstFrontPort)) }

// frontPort finds a free port.
func frontPort() (int, error) {
	for range 200 {
		port := firstFrontPort + int(nextFrontPort.Add(1))%(lastFrontPort-firstFrontPort)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("found no free port")
}

// Execute runs the case against a target and gives what was seen. The error is
// not nil where the run itself failed: the server didn't start, or a step
// couldn't be done. When ctx ends, the server is ended and the run fails.
func (c *Case) Execute(ctx context.Context, t Target) (res Result, err error) {
	k, err := startCluster(c)
	if err != nil {
		return res, err
	}
	defer k.stop()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("case-%08d", rand.IntN(100_000_000)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	p := &places{dir: dir, front: map[string]int{}, backends: k.ports}
	var addresses []string
	for _, name := range []string{"PORT", "PORT2"} {
		if name == "PORT2" && !c.usesSecondPort() {
			continue
		}
		port, err := frontPort()
		if err != nil {
			return res, err
		}
		p.front[name] = port
		addresses = append(addresses, "127.0.0.1:"+strconv.Itoa(port))
	}
	k.expand = p.expand
	s, err := newStage(c, p.expand, dir)
	if err != nil {
		return res, err
	}
	v, err := t.startServer(ctx, s, strings.Fields(c.section(sectionEnvironment)), addresses)
	if err != nil {
		return res, err
	}
	cl := &client{cluster: k, reopens: t.Reference, expand: p.expand, conns: map[string]*clientConn{},
		address: func(port string) string { return "127.0.0.1:" + strconv.Itoa(p.front[port]) }}
	playErr := cl.play(c.steps)
	if playErr == nil {
		c.awaitLog(dir, cl.answers)
	}
	stopErr := v.stop(t.Reference)
	if playErr != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "logs", "error_log"))
		return res, fmt.Errorf("%w\nso far:\n%s\nerror log:\n%s%s", playErr, cl.out.String(), v.output.String(), log)
	}
	if stopErr != nil {
		return res, stopErr
	}
	n := newNormaliser(p)
	res.Answers = n.transcript(cl.out.String())
	if c.has(sectionErrorLog) {
		if res.ErrorLog, err = c.errorLog(n, dir); err != nil {
			return res, err
		}
	}
	if c.has(sectionAccessLog) {
		log, err := os.ReadFile(filepath.Join(dir, "logs", "access_log"))
		if err != nil {
			return res, err
		}
		res.AccessLog = n.log(string(log))
	}
	return res, nil
}

// awaitLog waits until the access log has a line for each answer, or as many
// as recorded: the line of a request is written after its answer.
func (c *Case) awaitLog(dir string, answers int) {
	if !c.has(sectionAccessLog) {
		return
	}
	want := answers
	if recorded := strings.Count(c.section(sectionAccessLog), "\n"); recorded > 0 {
		want = recorded
	}
	deadline := time.After(2 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		log, _ := os.ReadFile(filepath.Join(dir, "logs", "access_log"))
		if bytes.Count(log, []byte("\n")) >= want {
			return
		}
		select {
		case <-deadline:
			return
		case <-tick.C:
		}
	}
}

// errorLog picks the lines that the section's "match REGEX" lines ask for.
func (c *Case) errorLog(n *normaliser, dir string) (string, error) {
	var out strings.Builder
	var patterns []*regexp.Regexp
	for line := range strings.Lines(c.section(sectionErrorLog)) {
		if expr, ok := strings.CutPrefix(strings.TrimSpace(line), "match "); ok {
			re, err := regexp.Compile(expr)
			if err != nil {
				return "", fmt.Errorf("%s: %w", sectionErrorLog, err)
			}
			patterns = append(patterns, re)
			out.WriteString(line)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "error_log"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(n.errorLog(string(log))) {
		for _, re := range patterns {
			if re.MatchString(line) {
				out.WriteString("= " + line)
				break
			}
		}
	}
	return out.String(), nil
}

// Record runs the case against httpd twice and, if both runs saw the same,
// writes it to the case file.
func (c *Case) Record(ctx context.Context) error {
	first, err := c.Execute(ctx, Httpd())
	if err != nil {
		return err
	}
	second, err := c.Execute(ctx, Httpd())
	if err != nil {
		return err
	}
	if first != second {
		return fmt.Errorf("two runs differ, so the case is not deterministic:\n%s", first.diff(second))
	}
	c.set(sectionAnswers, first.Answers, sectionRequests)
	if c.has(sectionErrorLog) {
		c.set(sectionErrorLog, first.ErrorLog, "")
	}
	if c.has(sectionAccessLog) {
		c.set(sectionAccessLog, first.AccessLog, "")
	}
	return os.WriteFile(c.Path, formatArchive(c.Comment, c.sections), 0o644)
}

// Replay runs the case against a target and gives the differences from what
// was recorded, or the empty string.
func (c *Case) Replay(ctx context.Context, t Target) (string, error) {
	if !c.has(sectionAnswers) {
		return "", fmt.Errorf("expected a section %q: record the case first", sectionAnswers)
	}
	got, err := c.Execute(ctx, t)
	if c.differs != nil && c.differs.refuses != "" && !t.Reference {
		return c.refusal(err), nil
	}
	if err != nil {
		return "", err
	}
	want := Result{Answers: c.expected(t.Reference), ErrorLog: c.section(sectionErrorLog), AccessLog: c.section(sectionAccessLog)}
	return want.diff(got), nil
}

// refusal compares how a run ended with the refusal that the case expects.
func (c *Case) refusal(err error) string {
	switch {
	case err == nil:
		return "-refuses " + c.differs.refuses + "\n+serves\n"
	case !strings.Contains(err.Error(), c.differs.refuses):
		return "-refuses " + c.differs.refuses + "\n+" + err.Error() + "\n"
	}
	return ""
}

func (r Result) diff(got Result) string {
	return Diff(r.Answers, got.Answers) + Diff(r.ErrorLog, got.ErrorLog) + Diff(r.AccessLog, got.AccessLog)
}

// T is the part of *testing.T that Run needs.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Run replays a case in a test and fails the test where the target differs.
func Run(t T, c *Case, target Target) {
	t.Helper()
	diff, err := c.Replay(context.Background(), target)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	if diff != "" {
		t.Errorf("%s: %s\n%s", c.Name, strings.TrimSpace(c.Comment), diff)
	}
}
