package expr

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"pinion/runtime/glob"
)

// unaryOps are the operators that look at nothing but their argument.
var unaryOps = map[string]func(string) bool{
	"n": func(s string) bool { return s != "" },
	"z": func(s string) bool { return s == "" },
	"T": isTrue,
	"e": func(s string) bool { return stat(s) != nil },
	"d": func(s string) bool { fi := stat(s); return fi != nil && fi.IsDir() },
	"f": func(s string) bool { fi := stat(s); return fi != nil && fi.Mode().IsRegular() },
	"s": func(s string) bool { fi := stat(s); return fi != nil && fi.Mode().IsRegular() && fi.Size() > 0 },
	"L": isLink,
	"h": isLink,
	"x": func(s string) bool {
		fi, err := os.Lstat(s)
		return err == nil && fi.Mode().Perm()&0o111 != 0
	},
}

// isTrue is -T: everything but "", 0, off, no and false.
func isTrue(s string) bool {
	switch fold(s) {
	case "", "0", "off", "no", "false":
		return false
	}
	return true
}

func stat(name string) os.FileInfo {
	fi, err := os.Stat(name)
	if err != nil {
		return nil
	}
	return fi
}

func isLink(name string) bool {
	fi, err := os.Lstat(name)
	return err == nil && fi.Mode()&os.ModeSymlink != 0
}

var binaryOps = map[string]func(s, pattern string) bool{
	"fnmatch":   func(s, pattern string) bool { return glob.Match(pattern, s, glob.PathName) },
	"strmatch":  func(s, pattern string) bool { return glob.Match(pattern, s, 0) },
	"strcmatch": func(s, pattern string) bool { return glob.Match(pattern, s, glob.NoCase) },
}

var intOps = map[string]func(a, b int64) bool{
	"-eq": func(a, b int64) bool { return a == b },
	"-ne": func(a, b int64) bool { return a != b },
	"-lt": func(a, b int64) bool { return a < b },
	"-le": func(a, b int64) bool { return a <= b },
	"-gt": func(a, b int64) bool { return a > b },
	"-ge": func(a, b int64) bool { return a >= b },
}

// atoi64 is C's strtoll in base 10: blanks, a sign and digits at the front, else 0; it saturates.
func atoi64(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	if err != nil && n != math.MaxInt64 && n != math.MinInt64 {
		return 0
	}
	return n
}

// stringFuncs are the functions that look at nothing but their argument, the environment of the process and files.
var stringFuncs = map[string]func(string) (string, error){
	"tolower":  func(s string) (string, error) { return mapBytes(s, 'A', 'Z'), nil },
	"toupper":  func(s string) (string, error) { return mapBytes(s, 'a', 'z'), nil },
	"escape":   func(s string) (string, error) { return EscapePath(s), nil },
	"unescape": func(s string) (string, error) { return unescape(s), nil },
	"base64":   func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil },
	"unbase64": func(s string) (string, error) { return unbase64(s), nil },
	"md5":      func(s string) (string, error) { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]), nil },
	"sha1":     func(s string) (string, error) { h := sha1.Sum([]byte(s)); return hex.EncodeToString(h[:]), nil },
	"ldap":     func(s string) (string, error) { return escapeLDAP(s), nil },
	"osenv":    func(s string) (string, error) { return os.Getenv(s), nil },
	"file":     readFile,
	"filesize": func(s string) (string, error) {
		fi := stat(s)
		if fi == nil || !fi.Mode().IsRegular() {
			return "0", nil
		}
		return strconv.FormatInt(fi.Size(), 10), nil
	},
}

// fold returns s with ASCII letters in lower case.
func fold(s string) string { return mapBytes(s, 'A', 'Z') }

// mapBytes changes the case of the ASCII letters from lo to hi.
func mapBytes(s string, lo, hi byte) string {
	for i := 0; i < len(s); i++ {
		if lo <= s[i] && s[i] <= hi {
			b := []byte(s)
			for ; i < len(b); i++ {
				if lo <= b[i] && b[i] <= hi {
					b[i] ^= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// cString ends s before its first NUL, as httpd's strings do.
func cString(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// EscapePath escapes what may not stand in a URL's path (ap_escape_uri).
func EscapePath(s string) string {
	i := 0
	for i < len(s) && inPath(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const hexDigits = "0123456789abcdef"
	b := append(make([]byte, 0, len(s)+8), s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if inPath(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

func inPath(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("$-_.+!*'(),:;@&=/~", c) >= 0
}

// unescape resolves %xx but for %2f, which stays; text with a bad escape or a %00 gives "".
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return ""
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil || n == 0 {
			return ""
		}
		if n == '/' {
			b = append(b, s[i:i+3]...)
		} else {
			b = append(b, byte(n))
		}
		i += 2
	}
	return string(b)
}

// unbase64 decodes up to the first byte that is no base64.
func unbase64(s string) string {
	end := 0
	for end < len(s) {
		c := s[end]
		if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '+' || c == '/') {
			break
		}
		end++
	}
	if end%4 == 1 {
		end--
	}
	b, err := base64.RawStdEncoding.DecodeString(s[:end])
	if err != nil {
		return ""
	}
	return cString(string(b))
}

// maxFile bounds what file() reads.
const maxFile = 10 << 20

func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot open file %s", name)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return "", fmt.Errorf("cannot read from file %s", name)
	}
	if fi.Size() > maxFile {
		return "", fmt.Errorf("file %s too large", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", fmt.Errorf("cannot read from file %s: %w", name, err)
	}
	return cString(string(b)), nil
}

// escapeLDAP escapes what is special in an LDAP name or filter, control and non-ASCII bytes (apr_escape_ldap).
func escapeLDAP(s string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c >= 0x7f || strings.IndexByte(`"()*+,;<>\`, c) >= 0 {
			b.WriteString("\\" + string(hexDigits[c>>4]) + string(hexDigits[c&15]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
