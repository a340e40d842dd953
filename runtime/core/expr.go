package core

import (
	"strings"

	"pinion/runtime"
)

// stringExpr compiles text, of argument i, as an expression that makes a string. Text without %{ and backslashes
// stands for itself.
func stringExpr(c *runtime.Cmd, i int, text string) (func(*runtime.Request) string, error) {
	if strings.Contains(text, "%{") {
		return nil, c.ArgErrorf(i, "bad-expression", "expressions are not available in this build: %q", c.Arg(i))
	}
	return func(*runtime.Request) string { return text }, nil
}
