package manager

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/url"
	"strconv"
	"strings"

	"pinion/runtime"
)

// perPage is how many members a page shows: with thousands of them it stays quick, and so do its live figures.
const perPage = 100

// maxFilter bounds filter=, in bytes.
const maxFilter = 200

// selection is what of the balancers is shown.
type selection struct {
	Filter string
	From   int // how many members stand on the pages before

	Members, Found, Shown int // how many there are, how many meet the filter, how many this page has
}

// readSelection reads filter= and from=. They change nothing: it doesn't matter who has sent the browser here.
func readSelection(args string) *selection {
	q, _ := url.ParseQuery(args) // what is malformed is left out
	s := &selection{Filter: strings.ToValidUTF8(strings.TrimSpace(q.Get("filter")), "")}
	if len(s.Filter) > maxFilter {
		s.Filter = strings.ToValidUTF8(s.Filter[:maxFilter], "")
	}
	if n, err := strconv.Atoi(q.Get("from")); err == nil && n > 0 {
		s.From = n - n%perPage
	}
	return s
}

// choose returns the balancers with the members that are shown; a balancer without any is left out, unless it has none at all.
func (s *selection) choose(all []balancerView, limit int) []balancerView {
	words := strings.Fields(strings.ToLower(s.Filter))
	chosen := []balancerView{}
	for i := range all {
		b := all[i]
		var members []workerView
		for k := range b.Workers {
			s.Members++
			if !b.Workers[k].matches(words) {
				continue
			}
			if s.take(limit) {
				members = append(members, b.Workers[k])
			}
		}
		empty := len(b.Workers) == 0 && contain(strings.ToLower(b.Name), words) && s.take(limit)
		if len(members) == 0 && !empty {
			continue
		}
		b.Workers = members
		chosen = append(chosen, b)
	}
	return chosen
}

// take tells whether the next one found is on this page; limit 0 has all on one.
func (s *selection) take(limit int) bool {
	s.Found++
	if limit > 0 && (s.Found <= s.From || s.Found > s.From+limit) {
		return false
	}
	s.Shown++
	return true
}

// matches tells whether each of the words is in the names of the member and its balancer, in its route or its state.
func (w *workerView) matches(words []string) bool {
	if len(words) == 0 {
		return true
	}
	return contain(strings.ToLower(strings.Join([]string{w.b.Name, w.Name, w.Route, w.State, stateWords(w.State)[0], w.Status}, "\n")), words)
}

func contain(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// query is the selection as a part of an URL, each parameter behind a &; "" for the first page of all.
func (s *selection) query(from int) string {
	q := ""
	if s.Filter != "" {
		q = "&filter=" + url.QueryEscape(s.Filter)
	}
	if from > 0 {
		q += "&from=" + strconv.Itoa(from)
	}
	return q
}

// page is a link to another page of the selection.
func (s *selection) page(action string, from int) string {
	q := s.query(from)
	if q == "" {
		return escapeURI(action)
	}
	return escapeURI(action) + "?" + q[1:]
}

// Last is the number of the last member shown.
func (s *selection) Last() int { return min(s.From+perPage, s.Found) }

// First is the number of the first.
func (s *selection) First() int { return s.From + 1 }

// liveView is what changes on the page from second to second, and no more of it than the page doesn't have yet.
type liveView struct {
	Now   int64     `json:"now"`   // Unix time in milliseconds
	Shape string    `json:"shape"` // of what can't be brought up to date by figures: when it is another one, the page is fetched anew
	Rows  []liveRow `json:"rows"`  // the members shown whose figures have changed
}

// liveRow is a member: its place among those shown, a checksum of its figures, and the figures by the names that the page has for them.
type liveRow struct {
	At      int            `json:"at"`
	Sum     string         `json:"sum"`
	Figures map[string]any `json:"f"`
}

// haveHeader brings the checksums of the figures that the page has, of each member shown, one behind the other.
const haveHeader = "Pinion-Have"

// sumLength is the length of a checksum in characters.
const sumLength = 4

// live answers the page's question for what is new.
func (v *visit) live() runtime.Result {
	o := v.overview()
	for i := range o.Balancers {
		o.Balancers[i].bind(o.Time)
	}
	chosen := readSelection(v.Args).choose(o.Balancers, perPage)
	have := v.HeadersIn.Get(haveHeader)
	x := liveView{Now: o.Time.UnixMilli(), Shape: shape(chosen), Rows: []liveRow{}}
	at := 0
	for i := range chosen {
		for k := range chosen[i].Workers {
			figures := chosen[i].Workers[k].figures()
			text, err := json.Marshal(figures)
			if err != nil {
				return v.refuse(err)
			}
			if sum := checksum(text); len(have) < (at+1)*sumLength || have[at*sumLength:(at+1)*sumLength] != sum {
				x.Rows = append(x.Rows, liveRow{at, sum, figures})
			}
			at++
		}
	}
	text, err := json.Marshal(x)
	if err != nil {
		return v.refuse(err)
	}
	return sent(v.SendText("", string(text)))
}

// shape names what of the balancers can't be brought up to date by figures.
func shape(chosen []balancerView) string {
	h := crc32.NewIEEE()
	for i := range chosen {
		b := &chosen[i]
		fmt.Fprintf(h, "%q %s %v %d\n", b.Name, b.ETag, b.ByHand, len(b.Workers))
		for k := range b.Workers {
			w := &b.Workers[k]
			fmt.Fprintf(h, "%q %s %s %v %v\n", w.Name, w.ETag, w.State, w.ByHand, w.Added != nil)
		}
	}
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}

func checksum(text []byte) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(text))
	return base64.RawURLEncoding.EncodeToString(sum[:3])
}

// figures are what of the member's row changes by itself. A time is in milliseconds, for the page to say how long ago it is; 0 for never.
func (w *workerView) figures() map[string]any {
	f := map[string]any{"status": w.Status, "elected": w.Elected, "busy": w.Busy, "lbstatus": w.LBStatus, "transferred": runtime.SizeText(w.Transferred), "read": runtime.SizeText(w.Read),
		"recent": sum(w.Recent)}
	if sum(w.Recent) > 0 {
		f["spark"] = w.Recent
	}
	if w.Route != "" {
		f["own1"], f["own5"], f["own60"], f["leaving"] = w.OwnRoute.Minute, w.OwnRoute.FiveMinutes, w.OwnRoute.Hour, w.Leaving
		if t := w.OwnRoute.Last; t != nil {
			f["ownlast"] = t.UnixMilli()
		}
	}
	if h := &w.Health; h.Method != "NONE" {
		f["hcpass"], f["hcfail"], f["passed"], f["failed"] = h.Passing, h.Failing, h.Passed, h.Failed
		if l := h.Last; l != nil {
			f["checked"], f["check"], f["checkok"] = l.Time.UnixMilli(), l.Text(), l.Passed
		}
	}
	return f
}
