package parser

import (
	"encoding/json"
	"io"

	"pinion/grammar"
)

// maxChain bounds the links that are written of one chain: files that include each other make long ones.
const maxChain = 200

type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"` // in bytes, from 1
	Offset int `json:"offset"`
}

type jsonPlace struct {
	File  string   `json:"file"`
	Start *jsonPos `json:"start,omitempty"`
	End   *jsonPos `json:"end,omitempty"`
}

type jsonNamedPlace struct {
	jsonPlace
	Text string `json:"text"`
}

type jsonDiagnostic struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	jsonPlace
	Related  []jsonNamedPlace `json:"related,omitempty"`
	Chain    []jsonNamedPlace `json:"chain,omitempty"` // of Include and Use, innermost first, at most maxChain
	Repeated int              `json:"repeated,omitempty"`
}

// WriteJSON writes diagnostics as one JSON array, one line each.
func WriteJSON(w io.Writer, diags Diagnostics) error {
	all := make([]json.RawMessage, len(diags))
	for i, d := range diags {
		j := jsonDiagnostic{Severity: d.Severity.String(), Code: d.Code, Summary: d.Summary, Detail: d.Detail,
			jsonPlace: placeToJSON(d.Place.File, d.Place.Range), Repeated: d.Repeated}
		for _, a := range d.Also {
			j.Related = append(j.Related, jsonNamedPlace{placeToJSON(a.Place.File, a.Place.Range), a.Summary})
		}
		for f := d.Place.Chain; f != nil && len(j.Chain) < maxChain; f = f.Up {
			j.Chain = append(j.Chain, jsonNamedPlace{placeToJSON(f.File, f.Range), f.What})
		}
		b, err := json.Marshal(j)
		if err != nil {
			return err
		}
		all[i] = b
	}
	return writeArray(w, all)
}

func writeArray(w io.Writer, all []json.RawMessage) error {
	out := []byte{'['}
	for i, b := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, '\n'), b...)
	}
	_, err := w.Write(append(out, "\n]\n"...))
	return err
}

func placeToJSON(file string, r grammar.Range) jsonPlace {
	p := jsonPlace{File: file}
	if r.Start.Line > 0 {
		p.Start = &jsonPos{r.Start.Line, r.Start.Col, r.Start.Offset}
		p.End = &jsonPos{r.End.Line, r.End.Col, r.End.Offset}
	}
	return p
}
