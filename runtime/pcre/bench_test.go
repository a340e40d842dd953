package pcre

import (
	"regexp"
	"testing"
)

// benchmarks are the shapes that configurations are made of.
var benchmarks = []struct{ name, pattern, subject string }{
	{"prefix", `^/app/`, "/app/index.html?x=1"},
	{"prefixRest", `^/app/(.*)$`, "/app/some/longer/path/index.html"},
	{"prefixOptional", `^/app(/.*)?$`, "/app/some/longer/path/index.html"},
	{"segments", `^/([^/]+)/([0-9]+)/(.*)$`, "/shop/12345/some/longer/path/index.html"},
	{"all", `^(.*)$`, "/app/some/longer/path/index.html"},
	{"star", `.*`, "/app/some/longer/path/index.html"},
	{"extension", `\.php$`, "/app/some/longer/path/index.php"},
	{"extensions", `\.(gif|jpe?g|png|css|js)$`, "/app/some/longer/path/style.css"},
	{"extensionsFold", `(?i)\.(gif|jpe?g|png|css|js)$`, "/app/some/longer/path/style.CSS"},
	{"beforeExtension", `^(.*)\.html$`, "/app/some/longer/path/index.html"},
	{"literal", `Googlebot`, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
	{"methods", `^(TRACE|TRACK|OPTIONS)`, "OPTIONS"},
	{"words", `(?i)(bot|crawler|spider)`, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"},
	{"host", `^(?:www\.)?(.+)\.example\.com$`, "www.shop.example.com"},
	{"lookahead", `^/(?!static/)(.*)$`, "/app/some/longer/path/index.html"},
	{"bytes", `^/app/(.*)$`, "/app/caf\xc3\xa9/index.html"},
	{"miss", `^/admin/(.*)$`, "/app/some/longer/path/index.html"},
	{"missWithin", `/admin/(.*)$`, "/app/some/longer/path/index.html"},
}

func BenchmarkFind(b *testing.B) {
	for _, bm := range benchmarks {
		re, err := Compile(bm.pattern, Default)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bm.name+"/pcre", func(b *testing.B) {
			b.ReportAllocs()
			loc := make([]int, 2+2*re.NumSubexp())
			for b.Loop() {
				if _, err := re.Find(bm.subject, loc); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bm.name+"/pcre-match", func(b *testing.B) {
			for b.Loop() {
				re.MatchString(bm.subject)
			}
		})
		std, err := regexp.Compile("(?s)" + bm.pattern)
		if err != nil {
			continue // Go's regexp has no look-around
		}
		b.Run(bm.name+"/go", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				std.FindStringSubmatchIndex(bm.subject)
			}
		})
		b.Run(bm.name+"/go-match", func(b *testing.B) {
			for b.Loop() {
				std.MatchString(bm.subject)
			}
		})
	}
}
