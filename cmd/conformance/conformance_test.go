package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pinion/cmd/conformance/casefile"
	_ "pinion/reload"      // what the program that is built here is made of: go test must not take
	_ "pinion/runtime/all" // an old result for its own where that has changed
)

// TestConformance compares pinion with every recorded answer of httpd 2.4.71. It needs no httpd.
func TestConformance(t *testing.T) {
	cases, err := casefile.LoadDir("../../testdata/conformance")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 120 {
		t.Fatalf("expected the cases of testdata/conformance, found %d", len(cases))
	}
	binary := os.Getenv("PINION")
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "pinion")
		if out, err := exec.Command("go", "build", "-o", binary, "../pinion").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	target, err := casefile.ParseTarget(binary + " -X --no-watch -f {conf}")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			diff, err := c.Replay(t.Context(), target)
			if err == nil && diff == "" {
				return
			}
			// On a machine that is busy with the other packages' tests a step can come too late for what httpd was
			// recorded with. What pinion does otherwise it does otherwise twice.
			t.Logf("differs at the first try: %v\n%s", err, diff)
			casefile.Run(t, c, target)
		})
	}
}
