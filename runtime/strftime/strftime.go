// Package strftime formats times as C's strftime does in the C locale: LogFormat's and ErrorLogFormat's %{…}t.
package strftime

import (
	"strconv"
	"time"
)

// goLayouts are the conversions that Go's own layouts spell.
var goLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02",
	'D': "01/02/06", 'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM",
	'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06",
	'Y': "2006", 'z': "-0700", 'Z': "MST",
}

// Append appends t by the format. An unknown conversion is copied as it is.
func Append(dst []byte, t time.Time, format string) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			dst = append(dst, format[i])
			continue
		}
		i++
		if format[i] == 'E' || format[i] == 'O' {
			// Alternative forms are the plain ones in the C locale.
			if i+1 < len(format) {
				i++
			}
		}
		dst = appendOne(dst, t, format[i])
	}
	return dst
}

func appendOne(dst []byte, t time.Time, c byte) []byte {
	if layout, ok := goLayouts[c]; ok {
		return t.AppendFormat(dst, layout)
	}
	switch c {
	case '%':
		return append(dst, '%')
	case 'n':
		return append(dst, '\n')
	case 't':
		return append(dst, '\t')
	case 'C':
		return pad(dst, t.Year()/100)
	case 'g':
		y, _ := t.ISOWeek()
		return pad(dst, y%100)
	case 'G':
		y, _ := t.ISOWeek()
		return strconv.AppendInt(dst, int64(y), 10)
	case 'k':
		return space(dst, t.Hour())
	case 'l':
		return space(dst, (t.Hour()+11)%12+1)
	case 's':
		return strconv.AppendInt(dst, t.Unix(), 10)
	case 'u':
		return strconv.AppendInt(dst, int64((t.Weekday()+6)%7+1), 10)
	case 'w':
		return strconv.AppendInt(dst, int64(t.Weekday()), 10)
	case 'U':
		return pad(dst, (t.YearDay()-1+7-int(t.Weekday()))/7)
	case 'V':
		_, w := t.ISOWeek()
		return pad(dst, w)
	case 'W':
		return pad(dst, (t.YearDay()-1+7-int(t.Weekday()+6)%7)/7)
	}
	return append(dst, '%', c)
}

func pad(dst []byte, n int) []byte {
	if n < 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

func space(dst []byte, n int) []byte {
	if n < 10 {
		dst = append(dst, ' ')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
