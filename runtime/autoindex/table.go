package autoindex

import (
	"strconv"
	"strings"

	"pinion/runtime"
)

// table is HTMLTable's listing.
func (l *listing) table(all []*entry, names, descs int) {
	rule := l.tableHead()
	for i, e := range all {
		l.row(i, e, names, descs)
	}
	l.put(rule, "</table>\n")
}

// class is a cell's attribute: the class of its column for a style sheet, or else plain.
func (l *listing) class(column, plain string) string {
	if l.styleSheet.Set {
		return " class=\"indexcol" + column + "\">"
	}
	return plain
}

// tableHead puts the head of the table and returns its rule.
func (l *listing) tableHead() (rule string) {
	if l.styleSheet.Set {
		l.put("  <table id=\"indexlist\">\n   <tr class=\"indexhead\">")
	} else {
		l.put("  <table>\n   <tr>")
	}
	columns := 1
	if l.opts&suppressIcon == 0 {
		l.put("<th", l.class("icon", " valign=\"top\">"))
		if blank := find(l.icons, "^^BLANKICON^^", "", "", true); blank != "" {
			l.image(blank, "[ICO]")
			l.put("</th>")
		} else {
			l.put("&nbsp;</th>")
		}
		columns++
	}
	l.put("<th", l.class("name", ">"))
	l.heading("Name", 'N')
	for _, c := range []struct {
		bit         uint32
		class, name string
		key         byte
	}{{suppressLastModified, "lastmod", "Last modified", 'M'}, {suppressSize, "size", "Size", 'S'}, {suppressDescription, "desc", "Description", 'D'}} {
		if l.opts&c.bit == 0 {
			l.put("</th><th", l.class(c.class, ">"))
			l.heading(c.name, c.key)
			columns++
		}
	}
	if l.opts&suppressRules == 0 {
		class := ""
		if l.styleSheet.Set {
			class = " class=\"indexbreakrow\""
		}
		rule = "   <tr" + class + "><th colspan=\"" + strconv.Itoa(columns) + "\"><hr" + l.close() + "</th></tr>\n"
	}
	l.put("</th></tr>\n", rule)
	return rule
}

func (l *listing) row(i int, e *entry, names, descs int) {
	switch parity := [2]string{"even", "odd"}[i&1]; {
	case !l.styleSheet.Set:
		l.put("<tr>")
	case e.alt != "" && l.opts&addAltClass != 0:
		l.put("   <tr class=\"", parity, "-", strings.ToLower(e.alt), "\">")
	default:
		l.put("   <tr class=\"", parity, "\">")
	}
	if l.opts&suppressIcon == 0 {
		l.put("<td", l.class("icon", " valign=\"top\">"))
		if l.opts&iconsAreLinks != 0 {
			l.put("<a href=\"", e.link(), "\">")
			l.icon(e, "&nbsp;")
			l.put("</a></td>")
		} else {
			l.icon(e, "&nbsp;")
			l.put("</td>")
		}
	}
	label, fill := e.label(i), ""
	if l.nameWidth.V >= 0 {
		label, fill = fit(label, names)
	}
	l.put("<td", l.class("name", ">"), "<a href=\"", e.link(), "\">", runtime.EscapeHTML(label), "</a>", fill)
	if l.opts&suppressLastModified == 0 {
		if e.changed.IsZero() {
			l.put("</td><td", l.class("lastmod", ">"), "&nbsp;")
		} else {
			l.put("</td><td", l.class("lastmod", " align=\"right\">"), l.date(e.changed))
		}
	}
	if l.opts&suppressSize == 0 {
		l.put("</td><td", l.class("size", " align=\"right\">"), runtime.SizeText(e.size))
	}
	if l.opts&suppressDescription == 0 {
		desc := "&nbsp;"
		if e.desc != "" {
			if desc = e.desc; l.descWidth.V >= 0 {
				desc = l.cutDescription(desc, descs)
			}
		}
		l.put("</td><td", l.class("desc", ">"), desc)
	}
	l.put("</td></tr>\n")
}
