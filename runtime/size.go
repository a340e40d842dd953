package runtime

import "fmt"

// SizeText is a number of bytes in four characters, the last of them the unit or a blank; "  - " where it is negative (apr_strfsize).
func SizeText(n int64) string {
	if n < 0 {
		return "  - "
	}
	if n < 973 {
		return fmt.Sprintf("%3d ", n)
	}
	for _, unit := range "KMGTPE" {
		rest := n & 1023
		n >>= 10
		switch {
		case n >= 973:
			continue
		case n < 9 || n == 9 && rest < 973:
			if rest = (rest*5 + 256) / 512; rest >= 10 {
				n, rest = n+1, 0
			}
			return fmt.Sprintf("%d.%d%c", n, rest, unit)
		case rest >= 512:
			n++
		}
		return fmt.Sprintf("%3d%c", n, unit)
	}
	return "****"
}
