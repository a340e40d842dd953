package proxy

import "strings"

// Kinds of workers to look for.
const (
	prefixWorkers = 1 << iota // of ProxyPass and BalancerMember
	matchWorkers              // of ProxyPassMatch
	anyWorkers    = prefixWorkers | matchWorkers
)

// serves tells whether the worker is for the URL, whose scheme and authority end at min and are in lower case in
// low (ap_proxy_get_worker_ex).
func (w *Worker) serves(low string, min, kinds int) bool {
	switch {
	case len(w.Name) > len(low) || len(w.Name) < min:
		return false
	case w.Match:
		return kinds&matchWorkers != 0 && matchName(low, w.Name) == 0
	}
	return kinds&prefixWorkers != 0 && strings.HasPrefix(low, w.Name)
}

// findWorker returns the worker with the longest name that serves the URL, the first one of several, or nil.
func findWorker(workers []*Worker, url string, kinds int) *Worker {
	min := authorityEnd(url)
	if min < 0 {
		return nil
	}
	low := url
	if l := lower(url[:min]); l != url[:min] {
		low = l + url[min:]
	}
	var best *Worker
	for _, w := range workers {
		if (best == nil || len(w.Name) > len(best.Name)) && w.serves(low, min, kinds) {
			best = w
		}
	}
	return best
}

// matchName compares a URL with the name of a ProxyPassMatch worker, in which $n stands for any text and \ quotes: 0 for
// a match, 1 for none, -1 for a URL that ended before the name did.
func matchName(s, name string) int {
	x := 0
	for y := 0; y < len(name); y, x = y+1, x+1 {
		if isRef(name[y:]) {
			for isRef(name[y:]) {
				y += 2
			}
			if y == len(name) {
				return 0
			}
			// A tail that isn't found once isn't found further on either, when it fails by the URL's end.
			for ; x < len(s); x++ {
				if res := matchName(s[x:], name[y:]); res != 1 {
					return res
				}
			}
			return -1
		}
		if x >= len(s) {
			return -1
		}
		if name[y] == '\\' {
			if y++; y == len(name) {
				return -2
			}
		}
		if s[x] != name[y] {
			return 1
		}
	}
	return 0
}

func isRef(s string) bool { return len(s) > 1 && s[0] == '$' && s[1] >= '0' && s[1] <= '9' }

// workerIndex finds the worker of a URL among many.
type workerIndex struct {
	byHost map[string][]*Worker // by scheme and authority
	others []*Worker            // with $n in there
}

func indexWorkers(workers []*Worker) workerIndex {
	x := workerIndex{byHost: map[string][]*Worker{}}
	for _, w := range workers {
		end := authorityEnd(w.Name)
		if end < 0 || w.Match && strings.ContainsAny(w.Name[:end], `$\`) {
			x.others = append(x.others, w)
			continue
		}
		x.byHost[w.Name[:end]] = append(x.byHost[w.Name[:end]], w)
	}
	return x
}

// find returns what findWorker finds among all of them. Of two names of one length only one can serve a URL, but for
// names with $n, which stand in no common order with the others: there the first of them loses, which no one can tell.
func (x *workerIndex) find(url string) *Worker {
	min := authorityEnd(url)
	if min < 0 {
		return nil
	}
	key := lower(url[:min])
	var best *Worker
	if ws := x.byHost[key]; len(ws) > 0 {
		best = findWorker(ws, url, anyWorkers)
	}
	if len(x.others) > 0 {
		if w := findWorker(x.others, url, anyWorkers); w != nil && (best == nil || len(w.Name) > len(best.Name)) {
			best = w
		}
	}
	return best
}
