// Command backend runs sample web applications on ports of 127.0.0.1, for the examples to stand in front of.
//
//	go run ./examples/backend 13001=1 13002=2            # each answers with its name and what it was asked
//	go run ./examples/backend -tomcat 13001=a 13002=b    # each keeps sessions as Tomcat does with that jvmRoute
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"pinion/examples/internal/app"
)

func main() {
	log.SetFlags(0)
	tomcat := flag.Bool("tomcat", false, "keep sessions in JSESSIONID")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: backend [-tomcat] PORT=NAME…")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	failed := make(chan error)
	for _, arg := range flag.Args() {
		port, name, ok := strings.Cut(arg, "=")
		if !ok {
			log.Fatalf("expected PORT=NAME, found %q", arg)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			log.Fatal(err)
		}
		var h http.Handler = app.Sample(name)
		if *tomcat {
			h = &app.Tomcat{Route: name}
		}
		go func() { failed <- http.Serve(l, h) }()
		log.Printf("backend %s: http://%s/", name, l.Addr())
	}
	log.Print("Ctrl-C ends them.")
	log.Fatal(<-failed)
}
