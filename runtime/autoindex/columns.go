package autoindex

import (
	"strconv"
	"strings"
	"time"

	"pinion/runtime"
	"pinion/runtime/strftime"
)

// defaultWidth is how wide the columns of names and descriptions are, in characters.
const defaultWidth = 23

func (l *listing) body(all []*entry) {
	width := func(o runtime.Opt[int], text func(*entry) string) int {
		w := o.Or(defaultWidth)
		if w >= 0 {
			return w
		}
		w = defaultWidth
		for _, e := range all {
			w = max(w, len(text(e)))
		}
		return w
	}
	names := width(l.nameWidth, func(e *entry) string { return e.name })
	descs := width(l.descWidth, func(e *entry) string { return e.desc })
	switch {
	case l.opts&htmlTable != 0:
		l.table(all, names, descs)
	case l.opts&fancyIndexing != 0:
		l.columns(all, names, descs)
	default:
		l.put("<ul>")
		for i, e := range all {
			l.put("<li><a href=\"", e.link(), "\"> ", runtime.EscapeHTML(e.label(i)), "</a></li>\n")
		}
		l.put("</ul>\n")
	}
}

// link is where the line leads. A colon before the first slash would make it a scheme.
func (e *entry) link() string {
	url := runtime.EscapeURI(e.name)
	if c := strings.IndexByte(url, ':'); c >= 0 && (strings.IndexByte(url, '/') < 0 || c < strings.IndexByte(url, '/')) {
		url = "./" + url
	}
	return runtime.EscapeHTML(url)
}

func (e *entry) label(i int) string {
	if i == 0 && strings.HasPrefix(e.name, "/") {
		return "Parent Directory"
	}
	return e.name
}

// fit cuts a label to the width, and returns the blanks that fill the rest.
func fit(label string, width int) (string, string) {
	if len(label) > width {
		return label[:max(width-3, 0)] + "..>", ""
	}
	return label, strings.Repeat(" ", width-len(label))
}

// heading is a column's name, and a link that sorts by it.
func (l *listing) heading(name string, key byte) {
	if l.opts&suppressSorting != 0 {
		l.put(name)
		return
	}
	order := "A"
	if l.key == key && l.order == 'A' {
		order = "D"
	}
	l.put("<a href=\"?C=", string(key), ";O=", order, l.args, "\">", name, "</a>")
}

// image is an icon's element.
func (l *listing) image(icon, alt string) {
	l.put("<img src=\"", runtime.EscapeHTML(icon), "\" alt=\"", alt, "\"")
	if l.iconWidth != 0 {
		l.put(" width=\"", strconv.Itoa(l.iconWidth), "\"")
	}
	if l.iconHeight != 0 {
		l.put(" height=\"", strconv.Itoa(l.iconHeight), "\"")
	}
	l.put(l.close())
}

// icon is an entry's icon, or what stands in its place.
func (l *listing) icon(e *entry, blank string) {
	if icon := orElse(e.icon, l.defaultIcon.V); icon != "" {
		l.image(icon, "["+orElse(e.alt, "   ")+"]")
	} else {
		l.put(blank)
	}
}

func (l *listing) date(t time.Time) string {
	return string(strftime.Append(nil, t.Local(), orElse(l.dateFormat, "%Y-%m-%d %H:%M"))) + "  "
}

// columns is FancyIndexing's listing: preformatted text.
func (l *listing) columns(all []*entry, names, descs int) {
	has := func(bit uint32) bool { return l.opts&bit == 0 }
	l.put("<pre>")
	if has(suppressIcon) {
		if blank := find(l.icons, "^^BLANKICON^^", "", "", true); blank != "" {
			l.image(blank, "Icon ")
			l.put(" ")
		} else {
			l.put("      ")
		}
	}
	l.heading("Name", 'N')
	l.put(strings.Repeat(" ", max(names-4, 0)), " ")
	if has(suppressLastModified) {
		l.heading("Last modified", 'M')
		l.put("      ")
	}
	if has(suppressSize) {
		l.heading("Size", 'S')
		l.put("  ")
	}
	if has(suppressDescription) {
		l.heading("Description", 'D')
	}
	l.rule("<hr", l.close(), "")
	for i, e := range all {
		if has(suppressIcon) {
			if has(iconsAreLinks) {
				l.icon(e, "     ")
				l.put(" ")
			} else {
				l.put("<a href=\"", e.link(), "\">")
				l.icon(e, "     ")
				l.put("</a> ")
			}
		}
		label, fill := fit(e.label(i), names)
		l.put("<a href=\"", e.link(), "\">", runtime.EscapeHTML(label), "</a>", fill, " ")
		if has(suppressLastModified) {
			if e.changed.IsZero() {
				l.put("                   ")
			} else {
				l.put(l.date(e.changed))
			}
		}
		if has(suppressSize) {
			l.put(runtime.SizeText(e.size), "  ")
		}
		if has(suppressDescription) && e.desc != "" {
			l.put(l.cutDescription(e.desc, descs))
		}
		l.put("\n")
	}
	if has(suppressRules) {
		l.put("<hr", l.close())
	}
	l.put("</pre>\n")
}

// rule puts a line between heading and entries, or without rules a line feed.
func (l *listing) rule(parts ...string) {
	if l.opts&suppressRules != 0 {
		l.put("\n")
		return
	}
	l.put(parts...)
}

// cutDescription cuts a description to its width; tags take no room in it, and an entity is one character. Without a
// DescriptionWidth it may take the room of columns that are not shown.
func (l *listing) cutDescription(desc string, width int) string {
	if !l.descWidth.Set {
		for bit, room := range map[uint32]int{suppressIcon: 6, suppressLastModified: 19, suppressSize: 7} {
			if l.opts&bit != 0 {
				width += room
			}
		}
	}
	x := 0
	for ; x < len(desc) && (width > 0 || desc[x] == '<'); x++ {
		end := byte(0)
		switch desc[x] {
		case '<':
			end = '>'
		case '&':
			end = ';'
			width--
		default:
			width--
			continue
		}
		i := strings.IndexByte(desc[x:], end)
		if i < 0 {
			return desc
		}
		x += i
	}
	if width == 0 && x < len(desc) && x > 0 {
		return desc[:x-1] + ">"
	}
	return desc
}
