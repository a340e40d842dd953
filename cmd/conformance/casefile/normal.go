package casefile

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A normaliser replaces what differs between two runs, or between two servers
// by their name alone, with placeholders.
type normaliser struct {
	places *strings.Replacer
	ports  *regexp.Regexp
	names  map[string]string // a port's digits → its placeholder
	now    time.Time
}

func newNormaliser(p *places) *normaliser {
	n := &normaliser{names: map[string]string{}, now: time.Now()}
	pairs := []string{p.dir, "${DIR}"}
	var digits []string
	for name, port := range p.backends {
		s := strconv.Itoa(port)
		pairs = append(pairs, "127.0.0.1:"+s, "${"+name+"}")
		n.names[s] = "${" + name + "_PORT}"
		digits = append(digits, s)
	}
	for name, port := range p.front {
		s := strconv.Itoa(port)
		n.names[s] = "${" + name + "}"
		digits = append(digits, s)
	}
	slices.Sort(digits)
	n.places = strings.NewReplacer(pairs...)
	n.ports = regexp.MustCompile(`\b(?:` + strings.Join(digits, "|") + `)\b`)
	return n
}

var (
	// product is how a server names itself in Server, Via and signatures.
	product     = regexp.MustCompile(`Apache/[\d.]+(?: \(\w+\))?(?: [A-Za-z_]+/[\w.+-]+)*|pinion/[\w.+-]+`)
	serverField = regexp.MustCompile(`^(  > Server: )(?:Apache|pinion)\b.*$`)
	date        = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
	// boundary is what parts the ranges of one answer. httpd prints a random
	// number, whose length varies, and the answer's with it.
	boundary        = regexp.MustCompile(`multipart/byteranges; boundary=(\w{8,70})`)
	multipartLength = regexp.MustCompile(`(?m)^(  > Content-Length: )\d+((?:\n  > .*)*\n  > Content-Type: multipart/byteranges)`)
	clf             = regexp.MustCompile(`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`)
)

func (n *normaliser) line(s string) string {
	s = n.places.Replace(s)
	s = n.ports.ReplaceAllStringFunc(s, func(port string) string { return n.names[port] })
	s = product.ReplaceAllString(s, "$${SERVER}")
	return date.ReplaceAllStringFunc(s, func(d string) string {
		// A date of now is the server's clock; any other is data.
		t, err := time.Parse(time.RFC1123, d)
		if err != nil || t.Sub(n.now).Abs() > 24*time.Hour {
			return d
		}
		return "${DATE}"
	})
}

func (n *normaliser) transcript(s string) string {
	s = multipartLength.ReplaceAllString(s, "$1$${LENGTH}$2")
	for _, m := range boundary.FindAllStringSubmatch(s, -1) {
		s = strings.ReplaceAll(s, m[1], "${BOUNDARY}")
	}
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = serverField.ReplaceAllString(strings.TrimSuffix(line, "\n"), "$1$${SERVER}")
		if methods, ok := strings.CutPrefix(line, allowField); ok {
			// httpd's order of the methods changes from one start to the next.
			list := strings.Split(methods, ",")
			slices.Sort(list)
			line = allowField + strings.Join(list, ",")
		}
		b.WriteString(n.line(line) + "\n")
	}
	return b.String()
}

const allowField = "  > Allow: "

func (n *normaliser) log(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = clf.ReplaceAllString(line, "[$${TIME}]")
		b.WriteString(n.line(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}

// errorHead takes httpd's prefix of a log line apart: time, module and level,
// process, source file, client.
var errorHead = regexp.MustCompile(`^\[[^\]]*\] (\[\w*:\w+\]) \[pid [^\]]*\] (?:\w+\.c\(\d+\): )?(?:\(\d+\)[^:]*: )?(?:\[client [^\]]*\] )?`)

func (n *normaliser) errorLog(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = errorHead.ReplaceAllString(strings.TrimSuffix(line, "\n"), "$1 ")
		b.WriteString(n.line(line) + "\n")
	}
	return b.String()
}
