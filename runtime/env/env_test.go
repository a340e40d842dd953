package env_test

import (
	"testing"

	"pinion/parser"
	"pinion/runtime/env"
	"pinion/runtime/headers"
	"pinion/runtime/runtimetest"
)

func TestMain(m *testing.M) { runtimetest.Main(m) }

func TestEnv(t *testing.T) {
	t.Setenv("PINION_TEST", "from outside")
	address := runtimetest.Serve(t, `
SetEnv A 1
SetEnv B "two words"
SetEnv C
PassEnv PINION_TEST
SetEnv D before
UnsetEnv D
SetEnv E main
<Location /sec>
UnsetEnv A PINION_TEST
SetEnv B other
UnsetEnv E
SetEnv E again
</Location>
<Location /sec/deep>
SetEnv A back
</Location>
Header set X-Out "%{A}e|%{B}e|%{C}e|%{PINION_TEST}e|%{D}e|%{E}e"
`, env.Module, headers.Module)
	for path, want := range map[string]string{
		"/":         "1|two words||from outside|(null)|main",
		"/sec":      "(null)|other||(null)|(null)|again",
		"/sec/deep": "back|other||(null)|(null)|again",
	} {
		if got := runtimetest.Field(runtimetest.Get(t, address, path), "X-Out"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for line, want := range map[string]string{
		"SetEnv A=b c":                      "bad-name",
		"PassEnv PINION_TEST_THAT_NONE_SET": "unset-variable",
		"SetEnv A b":                        "",
	} {
		g, diags := runtimetest.Compile(t, line+"\n", env.Module)
		if g == nil {
			t.Errorf("%s: got %v", line, diags)
			continue
		}
		got := ""
		for _, d := range diags {
			if d.Severity != parser.Warning {
				t.Errorf("%s: %s is no warning", line, d.Code)
			}
			got += d.Code
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
