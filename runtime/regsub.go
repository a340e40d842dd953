package runtime

import "strings"

// maxRegsub is the longest text that Regsub makes, in bytes: httpd's AP_PREGSUB_MAXLEN.
const maxRegsub = 64 << 10

// Regsub puts what a regular expression's groups matched in source in for $0 to $9 of input; a backslash quotes the
// byte after it (ap_pregsub). loc is what pcre.Regexp.Find returned. It fails when the text would be too long.
func Regsub(input, source string, loc []int) (string, bool) {
	if !strings.ContainsAny(input, `$\`) {
		return input, len(input) < maxRegsub
	}
	b := make([]byte, 0, len(input)+len(source))
	for i := 0; i < len(input); i++ {
		c := input[i]
		if c == '$' && i+1 < len(input) && '0' <= input[i+1] && input[i+1] <= '9' {
			i++
			if n := 2 * int(input[i]-'0'); n+1 < len(loc) && 0 <= loc[n] && loc[n] < loc[n+1] {
				b = append(b, source[loc[n]:loc[n+1]]...)
			}
			if len(b) >= maxRegsub {
				return "", false
			}
			continue
		}
		if c == '\\' && i+1 < len(input) {
			i++
			c = input[i]
		}
		b = append(b, c)
	}
	return string(b), len(b) < maxRegsub
}
