package mime

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"pinion/parser"
	"pinion/runtime"
)

type serverConf struct {
	file  string
	place parser.Place
}

// graphConf is what all servers know.
type graphConf struct {
	types map[string]string // by ending; never changed
}

func setTypesConfig(c *runtime.Cmd) error {
	s := runtime.OwnServerConf[serverConf](c.Server, Module)
	s.file, s.place = c.ServerPath(c.Arg(0)), c.Node.Place
	if !c.Server.Main {
		c.Warnf("no-effect", "TypesConfig inside of a <VirtualHost> has no effect")
	}
	return nil
}

// loadTypes reads TypesConfig for all servers: httpd reads the main server's only. Without one it is the mime.types of
// ServerRoot; httpd doesn't start without that file, pinion has a table of its own for its want.
func loadTypes(c *runtime.Compiler) {
	main := runtime.ServerConf[serverConf](c.Graph.Main, Module)
	if main == nil {
		main = &serverConf{}
	}
	types := readTypes(c, main)
	if types == nil {
		types = commonTypes
	}
	runtime.OwnGraphConf[graphConf](c.Graph, Module).types = types
}

func readTypes(c *runtime.Compiler, main *serverConf) map[string]string {
	if c.Offline {
		return nil
	}
	if main.file != "" {
		text, err := os.ReadFile(main.file)
		if err != nil {
			c.Report(&parser.Diagnostic{Code: "no-file", Place: main.place, Summary: "could not open mime types config file: " + err.Error()})
			return nil
		}
		c.Watch(main.file)
		return parseTypes(text)
	}
	for _, name := range []string{"conf/mime.types", "mime.types"} {
		file := filepath.Join(c.Tree.ServerRoot, name)
		if text, err := os.ReadFile(file); err == nil {
			c.Watch(file)
			return parseTypes(text)
		}
	}
	return nil
}

// parseTypes reads lines of a media type and its endings.
func parseTypes(text []byte) map[string]string {
	types := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		for _, end := range words[1:] {
			types[strings.ToLower(end)] = words[0]
		}
	}
	return types
}

// commonTypes are the media types of the files that are met most, as the IANA has them registered.
var commonTypes = parseTypes([]byte(`
text/html html htm
text/css css
text/javascript js mjs
text/plain txt text conf log
text/csv csv
text/markdown md
text/xml xml
text/calendar ics
text/vtt vtt
application/json json map
application/ld+json jsonld
application/manifest+json webmanifest
application/xhtml+xml xhtml
application/atom+xml atom
application/rss+xml rss
application/pdf pdf
application/zip zip
application/gzip gz
application/x-tar tar
application/x-7z-compressed 7z
application/wasm wasm
application/octet-stream bin exe dll iso img
application/msword doc
application/vnd.ms-excel xls
application/vnd.ms-powerpoint ppt
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.oasis.opendocument.text odt
application/vnd.oasis.opendocument.spreadsheet ods
application/java-archive jar war
image/png png
image/jpeg jpg jpeg
image/gif gif
image/svg+xml svg
image/webp webp
image/avif avif
image/bmp bmp
image/tiff tif tiff
image/vnd.microsoft.icon ico
font/woff woff
font/woff2 woff2
font/ttf ttf
font/otf otf
audio/mpeg mp3
audio/ogg ogg oga
audio/wav wav
audio/flac flac
video/mp4 mp4 m4v
video/webm webm
video/ogg ogv
video/quicktime mov
`))
