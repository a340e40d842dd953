package runtime

import "time"

// dateMasks are the forms of a date behind the day of the week, as httpd's apr_date_parse_http reads them: # is a digit,
// @ a capital, $ a small letter, ~ a digit or blank; what follows the last position is not looked at. day, month, year,
// clock are where those begin, year2 tells that the year has two digits.
var dateMasks = []struct {
	mask                    string
	day, month, year, clock int
	oneDigit, year2         bool
}{
	{"## @$$ #### ##:##:## ", 0, 3, 7, 12, false, false},
	{"##-@$$-## ##:##:## ", 0, 3, 7, 10, false, true},
	{"@$$ ~# ##:##:## ####", 4, 0, 16, 7, false, false},
	{"# @$$ #### ##:##:## ", 0, 2, 6, 11, true, false},
}

const monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"

var monthDays = [12]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// ParseHTTPDate reads an HTTP date (RFC 9110 5.6.7), leniently as httpd does: in seconds since 1970, 0 and not ok for what is none.
func ParseHTTPDate(s string) (int64, bool) {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	// The day of the week says nothing.
	for len(s) > 0 && s[0] != ' ' {
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	s = s[1:]
	for _, m := range dateMasks {
		if !fits(s, m.mask) {
			continue
		}
		width := 2
		if m.oneDigit {
			width = 1
		}
		day := digits(s[m.day : m.day+width])
		year := 0
		if m.year2 {
			if year = 1900 + digits(s[m.year:m.year+2]); year < 1970 {
				year += 100
			}
		} else {
			year = digits(s[m.year : m.year+4])
		}
		return makeDate(year, s[m.month:m.month+3], day, s[m.clock:m.clock+8])
	}
	return 0, false
}

func makeDate(year int, name string, day int, clock string) (int64, bool) {
	month := -1
	for i := 0; i < 12; i++ {
		if monthNames[3*i:3*i+3] == name {
			month = i
		}
	}
	hour, minute, second := digits(clock[:2]), digits(clock[3:5]), digits(clock[6:8])
	if month < 0 || year < 1900 || day < 1 || day > monthDays[month] || hour > 23 || minute > 59 || second > 61 {
		return 0, false
	}
	t := time.Date(year, time.Month(month+1), day, hour, minute, second, 0, time.UTC)
	if month == 1 && day == 29 && t.Month() != time.February {
		return 0, false
	}
	sec := t.Unix()
	return sec, sec != 0
}

func fits(s, mask string) bool {
	if len(s) < len(mask) {
		return false
	}
	for i := 0; i < len(mask); i++ {
		c := s[i]
		digit := c >= '0' && c <= '9'
		ok := c == mask[i]
		switch mask[i] {
		case '#':
			ok = digit
		case '~':
			ok = digit || c == ' '
		case '@':
			ok = c >= 'A' && c <= 'Z'
		case '$':
			ok = c >= 'a' && c <= 'z'
		}
		if !ok {
			return false
		}
	}
	return true
}

// digits reads digits; a blank counts as 0.
func digits(s string) (n int) {
	for i := 0; i < len(s); i++ {
		n *= 10
		if s[i] != ' ' {
			n += int(s[i] - '0')
		}
	}
	return n
}
