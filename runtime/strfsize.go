package runtime

import "fmt"

// FormatSize writes a number of bytes in three characters and a unit, "  0 " or "1.2K", as APR's apr_strfsize does.
func FormatSize(n int64) string {
	if n < 973 {
		return fmt.Sprintf("%3d ", n)
	}
	for _, unit := range "KMGTPE" {
		rest := n & 1023
		if n >>= 10; n >= 973 {
			continue
		}
		if n < 9 || n == 9 && rest < 973 {
			tenth := (rest*5 + 256) / 512
			if tenth >= 10 {
				n, tenth = n+1, 0
			}
			return fmt.Sprintf("%d.%d%c", n, tenth, unit)
		}
		if rest >= 512 {
			n++
		}
		return fmt.Sprintf("%3d%c", n, unit)
	}
	return "****"
}
