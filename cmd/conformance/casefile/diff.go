package casefile

import "strings"

// Diff compares two texts line by line. It gives the empty string if they are
// the same, else the lines with "-" (expected) and "+" (found), and around
// them the lines of the same step of a transcript.
func Diff(want, got string) string {
	if want == got {
		return ""
	}
	a := strings.Split(strings.TrimSuffix(want, "\n"), "\n")
	b := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	edits := align(a, b)
	show := make([]bool, len(edits))
	start := 0
	for i := 0; i <= len(edits); i++ {
		// A block ends where the next title line starts.
		if i < len(edits) && (i == start || strings.HasPrefix(edits[i][1:], " ")) {
			continue
		}
		changed := false
		for _, e := range edits[start:i] {
			changed = changed || e[0] != ' '
		}
		for j := start; changed && j < i; j++ {
			show[j] = true
		}
		start = i
	}
	var out strings.Builder
	for i, e := range edits {
		if show[i] {
			out.WriteString(e + "\n")
		}
	}
	return out.String()
}

// align makes the lines of both texts into one list, each with " ", "-" or "+"
// in front, by their longest common subsequence.
func align(a, b []string) []string {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var edits []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, " "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			edits = append(edits, "-"+a[i])
			i++
		default:
			edits = append(edits, "+"+b[j])
			j++
		}
	}
	return edits
}
