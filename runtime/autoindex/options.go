package autoindex

import (
	"strconv"
	"strings"

	"pinion/runtime"
)

// Bits of IndexOptions.
const (
	fancyIndexing uint32 = 1 << iota
	foldersFirst
	htmlTable
	iconsAreLinks
	ignoreCase
	ignoreClient
	scanTitles
	suppressSorting
	suppressDescription
	suppressPreamble
	suppressIcon
	suppressLastModified
	suppressSize
	suppressRules
	trackModified
	versionSort
	xhtml
	showForbidden
	addAltClass
	noOptions
)

var optionNames = map[string]uint32{"fancyindexing": fancyIndexing, "foldersfirst": foldersFirst, "htmltable": htmlTable,
	"iconsarelinks": iconsAreLinks, "ignorecase": ignoreCase, "ignoreclient": ignoreClient, "scanhtmltitles": scanTitles,
	"suppresscolumnsorting": suppressSorting, "suppressdescription": suppressDescription, "suppresshtmlpreamble": suppressPreamble,
	"suppressicon": suppressIcon, "suppresslastmodified": suppressLastModified, "suppresssize": suppressSize, "suppressrules": suppressRules,
	"trackmodified": trackModified, "versionsort": versionSort, "xhtml": xhtml, "showforbidden": showForbidden, "addaltclass": addAltClass}

// optionSet is what IndexOptions lines of one place say: a whole set, and options to add and to remove.
type optionSet struct {
	whole    uint32 // 0 where none is set
	add, sub uint32
}

func (o optionSet) over(b optionSet) optionSet {
	switch {
	case o.whole == noOptions:
		return o
	case o.whole != 0:
		return optionSet{whole: (o.whole | o.add) &^ o.sub}
	}
	n := optionSet{add: (b.add | o.add) &^ o.sub, sub: b.sub | o.sub}
	n.whole = (b.whole&^noOptions | n.add) &^ n.sub
	return n
}

func (o optionSet) bits() uint32 { return (o.whole | o.add) &^ o.sub }

func setOptions(c *runtime.Cmd) error {
	d := own(c)
	o := &d.options
	for i, a := range c.Node.Args {
		name, sign := a, byte(0)
		if a != "" && (a[0] == '+' || a[0] == '-') {
			sign, name = a[0], a[1:]
		}
		name = strings.ToLower(name)
		bit, ok := optionNames[name]
		switch {
		case name == "none" && sign != 0:
			return c.ArgErrorf(i, "bad-value", "IndexOptions None takes no + or -")
		case name == "none":
			*o, bit = optionSet{}, noOptions
		case !ok:
			if err := setDetail(c, d, i, sign, name); err != nil {
				return err
			}
		}
		switch sign {
		case '+':
			o.add, o.sub = o.add|bit, o.sub&^bit
		case '-':
			o.sub, o.add = o.sub|bit, o.add&^bit
		default:
			o.whole |= bit
			o.add, o.sub = 0, 0
		}
	}
	if o.whole&noOptions != 0 && o.whole != noOptions {
		return c.Errorf("bad-value", "other IndexOptions can't stand beside None")
	}
	return nil
}

// setDetail sets an option that has a value, or takes one back.
func setDetail(c *runtime.Cmd, d *dirConf, i int, sign byte, name string) error {
	key, _, valued := strings.Cut(name, "=")
	value := ""
	if valued {
		_, value, _ = strings.Cut(c.Arg(i), "=")
	}
	if valued && sign == '-' && key != "type" && key != "charset" {
		return c.ArgErrorf(i, "bad-value", "%s with a value takes no -", key)
	}
	switch key {
	case "iconwidth", "iconheight":
		to, size := &d.iconWidth, 20
		if key == "iconheight" {
			to, size = &d.iconHeight, 22
		}
		switch {
		case valued:
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return c.ArgErrorf(i, "bad-value", "expected a number of pixels, found %q", value)
			}
			*to = n
		case sign == '-':
			*to = 0
		default:
			*to = size
		}
	case "namewidth":
		return setWidth(c, i, &d.nameWidth, sign, valued, value, 5)
	case "descriptionwidth":
		return setWidth(c, i, &d.descWidth, sign, valued, value, 12)
	case "type":
		d.contentType = value
	case "charset":
		d.charset = value
	case "useolddateformat":
		d.dateFormat = "%d-%b-%Y %H:%M"
	default:
		return c.ArgErrorf(i, "bad-value", "unknown option %q of IndexOptions", c.Arg(i))
	}
	return nil
}

// maxWidth bounds the width of a column, in characters.
const maxWidth = 4096

func setWidth(c *runtime.Cmd, i int, to *runtime.Opt[int], sign byte, valued bool, value string, least int) error {
	switch {
	case !valued && sign != '-':
		return c.ArgErrorf(i, "bad-value", "%s needs a value, or a - in front", c.Arg(i))
	case !valued:
		*to = runtime.Some(23)
		return nil
	case strings.HasPrefix(value, "*"):
		*to = runtime.Some(-1)
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n != 0 && n < least || n > maxWidth {
		return c.ArgErrorf(i, "bad-value", "expected a width from %d to %d, or *, found %q", least, maxWidth, value)
	}
	*to = runtime.Some(n)
	return nil
}
